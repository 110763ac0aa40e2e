// SPDX-License-Identifier: BSD-3-Clause
// The iteration of barycenters with one entropy per edge: what underflows, over-relaxation, limits,
// restarts, what is no number.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>

#include "bregman_star.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;

TEST(Bregman, MassesUnderflowToNothing) {
  // Costs of up to 1e5 regularisations; masses far from the middle are below exp(-1e4). The
  // barycenter of two copies of one density is the copy in the middle: debiased up to the stopping
  // rule, plain up to a kernel that leaks exp(-2.5) of a pixel's mass to the next one.
  const Communicator comm = Communicator::world();
  const std::int64_t n = 201;
  const RegularGrid grid = line(0, 1, n);
  const auto box = [](double centre) {
    return [=](const std::vector<double>& x) {
      return std::abs(x[0] - centre) < 0.0526 ? 1 + 5 * (x[0] - centre) : 0.0;
    };
  };
  const Star star(comm, {grid_measure(grid, box(0.1)), grid_measure(grid, box(0.8))},
                  grid_measure(grid, flat), {1, 1});
  for (const bool debiased : {false, true}) {
    BregmanOptions options = options_of(1e-5, 1e-9);
    options.first_epsilon = 0.1;
    options.max_sweeps = 4000;
    Bregman problem = star.problem(options, debiased);
    const BregmanReport& report = solve(problem);
    EXPECT_TRUE(report.converged) << report.error_l1 << " after " << report.sweeps;
    const auto mass = star.mass(problem);
    std::size_t zeros = 0;
    double total = 0, missed = 0;
    for (std::size_t j = 0; j < mass.size(); ++j) {
      ASSERT_TRUE(std::isfinite(mass[j]));
      zeros += mass[j] == 0 ? 1 : 0;
      total += mass[j];
      missed += std::abs(mass[j] - box(0.45)({star.centre[j][0]}) / 21);
    }
    EXPECT_GT(zeros, 100U);
    EXPECT_NEAR(total, 1, 1e-12);
    EXPECT_LT(missed, debiased ? 1e-7 : 0.03);
    EXPECT_GT(missed, debiased ? 0 : 1e-3);
  }
}

TEST(Bregman, OverRelaxationSavesMostOfTheSweeps) {
  const Communicator comm = Communicator::world();
  const RegularGrid grid = line(-3, 3, 121);
  const Star star(comm,
                  {grid_measure(grid, normal({-1.0}, 0.3)), grid_measure(grid, normal({0.8}, 0.6))},
                  grid_measure(grid, flat), {1, 1});
  std::array<std::int64_t, 3> sweeps{};
  std::array<double, 3> values{};
  for (const std::size_t kind : {0, 1, 2}) {
    BregmanOptions options = options_of(0.01, 1e-10);
    options.over_relax = kind > 0;
    options.first_epsilon = kind > 1 ? 10 : 0;
    Bregman problem = star.problem(options);
    const BregmanReport& report = solve(problem);
    EXPECT_TRUE(report.converged);
    EXPECT_EQ(report.error_l1, std::ranges::max(report.leaf_errors));  // the last one is plain
    EXPECT_EQ(report.errors.size(), static_cast<std::size_t>(report.sweeps));
    sweeps[kind] = report.sweeps;
    values[kind] = report.dual_objective;
  }
  RecordProperty("sweeps", std::to_string(sweeps[0]) + " plain, " + std::to_string(sweeps[1]) +
                               " over-relaxed, " + std::to_string(sweeps[2]) + " from large ones");
  EXPECT_LE(3 * sweeps[1], sweeps[0]);
  EXPECT_LT(sweeps[2], sweeps[1]);
  EXPECT_NEAR(values[0], values[1], 1e-11);
  EXPECT_NEAR(values[0], values[2], 1e-11);
}

TEST(Bregman, DebiasedMarginalsFitBeforeTheCentreDoes) {
  // A sharp density and a kernel of four squared spacings: the marginals of the plans are right
  // long before the density is.
  const Communicator comm = Communicator::world();
  const RegularGrid grid = line(0, 1, 101);
  const auto box = [](double centre) {
    return
        [=](const std::vector<double>& x) { return std::abs(x[0] - centre) < 0.103 ? 1.0 : 0.0; };
  };
  const Star star(comm, {grid_measure(grid, box(0.3)), grid_measure(grid, box(0.6))},
                  grid_measure(grid, flat), {1, 1});
  BregmanOptions options = options_of(4e-4, 1e-6);
  options.max_sweeps = 500;
  options.centre_tolerance = infinity;
  Bregman marginals = star.problem(options, true);
  const BregmanReport& report = solve(marginals);
  EXPECT_TRUE(report.converged) << report.error_l1 << " after " << report.sweeps;
  EXPECT_LE(report.error_l1, 1e-6);
  EXPECT_GT(report.centre_error, 10 * report.error_l1);
  options.centre_tolerance = 0;
  Bregman both = star.problem(options, true);
  EXPECT_GT(solve(both).sweeps, report.sweeps);
}

TEST(Bregman, SaysWhenItHasNotConverged) {
  const Communicator comm = Communicator::world();
  const Star star = three_clouds(comm);
  BregmanOptions options = options_of(0.01, 1e-9);
  options.max_sweeps = 4;
  Bregman problem = star.problem(options);
  const BregmanReport& report = solve(problem);
  EXPECT_FALSE(report.converged);
  EXPECT_EQ(report.sweeps, 4);
  // Errors are those of the plans: the centre's columns are b, its mass one, the leaves are missed.
  const auto b = star.mass(problem);
  for (std::size_t k = 0; k < 3; ++k) {
    const auto f = everywhere(comm, star.x[k], star.leaves[k], problem.leaf_potential(k));
    const auto g = everywhere(comm, star.z, star.centre, problem.centre_potential(k));
    const DensePlan plan =
        dense_plan(star.leaves[k], star.centre, options.epsilon, f, g, squared(2));
    double rows = 0, columns = 0;
    for (std::size_t i = 0; i < f.size(); ++i) {
      rows += std::abs(plan.rows[i] - star.leaves[k].mass[i]);
    }
    for (std::size_t j = 0; j < g.size(); ++j) columns += std::abs(plan.columns[j] - b[j]);
    EXPECT_NEAR(report.leaf_errors[k], rows, 1e-12);
    EXPECT_LT(columns, 1e-12);
    EXPECT_NEAR(plan.mass, 1, 1e-12);
    EXPECT_GT(rows, 1e-3);
  }
}

TEST(Bregman, GoesOnFromAState) {
  const Communicator comm = Communicator::world();
  const Star star = three_clouds(comm);
  for (const bool debiased : {false, true}) {
    BregmanOptions options = options_of(0.01, 1e-10);
    options.first_epsilon = 1;
    options.sweeps_per_advance = 7;
    options.max_sweeps = 150;
    Bregman whole = star.problem(options, debiased);
    solve(whole);
    for (const int calls : {1, 4, 9}) {
      Bregman first = star.problem(options, debiased), second = star.problem(options, debiased);
      for (int i = 0; i < calls; ++i) first.advance({});
      ASSERT_FALSE(first.finished());
      second.resume(first.state());
      solve(second);
      EXPECT_EQ(second.report().sweeps, whole.report().sweeps);
      EXPECT_EQ(second.report().errors, whole.report().errors);
      EXPECT_EQ(second.mass(), whole.mass());
      EXPECT_EQ(second.report().dual_objective, whole.report().dual_objective);
    }
    // A finished one stays so.
    Bregman again = star.problem(options, debiased);
    again.resume(whole.state());
    EXPECT_TRUE(again.finished());
    EXPECT_EQ(again.mass(), whole.mass());
    EXPECT_EQ(again.converged(), whole.converged());
  }
}

TEST(Bregman, RefusesValuesThatAreNotFinite) {
  const Communicator comm = Communicator::world();
  const Star star = three_clouds(comm);
  Bregman problem = star.problem(options_of(0.1, 1e-9));
  Bregman::State state = problem.state();
  if (star.z.first == 0) state.g[1][0] = std::nan("");
  problem.resume(std::move(state));
  try {
    problem.advance({});
    FAIL() << "nothing was thrown";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::numerical);
    EXPECT_THAT(error.what(), testing::HasSubstr("regularisation 0.1"));
  }
}

}  // namespace
