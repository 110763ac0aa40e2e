// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "gp/conditioner.hpp"
#include "gp/kernel_sums.hpp"
#include "gp/state_rows.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// The linear system of a solve with the exact prior covariance K of all state rows in place of a
/// factor: A = S' K S + R + nugget diag(S' K S), as the dense conditioner factors it; S lifts
/// measurements to rows, R is the variance of the noise. Every product visits all pairs of points.
class ExactSystem {
 public:
  ExactSystem(const parallel::Communicator& comm, const StateRows& rows);  ///< Collective.

  /// Local. Takes the functionals (lift) and the noise.
  void measure(const Measurements& measurements);

  /// Collective. result = A alpha (own points), rows = K S alpha (own rows): the state.
  void apply(std::span<const double> alpha, std::span<double> result, std::span<double> rows,
             const std::function<void()>& poll);
  /// Collective. K(functional at x, rows) S alpha: its mean at any points (row-major).
  std::vector<double> mean_at(std::span<const double> coordinates, const Functional& functional,
                              std::span<const double> alpha, const std::function<void()>& poll);

  /// Pairs of points visited by all ranks, and the time that took the slowest one.
  double pairs() const noexcept { return sums_.pairs(); }
  double seconds() const noexcept { return seconds_; }

 private:
  void sum(const Rows& targets, std::span<const double> alpha, std::span<double> rows,
           const std::function<void()>& poll);

  const parallel::Communicator& comm_;
  StateRows state_;
  Covariance covariance_;
  Rows rows_;  // of all own points
  KernelSums sums_;
  std::vector<double> lift_;      // own rows
  std::vector<double> diagonal_;  // own points: A less S' K S
  double seconds_ = 0;
};

}  // namespace mensura::gp
