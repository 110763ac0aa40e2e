// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <vector>

#include "transport/cycle.hpp"

namespace mensura::transport {

/// A node with its points brought into an order in which neighbours are close.
struct CycleNode {
  std::size_t size = 0;
  std::vector<double> coordinates, mass, log_mass;
  std::vector<std::size_t> order;  ///< position in the problem
};

/// The costs of an inner edge between two nodes (rows: the first one), weight included.
struct CycleCosts {
  std::size_t rows = 0, columns = 0;
  std::vector<double> entries;
  double operator()(std::size_t i, std::size_t j) const { return entries[i * columns + j]; }
};

/// The problem as every rank works on it, and which columns (values of x_0) are its own: whole
/// groups of eight, so that sums over a group do not depend on the number of ranks.
struct CycleData {
  int dimension = 1;
  std::vector<CycleNode> nodes;
  std::vector<std::shared_ptr<const CycleCosts>> edges;  ///< [k]: k -> k + 1, 1 <= k <= K - 2
  std::size_t groups = 0, first_group = 0;               ///< own
  /// Of the first and the last edge: own groups x n_1 (n_{K-1}) x 8. Lanes beyond the last column
  /// repeat it and have no mass.
  std::vector<double> first_costs, last_costs;
  std::vector<double> column_log_mass;  ///< own groups x 8; -inf without mass
  double largest_cost = 0;              ///< a bound of the cost of a path

  std::size_t count() const noexcept { return nodes.size(); }
  /// The column of a lane of an own group.
  std::size_t column(std::size_t group, std::size_t lane) const noexcept {
    return (first_group + group) * 8 + lane;
  }
};

/// Collective. Throws Error{input_data} on all ranks for a problem that is none.
CycleData make_cycle_data(const parallel::Communicator& comm, const CycleProblem& problem);

}  // namespace mensura::transport
