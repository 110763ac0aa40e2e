// SPDX-License-Identifier: BSD-3-Clause
// Parts of graphs that are no trees: dense tensors, electrons, splines and cycles, from the problem
// as the deck says it to the answer.
#include "graph_parts.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "transport/cycle.hpp"
#include "transport/spline.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using namespace mensura::transport;

TEST_F(GraphParts, CompleteGraphAgainstTheTensor) {
  Task task;
  task.nodes = {random_measure(2, 6, 1), random_measure(2, 5, 2), random_measure(2, 7, 3)};
  task.edges = all_pairs({0.5, 0.3, 0.2});
  task.cost = {.kind = CostKind::power, .power = 1.5};
  task.epsilon = 0.02;
  for (const double mass : {1.0, 3.0}) {
    task.mass = mass;
    expect_tensor(task, [](const double* x, const double* y, int d) {
      return std::pow(distance(x, y, d), 1.5);
    });
  }
}

TEST_F(GraphParts, TwoElectronsAgainstTheTensorWithMapsBothWays) {
  Task task;
  task.nodes = {line(9), line(9)};  // the same points: the diagonal is forbidden
  task.edges = all_pairs({1, 1});
  task.shape = Shape::pair;
  task.cost.kind = CostKind::coulomb;
  task.epsilon = 0.3;
  expect_tensor(task,
                [](const double* x, const double* y, int d) { return 1 / distance(x, y, d); });
  const Answer answer = solve(task);
  const auto plan = dense(comm, answer.plans[0], 9, 9);
  const auto there = everywhere(answer.nodes[0], task.nodes[0], answer.nodes[0].map),
             back = everywhere(answer.nodes[1], task.nodes[1], answer.nodes[1].map);
  for (std::size_t i = 0; i < 9; ++i) {
    double row = 0, column = 0;
    for (std::size_t j = 0; j < 9; ++j) {
      row += 9 * plan[i * 9 + j] * task.nodes[1][j][0];
      column += 9 * plan[j * 9 + i] * task.nodes[0][j][0];
    }
    EXPECT_NEAR(there[i], row, 1e-10);
    EXPECT_NEAR(back[i], column, 1e-10);
    EXPECT_EQ(plan[i * 9 + i], 0);
  }
}

TEST_F(GraphParts, TooManyPointsForATensorAreRefusedBeforeTheyMove) {
  Task task;
  task.nodes = {line(900), line(900), line(900)};
  task.edges = all_pairs({1, 1, 1});
  task.cost.kind = CostKind::l1;
  try {
    solve(task);
    ADD_FAILURE() << "accepted";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::too_large);
  }
}

// The deck's velocities are those of x, y; coordinates of grids are y, x and of clouds as given.
TEST_F(GraphParts, VelocitiesOfASplineFollowTheAxes) {
  Task task;
  for (const double shift : {0.0, 0.15, 0.1}) {
    task.nodes.push_back(plane(4, 6, [&](double x, double y) {
      return std::exp(-8 * ((x - 0.3 - shift) * (x - 0.3 - shift) + (y - 0.3) * (y - 0.3)));
    }));
  }
  task.shape = Shape::chain;
  task.epsilon = 0.2;
  task.edges = {{0, 1, 1, std::nullopt}, {1, 2, 1, std::nullopt}};
  for (const bool grids : {true, false}) {
    task.grids = grids;
    Problem problem = problem_of(task);
    problem.tolerance = 1e-11;
    problem.spline = SplineSpec{{0, 1, 2.5}, {-1.5, -0.8}, {1.2, 0.9}, {9, 6}};
    const Answer answer = solve(task, problem);
    SplineOptions options;
    options.times = {0, 1, 2.5};
    options.velocities = grids ? VelocityGrid{{-0.8, -1.5}, {0.9, 1.2}, {6, 9}}
                               : VelocityGrid{{-1.5, -0.8}, {1.2, 0.9}, {9, 6}};
    options.epsilon = task.epsilon;
    options.tolerance = 1e-11;
    std::vector<Cloud> clouds;
    for (const Measure& node : task.nodes) clouds.push_back(test::cloud_of(comm, node));
    SplineSolver solver(comm, clouds, options);
    while (!solver.finished()) solver.advance([] {});
    const auto result = solver.result([] {});
    EXPECT_NEAR(answer.cost_linear, result.linear, 1e-9);
    EXPECT_NEAR(answer.cost_regularised, result.regularised, 1e-9);
    EXPECT_TRUE(std::isnan(answer.primal_rounded) && std::isnan(answer.dual));
    for (std::size_t k = 0; k < 3; ++k) {
      const auto mean = everywhere(answer.nodes[k], task.nodes[k], answer.nodes[k].velocity, 2);
      const auto theirs =
          values_at(comm, clouds[k].ids, result.velocities[k].mean, 2, task.nodes[k].ids);
      for (std::size_t i = 0; i < mean.size(); ++i) EXPECT_NEAR(mean[i], theirs[i], 1e-8);
    }
  }
}

TEST_F(GraphParts, SplinesInSpaceAndForeignAxesAreRefused) {
  Task task;
  task.nodes = {random_measure(3, 4, 1), random_measure(3, 4, 2)};
  task.shape = Shape::chain;
  task.edges = {{0, 1, 1, std::nullopt}};
  const auto refused = [&](const std::string& words) {
    Problem problem = problem_of(task);
    problem.spline = SplineSpec{{0, 1}, {-1, -1}, {1}, {5}};
    try {
      solve(task, problem);
      ADD_FAILURE() << "accepted";
    } catch (const parallel::Error& error) {
      EXPECT_EQ(error.code(), parallel::ExitCode::input_data);
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };
  refused("one or two");
  task.nodes = {random_measure(1, 4, 1), random_measure(1, 4, 2)};
  refused("spline.lower");
}

// Edges in any order and direction: around the cycle 0 - 2 - 1 - 3.
TEST_F(GraphParts, CycleAgainstTheTensor) {
  Task task;
  task.nodes = {random_measure(2, 5, 1), random_measure(2, 4, 2), random_measure(2, 6, 3),
                random_measure(2, 3, 4)};
  task.shape = Shape::cycle;
  task.edges = {{2, 0, 1, std::nullopt},
                {3, 1, 0.5, std::nullopt},
                {2, 1, 2, std::nullopt},
                {0, 3, 0.7, std::nullopt}};
  task.epsilon = 0.1;
  for (const double mass : {1.0, 0.5}) {
    task.mass = mass;
    expect_tensor(task, [](const double* x, const double* y, int d) {
      return distance(x, y, d) * distance(x, y, d);
    });
  }
}

// Formulas of x and y: coordinates of grids are y, x and of clouds as given.
TEST_F(GraphParts, ClosingFormulasFollowTheAxes) {
  Task task;
  const auto density = [](double x, double y) { return 1 + x + 2 * y * y; };
  task.nodes.assign(3, plane(3, 5, density));
  task.shape = Shape::cycle;
  task.edges = {{0, 1, 1, std::nullopt}, {1, 2, 1, std::nullopt}, {2, 0, 1, std::nullopt}};
  task.epsilon = 0.05;
  for (const bool grids : {true, false}) {
    task.grids = grids;
    Problem problem = problem_of(task);
    problem.closing = ClosingSpec{{"x + 0.25", "y * y"}, {}, {}};
    const Answer answer = solve(task, problem);
    CycleProblem cycle;
    for (const Measure& node : task.nodes) cycle.nodes.push_back({2, node.coordinates, node.mass});
    cycle.weights = {1, 1, 1};
    for (std::size_t i = 0; i < task.nodes[0].size(); ++i) {
      const double a = task.nodes[0][i][0], b = task.nodes[0][i][1];
      cycle.closing.push_back(grids ? a * a : a + 0.25);
      cycle.closing.push_back(grids ? b + 0.25 : b * b);
    }
    CycleOptions options;
    options.epsilon = task.epsilon;
    options.tolerance = 1e-12;
    CycleSolver solver(comm, cycle, options);
    while (!solver.finished()) solver.advance({});
    EXPECT_NEAR(answer.cost_linear, solver.cost_linear({}), 1e-10);
    EXPECT_NEAR(answer.cost_regularised, solver.cost_regularised(), 1e-10);
  }
  Problem problem = problem_of(task);
  problem.closing = ClosingSpec{{"1 / (x - x)", "y"}, {}, {}};
  EXPECT_THROW(solve(task, problem), parallel::Error);
}

}  // namespace
