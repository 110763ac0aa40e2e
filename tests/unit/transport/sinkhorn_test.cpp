// SPDX-License-Identifier: BSD-3-Clause
// Sinkhorn's algorithm: closed forms, optimality of relaxed problems by dense sums, counts of
// sweeps beside those of another implementation.
#include "transport/sinkhorn.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "dense.hpp"
#include "output/hdf5.hpp"
#include "unit/output/support.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using parallel::Communicator;
using transport::Cost;
using transport::CostKind;
using transport::CostSpec;
using transport::Kernel;
using transport::Relaxation;
using transport::SinkhornOptions;
using transport::SinkhornReport;

PairCost squared(int d) {
  return [d](const double* x, const double* y) {
    Wide sum = 0;
    for (int a = 0; a < d; ++a) sum += (Wide(x[a]) - y[a]) * (Wide(x[a]) - y[a]);
    return sum;
  };
}

struct Solved {
  SinkhornReport report;
  std::vector<double> f, g;  ///< everywhere
  double linear = 0;
};

Solved solve(const Communicator& comm, const Measure& a, const Measure& b,
             const SinkhornOptions& options, const CostSpec& cost = {}) {
  const auto x = cloud_of(comm, a), y = cloud_of(comm, b);
  const auto kernel = make_blocked_kernel(comm, x, y, Cost(cost, 1, a.dimension));
  std::vector<double> f(x.own(), 0.0), g(y.own(), 0.0);
  Solved result;
  result.report = sinkhorn(comm, *kernel, x, y, options, f, g, {});
  result.f = everywhere(comm, x, a, f);
  result.g = everywhere(comm, y, b, g);
  result.linear = kernel->linear_cost(options.epsilon, f, g, {});
  return result;
}

output::RegularGrid line(double lower, double upper, std::int64_t count) {
  return {{count}, {lower}, {(upper - lower) / static_cast<double>(count - 1)}};
}

TEST(Sinkhorn, GaussiansOnTheLine) {
  // Reference transport 5.2. Sums over 401 points of smooth functions that have died away at the
  // ends (8 standard deviations) are integrals to 1e-14; 1e-9 is the stopping rule's share.
  const Communicator comm = Communicator::world();
  const double s = 0.35, t = 0.6, shift = 0.4, s2 = 0.15;
  const auto normal = [](double mean, double sd) {
    return [=](const std::vector<double>& x) {
      return std::exp(-(x[0] - mean) * (x[0] - mean) / (2 * sd * sd));
    };
  };
  const Measure a = grid_measure(line(-5, 5, 401), normal(0, s));
  const Measure b = grid_measure(line(-4.6, 5.4, 401), normal(shift, t));
  SinkhornOptions options;
  options.epsilon = 2 * s2;
  options.tolerance = 1e-13;
  const Solved solved = solve(comm, a, b, options);
  EXPECT_TRUE(solved.report.converged);
  const double root = std::sqrt(4 * s * s * t * t + s2 * s2);
  const double value =
      shift * shift + s * s + t * t - root + s2 * (1 - std::log(2 * s2)) + s2 * std::log(root + s2);
  EXPECT_NEAR(solved.report.dual_objective, value, 1e-9);
  const DensePlan plan = dense_plan(a, b, options.epsilon, solved.f, solved.g, squared(1));
  EXPECT_NEAR(plan.cost + options.epsilon * plan.kl, value, 1e-9);
  EXPECT_NEAR(solved.linear, plan.cost, 1e-12);
  const double slope = (root / 2 - s2 / 2) / (s * s);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double x = a[i][0];
    if (std::abs(x) > 4 * s) continue;
    EXPECT_NEAR(plan.row_mean[i], shift + slope * x, 1e-9);
  }
}

TEST(Sinkhorn, TranslationsMoveThePotentialsByALine) {
  const Communicator comm = Communicator::world();
  const Measure a = random_measure(2, 60, 5);
  Measure b = a;
  const double by[2] = {0.3, -0.2};
  for (std::size_t i = 0; i < b.coordinates.size(); ++i) b.coordinates[i] += by[i % 2];
  SinkhornOptions options;
  options.epsilon = 0.02;
  options.tolerance = 1e-12;
  const Solved solved = solve(comm, a, b, options);
  ASSERT_TRUE(solved.report.converged);
  const auto x = cloud_of(comm, a);
  const auto kernel = make_blocked_kernel(comm, x, x, Cost({}, 1, 2));
  std::vector<double> own(x.own(), 0.0);
  const SinkhornReport symmetric = sinkhorn_symmetric(comm, *kernel, x, options, own, {});
  EXPECT_TRUE(symmetric.converged);
  EXPECT_LE(symmetric.sweeps, 40);  // the halved errors of its rule: 2^-40 is 1e-12
  const auto f = everywhere(comm, x, a, own);
  // It is optimal.
  const DensePlan plan = dense_plan(a, a, options.epsilon, f, f, squared(2));
  double missed = 0;
  for (std::size_t i = 0; i < a.size(); ++i) missed += std::abs(plan.rows[i] - a.mass[i]);
  EXPECT_LT(missed, 2 * options.tolerance);
  // |x - y - by|^2 = |x - y|^2 - 2 by (x - y) + |by|^2, whose middle part potentials take up. The
  // potentials are exact to the error of the rows over the spectral gap: 1e-12 eps / 1e-3.
  const double square = by[0] * by[0] + by[1] * by[1];
  EXPECT_NEAR(solved.linear, kernel->linear_cost(options.epsilon, own, own, {}) + square, 1e-10);
  EXPECT_NEAR(solved.report.dual_objective, symmetric.dual_objective + square, 1e-12);
  const double constant = solved.f[0] - f[0] + 2 * (by[0] * a[0][0] + by[1] * a[0][1]);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double moved = f[i] - 2 * (by[0] * a[i][0] + by[1] * a[i][1]) + constant;
    EXPECT_NEAR(solved.f[i], moved, 1e-10);
  }
}

TEST(Sinkhorn, RotationsOfACircleChangeNothing) {
  const Communicator comm = Communicator::world();
  Measure a = random_measure(1, 50, 1), b = random_measure(1, 70, 2);
  CostSpec cost;
  cost.kind = CostKind::periodic;
  cost.period = {1.0};
  SinkhornOptions options;
  options.epsilon = 0.01;
  options.tolerance = 1e-12;
  const Solved one = solve(comm, a, b, options, cost);
  for (double& z : a.coordinates) z = std::fmod(z + 0.37, 1.0);
  for (double& z : b.coordinates) z = std::fmod(z + 0.37, 1.0);
  const Solved two = solve(comm, a, b, options, cost);
  EXPECT_TRUE(one.report.converged && two.report.converged);
  EXPECT_NEAR(one.linear, two.linear, 1e-10);
  EXPECT_NEAR(one.report.dual_objective, two.report.dual_objective, 1e-12);
}

/// Two measures of unequal masses, 1.3 and 0.8, partly far apart.
struct Unequal {
  Measure a = random_measure(2, 60, 7), b = random_measure(2, 45, 8);
  Unequal() {
    for (double& m : a.mass) m *= 1.3;
    for (double& m : b.mass) m *= 0.8;
    for (std::size_t j = 0; j < 30; ++j) b.coordinates[j] += 0.5;
  }
};

TEST(Sinkhorn, KullbackLeiblerPenaltiesAreOptimal) {
  const Communicator comm = Communicator::world();
  const Unequal data;
  for (const bool over_relax : {false, true}) {
    SinkhornOptions options;
    options.epsilon = 0.03;
    options.tolerance = 1e-12;
    options.relaxation = Relaxation::kullback_leibler;
    options.strength = 0.3;
    options.over_relax = over_relax;
    const Solved solved = solve(comm, data.a, data.b, options);
    EXPECT_TRUE(solved.report.converged);
    const DensePlan plan =
        dense_plan(data.a, data.b, options.epsilon, solved.f, solved.g, squared(2));
    // P1 = m exp(-f / rho) and the same for the columns: the problem is convex, so this is all.
    double missed = 0;
    double dual = -options.epsilon * (plan.mass - 1.3 * 0.8);
    const auto side = [&](const std::vector<double>& mass, const std::vector<double>& potential,
                          const std::vector<double>& marginal) {
      for (std::size_t i = 0; i < mass.size(); ++i) {
        missed += std::abs(marginal[i] - mass[i] * std::exp(-potential[i] / options.strength));
        dual -= options.strength * mass[i] * std::expm1(-potential[i] / options.strength);
      }
    };
    side(data.a.mass, solved.f, plan.rows);
    side(data.b.mass, solved.g, plan.columns);
    EXPECT_LT(missed, 2.1 * options.tolerance);
    EXPECT_NEAR(solved.report.dual_objective, dual, 1e-12);
  }
}

TEST(Sinkhorn, TotalVariationPenaltiesAreOptimal) {
  const Communicator comm = Communicator::world();
  const Unequal data;
  SinkhornOptions options;
  options.epsilon = 0.03;
  options.tolerance = 1e-11;
  options.max_sweeps = 20000;
  options.relaxation = Relaxation::total_variation;
  options.strength = 0.15;
  const Solved solved = solve(comm, data.a, data.b, options);
  EXPECT_TRUE(solved.report.converged);
  const DensePlan plan =
      dense_plan(data.a, data.b, options.epsilon, solved.f, solved.g, squared(2));
  double missed = 0;
  int at_bounds = 0;
  const auto side = [&](const std::vector<double>& mass, const std::vector<double>& potential,
                        const std::vector<double>& marginal) {
    for (std::size_t i = 0; i < mass.size(); ++i) {
      const double excess = marginal[i] - mass[i];
      EXPECT_LE(std::abs(potential[i]), options.strength);
      // At its upper end a potential may leave mass behind, at its lower end make mass.
      if (potential[i] == options.strength) {
        missed += std::max(excess, 0.0);
        ++at_bounds;
      } else if (potential[i] == -options.strength) {
        missed += std::max(-excess, 0.0);
        ++at_bounds;
      } else {
        missed += std::abs(excess);
      }
    }
  };
  side(data.a.mass, solved.f, plan.rows);
  side(data.b.mass, solved.g, plan.columns);
  EXPECT_LT(missed, 2.1 * options.tolerance);
  EXPECT_GT(at_bounds, 5);
}

TEST(Sinkhorn, PartialTransportIsOptimal) {
  const Communicator comm = Communicator::world();
  const Unequal data;
  for (const double wanted : {0.5, 0.8}) {  // the latter is all of b
    SinkhornOptions options;
    options.epsilon = 0.015;
    options.tolerance = 1e-11;
    options.max_sweeps = 20000;
    options.relaxation = Relaxation::partial;
    options.strength = wanted;
    const Solved solved = solve(comm, data.a, data.b, options);
    EXPECT_TRUE(solved.report.converged);
    EXPECT_GT(solved.report.sweeps, 3);
    const DensePlan plan =
        dense_plan(data.a, data.b, options.epsilon, solved.f, solved.g, squared(2));
    EXPECT_NEAR(plan.mass, wanted, 1e-11);
    const double level = *std::ranges::max_element(solved.f);
    double missed = 0, dual = level * wanted - options.epsilon * (plan.mass - 1.3 * 0.8);
    const auto side = [&](const std::vector<double>& mass, const std::vector<double>& potential,
                          double top, const std::vector<double>& marginal) {
      for (std::size_t i = 0; i < mass.size(); ++i) {
        const double excess = marginal[i] - mass[i];
        EXPECT_LE(potential[i], top);
        // Below the bound the point is used up; at it, some of it may stay.
        missed += potential[i] < top ? std::abs(excess) : std::max(excess, 0.0);
        dual += mass[i] * (potential[i] - top);
      }
    };
    side(data.a.mass, solved.f, level, plan.rows);
    side(data.b.mass, solved.g, 0, plan.columns);
    EXPECT_LT(missed, 4 * options.tolerance);
    EXPECT_NEAR(solved.report.dual_objective, dual, 1e-12);
  }
}

TEST(Sinkhorn, SaysWhenItHasNotConverged) {
  const Communicator comm = Communicator::world();
  const Measure a = random_measure(2, 60, 1), b = random_measure(2, 50, 2);
  SinkhornOptions options;
  options.epsilon = 1e-4;
  options.max_sweeps = 7;
  const Solved solved = solve(comm, a, b, options);
  EXPECT_FALSE(solved.report.converged);
  EXPECT_EQ(solved.report.sweeps, 7);
  EXPECT_EQ(solved.report.errors.size(), 7U);
  const DensePlan plan = dense_plan(a, b, options.epsilon, solved.f, solved.g, squared(2));
  double rows = 0, columns = 0;
  for (std::size_t i = 0; i < a.size(); ++i) rows += std::abs(plan.rows[i] - a.mass[i]);
  for (std::size_t j = 0; j < b.size(); ++j) columns += std::abs(plan.columns[j] - b.mass[j]);
  EXPECT_NEAR(solved.report.error_l1, rows, 1e-10);  // exponents of 1e4 are rounded to 1e-12
  EXPECT_LT(columns, 1e-10);
}

TEST(Sinkhorn, RefusesValuesThatAreNotFinite) {
  const Communicator comm = Communicator::world();
  const Measure a = random_measure(2, 60, 1);
  const auto x = cloud_of(comm, a);
  const auto kernel = make_blocked_kernel(comm, x, x, Cost({}, 1, 2));
  std::vector<double> f(x.own(), 0.0), g(x.own(), 0.0);
  if (x.first == 0) g[0] = std::nan("");
  try {
    sinkhorn(comm, *kernel, x, x, {}, f, g, {});
    FAIL() << "nothing was thrown";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::numerical);
  }
}

/// Counts of the problems in tests/reference/transport: the same costs, marginals and start there.
TEST(Sinkhorn, CountsOfSweepsAreThoseOfTheReference) {
  const Communicator comm = Communicator::world();
  std::ifstream stream(MENSURA_REFERENCE);
  const auto reference = nlohmann::json::parse(stream);
  const SharedFolder folder(comm);
  for (const auto& problem : reference.at("problems")) {
    SCOPED_TRACE(problem.at("name").get<std::string>());
    const auto mass_a = problem.at("r").get<std::vector<double>>();
    const auto mass_b = problem.at("c").get<std::vector<double>>();
    const auto start = problem.at("start").get<std::vector<double>>();
    const auto costs = problem.at("cost").get<std::vector<double>>();
    Measure a = random_measure(1, mass_a.size(), 1), b = random_measure(1, mass_b.size(), 2);
    a.mass = mass_a;
    b.mass = mass_b;
    const std::string path = folder / (problem.at("name").get<std::string>() + ".h5");
    auto file = output::File::create(comm, path);
    file.replicated("/c", costs, {}, {std::int64_t(a.size()), std::int64_t(b.size())});
    file.finish();
    CostSpec spec;
    spec.kind = CostKind::matrix;
    spec.file = path;
    spec.dataset = "/c";
    const auto x = cloud_of(comm, a), y = cloud_of(comm, b);
    const auto kernel =
        make_matrix_kernel(comm, x, std::int64_t(a.size()), y, std::int64_t(b.size()), spec, 1);
    SinkhornOptions options;
    options.epsilon = 1 / problem.at("eta").get<double>();
    options.tolerance = reference.at("tolerance").get<double>();
    // Thousands of short sweeps are slow where ranks share a core: several ranks do the first ones.
    const bool whole = comm.size() == 1;
    const auto run = [&](bool over_relax, std::int64_t most) {
      options.max_sweeps = most;
      // Potentials there go without the product of the marginals.
      std::vector<double> f(x.own(), 0.0), g;
      for (const std::size_t j : places(y, b)) {
        g.push_back(start[j] - options.epsilon * std::log(b.mass[j]));
      }
      options.over_relax = over_relax;
      return sinkhorn(comm, *kernel, x, y, options, f, g, {});
    };
    // Errors there: rows and columns together (columns are exact), after every block of sweeps.
    const SinkhornReport plain = run(false, whole ? 20000 : 63);
    EXPECT_EQ(plain.converged, whole);
    const auto history = problem.at("plain").get<std::vector<std::pair<std::size_t, double>>>();
    for (const auto& [sweeps, error] : history) {
      if (sweeps > plain.errors.size()) continue;
      // Both round: exponents of eta c to 1e-13, relative to the mass.
      EXPECT_NEAR(plain.errors[sweeps - 1], error, 1e-6 * error + 1e-12);
    }
    const auto block = reference.at("block").get<std::int64_t>();
    const auto last = static_cast<std::int64_t>(history.back().first);
    EXPECT_TRUE(!whole || (plain.sweeps <= last && plain.sweeps > last - block)) << plain.sweeps;
    if (!whole && problem.at("name") != "line") continue;
    const SinkhornReport over_relaxed = run(true, 20000);
    EXPECT_TRUE(over_relaxed.converged);
    EXPECT_GT(over_relaxed.over_relaxation, 1.2);
    EXPECT_LE(over_relaxed.sweeps, problem.at("over_relaxed").get<std::int64_t>());
    EXPECT_LE(3 * over_relaxed.sweeps, last);
    RecordProperty("sweeps_of_" + problem.at("name").get<std::string>(),
                   std::to_string(plain.sweeps) + " plain, " + std::to_string(over_relaxed.sweeps) +
                       " over-relaxed");
  }
}

}  // namespace
