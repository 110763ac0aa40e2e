// SPDX-License-Identifier: BSD-3-Clause
#include "transport/cycle_problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

#include "parallel/by_index.hpp"
#include "transport/cost.hpp"

namespace mensura::transport {

namespace {

[[noreturn]] void refuse(const std::string& text) {
  throw parallel::Error(parallel::ExitCode::input_data, text);
}

void check_node(const PointSet& node, std::size_t number, int dimension) {
  const std::string name = "node " + std::to_string(number) + " of the cycle ";
  if (node.dimension < 1 || node.dimension != dimension) {
    refuse(name + "has points of dimension " + std::to_string(node.dimension) +
           ", node 0 of dimension " + std::to_string(dimension));
  }
  if (node.mass.empty()) refuse(name + "has no points");
  if (node.coordinates.size() != node.size() * static_cast<std::size_t>(dimension)) {
    refuse(name + "has " + std::to_string(node.size()) + " masses and " +
           std::to_string(node.coordinates.size()) + " coordinates in dimension " +
           std::to_string(dimension));
  }
  double sum = 0;
  for (const double m : node.mass) {
    if (!(m > 0) || !std::isfinite(m)) refuse(name + "has a mass that is not positive");
    sum += m;
  }
  constexpr double rounding = 1e-9;
  if (std::abs(sum - 1) > rounding) {
    refuse(name + "has mass " + std::to_string(sum) + "; divide its masses by their sum");
  }
  if (!std::ranges::all_of(node.coordinates, [](double z) { return std::isfinite(z); })) {
    refuse(name + "has a coordinate that is not a finite number");
  }
}

void check(const CycleProblem& problem) {
  const std::size_t count = problem.nodes.size();
  if (count < 3) {
    refuse("a cycle has at least three nodes, this one has " + std::to_string(count) +
           "; two nodes are a pair");
  }
  if (problem.weights.size() != count) {
    refuse("a cycle of " + std::to_string(count) + " nodes has as many edges, not " +
           std::to_string(problem.weights.size()) + " weights");
  }
  for (const double w : problem.weights) {
    if (!(w > 0) || !std::isfinite(w))
      refuse("an edge of the cycle has a weight that is not positive");
  }
  const int dimension = problem.nodes[0].dimension;
  for (std::size_t k = 0; k < count; ++k) check_node(problem.nodes[k], k, dimension);
  if (problem.cost.kind == CostKind::matrix) {
    refuse("the cost of a cycle is a formula of the points, not a matrix");
  }
  if (problem.cost.kind == CostKind::periodic &&
      problem.cost.period.size() != static_cast<std::size_t>(dimension)) {
    refuse("a periodic cost has one period per axis");
  }
  const std::size_t ends = problem.nodes[0].coordinates.size();
  if (!problem.closing.empty() && problem.closing.size() != ends) {
    refuse("the closing map of the cycle has " + std::to_string(problem.closing.size()) +
           " coordinates; node 0 has " + std::to_string(ends));
  }
  if (!std::ranges::all_of(problem.closing, [](double z) { return std::isfinite(z); })) {
    refuse("the closing map of the cycle has a coordinate that is not a finite number");
  }
}

// Recursive bisection across the longest side: any run of neighbours is a compact set.
void bisect(const PointSet& set, std::span<std::size_t> order) {
  if (order.size() < 2) return;
  const auto d = static_cast<std::size_t>(set.dimension);
  std::size_t axis = 0;
  double longest = -1;
  for (std::size_t j = 0; j < d; ++j) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const std::size_t i : order) {
      low = std::min(low, set.coordinates[i * d + j]);
      high = std::max(high, set.coordinates[i * d + j]);
    }
    if (high - low > longest) {
      longest = high - low;
      axis = j;
    }
  }
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    const double x = set.coordinates[a * d + axis], y = set.coordinates[b * d + axis];
    return x < y || (x == y && a < b);
  });
  if (d == 1) return;
  // Halves of a multiple of eight keep groups and tiles whole.
  std::size_t half = order.size() / 2;
  if (half > 8) half = half / 8 * 8;
  bisect(set, order.first(half));
  bisect(set, order.subspan(half));
}

CycleNode ordered(const PointSet& set) {
  CycleNode node;
  node.size = set.size();
  node.order.resize(set.size());
  std::iota(node.order.begin(), node.order.end(), std::size_t{0});
  bisect(set, node.order);
  const auto d = static_cast<std::size_t>(set.dimension);
  for (const std::size_t i : node.order) {
    for (std::size_t j = 0; j < d; ++j) node.coordinates.push_back(set.coordinates[i * d + j]);
    node.mass.push_back(set.mass[i]);
    node.log_mass.push_back(std::log(set.mass[i]));
  }
  return node;
}

std::shared_ptr<const CycleCosts> costs_between(const CycleNode& x, const CycleNode& y,
                                                const Cost& cost) {
  const auto d = static_cast<std::size_t>(cost.dimension());
  auto result = std::make_shared<CycleCosts>();
  result->rows = x.size;
  result->columns = y.size;
  result->entries.reserve(x.size * y.size);
  for (std::size_t i = 0; i < x.size; ++i) {
    for (std::size_t j = 0; j < y.size; ++j) {
      result->entries.push_back(cost(&x.coordinates[i * d], &y.coordinates[j * d]));
    }
  }
  return result;
}

// Edges between the same points with the same weight share their matrix.
void make_edges(const CycleProblem& problem, CycleData& data) {
  data.edges.resize(data.count());
  for (std::size_t k = 1; k + 1 < data.count(); ++k) {
    for (std::size_t j = 1; j < k && !data.edges[k]; ++j) {
      if (problem.weights[j] == problem.weights[k] &&
          data.nodes[j].coordinates == data.nodes[k].coordinates &&
          data.nodes[j + 1].coordinates == data.nodes[k + 1].coordinates) {
        data.edges[k] = data.edges[j];
      }
    }
    if (data.edges[k]) continue;
    const Cost cost(problem.cost, problem.weights[k], data.dimension);
    data.edges[k] = costs_between(data.nodes[k], data.nodes[k + 1], cost);
  }
}

// Costs between every own column's point (n_0 x d in input order) and the points of a node.
std::vector<double> column_costs(const CycleData& data, const std::vector<double>& points,
                                 const CycleNode& node, const Cost& cost) {
  const auto d = static_cast<std::size_t>(data.dimension);
  const CycleNode& columns = data.nodes[0];
  std::vector<double> result(data.groups * node.size * 8);
  for (std::size_t g = 0; g < data.groups; ++g) {
    for (std::size_t lane = 0; lane < 8; ++lane) {
      const std::size_t a = std::min(data.column(g, lane), columns.size - 1);
      const double* at = &points[columns.order[a] * d];
      for (std::size_t i = 0; i < node.size; ++i) {
        result[(g * node.size + i) * 8 + lane] = cost(at, &node.coordinates[i * d]);
      }
    }
  }
  return result;
}

double largest_of(const std::vector<double>& values) {
  return values.empty() ? 0 : *std::ranges::max_element(values);
}

}  // namespace

CycleData make_cycle_data(const parallel::Communicator& comm, const CycleProblem& problem) {
  CycleData data;
  double largest_end = 0;
  parallel::agree(comm, [&] {
    check(problem);
    data.dimension = problem.nodes[0].dimension;
    for (const PointSet& node : problem.nodes) data.nodes.push_back(ordered(node));
    const std::size_t n = data.nodes[0].size, all_groups = (n + 7) / 8;
    const parallel::Blocks blocks{static_cast<std::int64_t>(all_groups), comm.size()};
    data.first_group = static_cast<std::size_t>(blocks.begin(comm.rank()));
    data.groups = static_cast<std::size_t>(blocks.size(comm.rank()));
    make_edges(problem, data);
    const Cost first(problem.cost, problem.weights.front(), data.dimension),
        last(problem.cost, problem.weights.back(), data.dimension);
    const std::vector<double>& start = problem.nodes[0].coordinates;
    data.first_costs = column_costs(data, start, data.nodes[1], first);
    data.last_costs = column_costs(data, problem.closing.empty() ? start : problem.closing,
                                   data.nodes.back(), last);
    for (std::size_t g = 0; g < data.groups; ++g) {
      for (std::size_t lane = 0; lane < 8; ++lane) {
        const std::size_t a = data.column(g, lane);
        data.column_log_mass.push_back(a < n ? data.nodes[0].log_mass[a]
                                             : -std::numeric_limits<double>::infinity());
      }
    }
    largest_end = largest_of(data.first_costs) + largest_of(data.last_costs);
  });
  data.largest_cost = comm.max(largest_end);
  for (std::size_t k = 1; k + 1 < data.count(); ++k) {
    data.largest_cost += largest_of(data.edges[k]->entries);
  }
  if (!std::isfinite(data.largest_cost)) {
    refuse("the costs of the cycle are not finite: its points are too far apart");
  }
  return data;
}

}  // namespace mensura::transport
