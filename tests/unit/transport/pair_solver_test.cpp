// SPDX-License-Identifier: BSD-3-Clause
// Pairs of marginals: measures far apart are solved for where they are close.
#include "transport/pair_solver.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "dense.hpp"
#include "linear/petsc.hpp"
#include "parts.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using namespace mensura::transport;

constexpr std::size_t count = 240;

class PairSolverTest : public ::testing::Test {
 protected:
  Answer solve(const Problem& problem, const Marginal& a, const Marginal& b) const {
    PairSolver solver(comm, problem, a, b, 0, [] {});
    while (!solver.finished()) solver.advance([] {});
    Answer answer;
    if (problem.method != Method::exact) {
      solver.describe(answer, [] {});
      return answer;
    }
    const auto pricing = solver.price();
    while (!pricing->finished()) pricing->advance([] {});
    solver.describe_exact(pricing->result(), answer);
    return answer;
  }

  const parallel::Communicator comm = parallel::Communicator::world();
  const linear::PetscSession session{comm, {}, {}};
};

// Shifting y by s adds |s|^2 + 2 s.(mean y - mean x) to every cost and linear functions to the
// potentials (reference/transport 1.1, closed form 8). Coordinates are multiples of 2^-20, shifts
// whole numbers: nothing is rounded on the way in.
TEST_F(PairSolverTest, MeasuresFarApartAreSolvedWhereTheyAreClose) {
  Measure a = random_measure(2, count, 3), b = random_measure(2, count, 4);
  for (Measure* measure : {&a, &b}) {
    for (double& z : measure->coordinates) z = std::round(std::ldexp(z, 20)) / std::ldexp(1.0, 20);
  }
  const double shift[2] = {3e6, -4e6};
  Measure far = b;
  for (std::size_t k = 0; k < far.coordinates.size(); ++k) far.coordinates[k] += shift[k % 2];
  Problem problem;
  problem.edges = {{0, 1, 0.5}};
  problem.tolerance = 1e-11;
  double gain = 0.5 * (shift[0] * shift[0] + shift[1] * shift[1]), mean_a[2] = {0, 0};
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = 0; j < 2; ++j) {
      gain += shift[j] * (b.mass[i] * b[i][j] - a.mass[i] * a[i][j]);
      mean_a[j] += a.mass[i] * a[i][j];
    }
  }
  const Marginal at_a = marginal_of(comm, a, "a"), at_b = marginal_of(comm, b, "b"),
                 at_far = marginal_of(comm, far, "far");
  for (const Method method : {Method::newton, Method::sinkhorn, Method::exact}) {
    problem.method = method;
    const Answer near = solve(problem, at_a, at_b), moved = solve(problem, at_a, at_far);
    ASSERT_TRUE(near.converged && moved.converged) << static_cast<int>(method);
    EXPECT_LE(moved.marginal_error_l1, problem.tolerance);
    const double digits = 5e-15 * gain;  // rounding of costs of 1e13
    // The plan's mass is only as exact as its marginals.
    EXPECT_NEAR(moved.cost_linear - gain, near.cost_linear, problem.tolerance * gain);
    EXPECT_NEAR(moved.primal_rounded - gain, near.primal_rounded, digits);
    EXPECT_NEAR(moved.dual - gain, near.dual, digits);
    EXPECT_NEAR(moved.gap_absolute, near.gap_absolute, 1e-9);
    EXPECT_NEAR(moved.gap_relative * moved.primal_rounded, moved.gap_absolute, 1e-15);
    if (method != Method::exact) {
      EXPECT_NEAR(moved.cost_regularised - gain, near.cost_regularised, digits);
      EXPECT_EQ(moved.history.back().dual_objective, moved.cost_regularised);
    }
    const auto f = values_at(comm, near.nodes[0].ids, near.nodes[0].potential, 1, a.ids);
    const auto far_f = values_at(comm, moved.nodes[0].ids, moved.nodes[0].potential, 1, a.ids);
    const auto map = values_at(comm, near.nodes[0].ids, near.nodes[0].map, 2, a.ids);
    const auto far_map = values_at(comm, moved.nodes[0].ids, moved.nodes[0].map, 2, a.ids);
    const auto y = values_at(comm, moved.nodes[1].ids, moved.nodes[1].coordinates, 2, a.ids);
    EXPECT_EQ(y, far.coordinates);
    for (std::size_t i = 0; i < count; ++i) {
      double line = 0;
      for (std::size_t j = 0; j < 2; ++j) {
        line -= shift[j] * (a[i][j] - mean_a[j]);
        // The exact optimum's potentials are not unique, its maps are.
        EXPECT_NEAR(far_map[2 * i + j] - shift[j], map[2 * i + j], 1e-7);
      }
      if (method == Method::exact) continue;
      EXPECT_NEAR(far_f[i] - line, f[i], 1e-8) << i;
    }
  }
}

// Two spots: all of the cost is the way between them, and the spacing is that way's length.
TEST_F(PairSolverTest, SpotsAtADistance) {
  const Measure a{2, {0, 0, 0, 0}, {0.25, 0.75}, {0, 1}},
      b{2, {3, 4, 3, 4, 3, 4}, {0.5, 0.25, 0.25}, {0, 1, 2}};
  const Marginal at_a = marginal_of(comm, a, "a"), at_b = marginal_of(comm, b, "b");
  for (const Method method : {Method::newton, Method::sinkhorn, Method::exact}) {
    Problem problem;
    problem.method = method;
    const Answer answer = solve(problem, at_a, at_b);
    EXPECT_TRUE(answer.converged);
    EXPECT_NEAR(answer.cost_linear, 25, 1e-12);
    EXPECT_NEAR(answer.dual, 25, 1e-12);
    EXPECT_NEAR(answer.gap_absolute, 0, 1e-12);
  }
}

// An outlier on the other side does not hide that the measures are apart, and the exact solution
// begins at whatever regularisation doubles resolve.
TEST_F(PairSolverTest, ExactSolutionWithAnOutlier) {
  const Measure a = random_measure(2, 100, 5);
  Measure b = a;
  for (double& z : b.coordinates) z += 1e5;
  b.coordinates[0] = b.coordinates[1] = -1e5;
  Problem problem;
  problem.method = Method::exact;
  const Answer answer = solve(problem, marginal_of(comm, a, "a"), marginal_of(comm, b, "b"));
  EXPECT_TRUE(answer.converged);
  EXPECT_LE(answer.gap_relative, 1e-12);
  // In the identity the first point crosses to -1e5; a plan cannot do better than by the means.
  EXPECT_LE(answer.cost_linear, 2.1e10);
  EXPECT_GE(answer.cost_linear, 1.9e10);
}

// A tolerance below what the potentials resolve is not met, but the sweeps go on to what they can.
TEST_F(PairSolverTest, SweepsGoOnToTheResolution) {
  Measure a{1, {}, {}, {}}, b = a;
  for (int i = 0; i < 300; ++i) {
    const double x = (i + 0.5) / 300;
    const auto add = [&](Measure& measure, double mass) {
      measure.coordinates.push_back(x);
      measure.mass.push_back(mass);
      measure.ids.push_back(measure.ids.size());
    };
    if (x > 0.5) add(a, 1 + x);
    if (std::sin(40 * M_PI * x) > 0.9) add(b, 1 + x * x);
  }
  for (Measure* measure : {&a, &b}) {
    const double sum = std::accumulate(measure->mass.begin(), measure->mass.end(), 0.0);
    for (double& mass : measure->mass) mass /= sum;
  }
  Problem problem;
  problem.method = Method::sinkhorn;
  problem.tolerance = 1e-12;
  const Answer answer = solve(problem, marginal_of(comm, a, "a"), marginal_of(comm, b, "b"));
  EXPECT_FALSE(answer.converged);
  EXPECT_GT(answer.marginal_error_l1, problem.tolerance);
  EXPECT_LE(answer.marginal_error_l1, 1e-9);  // 1.9e-4 after the first thousand sweeps
}

}  // namespace
