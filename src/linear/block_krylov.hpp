// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>

#include "linear/lanes.hpp"
#include "parallel/communicator.hpp"

namespace mensura::linear {

/// y = A x for eight vectors: own rows, x and y apart. Collective.
using BlockOperator = std::function<void(std::span<const Eight> x, std::span<Eight> y)>;

/// When a system counts as solved: the energy r' M r of the error, as the preconditioner M has it,
/// is at most tolerance^2 b' M b, or, with `whole` given, allowed(left): `left` = whole - b' x is
/// what the solution does not explain of an energy that it can at most reach. What is below
/// floor^2 b' M b is rounding, and does in any case.
struct BlockGoal {
  double tolerance = 1e-8;
  const std::array<double, 8>* whole = nullptr;
  std::function<double(double left)> allowed{};
  double floor = 1e-13;
};

struct BlockReport {
  std::int64_t iterations = 0;  ///< of the slowest system
  std::array<double, 8>
      residual{};          ///< sqrt(r' M r / b' M b) as the recurrence has it; 0 for b = 0
  bool converged = false;  ///< all to the goal
};

/// Collective. Preconditioned conjugate gradients (Hestenes and Stiefel 1952) for eight systems
/// with one symmetric positive definite matrix side by side, each with coefficients of its own; one
/// that has converged waits for the others. `x`: the solutions; the start is zero, so that the
/// energy b . x falls short of the exact one by the square of the error only. Inner products
/// are exact sums: the numbers of ranks differ in what the operators round. Throws Error{numerical}
/// on all ranks where a curvature is not positive or a number is not finite. `poll`: called in
/// every iteration.
BlockReport block_conjugate_gradients(const parallel::Communicator& comm,
                                      const BlockOperator& apply, const BlockOperator& precondition,
                                      std::span<const Eight> b, std::span<Eight> x,
                                      const BlockGoal& goal, std::int64_t limit,
                                      const std::function<void()>& poll);

}  // namespace mensura::linear
