// SPDX-License-Identifier: BSD-3-Clause
// Entropic barycenters with one entropy per edge: closed forms of normal laws, a dense
// implementation, optimality of the objective itself, what underflows, restarts.
#include "transport/bregman.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <string>

#include "dense.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using output::RegularGrid;
using parallel::Communicator;
using transport::Bregman;
using transport::BregmanEdge;
using transport::BregmanOptions;
using transport::BregmanReport;
using transport::Cloud;
using transport::Cost;
using transport::Kernel;

constexpr double infinity = std::numeric_limits<double>::infinity();

PairCost squared(int d) {
  return [d](const double* x, const double* y) {
    Wide sum = 0;
    for (int a = 0; a < d; ++a) sum += (Wide(x[a]) - y[a]) * (Wide(x[a]) - y[a]);
    return sum;
  };
}

/// Measures and a centre with the kernels between them; grids: separable ones.
struct Star {
  Star(const Communicator& communicator, std::vector<Measure> measures, Measure middle,
       std::vector<double> edge_weights, const RegularGrid* grid = nullptr)
      : comm(communicator),
        leaves(std::move(measures)),
        centre(std::move(middle)),
        weights(std::move(edge_weights)),
        z(cloud_of(comm, centre)) {
    const Cost cost({}, 1, centre.dimension);
    const auto kernel = [&](const Cloud& rows) {
      return grid != nullptr ? make_separable_kernel(comm, rows, *grid, z, *grid, cost)
                             : make_blocked_kernel(comm, rows, z, cost);
    };
    for (const Measure& leaf : leaves) x.push_back(cloud_of(comm, leaf));
    for (const Cloud& cloud : x) kernels.push_back(kernel(cloud));
    own = kernel(z);
  }
  std::vector<BregmanEdge> edges() const {
    std::vector<BregmanEdge> result;
    for (std::size_t k = 0; k < x.size(); ++k) {
      result.push_back({&x[k], kernels[k].get(), weights[k]});
    }
    return result;
  }
  Bregman problem(const BregmanOptions& options, bool debiased = false) const {
    return {comm, edges(), z, debiased ? own.get() : nullptr, options};
  }
  std::vector<double> mass(const Bregman& solved) const {
    return everywhere(comm, z, centre, solved.mass());
  }

  const Communicator& comm;
  std::vector<Measure> leaves;
  Measure centre;
  std::vector<double> weights;
  Cloud z;
  std::vector<Cloud> x;
  std::vector<std::unique_ptr<Kernel>> kernels;
  std::unique_ptr<Kernel> own;
};

const BregmanReport& solve(Bregman& problem) {
  while (!problem.finished()) problem.advance({});
  return problem.report();
}

BregmanOptions options_of(double epsilon, double tolerance) {
  BregmanOptions options;
  options.epsilon = epsilon;
  options.tolerance = tolerance;
  return options;
}

RegularGrid line(double lower, double upper, std::int64_t count) {
  return {{count}, {lower}, {(upper - lower) / static_cast<double>(count - 1)}};
}

std::function<double(const std::vector<double>&)> normal(std::vector<double> mean, double sd) {
  return [=](const std::vector<double>& x) {
    double square = 0;
    for (std::size_t a = 0; a < x.size(); ++a) square += (x[a] - mean[a]) * (x[a] - mean[a]);
    return std::exp(-square / (2 * sd * sd));
  };
}

double flat(const std::vector<double>& /*x*/) {
  return 1;
}

struct Moments {
  double mass = 0, mean = 0, variance = 0;
};
Moments moments(const Measure& points, const std::vector<double>& mass, std::size_t axis) {
  Moments result;
  for (const double m : mass) result.mass += m;
  for (std::size_t i = 0; i < mass.size(); ++i) result.mean += mass[i] * points[i][axis];
  for (std::size_t i = 0; i < mass.size(); ++i) {
    const double away = points[i][axis] - result.mean;
    result.variance += mass[i] * away * away;
  }
  return result;
}

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

Measure equal_masses(Measure points) {
  points.mass.assign(points.size(), 1.0 / static_cast<double>(points.size()));
  return points;
}

Star three_clouds(const Communicator& comm) {
  return {comm,
          {random_measure(2, 40, 1), random_measure(2, 30, 2), random_measure(2, 50, 3)},
          equal_masses(random_measure(2, 45, 4)),
          {0.5, 1.5, 1}};
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
