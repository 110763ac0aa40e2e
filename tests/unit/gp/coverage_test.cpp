// SPDX-License-Identifier: BSD-3-Clause
// Calibration: 95 % intervals about 200 draws of the prior, each solved from its own data
// (reference gp_evidence_frequencies 1.4: 94.5 to 96.1 % on average, single draws 0.6 to 1).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "gp/dense_conditioner.hpp"
#include "gp/sparse_conditioner.hpp"
#include "parallel/exact_sum.hpp"
#include "small_system.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using linear::Eight;
using parallel::Communicator;

constexpr double nugget = 1e-10;
constexpr std::int64_t tests_count = 144;
constexpr std::size_t draws = 200;
// Test points are data points so noisy that they tell nothing; draws include them.
constexpr double useless = 1e8;

Cloud random_square(std::int64_t interior, std::int64_t boundary) {
  Cloud cloud = random_cloud(2, {boundary, interior, 0}, 31);
  for (std::int64_t i = 0; i < boundary; ++i) {
    const double along = 4 * static_cast<double>(i) / static_cast<double>(boundary);
    const double t = along - std::floor(along);
    const int side = static_cast<int>(along);
    double* x = &cloud.coordinates[static_cast<std::size_t>(2 * i)];
    x[side % 2] = side < 2 ? t : 1 - t;
    x[1 - side % 2] = side == 1 || side == 2 ? 1 : 0;
  }
  return cloud;
}

std::array<double, 8> lanes_of(const Eight& value) {
  alignas(64) std::array<double, 8> numbers;
  linear::store(value, numbers.data());
  return numbers;
}

struct Coverage {
  double mean = 0, worst = 1;
};

/// Collective. -Lap u + u and the boundary of draws of the prior, solved with the scale q / N.
Coverage coverage_on(const Communicator& comm, Cloud cloud) {
  add_data(cloud, tests_count, 77);
  const gp::Kernel prior = kernel(gp::Family::matern_7_2, 0.3);
  const SmallSystem system = make_system(comm, cloud, elliptic("1", 1, 1, "0"), 3, 5);
  gp::FactorSpec factor;
  factor.nugget = nugget;
  gp::SolveSpec solve;
  solve.warm_start = false;
  gp::SparseConditioner sparse(comm, system.pattern, system.layout, system.weights, prior, factor,
                               solve, [] {});
  gp::DenseConditioner dense(comm, system.pattern, system.layout, system.weights, prior, nugget);
  const auto own = static_cast<std::size_t>(system.pattern.own);
  const auto rows = static_cast<std::size_t>(system.layout.own);
  gp::Measurements measured{std::vector<double>(rows, 1.0), std::vector<double>(own, 0.0),
                            std::vector<double>(own, 0.0)};
  std::vector<std::size_t> tests;  // own points
  for (std::size_t p = 0; p < own; ++p) {
    if (system.pattern.kind(p) != gp::PointKind::data) continue;
    measured.noise[p] = useless;
    tests.push_back(p);
  }
  sparse.adopt(measured, [] {});

  // Variance of u at the test points, eight of them at a time, by their ids.
  std::vector<double> variance(tests.size());
  const auto first_id = static_cast<std::uint64_t>(cloud.counts[0] + cloud.counts[1]);
  for (std::uint64_t begin = 0; begin < tests_count; begin += 8) {
    std::vector<Eight> unit(rows, linear::all(0));
    for (const std::size_t p : tests) {
      const std::uint64_t number = system.pattern.ids[p] - first_id - begin;
      if (number >= 8) continue;
      alignas(64) std::array<double, 8> one{};
      one[number] = 1;
      unit[static_cast<std::size_t>(system.layout.first[p])] = linear::load(one.data());
    }
    sparse.apply_posterior(unit, gp::form_to(1e-4), [] {});
    for (std::size_t t = 0; t < tests.size(); ++t) {
      const std::uint64_t number = system.pattern.ids[tests[t]] - first_id - begin;
      if (number >= 8) continue;
      variance[t] = lanes_of(unit[static_cast<std::size_t>(system.layout.first[tests[t]])])[number];
    }
  }

  const parallel::Stream stream(12, "test", "draws");
  std::vector<std::int64_t> hits(draws);
  std::vector<double> mean(rows);
  for (std::size_t block = 0; block < draws; block += 8) {
    std::vector<Eight> truth(rows);
    for (std::size_t p = 0; p < own; ++p) {
      for (std::int32_t r = 0; r < system.layout.rows_of(p); ++r) {
        alignas(64) std::array<double, 8> numbers;
        for (std::size_t l = 0; l < 8; ++l) {
          numbers[l] =
              stream.normal(system.pattern.ids[p], 2 * (block + l) + static_cast<std::uint64_t>(r));
        }
        truth[static_cast<std::size_t>(system.layout.first[p] + r)] = linear::load(numbers.data());
      }
    }
    dense.draw_prior(truth, [] {});
    for (std::size_t l = 0; l < 8; ++l) {
      for (std::size_t p = 0; p < own; ++p) {
        measured.value[p] = 0;
        if (system.pattern.kind(p) == gp::PointKind::data) continue;
        for (auto r = static_cast<std::size_t>(system.layout.first[p]);
             r < static_cast<std::size_t>(system.layout.first[p + 1]); ++r) {
          measured.value[p] += lanes_of(truth[r])[l];
        }
      }
      const gp::SolveReport report = sparse.condition(measured, 0, mean, [] {});
      const double scale =
          report.quadratic / static_cast<double>(cloud.counts[0] + cloud.counts[1]);
      for (std::size_t t = 0; t < tests.size(); ++t) {
        const auto r = static_cast<std::size_t>(system.layout.first[tests[t]]);
        const double error = std::abs(mean[r] - lanes_of(truth[r])[l]);
        if (error < 1.96 * std::sqrt(scale * variance[t])) ++hits[block + l];
      }
    }
  }
  comm.sum(hits);
  Coverage result;
  double squares = 0;
  for (const std::int64_t hit : hits) {
    const double share = static_cast<double>(hit) / tests_count;
    result.mean += share / draws;
    squares += share * share / draws;
    result.worst = std::min(result.worst, share);
  }
  if (comm.is_root()) {
    std::printf("coverage %.3f, standard error %.3f, worst draw %.2f\n", result.mean,
                std::sqrt((squares - result.mean * result.mean) / draws), result.worst);
  }
  return result;
}

// The standard error over 200 draws is half a percent.
TEST(Coverage, OfDrawsOnAGrid) {
  const auto comm = Communicator::world();
  const Coverage coverage = coverage_on(comm, grid_cloud(2, 25));
  EXPECT_GE(coverage.mean, 0.93);
  EXPECT_LE(coverage.mean, 0.97);
}

TEST(Coverage, OfDrawsOnARandomCloud) {
  const auto comm = Communicator::world();
  const Coverage coverage = coverage_on(comm, random_square(529, 96));
  EXPECT_GE(coverage.mean, 0.93);
  EXPECT_LE(coverage.mean, 0.97);
}

}  // namespace
