// SPDX-License-Identifier: BSD-3-Clause
#include "linear/dense.hpp"

#include <algorithm>
#include <cmath>

#include "parallel/error.hpp"

extern "C" {
void dpotrf_(const char* uplo, const int* n, double* a, const int* lda, int* info);
void dtrsm_(const char* side, const char* uplo, const char* trans, const char* diag, const int* m,
            const int* n, const double* alpha, const double* a, const int* lda, double* b,
            const int* ldb);
void dtrmm_(const char* side, const char* uplo, const char* trans, const char* diag, const int* m,
            const int* n, const double* alpha, const double* a, const int* lda, double* b,
            const int* ldb);
void dgemm_(const char* transa, const char* transb, const int* m, const int* n, const int* k,
            const double* alpha, const double* a, const int* lda, const double* b, const int* ldb,
            const double* beta, double* c, const int* ldc);
void dsyrk_(const char* uplo, const char* trans, const int* n, const int* k, const double* alpha,
            const double* a, const int* lda, const double* beta, double* c, const int* ldc);
}

namespace mensura::linear {

namespace {

int narrow(std::size_t value) {
  parallel::require(value < (std::size_t{1} << 31U), "dense matrices are smaller than 2^31");
  return static_cast<int>(value);
}

// The row-major upper factor R is the column-major lower factor L = R'. LAPACK's lower routines
// are the faster ones in OpenBLAS (0.3.21: up to twice, at a hundred rows).
void triangular(const char* trans, std::size_t n, const double* upper, std::size_t stride,
                std::size_t m, double* b, std::size_t b_stride) {
  if (n == 0 || m == 0) return;
  const int rows = narrow(n), columns = narrow(m), lda = narrow(stride), ldb = narrow(b_stride);
  const double one = 1;
  dtrsm_("L", "L", trans, "N", &rows, &columns, &one, upper, &lda, b, &ldb);
}

void triangular_product(const char* trans, std::size_t n, const double* upper, std::size_t stride,
                        std::size_t m, double* b, std::size_t b_stride) {
  if (n == 0 || m == 0) return;
  const int rows = narrow(n), columns = narrow(m), lda = narrow(stride), ldb = narrow(b_stride);
  const double one = 1;
  dtrmm_("L", "L", trans, "N", &rows, &columns, &one, upper, &lda, b, &ldb);
}

}  // namespace

std::size_t cholesky(std::size_t n, double* a, std::size_t stride) {
  if (n == 0) return 0;
  const int size = narrow(n), lda = narrow(stride);
  int info = 0;
  dpotrf_("L", &size, a, &lda, &info);
  parallel::require(info >= 0, "dpotrf: valid arguments");
  if (info > 0) return static_cast<std::size_t>(info - 1);
  // OpenBLAS tests pivots by <= 0, which NaN passes.
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(a[i * stride + i])) return i;
  }
  return n;
}

namespace {

// The block of the trailing matrix that begins at column `c` loses its share of the panel at `k`.
void update(std::size_t n, double* a, std::size_t stride, std::size_t k, std::size_t width,
            std::size_t c, std::size_t columns) {
  const double minus = -1, one = 1;
  const int lda = narrow(stride), depth = narrow(width), across = narrow(columns);
  const double* panel = &a[k * stride];  // L_ik stands at [k * stride + i]
  dsyrk_("L", "N", &across, &depth, &minus, &panel[c], &lda, &one, &a[c * stride + c], &lda);
  const int below = narrow(n - c - columns);
  if (below == 0) return;
  dgemm_("N", "T", &below, &across, &depth, &minus, &panel[c + columns], &lda, &panel[c], &lda,
         &one, &a[c * stride + c + columns], &lda);
}

}  // namespace

std::size_t cholesky_in_pieces(std::size_t n, double* a, std::size_t stride,
                               const std::function<void(double)>& did, std::size_t panel) {
  const double one = 1;
  const int lda = narrow(stride);
  for (std::size_t k = 0; k < n; k += panel) {
    const std::size_t width = std::min(panel, n - k), rest = n - k - width;
    const std::size_t good = cholesky(width, &a[k * stride + k], stride);
    if (good < width) return k + good;
    const auto w = static_cast<double>(width);
    if (rest > 0) {
      const int below = narrow(rest), across = narrow(width);
      dtrsm_("R", "L", "T", "N", &below, &across, &one, &a[k * stride + k], &lda,
             &a[k * stride + k + width], &lda);
    }
    did(w * w * (w / 3 + static_cast<double>(rest)));
    for (std::size_t c = k + width; c < n; c += panel) {
      const std::size_t columns = std::min(panel, n - c);
      update(n, a, stride, k, width, c, columns);
      did(w * static_cast<double>(columns) *
          (2 * static_cast<double>(n - c - columns) + static_cast<double>(columns)));
    }
  }
  return n;
}

void solve_upper(std::size_t n, const double* upper, std::size_t stride, std::size_t m, double* b,
                 std::size_t b_stride) {
  triangular("T", n, upper, stride, m, b, b_stride);
}

void solve_upper_transposed(std::size_t n, const double* upper, std::size_t stride, std::size_t m,
                            double* b, std::size_t b_stride) {
  triangular("N", n, upper, stride, m, b, b_stride);
}

void multiply_upper(std::size_t n, const double* upper, std::size_t stride, std::size_t m,
                    double* b, std::size_t b_stride) {
  triangular_product("T", n, upper, stride, m, b, b_stride);
}

void multiply_upper_transposed(std::size_t n, const double* upper, std::size_t stride,
                               std::size_t m, double* b, std::size_t b_stride) {
  triangular_product("N", n, upper, stride, m, b, b_stride);
}

}  // namespace mensura::linear
