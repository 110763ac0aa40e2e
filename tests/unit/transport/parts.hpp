// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "dense.hpp"
#include "parallel/exact_sum.hpp"
#include "transport/part.hpp"

namespace mensura::test {

/// This rank's block of a measure as load_marginal() would give it.
inline transport::Marginal marginal_of(const parallel::Communicator& comm, const Measure& measure,
                                       const std::string& name) {
  const parallel::Blocks blocks{static_cast<std::int64_t>(measure.size()), comm.size()};
  const auto first = static_cast<std::size_t>(blocks.begin(comm.rank()));
  const auto own = static_cast<std::size_t>(blocks.size(comm.rank()));
  transport::Marginal result;
  result.name = name;
  result.dimension = measure.dimension;
  result.total = result.input_total = static_cast<std::int64_t>(measure.size());
  for (std::size_t i = first; i < first + own; ++i) {
    result.coordinates.insert(result.coordinates.end(), measure[i], measure[i] + measure.dimension);
    result.mass.push_back(measure.mass[i]);
    result.ids.push_back(measure.ids[i]);
  }
  return result;
}

/// Measures around a free centre, which is node 0; the leaves follow.
struct StarTask {
  std::vector<Measure> nodes;
  std::vector<double> weights;  ///< one per leaf
  double epsilon = 1;
  transport::Problem problem{};  ///< without marginals and edges
};

inline std::unique_ptr<transport::Part> part_of_star(const parallel::Communicator& comm,
                                                     const StarTask& task) {
  transport::Problem problem = task.problem;
  std::vector<transport::Marginal> marginals;
  std::vector<std::size_t> nodes(task.nodes.size()), edges(task.weights.size());
  std::iota(nodes.begin(), nodes.end(), std::size_t{0});
  std::iota(edges.begin(), edges.end(), std::size_t{0});
  for (const std::size_t k : nodes) {
    transport::MarginalSpec spec;
    spec.name = k == 0 ? "z" : std::string(1, static_cast<char>('a' + k - 1));
    spec.free = k == 0;
    if (spec.free && !problem.per_edge) {
      spec.support = static_cast<std::int64_t>(task.nodes[0].size());
    }
    problem.marginals.push_back(spec);
    marginals.push_back(marginal_of(comm, task.nodes[k], spec.name));
    if (k > 0) problem.edges.push_back({0, k, task.weights[k - 1], std::nullopt});
  }
  return transport::make_part(comm, transport::part_of(problem, nodes, edges), marginals,
                              task.epsilon, [] {});
}

inline transport::Answer solve(transport::Part& part) {
  while (!part.finished()) part.advance([] {});
  return part.describe([] {});
}

/// Collective. Values of a node's points in the order of the measure, on every rank.
inline std::vector<double> everywhere(const parallel::Communicator& comm,
                                      const transport::NodeAnswer& node, const Measure& measure,
                                      const std::vector<double>& values, int width = 1) {
  return transport::values_at(comm, node.ids, values, width, measure.ids);
}

/// Collective. A plan between two nodes as a matrix, row-major over the measures, on every rank;
/// ids are places in the measures here.
inline std::vector<double> dense(const parallel::Communicator& comm,
                                 const transport::PlanAnswer& plan, std::size_t rows,
                                 std::size_t columns) {
  std::vector<parallel::ExactSum> sums(rows * columns);
  for (std::size_t i = 0; i < plan.row_ids.size(); ++i) {
    for (auto k = static_cast<std::size_t>(plan.row_starts[i]);
         k < static_cast<std::size_t>(plan.row_starts[i + 1]); ++k) {
      sums[plan.row_ids[i] * columns + static_cast<std::size_t>(plan.columns[k])].add(
          plan.values[k]);
    }
  }
  parallel::reduce(comm, sums);
  std::vector<double> result;
  for (const auto& sum : sums) result.push_back(sum.value());
  return result;
}

inline Measure uniform(Measure measure) {
  measure.mass.assign(measure.size(), 1 / static_cast<double>(measure.size()));
  return measure;
}

}  // namespace mensura::test
