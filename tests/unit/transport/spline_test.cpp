// SPDX-License-Identifier: BSD-3-Clause
// Wasserstein splines: brute force over phase space, natural cubic splines, straight lines.
#include "transport/spline.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "dense.hpp"
#include "tensor.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using parallel::Communicator;
using parallel::Error;
using parallel::ExitCode;
using transport::Cloud;
using transport::SplineOptions;
using transport::SplineSolver;

/// A solved spline with all its points on every rank.
struct Solved {
  bool converged = false;
  std::int64_t sweeps = 0;
  SplineSolver::Result result;
  std::vector<std::vector<double>> potentials, mean,
      variance;  ///< per time, in the measure's order
};

Solved solve(const Communicator& comm, const std::vector<Measure>& measures,
             const SplineOptions& options) {
  std::vector<Cloud> clouds;
  for (const Measure& measure : measures) clouds.push_back(cloud_of(comm, measure));
  SplineSolver solver(comm, clouds, options);
  while (!solver.finished()) solver.advance({});
  Solved solved;
  solved.converged = solver.converged();
  solved.sweeps = solver.history().back().sinkhorn;
  solved.result = solver.result({});
  for (std::size_t k = 0; k < measures.size(); ++k) {
    const auto all = [&](const std::vector<double>& own, int width) {
      return transport::values_at(comm, clouds[k].ids, own, width, measures[k].ids);
    };
    solved.potentials.push_back(all(solver.potentials()[k], 1));
    solved.mean.push_back(all(solved.result.velocities[k].mean, measures[k].dimension));
    solved.variance.push_back(all(solved.result.velocities[k].variance, measures[k].dimension));
  }
  return solved;
}

/// c of two points of phase space as a sum over pairs of (x0, v0, x1, v1): the quadratic form's
/// entries, squares of single numbers being put to one of the edges that they belong to.
void add_edges(TensorProblem& problem, std::size_t first, double step, const NodeValues& at) {
  // 12 (x1 - x0 - t (v0 + v1) / 2)^2 + t^2 (v1 - v0)^2, over t^3.
  const double s = std::sqrt(12.0), t = step;
  const double rows[2][4] = {{-s, -s * t / 2, s, -s * t / 2}, {0, -t, 0, t}};
  double form[4][4];
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < 4; ++j) {
      form[i][j] = (rows[0][i] * rows[0][j] + rows[1][i] * rows[1][j]) / (t * t * t);
    }
  }
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = i + 1; j < 4; ++j) {
      TensorEdge edge{first + i, first + j, {}};
      for (const double x : at[first + i]) {
        for (const double y : at[first + j]) {
          double c = 2 * form[i][j] * x * y;
          if (j == i + 1) c += form[i][i] * x * x;
          if (i == 2) c += form[3][3] * y * y;
          edge.cost.push_back(c);
        }
      }
      problem.edges.push_back(edge);
    }
  }
}

TEST(Spline, AgainstBruteForceOverPhaseSpace) {
  const Communicator comm = Communicator::world();
  const std::vector<Measure> measures{random_measure(1, 5, 1), random_measure(1, 4, 2),
                                      random_measure(1, 3, 3)};
  SplineOptions options;
  options.times = {0, 1, 2.5};
  options.velocities = {{-1}, {0.8}, {4}};
  options.epsilon = 0.3;
  options.tolerance = 1e-12;
  const Solved solved = solve(comm, measures, options);
  ASSERT_TRUE(solved.converged);
  // Nodes x0, v0, x1, v1, x2, v2, the velocities free with the uniform law.
  TensorProblem problem{{}, {}, {}, options.epsilon};
  NodeValues at;
  for (const Measure& measure : measures) {
    at.push_back(measure.coordinates);
    at.emplace_back();
    for (int j = 0; j < 4; ++j) at.back().push_back(options.velocities.at(j)[0]);
    problem.sizes.insert(problem.sizes.end(), {measure.size(), 4});
    problem.masses.insert(problem.masses.end(), {measure.mass, {}});
    problem.references.insert(problem.references.end(), {{}, std::vector<double>(4, 0.25)});
  }
  add_edges(problem, 0, 1, at);
  add_edges(problem, 2, 1.5, at);
  const TensorPlan plan = tensor_plan(problem, solve_tensor(problem, 1e-13));
  // The plans' errors of 1e-12 over the spectral gap.
  EXPECT_NEAR(solved.result.linear, plan.linear_cost(), 1e-10);
  EXPECT_NEAR(solved.result.regularised, plan.regularised_value(), 1e-10);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_LT(solved.result.errors[k], 1e-11);
    const auto pair = plan.pair(2 * k, 2 * k + 1);
    for (std::size_t x = 0; x < measures[k].size(); ++x) {
      double mean = 0, square = 0;
      for (std::size_t j = 0; j < 4; ++j) {
        mean += pair[4 * x + j] * at[2 * k + 1][j] / measures[k].mass[x];
        square += pair[4 * x + j] * at[2 * k + 1][j] * at[2 * k + 1][j] / measures[k].mass[x];
      }
      EXPECT_NEAR(solved.mean[k][x], mean, 1e-10);
      EXPECT_NEAR(solved.variance[k][x], square - mean * mean, 1e-10);
    }
  }
}

/// The natural cubic spline through one number per time: velocities there and int |x''|^2.
struct NaturalSpline {
  std::vector<double> velocity;
  double energy = 0;
  NaturalSpline(const std::vector<double>& t, const std::vector<double>& y) {
    // Second derivatives by Gauss's elimination of the tridiagonal system, zero at both ends.
    const std::size_t n = t.size();
    std::vector<double> diagonal(n, 1), upper(n, 0), moment(n, 0);
    for (std::size_t k = 1; k + 1 < n; ++k) {
      const double h = t[k] - t[k - 1], g = t[k + 1] - t[k];
      diagonal[k] = 2 * (h + g) - h * upper[k - 1];
      upper[k] = g / diagonal[k];
      moment[k] =
          (6 * ((y[k + 1] - y[k]) / g - (y[k] - y[k - 1]) / h) - h * moment[k - 1]) / diagonal[k];
    }
    for (std::size_t k = n - 1; k-- > 0;) moment[k] -= upper[k] * moment[k + 1];
    for (std::size_t k = 0; k < n; ++k) {
      const bool last = k + 1 == n;
      const std::size_t a = last ? k - 1 : k;
      const double h = t[a + 1] - t[a], slope = (y[a + 1] - y[a]) / h;
      velocity.push_back(last ? slope + h * (moment[a] + 2 * moment[k]) / 6
                              : slope - h * (2 * moment[k] + moment[a + 1]) / 6);
      if (last) continue;
      energy += h / 3 *
                (moment[k] * moment[k] + moment[k] * moment[k + 1] + moment[k + 1] * moment[k + 1]);
    }
  }
};

TEST(Spline, TheOracleOfNaturalSplines) {
  // Means 0, 0.3, -0.1 at unit steps: x'' is -1.05 in the middle, its square's integral 2/3 of that
  // squared.
  const NaturalSpline spline({0, 1, 2}, {0, 0.3, -0.1});
  EXPECT_NEAR(spline.energy, 2.0 / 3 * 1.05 * 1.05, 1e-15);
  EXPECT_NEAR(spline.velocity[0], 0.475, 1e-15);
  EXPECT_NEAR(spline.velocity[1], -0.05, 1e-15);
  EXPECT_NEAR(spline.velocity[2], -0.575, 1e-15);
}

/// A skew density on `n` points of a line, moved by `shift`.
Measure moved(std::int64_t n, double shift) {
  const output::RegularGrid grid{{n}, {shift - 0.4}, {0.8 / static_cast<double>(n - 1)}};
  return grid_measure(
      grid, [&](const std::vector<double>& x) { return 1.3 + std::sin(3 * (x[0] - shift)); });
}

TEST(Spline, MovedDensitiesFollowNaturalSplines) {
  // For quadratic costs the plan of moved densities is the plan of those that stay, moved along
  // the natural spline through the shifts: cost and mean velocities differ by those of the spline,
  // for every eps, up to what sums over the velocity grid miss of integrals. The least deviation of
  // a velocity, others given, is sqrt(eps / 16), a spacing: exp(-2 pi^2); all of its deviations are
  // below 0.4, the ends of the grid five of them away: 1e-6.
  const Communicator comm = Communicator::world();
  const std::vector<double> shifts{0, 0.3, -0.1, 0.2};
  SplineOptions options;
  options.times = {0, 1, 2.2, 3};
  options.velocities = {{-2.6}, {2.6}, {53}};
  options.epsilon = 0.15;
  options.tolerance = 1e-10;
  std::vector<Measure> there, here;
  for (const double shift : shifts) {
    there.push_back(moved(15, shift));
    here.push_back(moved(15, 0));
  }
  const Solved still = solve(comm, here, options), moving = solve(comm, there, options);
  ASSERT_TRUE(still.converged && moving.converged);
  const NaturalSpline spline(options.times, shifts);
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::size_t x = 0; x < 15; ++x) {
      EXPECT_NEAR(moving.mean[k][x] - still.mean[k][x], spline.velocity[k], 1e-6);
      EXPECT_NEAR(moving.variance[k][x], still.variance[k][x], 1e-6);
    }
  }
  EXPECT_NEAR(moving.result.linear - still.result.linear, spline.energy, 1e-6);
  EXPECT_NEAR(moving.result.regularised - still.result.regularised, spline.energy, 1e-6);
  // What stays costs the entropy's share: eps / 2 for each velocity, at most as much again for
  // the positions.
  EXPECT_GT(still.result.linear, 4 * options.epsilon / 2);
  EXPECT_LT(still.result.linear, 8 * options.epsilon / 2);
}

TEST(Spline, ProductsInThePlaneAreTwoSplinesOnTheLine) {
  // Products of measures with a product of velocity grids: cost, reference and plan separate.
  const Communicator comm = Communicator::world();
  std::vector<Measure> first, second, both;
  for (std::uint64_t k = 0; k < 3; ++k) {
    first.push_back(random_measure(1, 5, 30 + k));
    second.push_back(random_measure(1, 3 + k, 40 + k));
    Measure product{2, {}, {}, {}};
    for (std::size_t i = 0; i < first[k].size(); ++i) {
      for (std::size_t j = 0; j < second[k].size(); ++j) {
        product.coordinates.insert(product.coordinates.end(), {first[k][i][0], second[k][j][0]});
        product.ids.push_back(product.mass.size());
        product.mass.push_back(first[k].mass[i] * second[k].mass[j]);
      }
    }
    both.push_back(product);
  }
  SplineOptions options;
  options.times = {0, 1, 1.8};
  options.epsilon = 0.3;
  options.tolerance = 1e-12;
  options.velocities = {{-1}, {0.8}, {6}};
  const Solved x = solve(comm, first, options);
  options.velocities = {{-0.7}, {0.9}, {5}};
  const Solved y = solve(comm, second, options);
  options.velocities = {{-1, -0.7}, {0.8, 0.9}, {6, 5}};
  const Solved xy = solve(comm, both, options);
  ASSERT_TRUE(x.converged && y.converged && xy.converged);
  // Errors of the plans' marginals of 1e-12 over the spectral gaps.
  EXPECT_NEAR(xy.result.linear, x.result.linear + y.result.linear, 1e-10);
  EXPECT_NEAR(xy.result.regularised, x.result.regularised + y.result.regularised, 1e-10);
  for (std::size_t k = 0; k < 3; ++k) {
    const std::size_t m = second[k].size();
    for (std::size_t i = 0; i < both[k].size(); ++i) {
      EXPECT_NEAR(xy.mean[k][2 * i], x.mean[k][i / m], 1e-10);
      EXPECT_NEAR(xy.mean[k][2 * i + 1], y.mean[k][i % m], 1e-10);
      EXPECT_NEAR(xy.variance[k][2 * i + 1], y.variance[k][i % m], 1e-10);
    }
  }
}

TEST(Spline, TwoTimesAreStraightLines) {
  // Every pair of positions has a straight line, which costs nothing: the plan of positions is the
  // product, mean velocities are those to (from) the other mean, and the Gaussian velocities
  // cost eps / 2 each.
  const Communicator comm = Communicator::world();
  const std::vector<Measure> measures{random_measure(1, 9, 4), random_measure(1, 7, 5)};
  double mean[2] = {0, 0};
  for (std::size_t k = 0; k < 2; ++k) {
    for (std::size_t x = 0; x < measures[k].size(); ++x) {
      mean[k] += measures[k].mass[x] * measures[k][x][0];
    }
  }
  SplineOptions options;
  options.times = {1, 3};
  options.velocities = {{-2.5}, {2.5}, {101}};
  options.epsilon = 0.05;
  options.tolerance = 1e-12;
  const Solved solved = solve(comm, measures, options);
  ASSERT_TRUE(solved.converged);
  EXPECT_LE(solved.sweeps, 3);  // the product is found at once
  EXPECT_NEAR(solved.result.linear, options.epsilon, 1e-9);
  for (std::size_t x = 0; x < 9; ++x) {
    EXPECT_NEAR(solved.mean[0][x], (mean[1] - measures[0][x][0]) / 2, 1e-9);
  }
  for (std::size_t x = 0; x < 7; ++x) {
    EXPECT_NEAR(solved.mean[1][x], (measures[1][x][0] - mean[0]) / 2, 1e-9);
  }
}

/// A problem that takes a few hundred sweeps.
SplineOptions some_options() {
  SplineOptions options;
  options.times = {0, 1, 2, 3};
  options.velocities = {{-1.5}, {1.5}, {25}};
  options.epsilon = 0.05;
  options.tolerance = 1e-12;
  return options;
}
std::vector<Measure> some_measures() {
  std::vector<Measure> measures;
  for (std::uint64_t k = 0; k < 4; ++k) measures.push_back(random_measure(1, 8 + k, 20 + k));
  return measures;
}

TEST(Spline, RanksChangeNothing) {
  const Communicator world = Communicator::world();
  const Communicator self = Communicator::duplicate(MPI_COMM_SELF);
  const Solved all = solve(world, some_measures(), some_options());
  const Solved one = solve(self, some_measures(), some_options());
  ASSERT_TRUE(all.converged && one.converged);
  EXPECT_NEAR(all.result.linear, one.result.linear, 1e-11);
  EXPECT_NEAR(all.result.regularised, one.result.regularised, 1e-12);
  for (std::size_t k = 0; k < 4; ++k) {
    for (std::size_t x = 0; x < one.potentials[k].size(); ++x) {
      EXPECT_NEAR(all.mean[k][x], one.mean[k][x], 1e-10);
    }
  }
}

TEST(Spline, OverRelaxationSavesSweeps) {
  const Communicator comm = Communicator::world();
  SplineOptions options = some_options();
  const Solved relaxed = solve(comm, some_measures(), options);
  options.over_relax = false;
  const Solved plain = solve(comm, some_measures(), options);
  ASSERT_TRUE(relaxed.converged && plain.converged);
  EXPECT_LT(relaxed.sweeps, plain.sweeps);
  EXPECT_NEAR(relaxed.result.linear, plain.result.linear, 1e-10);
}

TEST(Spline, RestartContinues) {
  const Communicator comm = Communicator::world();
  std::vector<Cloud> clouds;
  for (const Measure& measure : some_measures()) clouds.push_back(cloud_of(comm, measure));
  SplineSolver whole(comm, clouds, some_options());
  std::vector<SplineSolver::State> states;
  while (!whole.finished()) {
    states.push_back(whole.state());
    whole.advance({});
  }
  ASSERT_GE(states.size(), 3U);
  for (const std::size_t from : {std::size_t{1}, states.size() - 1}) {
    SplineSolver again(comm, clouds, some_options());
    again.resume(states[from]);
    while (!again.finished()) again.advance({});
    EXPECT_TRUE(again.converged());
    EXPECT_EQ(again.potentials(), whole.potentials());  // bitwise on the same ranks
    EXPECT_EQ(again.history().size(), whole.history().size());
  }
}

TEST(SplinePaths, CubicsAreExact) {
  // x(t) = t^3 - t and -t^2 on [0, 1] and [1, 3].
  transport::SplinePaths paths{2, {0, 1, 3}, {}};
  for (const double t : paths.times) {
    paths.points.insert(paths.points.end(), {t * t * t - t, -t * t, 3 * t * t - 1, -2 * t});
  }
  for (const double t : {0.0, 0.3, 1.0, 1.7, 3.0}) {
    const auto x = paths.at(t);
    ASSERT_EQ(x.size(), 2U);
    EXPECT_NEAR(x[0], t * t * t - t, 1e-14 * 27);
    EXPECT_NEAR(x[1], -t * t, 1e-14 * 9);
  }
}

TEST(SplinePaths, FollowThePlanOnAnyRanks) {
  const Communicator world = Communicator::world();
  const Communicator self = Communicator::duplicate(MPI_COMM_SELF);
  const auto draw = [](const Communicator& comm, SplineSolver::Result* result,
                       std::vector<Cloud>* keep) {
    std::vector<Cloud> clouds;
    for (const Measure& measure : some_measures()) clouds.push_back(cloud_of(comm, measure));
    SplineSolver solver(comm, clouds, some_options());
    while (!solver.finished()) solver.advance({});
    if (result != nullptr) *result = solver.result({});
    if (keep != nullptr) *keep = clouds;
    return solver.paths(4000, 7, {});
  };
  SplineSolver::Result result;
  std::vector<Cloud> clouds;
  const auto paths = draw(world, nullptr, nullptr), same = draw(self, &result, &clouds);
  EXPECT_EQ(paths.points, same.points);  // potentials differ by rounding: no tie in 1e5 draws
  ASSERT_EQ(paths.count(), 4000U);
  // Means over the paths against those of the plan: five standard errors.
  double energy = 0;
  for (std::size_t k = 0; k < 4; ++k) {
    double x = 0, v = 0, x_squared = 0, v_squared = 0, mean_x = 0, mean_v = 0;
    for (std::size_t path = 0; path < 4000; ++path) {
      const double* point = &paths.points[(path * 4 + k) * 2];
      x += point[0] / 4000;
      v += point[1] / 4000;
      x_squared += point[0] * point[0] / 4000;
      v_squared += point[1] * point[1] / 4000;
      if (k == 3) continue;
      const double *next = point + 2, off = next[0] - point[0] - (point[1] + next[1]) / 2;
      energy += (12 * off * off + (next[1] - point[1]) * (next[1] - point[1])) / 4000;
    }
    for (std::size_t i = 0; i < clouds[k].own(); ++i) {
      mean_x += clouds[k].mass[i] * clouds[k].coordinates[i];
      mean_v += clouds[k].mass[i] * result.velocities[k].mean[i];
    }
    EXPECT_NEAR(x, mean_x, 5 * std::sqrt((x_squared - x * x) / 4000));
    EXPECT_NEAR(v, mean_v, 5 * std::sqrt((v_squared - v * v) / 4000));
  }
  // Its deviation is below its mean (a sum of squares): the pairs are the plan's pairs.
  EXPECT_NEAR(energy, result.linear, 5 * result.linear / std::sqrt(4000.0));
}

TEST(Spline, BadInputIsRefusedOnAllRanks) {
  const Communicator comm = Communicator::world();
  Measure heavy = random_measure(1, 5, 6);
  for (double& m : heavy.mass) m *= 1.1;
  const Measure fine = random_measure(1, 5, 7);
  SplineOptions options;
  options.times = {0, 1};
  options.velocities = {{-1}, {1}, {5}};
  const auto refuse = [&](const Measure& second, const SplineOptions& with, ExitCode code,
                          const std::string& says) {
    const std::vector<Cloud> clouds{cloud_of(comm, fine), cloud_of(comm, second)};
    try {
      const SplineSolver solver(comm, clouds, with);
      ADD_FAILURE() << "accepted: " << says;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      EXPECT_THAT(error.what(), testing::HasSubstr(says));
    }
  };
  refuse(heavy, options, ExitCode::input_data, "marginal 1 sum to 1.1");
  SplineOptions bad = options;
  bad.times = {1, 1};
  refuse(fine, bad, ExitCode::internal, "times ascend");
  bad = options;
  bad.velocities.count = {1};
  refuse(fine, bad, ExitCode::internal, "two ends");
  bad = options;
  bad.velocities.lower = {-1, -1};
  refuse(fine, bad, ExitCode::internal, "per axis");
  bad = options;
  bad.times = {0, 1e-9};
  refuse(fine, bad, ExitCode::input_data, "more than 1e-09 apart");
}

}  // namespace
