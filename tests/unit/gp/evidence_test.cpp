// SPDX-License-Identifier: BSD-3-Clause
// Evidences of the sparse conditioner against the dense one, which is exact: table 1.3 of the
// reference gp_evidence_frequencies.
#include "gp/evidence.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <numbers>
#include <span>
#include <vector>

#include "gp/dense_conditioner.hpp"
#include "gp/lift.hpp"
#include "gp/sparse_conditioner.hpp"
#include "linear/lane_sums.hpp"
#include "small_system.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using parallel::Communicator;

constexpr double nugget = 1e-10;

/// -Lap u + u at interior points, u elsewhere: the smooth solution of the reference ("series", its
/// first 40 terms; the others are below 1e-9).
gp::Measurements smooth_data(const SmallSystem& system) {
  const gp::Pattern& pattern = system.pattern;
  gp::Measurements result;
  result.lift.assign(static_cast<std::size_t>(system.layout.own), 1.0);
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
    double u = 0, minus_laplacian = 0;
    for (int k = 1; k <= 40; ++k) {
      const double wave = std::numbers::pi * k;
      const double term = std::sin(wave * pattern.coordinates[2 * p]) *
                          std::sin(wave * pattern.coordinates[2 * p + 1]) * std::pow(k, -6);
      u += term;
      minus_laplacian += 2 * wave * wave * term;
    }
    result.value.push_back(pattern.kind(p) == gp::PointKind::interior ? minus_laplacian + u : u);
  }
  return result;
}

/// Collective. Measurements of two draws of the prior.
std::array<std::vector<double>, 2> draws(const SmallSystem& system, gp::Conditioner& dense) {
  const auto own = static_cast<std::size_t>(system.pattern.own);
  const parallel::Stream stream(9, "test", "draws");
  std::vector<linear::Eight> rows(static_cast<std::size_t>(system.layout.own)), points(own);
  for (std::size_t p = 0; p < own; ++p) {
    for (std::int32_t r = system.layout.first[p]; r < system.layout.first[p + 1]; ++r) {
      linear::Lanes lanes{};
      for (std::size_t l = 0; l < 8; ++l) {
        lanes[l] = stream.normal(
            4 * system.pattern.ids[p] + static_cast<std::uint64_t>(r - system.layout.first[p]), l);
      }
      rows[static_cast<std::size_t>(r)] = linear::eight_of(lanes);
    }
  }
  dense.draw_prior(rows, [] {});
  const std::vector<double> lift(rows.size(), 1.0);
  gp::restrict_to_points(system.layout, std::span<const double>(lift), rows.data(), own,
                         points.data());
  std::array<std::vector<double>, 2> result;
  for (std::size_t p = 0; p < own; ++p) {
    for (std::size_t l = 0; l < 2; ++l) result[l].push_back(linear::lanes_of(points[p])[l]);
  }
  return result;
}

gp::Evidence evidence(const SmallSystem& system, gp::Conditioner& conditioner,
                      const gp::Measurements& measurements, double scale = 0) {
  std::vector<double> state(static_cast<std::size_t>(system.layout.own));
  const auto report = conditioner.condition(measurements, 0, state, [] {});
  const auto& counts = system.pattern.counts;
  const std::int64_t n = counts[0] + counts[1] + counts[2];
  if (scale == 0) scale = gp::best_scale(n, report.quadratic);
  return gp::evidence_of(n, report.quadratic, conditioner.log_determinant([] {}), scale);
}

gp::FactorSpec factor_of(double radius) {
  gp::FactorSpec spec;
  spec.radius = radius;
  spec.nugget = nugget;
  return spec;
}

gp::SolveSpec tight() {
  gp::SolveSpec spec;
  spec.tolerance = 1e-9;
  spec.warm_start = false;
  return spec;
}

const gp::EquationSpec equation = elliptic("1", 1, 1, "0");

// The boundary of the unit square by 96 points, 529 uniform points inside.
Cloud random_square() {
  Cloud cloud = random_cloud(2, {96, 529, 0}, 4);
  for (std::size_t i = 0; i < 96; ++i) {
    const double t = static_cast<double>(i % 24) / 24;
    const std::size_t edge = i / 24;
    const std::array<double, 4> x{t, 1, 1 - t, 0}, y{0, t, 1, 1 - t};
    cloud.coordinates[2 * i] = x[edge];
    cloud.coordinates[2 * i + 1] = y[edge];
  }
  return cloud;
}

struct Case {
  const char* name;
  Cloud cloud;
  double radius;
};

TEST(Evidence, IsWithinOneNatPerHundredPointsOfTheDenseOne) {
  const auto comm = Communicator::world();
  for (const Case& c : {Case{"grid", grid_cloud(2, 25), 4}, Case{"random", random_square(), 4}}) {
    const SmallSystem system = make_system(comm, c.cloud, equation, c.radius, 5);
    for (const double length : {0.15, 0.3, 0.6}) {
      const auto prior = kernel(gp::Family::matern_7_2, length);
      gp::SparseConditioner sparse(comm, system.pattern, system.layout, system.weights, prior,
                                   factor_of(c.radius), tight(), [] {});
      gp::DenseConditioner dense(comm, system.pattern, system.layout, system.weights, prior,
                                 nugget);
      gp::Measurements measurements = smooth_data(system);
      const auto random = draws(system, dense);
      for (std::size_t data = 0; data < 3; ++data) {
        if (data > 0) measurements.value = random[data - 1];
        const gp::Evidence found = evidence(system, sparse, measurements);
        const gp::Evidence truth = evidence(system, dense, measurements);
        EXPECT_EQ(truth.standard_error, 0);
        const double per_hundred = 100.0 / static_cast<double>(c.cloud.size());
        const double error = (found.value - truth.value) * per_hundred;
        // Measured: up to 0.2 (up to 1 with a radius of 3), of which the eight probes make 0.05.
        EXPECT_LT(std::abs(error), 1) << c.name << ", length " << length << ", data " << data;
        EXPECT_LT(found.standard_error * per_hundred, 0.25);
        EXPECT_NEAR(
            found.log_determinant - truth.log_determinant + (found.quadratic - truth.quadratic),
            -2 * (found.value - truth.value), 1e-8 * std::abs(truth.log_determinant));
        if (comm.is_root()) {
          std::printf("%s, length %.2f, data %zu: %+.3f +- %.3f nats per 100 points\n", c.name,
                      length, data, error, found.standard_error * per_hundred);
        }
      }
    }
  }
}

// Noisy data: at any scale of the prior the density of y under scale Theta + R, by one solve and
// one determinant with the noise R / scale.
TEST(Evidence, OfNoisyDataAtAnyScale) {
  const auto comm = Communicator::world();
  Cloud cloud = grid_cloud(2, 19);
  add_data(cloud, 60, 21);
  add_data(cloud, 60, 22);
  const SmallSystem system = make_system(comm, cloud, equation, 3, 5);
  const auto prior = kernel(gp::Family::matern_7_2, 0.3);
  gp::SparseConditioner sparse(comm, system.pattern, system.layout, system.weights, prior,
                               factor_of(3), tight(), [] {});
  gp::DenseConditioner dense(comm, system.pattern, system.layout, system.weights, prior, nugget);
  gp::Measurements measurements = smooth_data(system);
  const parallel::Stream stream(5, "test", "noise");
  for (const double scale : {0.2, 5.0}) {
    measurements.noise.assign(measurements.value.size(), 0.0);
    for (std::size_t p = 0; p < measurements.value.size(); ++p) {
      if (system.pattern.kind(p) != gp::PointKind::data) continue;
      const bool precise = system.pattern.ids[p] < static_cast<std::uint64_t>(cloud.size() - 60);
      measurements.noise[p] = std::pow(precise ? 0.01 : 0.3, 2) / scale;
    }
    const gp::Evidence found = evidence(system, sparse, measurements, scale);
    const gp::Evidence truth = evidence(system, dense, measurements, scale);
    const double per_hundred = 100.0 / static_cast<double>(cloud.size());
    EXPECT_LT(std::abs(found.value - truth.value) * per_hundred, 1);
    EXPECT_LT(found.standard_error * per_hundred, 0.5);
    if (comm.is_root()) {
      std::printf("noisy, scale %g: %+.3f +- %.3f nats per 100 points\n", scale,
                  (found.value - truth.value) * per_hundred, found.standard_error * per_hundred);
    }
  }
}

// A radius that leaves nothing out leaves nothing to estimate: what remains is the nugget, which
// the two conditioners add to different diagonals.
TEST(Evidence, IsExactWithACompleteFactor) {
  const auto comm = Communicator::world();
  Cloud cloud = grid_cloud(2, 11);
  add_data(cloud, 40, 21);
  const SmallSystem system = make_system(comm, cloud, equation, 100);
  const auto prior = kernel(gp::Family::matern_5_2, 0.3);
  gp::SparseConditioner sparse(comm, system.pattern, system.layout, system.weights, prior,
                               factor_of(100), tight(), [] {});
  gp::DenseConditioner dense(comm, system.pattern, system.layout, system.weights, prior, nugget);
  gp::Measurements measurements = smooth_data(system);
  measurements.noise.assign(measurements.value.size(), 0.0);
  for (std::size_t p = 0; p < measurements.value.size(); ++p) {
    if (system.pattern.kind(p) == gp::PointKind::data) measurements.noise[p] = 1e-3;
  }
  const gp::Evidence found = evidence(system, sparse, measurements, 2);
  const gp::Evidence truth = evidence(system, dense, measurements, 2);
  EXPECT_NEAR(found.value, truth.value, 1e-3);
  EXPECT_LT(found.standard_error, 1e-3);
}

// The closed form of one measurement: log N(y; 0, s k + r).
TEST(Evidence, OfOneNumber) {
  const double k = 0.7, r = 0.4, s = 3, y = 1.3;
  const double unit = k + r / s;
  const gp::Evidence found = gp::evidence_of(1, y * y / unit, {std::log(unit), 0.5}, s);
  const double variance = s * k + r;
  EXPECT_NEAR(found.value, -0.5 * (y * y / variance + std::log(2 * std::numbers::pi * variance)),
              1e-14);
  EXPECT_EQ(found.standard_error, 0.25);
}

}  // namespace
