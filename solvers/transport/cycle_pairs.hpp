// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>

#include "transport/cycle_sweep.hpp"

namespace mensura::transport {

/// A part of the plan's marginal of two neighbouring nodes: points (in the nodes' own order), the
/// mass of some own columns there, the cost.
using VisitPair = std::function<void(std::size_t i, std::size_t j, double mass, double cost)>;
using VisitEdgePair =
    std::function<void(std::size_t edge, std::size_t i, std::size_t j, double mass, double cost)>;

/// Collective, after a backward pass. All pairs of all edges that carry mass; pairs come again for
/// other columns.
void visit_pairs(CycleSweep& sweep, const VisitEdgePair& visit, const std::function<void()>& poll);

/// Collective, after a backward pass. The cost of the plan.
double linear_cost_of(CycleSweep& sweep, const parallel::Communicator& comm,
                      const std::function<void()>& poll);

}  // namespace mensura::transport
