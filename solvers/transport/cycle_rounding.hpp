// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <vector>

#include "transport/cycle_sweep.hpp"

namespace mensura::transport {

/// A plan below the prescribed marginals and what it lacks of them.
struct RoundedCycle {
  double cost = 0;                          ///< of the plan
  double remainder = 0;                     ///< mass that it lacks at every node
  std::vector<std::vector<double>> missed;  ///< per node, in the nodes' own order, not negative
};

/// Collective, after a backward pass. Paths start with the exact masses of x_0 and go on by the
/// plan's conditional probabilities; at every node what is above its mass ends there. All sums are
/// of what was handed on, so that the plan has its marginals to rounding of the masses, however
/// roughly doubles resolve potentials and costs beside the regularisation.
RoundedCycle rounded_cycle(const CycleSweep& sweep, const parallel::Communicator& comm,
                           const std::function<void()>& poll);

}  // namespace mensura::transport
