// SPDX-License-Identifier: BSD-3-Clause
// Parts of graphs as tests need them: from a task to its problem, its answer and its dense tensor.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "dense.hpp"
#include "parallel/error.hpp"
#include "parts.hpp"
#include "tensor.hpp"
#include "transport/part.hpp"

namespace mensura::test {

using transport::Answer;
using transport::CostKind;
using transport::CostSpec;
using transport::EdgeSpec;
using transport::Marginal;
using transport::MarginalKind;
using transport::MarginalSpec;
using transport::Method;
using transport::NodeAnswer;
using transport::PlanAnswer;
using transport::Problem;
using transport::Shape;

using CostFunction = std::function<double(const double*, const double*, int)>;

inline double distance(const double* x, const double* y, int dimension) {
  double squares = 0;
  for (int a = 0; a < dimension; ++a) squares += (x[a] - y[a]) * (x[a] - y[a]);
  return std::sqrt(squares);
}

class GraphParts : public ::testing::Test {
 protected:
  // This rank's block of a measure as load_marginal() would give it, with mass `total`.
  Marginal marginal(const Measure& measure, const std::string& name, double total) const {
    const parallel::Blocks blocks{static_cast<std::int64_t>(measure.size()), comm.size()};
    const auto first = static_cast<std::size_t>(blocks.begin(comm.rank()));
    const auto own = static_cast<std::size_t>(blocks.size(comm.rank()));
    Marginal result;
    result.name = name;
    result.dimension = measure.dimension;
    result.total = static_cast<std::int64_t>(measure.size());
    result.input_total = static_cast<std::int64_t>(measure.ids.back()) + 1;
    result.total_mass = total;
    for (std::size_t i = first; i < first + own; ++i) {
      result.coordinates.insert(result.coordinates.end(), measure[i],
                                measure[i] + measure.dimension);
      result.mass.push_back(total * measure.mass[i]);
      result.ids.push_back(measure.ids[i]);
    }
    return result;
  }

  struct Task {
    std::vector<Measure> nodes;
    std::vector<EdgeSpec> edges;
    Shape shape = Shape::complete;
    CostSpec cost{};
    double epsilon = 1, mass = 1;
    Method method = Method::automatic;
    std::optional<std::size_t> free{};  // a centre
    bool grids = false;
  };

  Problem problem_of(const Task& task) const {
    Problem problem;
    for (std::size_t k = 0; k < task.nodes.size(); ++k) {
      MarginalSpec spec;
      spec.name = std::string(1, static_cast<char>(97 + k));
      spec.free = task.free == k;
      spec.kind = task.grids ? MarginalKind::grid : MarginalKind::points;
      problem.marginals.push_back(spec);
    }
    problem.edges = task.edges;
    problem.shape = task.shape;
    problem.cost = task.cost;
    problem.method = task.method;
    problem.tolerance = 1e-12;
    return problem;
  }

  Answer solve(const Task& task, const Problem& problem) const {
    std::vector<Marginal> marginals;
    for (std::size_t k = 0; k < task.nodes.size(); ++k) {
      marginals.push_back(marginal(task.nodes[k], problem.marginals[k].name, task.mass));
      if (task.grids) marginals.back().grid = output::RegularGrid{};  // coordinates are y, x
    }
    const auto part = transport::make_part(comm, problem, marginals, task.epsilon, [] {});
    while (!part->finished()) part->advance([] {});
    EXPECT_TRUE(part->converged());
    return part->describe([] {});
  }
  Answer solve(const Task& task) const { return solve(task, problem_of(task)); }

  std::vector<double> everywhere(const NodeAnswer& node, const Measure& measure,
                                 const std::vector<double>& values, int width = 1) const {
    return transport::values_at(comm, node.ids, values, width, measure.ids);
  }

  // The same task for brute force, of mass one.
  static TensorProblem tensor_of(const Task& task, const CostFunction& cost) {
    TensorProblem tensor;
    tensor.epsilon = task.epsilon;
    for (const Measure& node : task.nodes) {
      tensor.sizes.push_back(node.size());
      tensor.masses.push_back(node.mass);
    }
    for (const EdgeSpec& edge : task.edges) {
      std::vector<double> costs;
      const Measure &x = task.nodes[edge.from], &y = task.nodes[edge.to];
      for (std::size_t i = 0; i < x.size(); ++i) {
        for (std::size_t j = 0; j < y.size(); ++j) {
          costs.push_back(edge.weight * cost(x[i], y[j], x.dimension));
        }
      }
      tensor.edges.push_back({edge.from, edge.to, std::move(costs)});
    }
    return tensor;
  }

  // Everything about the answer against the whole tensor. Both stop at an error of 1e-12; the rest
  // is rounding of sums of some hundred terms.
  void expect_tensor(const Task& task, const CostFunction& cost) const {
    const Answer answer = solve(task);
    const TensorProblem tensor = tensor_of(task, cost);
    const TensorPlan plan = tensor_plan(tensor, solve_tensor(tensor, 1e-13));
    TensorProblem heavy = tensor;  // the potentials' plan has the mass of the marginals
    NodeValues potentials;
    for (std::size_t k = 0; k < task.nodes.size(); ++k) {
      for (double& m : heavy.masses[k]) m *= task.mass;
      potentials.push_back(everywhere(answer.nodes[k], task.nodes[k], answer.nodes[k].potential));
      const auto ours = everywhere(answer.nodes[k], task.nodes[k], answer.nodes[k].transported);
      const auto theirs = plan.marginal(k);
      for (std::size_t i = 0; i < ours.size(); ++i) {
        EXPECT_NEAR(ours[i], task.mass * theirs[i], 1e-11);
      }
    }
    const TensorPlan own = tensor_plan(heavy, potentials);
    EXPECT_NEAR(own.total(), task.mass, 1e-10);
    EXPECT_NEAR(answer.cost_regularised, own.regularised_value(), 1e-10);
    EXPECT_NEAR(answer.cost_linear, task.mass * plan.linear_cost(), 1e-10);
    ASSERT_EQ(answer.plans.size(), task.edges.size());
    for (const PlanAnswer& edge : answer.plans) {
      const std::size_t n = task.nodes[edge.rows_node].size(),
                        m = task.nodes[edge.columns_node].size();
      const auto ours = dense(comm, edge, n, m);
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < m; ++j) {
          const bool turned = edge.rows_node > edge.columns_node;
          const auto theirs = turned ? plan.pair(edge.columns_node, edge.rows_node)[j * n + i]
                                     : plan.pair(edge.rows_node, edge.columns_node)[i * m + j];
          EXPECT_NEAR(ours[i * m + j], task.mass * theirs, 1e-11);
        }
      }
    }
    EXPECT_GE(answer.gap_absolute, 0);
    EXPECT_LE(answer.dual, answer.cost_linear + 1e-10);
    EXPECT_GE(answer.primal_rounded, answer.dual);
  }

  static std::vector<EdgeSpec> all_pairs(const std::vector<double>& weights) {
    std::vector<EdgeSpec> edges;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      for (std::size_t j = i + 1; j < weights.size(); ++j) {
        edges.push_back({i, j, weights[i] * weights[j], std::nullopt});
      }
    }
    return edges;
  }
  static Measure line(std::size_t n) {
    return grid_measure({{static_cast<std::int64_t>(n)},
                         {0.5 / static_cast<double>(n)},
                         {1 / static_cast<double>(n)}},
                        [](const std::vector<double>&) { return 1.0; });
  }
  // Rows y, columns x.
  static Measure plane(std::int64_t rows, std::int64_t columns,
                       const std::function<double(double, double)>& density) {
    const double h = 1 / static_cast<double>(std::max(rows, columns));
    return grid_measure({{rows, columns}, {h / 2, h / 2}, {h, h}},
                        [&](const std::vector<double>& at) { return density(at[1], at[0]); });
  }

  void expect_refused(const Task& task, const std::string& words) const {
    try {
      solve(task);
      ADD_FAILURE() << "accepted, expected: " << words;
    } catch (const parallel::Error& error) {
      EXPECT_EQ(error.code(), parallel::ExitCode::input_data);
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  }

  parallel::Communicator comm = parallel::Communicator::world();
};

}  // namespace mensura::test
