// SPDX-License-Identifier: BSD-3-Clause
#include "transport/exact_methods.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "parallel/by_index.hpp"
#include "transport/certificate.hpp"
#include "transport/line.hpp"

namespace mensura::transport {

double line_power(const CostSpec& cost) {
  if (cost.kind == CostKind::l1) return 1;
  return cost.kind == CostKind::power ? cost.power : 2;
}

NodeAnswer given_node(const Marginal& marginal) {
  NodeAnswer node;
  node.name = marginal.name;
  node.dimension = marginal.dimension;
  node.input_total = marginal.input_total;
  node.ids = marginal.ids;
  node.coordinates = marginal.coordinates;
  node.mass = marginal.mass;
  node.transported = marginal.mass;
  node.grid = marginal.grid;
  return node;
}

namespace {

double largest(const parallel::Communicator& comm, std::span<const double> values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return comm.max(most);
}

}  // namespace

PlanAnswer line_plan_answer(const parallel::Communicator& comm, const Marginal& a,
                            const Marginal& b) {
  const std::vector<LineEntry> entries =
      line_plan(comm, {a.coordinates, a.mass}, {b.coordinates, b.mass});
  PlanAnswer plan;
  plan.edge = a.name + "-" + b.name;
  std::vector<std::uint64_t> columns, numbers;
  std::vector<double> ids;
  const auto first =
      static_cast<std::uint64_t>(comm.exclusive_scan(static_cast<std::int64_t>(b.mass.size())));
  parallel::agree(comm, [&] {
    plan.row_ids = a.ids;
    plan.row_starts.assign(a.mass.size() + 1, 0);
    for (const LineEntry& entry : entries) {
      ++plan.row_starts[static_cast<std::size_t>(entry.row) + 1];
      columns.push_back(static_cast<std::uint64_t>(entry.column));
      plan.values.push_back(entry.mass);
    }
    std::partial_sum(plan.row_starts.begin(), plan.row_starts.end(), plan.row_starts.begin());
    for (std::size_t j = 0; j < b.mass.size(); ++j) {
      numbers.push_back(first + j);
      ids.push_back(static_cast<double>(b.ids[j]));  // below 2^53
    }
  });
  const std::vector<double> block = parallel::to_blocks(comm, ids, 1, numbers, b.total);
  const std::vector<double> found = parallel::fetch_rows(comm, block, b.total, 1, columns);
  plan.columns.assign(found.begin(), found.end());
  return plan;
}

Answer exact_answer(const parallel::Communicator& comm, const Problem& problem, const Marginal& a,
                    const Marginal& b, const std::function<void()>& poll) {
  const Weighted first{a.coordinates, a.mass}, second{b.coordinates, b.mass};
  const double weight = problem.edges.empty() ? 1 : problem.edges[0].weight;
  const double power = line_power(problem.cost);
  Answer answer;
  answer.converged = true;
  answer.reason = "as the deck says";
  answer.marginal_error_l1 = 0;
  answer.nodes = {given_node(a), given_node(b)};
  if (problem.method == Method::line) {
    LineMap line = line_map(comm, first, second, power);
    answer.method = "line";
    answer.cost_linear = weight * line.cost;
    const double scale = largest(comm, line.potential_a) + largest(comm, line.potential_b);
    set_bounds(weight * line.cost, weight * line.dual, 0, weight * scale * a.total_mass, answer);
    answer.nodes[0].map = std::move(line.map_a);
    answer.nodes[1].map = std::move(line.map_b);
    for (double& f : line.potential_a) f *= weight;
    for (double& g : line.potential_b) g *= weight;
    answer.nodes[0].potential = std::move(line.potential_a);
    answer.nodes[1].potential = std::move(line.potential_b);
    if (problem.wants_plans()) answer.plans.push_back(line_plan_answer(comm, a, b));
  } else if (problem.method == Method::circle) {
    answer.method = "circle";
    answer.cost_linear = weight * circle_cost(comm, first, second, problem.cost.period[0], power);
  } else {
    const Sliced sliced =
        sliced_cost(comm, first, second, a.dimension, problem.directions, problem.seed, poll);
    answer.method = "sliced";
    answer.cost_linear = weight * sliced.value;
    answer.standard_error = weight * sliced.standard_error;
  }
  return answer;
}

}  // namespace mensura::transport
