// SPDX-License-Identifier: BSD-3-Clause
// Whole solves by Newton's method along the hierarchy: closed forms, relaxed marginals,
// certificates.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <string>

#include "linear/petsc.hpp"
#include "newton_task.hpp"
#include "transport/certificate.hpp"
#include "transport/multiscale.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using parallel::Stream;
using transport::CostKind;

class NewtonTest : public testing::Test {
 protected:
  const Communicator comm = Communicator::world();
  const linear::PetscSession session{comm, {}, {}};
};

TEST_F(NewtonTest, GaussiansOnTheLine) {
  // Reference transport 5.2; the grid's sums are integrals to 1e-14 (8 standard deviations).
  const double s = 0.35, t = 0.6, shift = 0.4, s2 = 0.15;
  const auto normal = [](double mean, double deviation) {
    return [=](const std::vector<double>& x) {
      return std::exp(-(x[0] - mean) * (x[0] - mean) / (2 * deviation * deviation));
    };
  };
  Task task{grid_measure({{401}, {-5}, {0.025}}, normal(0, s)),
            grid_measure({{401}, {-4.6}, {0.025}}, normal(shift, t)), 0.025, 2 * s2};
  const Solved solved = solve(comm, task);
  ASSERT_TRUE(solved.converged);
  EXPECT_EQ(solved.history.back().method, "newton");
  const double root = std::sqrt(4 * s * s * t * t + s2 * s2);
  const double value =
      shift * shift + s * s + t * t - root + s2 * (1 - std::log(2 * s2)) + s2 * std::log(root + s2);
  EXPECT_NEAR(solved.value, value, 1e-9);
}

TEST_F(NewtonTest, TranslationsMoveThePotentialsByALine) {
  // |x - y - s|^2 = |x - y|^2 - 2 s.(x - y) + |s|^2: the solution is that of a with itself, moved.
  const double h = 1.0 / 24, s[2] = {9 * h, -4 * h};
  const Measure a = image([](double x, double y) { return bumps(x, y, 3); }, 24);
  Measure b = a;
  for (std::size_t i = 0; i < b.coordinates.size(); ++i) b.coordinates[i] += s[i % 2];
  const Solved moved = solve(comm, {a, b, h, h * h / 4}), still = solve(comm, {a, a, h, h * h / 4});
  ASSERT_TRUE(moved.converged && still.converged);
  const double length = s[0] * s[0] + s[1] * s[1];
  EXPECT_NEAR(moved.value, still.value + length, 1e-12);
  EXPECT_LE(moved.certificate.dual, length * (1 + 1e-14));
  EXPECT_GE(moved.certificate.primal, length * (1 - 1e-14));
  double mean = 0;
  std::vector<double> line;
  for (std::size_t i = 0; i < a.size(); ++i) {
    line.push_back(still.f[i] - 2 * (s[0] * a[i][0] + s[1] * a[i][1]));
    mean += a.mass[i] * line.back();
  }
  for (double& f : line) f -= mean;
  EXPECT_LE(apart(moved.f, line), 1e-10 * range_of(line));
}

// The optimal map from random points along the gradient of a convex function is that gradient
// (reference transport 5.10).
TEST_F(NewtonTest, GradientsOfConvexFunctionsAreOptimal) {
  Measure a = random_measure(3, 200, 8);
  const Measure centres = random_measure(3, 5, 9);
  a.mass.assign(a.size(), 1.0 / static_cast<double>(a.size()));
  Measure b = a;
  double exact = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t c = 0; c < centres.size(); ++c) {
      double length = 0;
      for (int j = 0; j < 3; ++j) length += std::pow(a[i][j] - centres[c][j], 2);
      for (std::size_t j = 0; j < 3; ++j) {
        b.coordinates[3 * i + j] += centres.mass[c] * (a[i][j] - centres[c][j]) / std::sqrt(length);
      }
    }
    for (int j = 0; j < 3; ++j) exact += a.mass[i] * std::pow(a[i][j] - b[i][j], 2);
  }
  const double spacing = 0.1;
  Task task{a, b, spacing, spacing * spacing / 64};
  task.tolerance = 1e-10;
  const Solved solved = solve(comm, task);
  ASSERT_TRUE(solved.converged);
  EXPECT_LE(solved.certificate.dual, exact * (1 + 1e-13));
  EXPECT_GE(solved.certificate.primal, exact * (1 - 1e-13));
  EXPECT_LE(solved.certificate.absolute(), 10 * task.epsilon);
  for (std::size_t i = 0; i < a.size(); ++i) {
    // No other target is preferred by more than the regularisation blurs.
    const auto left = [&](std::size_t j) {
      double c = 0;
      for (int k = 0; k < 3; ++k) c += std::pow(a[i][k] - b[j][k], 2);
      return c - solved.g[j];
    };
    for (std::size_t j = 0; j < b.size(); ++j) {
      EXPECT_GE(left(j) - left(i), -12 * task.epsilon) << i << " " << j;
    }
  }
}

// Clouds whose tails are much thinner than their middle: most links of an outer point are tiny
// beside its own mass, and all that connects it. A preconditioner that leaves such links out takes
// more than 100 iterations here and the steps fail.
TEST_F(NewtonTest, ThinTailsOfClouds) {
  const parallel::Stream stream(5, "test", "tails");
  Task task{random_measure(2, 4000, 1), random_measure(2, 4000, 2)};
  for (Measure* measure : {&task.a, &task.b}) {
    const std::uint64_t side = measure == &task.a ? 0 : 1;
    measure->mass.assign(measure->size(), 1.0 / static_cast<double>(measure->size()));
    for (std::size_t i = 0; i < measure->size(); ++i) {
      const double radius = std::sqrt(-2 * std::log(1 - stream.uniform(i, 3 * side)));
      const double angle = 2 * M_PI * stream.uniform(i, 3 * side + 1);
      const bool left = stream.uniform(i, 3 * side + 2) < 0.5;
      measure->coordinates[2 * i] = side == 0
                                        ? radius * std::cos(angle)
                                        : 0.6 * radius * std::cos(angle) + (left ? -1.5 : 1.5);
      measure->coordinates[2 * i + 1] = (side == 0 ? 1 : 0.6) * radius * std::sin(angle);
    }
  }
  task.spacing = 0.03;  // about the mean distance to the nearest neighbour
  task.epsilon = task.spacing * task.spacing;
  task.tolerance = 1e-8;
  const Solved solved = solve(comm, task);
  EXPECT_TRUE(solved.converged);
  for (const StageReport& stage : solved.history) {
    EXPECT_LE(stage.newton, 15) << stage.points;
    for (const std::int64_t iterations : stage.cg) EXPECT_LE(iterations, 25) << stage.points;
  }
}

// Weights over twelve decades: a step may lift pairs outside the support that it knows, which then
// outweigh what it gained; it has to be taken back.
TEST_F(NewtonTest, WeightsOfManyScales) {
  Task task{random_measure(1, 2000, 2), random_measure(1, 2000, 3)};
  const parallel::Stream stream(1, "test", "weights");
  for (Measure* measure : {&task.a, &task.b}) {
    double sum = 0;
    for (std::size_t i = 0; i < measure->size(); ++i) {
      measure->mass[i] = std::pow(10.0, -12 * stream.uniform(i, measure == &task.a ? 0 : 1));
      sum += measure->mass[i];
    }
    for (double& mass : measure->mass) mass /= sum;
  }
  task.spacing = 1.0 / 4000;  // about the mean distance to the nearest neighbour
  task.epsilon = task.spacing * task.spacing / 4;
  task.tolerance = 1e-9;
  const Solved solved = solve(comm, task);
  EXPECT_TRUE(solved.converged);
  EXPECT_LE(solved.history.back().error_l1, task.tolerance);
}

TEST_F(NewtonTest, KullbackLeiblerPenaltyAgainstDenseSweeps) {
  Task task{random_measure(2, 34, 1), random_measure(2, 30, 2), 0.17, 5e-3};
  for (double& m : task.b.mass) m *= 1.7;
  task.rho = 0.2;
  task.tolerance = 1e-14;
  const Solved solved = solve(comm, task);
  EXPECT_LE(solved.history.back().error_l1, 1e-13);
  EXPECT_LE(solved.history.back().newton, 6);  // 4 or 5 of the reference, and one at the floor
  std::vector<double> f(34, 0.0), g(30, 0.0);
  const auto squares = [](const double* u, const double* v) {
    return (Wide(u[0]) - v[0]) * (Wide(u[0]) - v[0]) + (Wide(u[1]) - v[1]) * (Wide(u[1]) - v[1]);
  };
  for (int sweep = 0; sweep < 700; ++sweep) {
    for (auto [to, from, x, y] :
         {std::tuple(&f, &g, &task.a, &task.b), std::tuple(&g, &f, &task.b, &task.a)}) {
      *to = dense_soft(*x, *y, task.epsilon, *from, squares);
      for (double& value : *to) value *= task.rho / (task.rho + task.epsilon);
    }
  }
  EXPECT_LE(apart(solved.f, f), 1e-13);
  EXPECT_LE(apart(solved.g, g), 1e-13);
}

TEST_F(NewtonTest, OtherDimensionsGridsAndCosts) {
  const auto positive = [](const std::vector<double>& x) {
    double sum = 0.1;
    for (std::size_t j = 0; j < x.size(); ++j) sum += std::pow(std::sin(3 * x[j] + 1.0), 2);
    return sum;
  };
  const auto ramp = [](const std::vector<double>& x) { return 0.05 + x[0]; };
  const auto cost = [](CostKind kind, double power, std::vector<double> period = {}) {
    CostSpec spec;
    spec.kind = kind;
    spec.power = power;
    spec.period = std::move(period);
    return spec;
  };
  const auto square = [](std::int64_t n) {
    const double h = 1 / static_cast<double>(n);
    return output::RegularGrid{{n, n}, {h / 2, h / 2}, {h, h}};
  };
  // Potentials of size one round to 1e-16, which is 2e-11 of the line's regularisation of 6e-6.
  std::vector<std::pair<std::string, Task>> tasks;
  const double h = 1.0 / 200, u = 1.0 / 7, v = 1.0 / 16;
  tasks.push_back({"line",
                   {grid_measure({{200}, {h / 2}, {h}}, positive),
                    grid_measure({{130}, {h}, {2 * h}}, ramp), h, h * h / 4, 1e-9}});
  tasks.push_back({"volume",
                   {grid_measure({{7, 7, 7}, {0, 0, 0}, {u, u, u}}, positive),
                    grid_measure({{5, 6, 7}, {0, 0, 0}, {u, u, u}}, ramp), u, u * u / 4}});
  tasks.push_back(
      {"unequal grids",
       {grid_measure(square(16), positive), grid_measure(square(11), ramp), v, v * v / 4}});
  tasks.push_back({"torus",
                   {grid_measure(square(16), positive), grid_measure(square(16), ramp), v,
                    v * v / 4, 1e-12, 1, cost(CostKind::periodic, 2, {1, 1})}});
  tasks.push_back({"l1",
                   {grid_measure(square(16), positive), grid_measure(square(16), ramp), v, v / 4,
                    1e-11, 1, cost(CostKind::l1, 1)}});
  tasks.push_back({"power",
                   {grid_measure(square(16), positive), grid_measure(square(16), ramp), v,
                    std::pow(v, 1.5) / 4, 1e-11, 1, cost(CostKind::power, 1.5)}});
  for (auto& [name, task] : tasks) {
    const Solved solved = solve(comm, task);
    EXPECT_TRUE(solved.converged) << name;
    if (comm.is_root()) {
      EXPECT_LE(full_error(task, solved), 2e-9) << name;
    }
    EXPECT_GE(solved.certificate.absolute(), 0) << name;
    EXPECT_LE(solved.certificate.absolute(), 3 * task.epsilon) << name;
  }
}

TEST_F(NewtonTest, WeightsOfEdgesScaleTheCost) {
  const double h = 1.0 / 20;
  Task weighted{image([](double x, double y) { return bumps(x, y, 1); }, 20),
                image([](double x, double y) { return bumps(x, y, 2); }, 20), h, 2.5 * h * h / 4};
  weighted.weight = 2.5;
  Task stretched = weighted;
  stretched.weight = 1;
  stretched.spacing *= std::sqrt(2.5);
  for (Measure* measure : {&stretched.a, &stretched.b}) {
    for (double& x : measure->coordinates) x *= std::sqrt(2.5);
  }
  const Solved one = solve(comm, weighted), other = solve(comm, stretched);
  ASSERT_TRUE(one.converged && other.converged);
  EXPECT_LE(apart(one.f, other.f), 1e-10 * range_of(one.f));
  EXPECT_NEAR(one.value, other.value, 1e-12);
  EXPECT_NEAR(one.certificate.primal, other.certificate.primal, 1e-11);
  EXPECT_NEAR(one.certificate.dual, other.certificate.dual, 1e-11);
}

TEST_F(NewtonTest, StartsThatStarveRowsAreMended) {
  // Random potentials of many eps: most rows and columns have no pair in the support.
  const Measure a = random_measure(2, 150, 1), b = random_measure(2, 140, 2);
  const Cloud x = cloud_of(comm, a), y = cloud_of(comm, b);
  const Cost cost({}, 1, 2);
  SparsePlan plan(comm, x, y, cost);
  transport::NewtonOptions options;
  options.epsilon = 1e-3;
  options.tolerance = 1e-11;
  Potentials start;
  const Stream stream(4, "test", "start");
  for (const std::uint64_t id : x.ids) start.f.push_back(stream.uniform(id, 0));
  for (const std::uint64_t id : y.ids) start.g.push_back(stream.uniform(id, 1));
  transport::Newton newton(plan, start, options);
  ASSERT_TRUE(newton.begin());
  while (!newton.step()) {
  }
  EXPECT_TRUE(newton.converged()) << newton.report().error_l1;
  EXPECT_EQ(plan.empty_lines(), 0);
}

// Bounds beside the optimum of assignment problems, found by trying all of them.
TEST_F(NewtonTest, CertificatesHoldTheExactOptimum) {
  std::vector<CostSpec> costs(4);
  costs[1].kind = CostKind::l1;
  costs[2].kind = CostKind::power;
  costs[2].power = 1.5;
  costs[3].kind = CostKind::periodic;
  costs[3].period = {0.7, 0.9};
  for (std::size_t kind = 0; kind < costs.size(); ++kind) {
    for (const std::size_t n : {std::size_t{1}, std::size_t{7}}) {
      Measure a = random_measure(2, n, 11 + kind), b = random_measure(2, n, 21 + kind);
      a.mass.assign(n, 1.0 / static_cast<double>(n));
      b.mass = a.mass;
      const Cost cost(costs[kind], 1, 2);
      std::vector<std::size_t> order(n);
      std::iota(order.begin(), order.end(), std::size_t{0});
      double exact = infinity;
      do {
        double sum = 0;
        for (std::size_t i = 0; i < n; ++i) sum += cost(a[i], b[order[i]]) * a.mass[i];
        exact = std::min(exact, sum);
      } while (std::next_permutation(order.begin(), order.end()));
      const Cloud x = cloud_of(comm, a), y = cloud_of(comm, b);
      SparsePlan plan(comm, x, y, cost);
      const Stream stream(kind, "test", "potentials");
      for (const double scale : {0.0, 0.1, 3.0}) {  // far from any solution
        Potentials at;
        for (const std::uint64_t id : x.ids) at.f.push_back(scale * stream.uniform(id, 0));
        for (const std::uint64_t id : y.ids) at.g.push_back(scale * stream.uniform(id, 1));
        ASSERT_TRUE(plan.search(at, 0.05, 1000));
        plan.evaluate(at, 0.05);
        const Certificate bounds = certify(plan, at, cost);
        EXPECT_LE(bounds.dual, exact + 1e-14) << kind << " " << n << " " << scale;
        EXPECT_GE(bounds.primal, exact - 1e-14) << kind << " " << n << " " << scale;
        EXPECT_LE(bounds.remainder, 1 + 1e-14);
      }
      const Solved solved = solve(comm, {a, b, 0.3, 1e-3, 1e-11, 1, costs[kind]});
      EXPECT_TRUE(solved.converged) << kind << " " << n;
      EXPECT_LE(solved.certificate.dual, exact + 1e-14);
      EXPECT_GE(solved.certificate.primal, exact - 1e-14);
      EXPECT_LE(solved.certificate.absolute(), 5e-3) << kind;  // a few eps
    }
  }
}

}  // namespace
