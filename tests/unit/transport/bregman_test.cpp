// SPDX-License-Identifier: BSD-3-Clause
// Entropic barycenters with one entropy per edge: closed forms of normal laws, a dense
// implementation, optimality of the objective itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <string>

#include "bregman_star.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;

TEST(Bregman, BlursNormalLawsByHalfTheRegularisation) {
  // Reference transport 3.3 and 5.5: N(m_k, s^2) become N(sum w m, s^2 + eps / 2), debiased
  // N(sum w m, s^2). The inputs are below exp(-50) at the ends and sums of smooth functions are
  // integrals to rounding, 1e-15 times the squared length of the line; equal widths are found after
  // a few sweeps, before the potentials.
  const Communicator comm = Communicator::world();
  const double s = 0.5;
  const RegularGrid grid = line(-6, 6, 241);
  const Star star(comm,
                  {grid_measure(grid, normal({-1.0}, s)), grid_measure(grid, normal({0.8}, s)),
                   grid_measure(grid, normal({0.3}, s))},
                  grid_measure(grid, flat), {1, 2, 1});  // normalised inside
  for (const double epsilon : {0.2, 0.05}) {
    for (const bool debiased : {false, true}) {
      SCOPED_TRACE(std::to_string(epsilon) + (debiased ? " debiased" : ""));
      Bregman problem = star.problem(options_of(epsilon, 1e-12), debiased);
      const BregmanReport& report = solve(problem);
      EXPECT_TRUE(report.converged) << report.error_l1 << " after " << report.sweeps;
      const Moments result = moments(star.centre, star.mass(problem), 0);
      EXPECT_NEAR(result.mass, 1, 1e-12);
      EXPECT_NEAR(report.mass, 1, 1e-12);
      EXPECT_NEAR(result.mean, (-1.0 + 2 * 0.8 + 0.3) / 4, 1e-12);
      EXPECT_NEAR(result.variance, s * s + (debiased ? 0 : epsilon / 2), 1e-12);
    }
  }
}

TEST(Bregman, NormalLawsOfDifferentWidths) {
  // With eps = 2 s2 and D(v, t) = (4 v t + s2^2)^(1/2) for variances v, t the potential of an
  // entropic plan (reference transport 5.2) on N(., t) has the slope 2 - (D(v, t) - s2) / t, with
  // respect to the flat measure 2 s2 / t less. Plain: the slopes' mean is zero, sum w D(v_k, t) =
  // 2 t - s2; debiased: it is that of t with itself, sum w D(v_k, t) = D(t, t). The rest is the
  // stopping rule: 1e-12 over the gap of the slowest mode (1 - rate > 1e-2).
  const Communicator comm = Communicator::world();
  const RegularGrid grid = line(-7, 7, 281);
  const std::array<double, 2> sd{0.4, 0.8}, weight{0.3, 0.7};
  const Star star(
      comm, {grid_measure(grid, normal({-0.7}, sd[0])), grid_measure(grid, normal({0.5}, sd[1]))},
      grid_measure(grid, flat), {weight[0], weight[1]});
  const double s2 = 0.05;
  for (const bool debiased : {false, true}) {
    Bregman problem = star.problem(options_of(2 * s2, 1e-12), debiased);
    const BregmanReport& report = solve(problem);
    EXPECT_TRUE(report.converged) << report.error_l1 << " after " << report.sweeps;
    const Moments result = moments(star.centre, star.mass(problem), 0);
    const double t = result.variance;
    double sum = 0;
    for (std::size_t k = 0; k < 2; ++k) {
      sum += weight[k] * std::sqrt(4 * sd[k] * sd[k] * t + s2 * s2);
    }
    EXPECT_NEAR(sum, debiased ? std::sqrt(4 * t * t + s2 * s2) : 2 * t - s2, 1e-10);
    EXPECT_NEAR(result.mean, -0.3 * 0.7 + 0.7 * 0.5, 1e-10);
  }
}

TEST(Bregman, BlursImagesAlike) {
  // As on the line. The square ends 7 standard deviations from the centres: exp(-24).
  const Communicator comm = Communicator::world();
  const double s = 0.5, epsilon = 0.2;
  const RegularGrid grid{{33, 35}, {-4.0, -4.25}, {0.25, 0.25}};
  const Star star(
      comm,
      {grid_measure(grid, normal({-0.5, 0.2}, s)), grid_measure(grid, normal({0.4, -0.5}, s)),
       grid_measure(grid, normal({0.1, 0.5}, s))},
      grid_measure(grid, flat), {0.5, 0.3, 0.2}, &grid);
  ASSERT_EQ(star.kernels.front()->name(), "separable");
  for (const bool debiased : {false, true}) {
    Bregman problem = star.problem(options_of(epsilon, 1e-11), debiased);
    const BregmanReport& report = solve(problem);
    EXPECT_TRUE(report.converged) << report.error_l1 << " after " << report.sweeps;
    EXPECT_LT(report.sweeps, 120);
    const auto mass = star.mass(problem);
    for (const std::size_t axis : {0, 1}) {
      const Moments result = moments(star.centre, mass, axis);
      EXPECT_NEAR(result.mass, 1, 1e-12);
      EXPECT_NEAR(result.mean, axis == 0 ? -0.25 + 0.12 + 0.02 : 0.1 - 0.15 + 0.1, 1e-9);
      EXPECT_NEAR(result.variance, s * s + (debiased ? 0 : epsilon / 2), 1e-9);
    }
  }
}

/// Benamou et al. 2015 with scalings and full matrices; eps not small.
std::vector<double> dense_projections(const Star& star, double epsilon, int sweeps) {
  const std::size_t n = star.centre.size(), count = star.leaves.size();
  const PairCost cost = squared(star.centre.dimension);
  Wide weights = 0;
  for (const double w : star.weights) weights += w;
  std::vector<std::vector<Wide>> v(count, std::vector<Wide>(n, 1)), m = v;
  std::vector<Wide> b(n);
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    b.assign(n, 1);
    for (std::size_t k = 0; k < count; ++k) {
      const Measure& leaf = star.leaves[k];
      m[k].assign(n, 0);
      for (std::size_t i = 0; i < leaf.size(); ++i) {
        Wide sum = 0;
        std::vector<Wide> row(n);
        for (std::size_t j = 0; j < n; ++j) {
          row[j] = std::exp(-cost(leaf[i], star.centre[j]) / epsilon);
          sum += row[j] * v[k][j];
        }
        for (std::size_t j = 0; j < n; ++j) m[k][j] += leaf.mass[i] / sum * row[j];
      }
      for (std::size_t j = 0; j < n; ++j) b[j] *= std::pow(m[k][j], star.weights[k] / weights);
    }
    for (std::size_t k = 0; k < count; ++k) {
      for (std::size_t j = 0; j < n; ++j) v[k][j] = b[j] / m[k][j];
    }
  }
  return {b.begin(), b.end()};
}

TEST(Bregman, AgreesWithDenseProjections) {
  const Communicator comm = Communicator::world();
  const Star star = three_clouds(comm);
  const double epsilon = 0.05;
  const auto expected = dense_projections(star, epsilon, 300);
  for (const bool over_relax : {false, true}) {
    BregmanOptions options = options_of(epsilon, 1e-12);
    options.over_relax = over_relax;
    Bregman problem = star.problem(options);
    const BregmanReport& report = solve(problem);
    EXPECT_TRUE(report.converged);
    const auto mass = star.mass(problem);
    // Errors of 1e-12 hide 1e-12 / (1 - rate) of changes; rates are below 0.9.
    for (std::size_t j = 0; j < mass.size(); ++j) EXPECT_NEAR(mass[j], expected[j], 1e-11);
    // What is reported: value and linear cost of the plans of the potentials.
    double value = 0, linear = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const auto f = everywhere(comm, star.x[k], star.leaves[k], problem.leaf_potential(k));
      const auto g = everywhere(comm, star.z, star.centre, problem.centre_potential(k));
      const DensePlan plan = dense_plan(star.leaves[k], star.centre, epsilon, f, g, squared(2));
      value += problem.weight(k) * (plan.cost + epsilon * plan.kl);
      linear += problem.weight(k) * plan.cost;
      EXPECT_NEAR(problem.linear_cost(k, {}), plan.cost, 1e-12);
    }
    EXPECT_NEAR(report.dual_objective, value, 1e-11);
    EXPECT_LT(linear, value);
  }
}

/// min over P with marginal b at the centre of <c, P> + eps KL(P | m x m_z) + rho KL(P 1 | m).
double dense_value(const Measure& leaf, const Measure& centre, const std::vector<double>& b,
                   double epsilon, double rho) {
  const PairCost cost = squared(leaf.dimension);
  const double damping = rho == infinity ? 1 : rho / (rho + epsilon);
  std::vector<double> f, g(centre.size(), 0.0);
  for (int sweep = 0; sweep < 200; ++sweep) {
    f = dense_soft(leaf, centre, epsilon, g, cost);
    for (double& value : f) value *= damping;
    g = dense_soft(centre, leaf, epsilon, f, cost);
    for (std::size_t j = 0; j < g.size(); ++j) g[j] += epsilon * std::log(b[j] / centre.mass[j]);
  }
  double value = 0;
  for (std::size_t i = 0; i < f.size(); ++i) {
    value += leaf.mass[i] * (rho == infinity ? f[i] : -rho * std::expm1(-f[i] / rho));
    value += epsilon * leaf.mass[i];  // eps |m| |m_z|
  }
  for (std::size_t j = 0; j < g.size(); ++j) value += b[j] * (g[j] - epsilon);
  return value;
}

/// The same from the centre to itself.
double dense_own_value(const Measure& centre, const std::vector<double>& b, double epsilon) {
  std::vector<double> q(centre.size(), 0.0);
  for (int sweep = 0; sweep < 60; ++sweep) {
    const auto soft = dense_soft(centre, centre, epsilon, q, squared(centre.dimension));
    for (std::size_t j = 0; j < q.size(); ++j) {
      q[j] = (q[j] + soft[j] + epsilon * std::log(b[j] / centre.mass[j])) / 2;
    }
  }
  double value = epsilon;
  for (std::size_t j = 0; j < q.size(); ++j) value += b[j] * (2 * q[j] - epsilon);
  return value;
}

/// Slope and curvature of the objective of b along b (1 + t v), by differences: 1e-6 is the third
/// derivative's share, 1e-13 / 1e-3 that of the values' errors.
struct Shape {
  double slope, curvature;
};
Shape shape_along(const std::vector<double>& b, const std::vector<double>& v,
                  const std::function<double(const std::vector<double>&)>& objective) {
  const double t = 1e-3;
  double values[3];
  for (const int side : {-1, 0, 1}) {
    std::vector<double> moved = b;
    for (std::size_t j = 0; j < b.size(); ++j) moved[j] *= 1 + side * t * v[j];
    values[side + 1] = objective(moved);
  }
  return {(values[2] - values[0]) / (2 * t), (values[2] + values[0] - 2 * values[1]) / (t * t)};
}

TEST(Bregman, TheObjectiveHasNoSlopeAtTheAnswer) {
  const Communicator comm = Communicator::world();
  Star star{comm,
            {random_measure(2, 15, 1), random_measure(2, 18, 2)},
            equal_masses(random_measure(2, 16, 4)),
            {0.4, 0.6}};
  const double epsilon = 0.03;
  for (const std::string kind : {"plain", "debiased", "penalty"}) {
    SCOPED_TRACE(kind);
    BregmanOptions options = options_of(epsilon, 1e-11);
    if (kind == "penalty") options.rho = 0.4;
    Bregman problem = star.problem(options, kind == "debiased");
    const BregmanReport& report = solve(problem);
    ASSERT_TRUE(report.converged) << report.error_l1 << " after " << report.sweeps;
    const auto b = star.mass(problem);
    const auto objective = [&](const std::vector<double>& mass) {
      double value = 0;
      for (std::size_t k = 0; k < 2; ++k) {
        value +=
            star.weights[k] * dense_value(star.leaves[k], star.centre, mass, epsilon, options.rho);
      }
      if (kind == "debiased") value -= dense_own_value(star.centre, mass, epsilon) / 2;
      return value;
    };
    EXPECT_NEAR(report.dual_objective, objective(b), 1e-11);
    for (const std::uint64_t seed : {7, 8}) {
      const parallel::Stream stream(seed, "test", "direction");
      std::vector<double> v;
      double mean = 0, mass = 0;
      for (std::size_t j = 0; j < b.size(); ++j) {
        v.push_back(stream.uniform(j, 0) - 0.5);
        mean += b[j] * v[j];
        mass += b[j];
      }
      EXPECT_NEAR(mass, report.mass, 1e-12);
      // With penalties the mass is free, too; it is not that of the leaves.
      if (kind == "penalty") {
        EXPECT_GT(std::abs(mass - 1), 1e-3);
      } else {
        for (double& value : v) value -= mean / mass;
      }
      const Shape shape = shape_along(b, v, objective);
      EXPECT_NEAR(shape.slope, 0, 2e-7);
      EXPECT_GT(shape.curvature, 1e-4);
    }
  }
}

TEST(Bregman, OneMeasureIsItsOwnDebiasedBarycenter) {
  // The divergence that is minimised is zero there and nowhere else. The kernel between neighbours
  // (eps = 0.2 of the squared spacing 1 / n) keeps the least eigenvalue of the rule above 0.1.
  const Communicator comm = Communicator::world();
  const Measure m = random_measure(2, 40, 9);
  const Star star(comm, {m}, equal_masses(m), {1});
  Bregman problem = star.problem(options_of(0.005, 1e-12), true);
  const BregmanReport& report = solve(problem);
  EXPECT_TRUE(report.converged) << report.error_l1 << " after " << report.sweeps;
  const auto mass = star.mass(problem);
  for (std::size_t j = 0; j < mass.size(); ++j) EXPECT_NEAR(mass[j], m.mass[j], 1e-10);
}

}  // namespace
