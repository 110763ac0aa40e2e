// SPDX-License-Identifier: BSD-3-Clause
// Complete graphs of squared distances on grids, solved as stars around a hidden centre: costs of
// the pairs, bounds around the exact optimum, one definition of potentials and costs.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <vector>

#include "dense.hpp"
#include "linear/petsc.hpp"
#include "parallel/exact_sum.hpp"
#include "parts.hpp"
#include "tensor.hpp"
#include "transport/part.hpp"

namespace mensura::test {

namespace {

using namespace mensura::transport;

class CompleteGraphTest : public ::testing::Test {
 protected:
  parallel::Communicator comm = parallel::Communicator::world();
  linear::PetscSession petsc{comm, {}, {}};
  std::array<double, 3> weights{0.5, 0.2, 0.3};

  static output::RegularGrid grid_of(const std::vector<std::int64_t>& shape) {
    output::RegularGrid grid;
    grid.shape = shape;
    for (const std::int64_t n : shape) {
      grid.spacing.push_back(1.0 / static_cast<double>(n));
      grid.origin.push_back(0.5 / static_cast<double>(n));
    }
    return grid;
  }

  static Measure on_grid(const output::RegularGrid& grid, double seed) {
    return grid_measure(grid, [&](const std::vector<double>& x) {
      double angle = seed;
      for (const double value : x) angle = 7 * angle + 23 * value;
      return 1.1 + std::sin(angle);
    });
  }

  // Around the hidden centre, or, with method line, as pairs.
  Answer solve(const std::vector<Measure>& measures, const output::RegularGrid& grid,
               double epsilon, Method method) const {
    Problem problem;
    problem.shape = Shape::complete;
    problem.method = method;
    problem.tolerance = 1e-11;
    std::vector<Marginal> marginals;
    for (std::size_t k = 0; k < measures.size(); ++k) {
      MarginalSpec spec;
      spec.name = std::string(1, static_cast<char>('a' + k));
      problem.marginals.push_back(spec);
      marginals.push_back(marginal_of(comm, measures[k], spec.name));
      marginals.back().grid = grid;
    }
    if (method == Method::line) {
      for (std::size_t i = 0; i < measures.size(); ++i) {
        for (std::size_t j = i + 1; j < measures.size(); ++j) {
          problem.edges.push_back({i, j, weights[i] * weights[j], std::nullopt});
        }
      }
    } else {
      MarginalSpec centre;
      centre.name = "centre";
      centre.free = true;
      problem.marginals.push_back(centre);
      marginals.push_back(marginal_of(comm, uniform(measures[0]), centre.name));
      marginals.back().grid = grid;
      for (std::size_t k = 0; k < measures.size(); ++k) {
        problem.edges.push_back({measures.size(), k, weights[k], std::nullopt});
      }
    }
    std::vector<std::size_t> nodes(marginals.size()), edges(problem.edges.size());
    std::iota(nodes.begin(), nodes.end(), std::size_t{0});
    std::iota(edges.begin(), edges.end(), std::size_t{0});
    const auto part = make_part(comm, part_of(problem, nodes, edges), marginals, epsilon, [] {});
    return test::solve(*part);
  }

  // sum_{i<j} l_i l_j E |x_i - x_j|^2 of the star's dense plan.
  double cost_of_pairs(const std::vector<Measure>& measures, double epsilon) const {
    TensorProblem tensor;
    tensor.epsilon = epsilon;
    const std::size_t centre = measures.size();
    const auto squares = [](const Measure& x, const Measure& y, double weight) {
      std::vector<double> cost;
      for (std::size_t i = 0; i < x.size(); ++i) {
        for (std::size_t j = 0; j < y.size(); ++j) {
          double square = 0;
          for (int a = 0; a < x.dimension; ++a) square += (x[i][a] - y[j][a]) * (x[i][a] - y[j][a]);
          cost.push_back(weight * square);
        }
      }
      return cost;
    };
    for (std::size_t k = 0; k <= centre; ++k) {
      const Measure measure = k < centre ? measures[k] : uniform(measures[0]);
      tensor.sizes.push_back(measure.size());
      tensor.masses.push_back(k < centre ? measure.mass : std::vector<double>());
      tensor.references.push_back(measure.mass);
      if (k < centre)
        tensor.edges.push_back({centre, k, squares(measures[0], measure, weights[k])});
    }
    const TensorPlan plan = tensor_plan(tensor, solve_tensor(tensor, 1e-13));
    double sum = 0;
    for (std::size_t i = 0; i < centre; ++i) {
      for (std::size_t j = i + 1; j < centre; ++j) {
        const auto pair = plan.pair(i, j);
        const auto cost = squares(measures[i], measures[j], weights[i] * weights[j]);
        for (std::size_t k = 0; k < pair.size(); ++k) sum += pair[k] * cost[k];
      }
    }
    return sum;
  }
};

TEST_F(CompleteGraphTest, CostIsThatOfThePairs) {
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{9}, std::vector<std::int64_t>{4, 3}}) {
    SCOPED_TRACE(shape.size());
    const output::RegularGrid grid = grid_of(shape);
    const std::vector<Measure> measures{on_grid(grid, 1), on_grid(grid, 2), on_grid(grid, 3)};
    const Answer answer = solve(measures, grid, 0.02, Method::automatic);
    ASSERT_TRUE(answer.converged);
    EXPECT_NEAR(answer.cost_linear, cost_of_pairs(measures, 0.02), 1e-9);
    // Potentials, with the plan's density exp((sum of potentials - cost) / eps), say the same.
    double value = 0;
    for (const NodeAnswer& node : answer.nodes) {
      if (node.name == "centre") continue;
      value += parallel::exact_dot(comm, node.potential, node.mass);
    }
    EXPECT_NEAR(answer.cost_regularised, value, 1e-10);
    EXPECT_NEAR(answer.history.back().dual_objective, value, 1e-10);
  }
}

TEST_F(CompleteGraphTest, BoundsHoldTheExactOptimumBetweenThem) {
  for (const std::int64_t n : {8, 64}) {
    SCOPED_TRACE(n);
    const output::RegularGrid grid = grid_of({n});
    const std::vector<Measure> measures{on_grid(grid, 4), on_grid(grid, 5), on_grid(grid, 6)};
    const double h = 1 / static_cast<double>(n);
    const Answer exact = solve(measures, grid, 1, Method::line);
    const Answer answer = solve(measures, grid, h * h / 4, Method::automatic);
    ASSERT_TRUE(answer.converged);
    EXPECT_NEAR(exact.gap_absolute, 0, 1e-14);
    EXPECT_LE(answer.dual, exact.dual);
    EXPECT_GE(answer.primal_rounded, exact.primal_rounded);
    EXPECT_LE(exact.dual, answer.cost_linear + 1e-12);  // its plan is feasible
    EXPECT_LE(answer.primal_rounded - answer.dual, h * h);
  }
}

}  // namespace

}  // namespace mensura::test
