// SPDX-License-Identifier: BSD-3-Clause
// Parts of graphs on a line, which are solved exactly: electrons, complete graphs and barycenters.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "graph_parts.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using namespace mensura::transport;

TEST_F(GraphParts, ElectronsOnALine) {
  // K (K H_{K-1} - (K-1)) on grids that K divides: exact but for the rounding of the sums.
  for (const auto& [electrons, value] : {std::pair{2, 2.0}, {3, 7.5}, {4, 52.0 / 3}}) {
    Task task;
    task.nodes.assign(static_cast<std::size_t>(electrons), line(24));
    task.edges = all_pairs(std::vector<double>(task.nodes.size(), 1));
    task.cost.kind = CostKind::coulomb;
    task.method = Method::line;
    task.mass = 2;
    const Answer answer = solve(task);
    EXPECT_NEAR(answer.cost_linear, 2 * value, 1e-12);
    EXPECT_EQ(answer.primal_rounded, answer.dual);
    EXPECT_EQ(answer.gap_absolute, 0);
  }
}

TEST_F(GraphParts, ElectronsThatDifferOrMeetAreRefused) {
  Task task;
  task.nodes = {line(24), line(24), line(24)};
  task.edges = all_pairs({1, 1, 1});
  task.cost.kind = CostKind::coulomb;
  task.method = Method::line;
  task.nodes[2].coordinates[3] += 1e-6;
  expect_refused(task, "differ");
  for (Measure& node : task.nodes) {
    node = line(24);
    node.mass[5] = 0.5;
    for (std::size_t i = 0; i < 24; ++i) node.mass[i] = i == 5 ? 0.5 : 0.5 / 23;
  }
  expect_refused(task, "more than 1/3 of the mass");
  // The same measure with its points in another order is the same.
  task.nodes.assign(3, line(24));
  std::swap(task.nodes[1].coordinates[0], task.nodes[1].coordinates[20]);
  EXPECT_NEAR(solve(task).cost_linear, 7.5, 1e-12);
}

TEST_F(GraphParts, CompleteGraphOnALine) {
  // Equal masses: sorted points go with each other.
  Task task;
  const std::size_t n = 7;
  std::vector<std::vector<double>> sorted;
  for (std::uint64_t seed : {1, 2, 3}) {
    task.nodes.push_back(uniform(random_measure(1, n, seed)));
    sorted.push_back(task.nodes.back().coordinates);
    std::ranges::sort(sorted.back());
  }
  const std::vector<double> weights{0.5, 0.3, 0.2};
  task.edges = all_pairs(weights);
  task.cost = {.kind = CostKind::power, .power = 1.5};
  task.method = Method::line;
  task.mass = 2;
  const Answer answer = solve(task);
  double value = 0;
  for (const EdgeSpec& edge : task.edges) {
    for (std::size_t i = 0; i < n; ++i) {
      const double apart = std::abs(sorted[edge.from][i] - sorted[edge.to][i]);
      value += 2 * edge.weight * std::pow(apart, 1.5) / n;
    }
  }
  EXPECT_NEAR(answer.cost_linear, value, 1e-14);
  EXPECT_NEAR(answer.dual, value, 1e-14);
  // The potentials prove it: feasible for all tuples, and of that value.
  std::vector<std::vector<double>> phi;
  double dual = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    phi.push_back(everywhere(answer.nodes[k], task.nodes[k], answer.nodes[k].potential));
    dual += 2 * std::accumulate(phi[k].begin(), phi[k].end(), 0.0) / n;
  }
  EXPECT_NEAR(dual, value, 1e-14);
  const auto cost = [&](std::size_t k, std::size_t i, std::size_t l, std::size_t j) {
    return weights[k] * weights[l] * std::pow(distance(task.nodes[k][i], task.nodes[l][j], 1), 1.5);
  };
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t l = 0; l < n; ++l) {
        EXPECT_LE(phi[0][i] + phi[1][j] + phi[2][l],
                  cost(0, i, 1, j) + cost(0, i, 2, l) + cost(1, j, 2, l) + 1e-14);
      }
    }
  }
  ASSERT_EQ(answer.plans.size(), 3U);
  for (const PlanAnswer& plan : answer.plans) {
    const auto entries = dense(comm, plan, n, n);
    double sum = 0;
    for (std::size_t i = 0; i < n * n; ++i) {
      sum += entries[i] * std::pow(distance(task.nodes[plan.rows_node][i / n],
                                            task.nodes[plan.columns_node][i % n], 1),
                                   1.5);
    }
    double wanted = 0;
    for (std::size_t i = 0; i < n; ++i) {
      wanted +=
          2 * std::pow(std::abs(sorted[plan.rows_node][i] - sorted[plan.columns_node][i]), 1.5) / n;
    }
    EXPECT_NEAR(sum, wanted, 1e-14);
  }
}

TEST_F(GraphParts, BarycenterOnALine) {
  Task task;
  const std::size_t n = 6;
  const std::vector<double> weights{0.5, 0.3, 0.2};
  std::vector<double> average(n, 0.0);
  for (std::size_t k = 0; k < 3; ++k) {
    task.nodes.push_back(uniform(random_measure(1, n, k + 1)));
    std::vector<double> sorted = task.nodes.back().coordinates;
    std::ranges::sort(sorted);
    for (std::size_t i = 0; i < n; ++i) average[i] += weights[k] * sorted[i];
    task.edges.push_back({k, 3, weights[k], std::nullopt});
  }
  task.nodes.push_back(task.nodes[0]);
  task.free = 3;
  task.shape = Shape::star;
  task.method = Method::line;
  const Answer answer = solve(task);
  const NodeAnswer& centre = answer.nodes[3];
  EXPECT_TRUE(centre.free_places);
  ASSERT_EQ(centre.input_total, static_cast<std::int64_t>(n));
  std::vector<std::uint64_t> all(n);
  std::iota(all.begin(), all.end(), std::uint64_t{0});
  const auto places = values_at(comm, centre.ids, centre.coordinates, 1, all);
  const auto masses = values_at(comm, centre.ids, centre.mass, 1, all);
  for (std::size_t i = 0; i < n; ++i) {
    EXPECT_NEAR(places[i], average[i], 1e-15);
    EXPECT_NEAR(masses[i], 1.0 / n, 1e-15);
  }
  double value = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    std::vector<double> sorted = task.nodes[k].coordinates;
    std::ranges::sort(sorted);
    for (std::size_t i = 0; i < n; ++i) {
      value += weights[k] * (sorted[i] - average[i]) * (sorted[i] - average[i]) / n;
    }
    // The leaf's mass goes to the average of its rank.
    const auto map = everywhere(answer.nodes[k], task.nodes[k], answer.nodes[k].map);
    for (std::size_t i = 0; i < n; ++i) {
      const auto rank = static_cast<std::size_t>(
          std::ranges::lower_bound(sorted, task.nodes[k][i][0]) - sorted.begin());
      EXPECT_NEAR(map[i], average[rank], 1e-15);
    }
  }
  EXPECT_NEAR(answer.primal_rounded, value, 1e-15);
  EXPECT_NEAR(answer.dual, value, 1e-15);
}

}  // namespace
