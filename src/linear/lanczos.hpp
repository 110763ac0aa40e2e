// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>

#include "linear/block_krylov.hpp"
#include "linear/lanes.hpp"
#include "parallel/communicator.hpp"

namespace mensura::linear {

/// When Lanczos quadrature ends: after at least `least` and at most `most` steps, once the last one
/// has changed the mean of the eight values by no more than `of_error` of its standard error or by
/// no more than `absolute`.
struct QuadratureLimits {
  std::int64_t least = 8, most = 100;
  double of_error = 1e-3, absolute = 1e-4;
};

/// z' log(A) z for eight vectors z. For independent random signs every one is an unbiased estimate
/// of tr log A = log det A (Hutchinson 1989).
struct LogForms {
  std::array<double, 8> value{};
  std::int64_t steps = 0;
  double change = 0;  ///< of the mean by the last step
  double mean() const;
  double standard_error() const;  ///< of the mean, from the spread of the eight
};

/// Collective. Gauss quadrature of z' log(A) z by the Lanczos process, for eight vectors side by
/// side (Golub and Meurant 2010, chapter 7; Ubaru, Chen and Saad 2017), A symmetric positive
/// definite. Orthogonal to all earlier vectors to rounding, at the price of one block of own rows
/// for every step. Inner products are exact sums, the small eigenproblems are solved on the first
/// rank: the numbers of ranks differ in what `apply` rounds. A vector whose Krylov space ends has
/// its exact value. Throws Error{numerical} on all ranks where A is not positive definite or a
/// number is not finite. `poll`: called in every step.
LogForms log_forms(const parallel::Communicator& comm, const BlockOperator& apply,
                   std::span<const Eight> z, const QuadratureLimits& limits,
                   const std::function<void()>& poll);

}  // namespace mensura::linear
