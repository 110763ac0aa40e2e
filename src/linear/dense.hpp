// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <functional>

namespace mensura::linear {

// Small dense matrices, row-major with a stride (LAPACK sees the transposed, column-major matrix).
// Local; sizes below 2^31.

/// Overwrites the upper triangle of the symmetric n x n matrix by its Cholesky factor R, A = R' R;
/// reads and writes nothing below the diagonal. Returns n when A is positive definite, else the
/// number of leading rows that are (NaN and infinity are not).
std::size_t cholesky(std::size_t n, double* a, std::size_t stride);

/// The same for matrices that take long: `did` is called after every piece of about 4 n panel^2
/// flops at most, with the flops of the piece. (A right-looking factor with tiled updates; another
/// order of sums than cholesky.)
std::size_t cholesky_in_pieces(std::size_t n, double* a, std::size_t stride,
                               const std::function<void(double)>& did, std::size_t panel = 256);

/// Solves R x = b for every row of the m x n matrix b, in place. With unit rows: rows of R^-T.
void solve_upper(std::size_t n, const double* upper, std::size_t stride, std::size_t m, double* b,
                 std::size_t b_stride);

/// Solves R' x = b for every row of b, in place.
void solve_upper_transposed(std::size_t n, const double* upper, std::size_t stride, std::size_t m,
                            double* b, std::size_t b_stride);

/// x := R x and x := R' x for every row x of the m x n matrix b.
void multiply_upper(std::size_t n, const double* upper, std::size_t stride, std::size_t m,
                    double* b, std::size_t b_stride);
void multiply_upper_transposed(std::size_t n, const double* upper, std::size_t stride,
                               std::size_t m, double* b, std::size_t b_stride);

}  // namespace mensura::linear
