// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/cloud.hpp"
#include "transport/cost.hpp"
#include "transport/tree.hpp"
#include "transport/tree_messages.hpp"

namespace mensura::transport {

// What all solvers of trees say about the unregularised problem. Collective; `costs`: one per edge,
// with the edges' weights; clouds: one per node.

/// Value of feasible potentials of the unregularised problem, a lower bound: block ascent by exact
/// c-transforms from `at`. What is missing at a free root is shared by its edges in proportion to
/// their weights, and the leaves beside it take what that allows (reference/transport_robust 4,
/// dual bound). `epsilon`: of the regularised problem that `at` solves.
double dual_bound(const parallel::Communicator& comm, const Tree& tree,
                  const std::vector<const Cloud*>& clouds, const std::vector<Cost>& costs,
                  const NodePotentials& at, double epsilon, const std::function<void()>& poll);

/// Constants that sum to zero are free where the masses are prescribed: all fixed nodes but the
/// last get weighted mean zero. `mass`: that of every fixed node.
NodePotentials with_means_zero(const parallel::Communicator& comm, const Tree& tree,
                               const std::vector<const Cloud*>& clouds, double mass,
                               NodePotentials phi);

/// The marginal of a free node scaled to this mass, the target of its edges' rounded plans: glued
/// along the tree these are a plan of the whole.
std::vector<double> scaled_to(const parallel::Communicator& comm, std::vector<double> marginal,
                              double mass);

}  // namespace mensura::transport
