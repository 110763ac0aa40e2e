// SPDX-License-Identifier: BSD-3-Clause
#include "linear/dense.hpp"

#include <cmath>

#include "parallel/error.hpp"

extern "C" {
void dpotrf_(const char* uplo, const int* n, double* a, const int* lda, int* info);
void dtrsm_(const char* side, const char* uplo, const char* trans, const char* diag, const int* m,
            const int* n, const double* alpha, const double* a, const int* lda, double* b,
            const int* ldb);
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

void solve_upper(std::size_t n, const double* upper, std::size_t stride, std::size_t m, double* b,
                 std::size_t b_stride) {
  triangular("T", n, upper, stride, m, b, b_stride);
}

void solve_upper_transposed(std::size_t n, const double* upper, std::size_t stride, std::size_t m,
                            double* b, std::size_t b_stride) {
  triangular("N", n, upper, stride, m, b, b_stride);
}

}  // namespace mensura::linear
