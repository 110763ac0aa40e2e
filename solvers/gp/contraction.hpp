// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <vector>

#include "gp/derivatives.hpp"
#include "gp/functionals.hpp"

namespace mensura::gp {

/// One unordered pair of elementary functionals and the derivative of the kernel between them. The
/// entry of rows with weights a and b is the sum over pairs of
///   (sign_right a[left] b[right] + sign_left a[right] b[left]) derivative,
/// sign = (-1)^order because the right one acts on y and z = x - y (pairs of equals: one summand).
struct Pair {
  std::size_t left, right;
  std::size_t slot;
  double sign_left, sign_right;
  int order;
};

/// All pairs, in the one order in which every entry is summed.
std::vector<Pair> all_pairs(const Basis& basis, const Slots& slots);

/// One summand of a row of the block: (first b_first[j] + second b_second[j]) derivative[j].
struct Summand {
  const double* derivative;
  const double* b_first;
  const double* b_second;  ///< null: the first product alone
  double first, second;
};

/// out[j] = sum of the summands at j for j < n, n a multiple of eight. Summands that are zero at j
/// do not change a bit of it; there is no negative zero.
void contract(const std::vector<Summand>& summands, std::size_t n, double* out);

}  // namespace mensura::gp
