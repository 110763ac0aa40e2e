// SPDX-License-Identifier: BSD-3-Clause
// Eight vectors at once: draws, priors and posteriors of the sparse and the dense conditioner.
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
const gp::Kernel prior = kernel(gp::Family::matern_7_2, 0.3);
const gp::EquationSpec equation = elliptic("1", 1, 1, "0");

double lane(const Eight& value, std::size_t l) {
  alignas(64) std::array<double, 8> numbers;
  linear::store(value, numbers.data());
  return numbers[l];
}

/// -Lap u + u at inner points, u at the boundary, u with noise at data points.
struct Setting {
  SmallSystem system;
  gp::Measurements measurements;
  gp::FactorSpec factor;
  gp::SolveSpec solve;
};

Setting setting(const Communicator& comm, int side, double radius, std::int64_t data) {
  Cloud cloud = grid_cloud(2, side);
  if (data > 0) add_data(cloud, data, 21);
  Setting result{make_system(comm, cloud, equation, radius), {}, {}, {}};
  const SmallSystem& system = result.system;
  const auto own = static_cast<std::size_t>(system.pattern.own);
  result.measurements.lift.assign(static_cast<std::size_t>(system.layout.own), 1.0);
  result.measurements.value.assign(own, 0.0);
  if (data > 0) result.measurements.noise.assign(own, 0.0);
  for (std::size_t p = 0; p < own; ++p) {
    const double x = system.pattern.coordinates[2 * p], y = system.pattern.coordinates[2 * p + 1];
    result.measurements.value[p] = std::sin(3 * x) + y;
    if (system.pattern.kind(p) == gp::PointKind::data) result.measurements.noise[p] = 0.01;
  }
  result.factor.radius = radius;
  result.factor.nugget = nugget;
  result.solve.tolerance = 1e-11;
  return result;
}

gp::SparseConditioner sparse_of(const Communicator& comm, const Setting& s) {
  return {comm,  s.system.pattern, s.system.layout, s.system.weights,
          prior, s.factor,         s.solve,         [] {}};
}

/// Standard normal numbers by the global name of a row, on any number of ranks; `only_u`: zero
/// where the row is not u.
std::vector<Eight> numbers(const SmallSystem& system, bool only_u) {
  const parallel::Stream stream(3, "test", "vectors");
  std::vector<Eight> result(static_cast<std::size_t>(system.layout.own), linear::all(0));
  for (std::size_t p = 0; p < static_cast<std::size_t>(system.pattern.own); ++p) {
    const auto first = static_cast<std::size_t>(system.layout.first[p]);
    const auto rows = static_cast<std::size_t>(system.layout.rows_of(p));
    for (std::size_t r = 0; r < (only_u ? 1 : rows); ++r) {
      alignas(64) std::array<double, 8> values;
      for (std::size_t l = 0; l < 8; ++l) {
        values[l] = stream.normal(system.pattern.ids[p], 8 * r + l);
      }
      result[first + r] = linear::load(values.data());
    }
  }
  return result;
}

/// Collective. Inner products, lane by lane.
std::array<double, 8> products(const Communicator& comm, const std::vector<Eight>& a,
                               const std::vector<Eight>& b) {
  std::array<parallel::ExactSum, 8> sums;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t l = 0; l < 8; ++l) sums[l].add(lane(a[i], l) * lane(b[i], l));
  }
  parallel::reduce(comm, sums);
  std::array<double, 8> result{};
  for (std::size_t l = 0; l < 8; ++l) result[l] = sums[l].value();
  return result;
}

// Draws are a linear map L of their numbers: sum over unit vectors e of (v' L e) L e = Theta v.
template <class Conditioner>
void expect_draws_of_the_prior(const Communicator& comm, const SmallSystem& system,
                               Conditioner& conditioner) {
  const std::vector<Eight> v = numbers(system, false);
  std::vector<Eight> expected = v;
  conditioner.apply_prior(expected, [] {});
  std::vector<double> sum(v.size(), 0.0), size(v.size(), 0.0);
  for (std::int64_t unit = 0; unit < system.layout.total; unit += 8) {
    std::vector<Eight> draws(v.size(), linear::all(0));
    for (std::int64_t l = 0; l < 8; ++l) {
      const std::int64_t row = unit + l - system.layout.begin;
      if (row < 0 || row >= system.layout.own) continue;
      alignas(64) std::array<double, 8> one{};
      one[static_cast<std::size_t>(l)] = 1;
      draws[static_cast<std::size_t>(row)] = linear::load(one.data());
    }
    conditioner.draw_prior(draws, [] {});
    std::vector<Eight> first(v);  // lane 0 of v in all lanes
    for (Eight& value : first) value = linear::all(lane(value, 0));
    const auto along = products(comm, first, draws);
    for (std::size_t r = 0; r < draws.size(); ++r) {
      for (std::size_t l = 0; l < 8; ++l) {
        sum[r] += along[l] * lane(draws[r], l);
        size[r] += lane(draws[r], l) * lane(draws[r], l);
      }
    }
  }
  double largest = 0;  // of v, in the prior's deviations: what a row of Theta v is measured by
  for (std::size_t r = 0; r < v.size(); ++r) {
    largest = std::max(largest, std::abs(lane(v[r], 0)) * std::sqrt(size[r]));
  }
  largest = comm.max(largest) * static_cast<double>(system.layout.total);
  for (std::size_t r = 0; r < v.size(); ++r) {
    EXPECT_NEAR(sum[r], lane(expected[r], 0), 1e-12 * largest * std::sqrt(size[r])) << "row " << r;
  }
}

TEST(ConditionerBlocks, DrawsHaveThePriorsCovariance) {
  const auto comm = Communicator::world();
  const Setting s = setting(comm, 6, 3, 7);
  auto sparse = sparse_of(comm, s);
  expect_draws_of_the_prior(comm, s.system, sparse);
  gp::DenseConditioner dense(comm, s.system.pattern, s.system.layout, s.system.weights, prior,
                             nugget);
  expect_draws_of_the_prior(comm, s.system, dense);
}

// Eight systems give what each gives alone: multiples of the data give multiples of the mean.
TEST(ConditionerBlocks, ConditionAsOneByOne) {
  const auto comm = Communicator::world();
  const Setting s = setting(comm, 13, 3, 20);
  auto sparse = sparse_of(comm, s);
  gp::DenseConditioner dense(comm, s.system.pattern, s.system.layout, s.system.weights, prior,
                             nugget);
  for (gp::Conditioner* conditioner :
       {static_cast<gp::Conditioner*>(&sparse), static_cast<gp::Conditioner*>(&dense)}) {
    std::vector<double> mean(static_cast<std::size_t>(s.system.layout.own));
    conditioner->condition(s.measurements, 0, mean, [] {});
    std::vector<Eight> values, rows(mean.size());
    for (const double value : s.measurements.value) {
      alignas(64) std::array<double, 8> multiples;
      for (std::size_t l = 0; l < 8; ++l) multiples[l] = value * (static_cast<double>(l) - 2);
      values.push_back(linear::load(multiples.data()));
    }
    const auto report = conditioner->condition_block(values, rows, s.solve.tolerance, [] {});
    EXPECT_TRUE(report.converged);
    for (std::size_t p = 0; p < static_cast<std::size_t>(s.system.pattern.own); ++p) {
      const auto r = static_cast<std::size_t>(s.system.layout.first[p]);
      // The tolerance times the condition of the system.
      for (std::size_t l = 0; l < 8; ++l) {
        EXPECT_NEAR(lane(rows[r], l), (static_cast<double>(l) - 2) * mean[r], 1e-6);
      }
    }
  }
}

// With all rows in every column the sparse posterior is the dense one, symmetric and positive; it
// knows nothing more of what was measured exactly.
TEST(ConditionerBlocks, PosteriorIsTheDenseOne) {
  const auto comm = Communicator::world();
  const Setting s = setting(comm, 9, 100, 12);
  auto sparse = sparse_of(comm, s);
  gp::DenseConditioner dense(comm, s.system.pattern, s.system.layout, s.system.weights, prior,
                             nugget);
  sparse.adopt(s.measurements, [] {});
  dense.adopt(s.measurements, [] {});
  const std::vector<Eight> x = numbers(s.system, true);
  std::vector<Eight> a = x, b = x;
  sparse.apply_posterior(a, gp::image_to(1e-6), [] {});
  dense.apply_posterior(b, gp::image_to(1e-6), [] {});
  double size = 0, gap = 0, boundary = 0;
  for (std::size_t p = 0; p < static_cast<std::size_t>(s.system.pattern.own); ++p) {
    const auto r = static_cast<std::size_t>(s.system.layout.first[p]);
    for (std::size_t l = 0; l < 8; ++l) {
      const double value = std::abs(lane(b[r], l));
      size = std::max(size, value);
      gap = std::max(gap, std::abs(lane(a[r], l) - lane(b[r], l)));
      if (s.system.pattern.kind(p) == gp::PointKind::boundary) {
        boundary = std::max(boundary, std::abs(lane(a[r], l)));
      }
    }
  }
  size = comm.max(size);
  // The prior's unit variance times a hundred numbers, at nugget and tolerance; what is left of
  // the variance is 1e-2 and less.
  EXPECT_LE(comm.max(gap), 1e-6);
  EXPECT_LE(comm.max(boundary), 1e-7);
  EXPECT_GT(size, 1e-3);
  const auto energies = products(comm, x, a);
  std::vector<Eight> turned(x);  // lane l takes the vector of lane 0
  for (Eight& value : turned) value = linear::all(lane(value, 0));
  std::vector<Eight> image(turned);
  sparse.apply_posterior(image, gp::image_to(1e-6), [] {});
  const auto forth = products(comm, x, image), back = products(comm, a, turned);
  for (std::size_t l = 0; l < 8; ++l) {
    EXPECT_GT(energies[l], 0);
    EXPECT_NEAR(forth[l], back[l], 1e-6) << "symmetric";
  }
}

}  // namespace
