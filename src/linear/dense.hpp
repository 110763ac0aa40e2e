// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>

namespace mensura::linear {

// Small dense matrices, row-major with a stride (LAPACK sees the transposed, column-major matrix).
// Local; sizes below 2^31.

/// Overwrites the lower triangle of the symmetric n x n matrix by its Cholesky factor L, A = L L'.
/// Returns n when A is positive definite, else the number of leading rows that are (NaN and
/// infinity are not).
std::size_t cholesky(std::size_t n, double* a, std::size_t stride);

/// Solves L' X' = B' for every row of the m x n matrix b, in place: row r becomes x with L' x =
/// b_r. Used with unit rows: row p of L^-1.
void solve_lower_transposed(std::size_t n, const double* lower, std::size_t stride, std::size_t m,
                            double* b, std::size_t b_stride);

/// Solves L x = b for every row of b, in place.
void solve_lower(std::size_t n, const double* lower, std::size_t stride, std::size_t m, double* b,
                 std::size_t b_stride);

}  // namespace mensura::linear
