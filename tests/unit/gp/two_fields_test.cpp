// SPDX-License-Identifier: BSD-3-Clause
// Covariances of functionals of two unknown fields against the sum over the fields.
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "functional_rows.hpp"
#include "gp/covariance.hpp"
#include "parallel/error.hpp"

namespace mensura::test {
namespace {

using gp::Covariance;
using gp::Family;
using gp::Kernel;

void set(gp::Functional& f, const Functional& from, bool second) {
  if (second) {
    f.second = {from.value, from.laplacian, from.gradient, from.hessian};
  } else {
    f = {from.value, from.laplacian, from.gradient, from.hessian, f.second};
  }
}

/// What rows are of each field.
enum class Rowing { first, second, both };

/// `count` random points with three rows each: of u, of the second field, of both.
struct Sample {
  std::vector<Point> points;
  std::vector<std::vector<gp::Functional>> rows;
};

Sample sample(int dimension, int order_of_second, std::size_t count, std::uint64_t seed) {
  std::mt19937_64 generator(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  Sample result;
  for (std::size_t p = 0; p < count; ++p) {
    result.points.push_back({uniform(generator), uniform(generator), uniform(generator)});
    auto& rows = result.rows.emplace_back();
    for (const Rowing what : {Rowing::first, Rowing::second, Rowing::both}) {
      gp::Functional f;
      if (what != Rowing::second) set(f, mixed(dimension, 2, generator), false);
      if (what != Rowing::first) set(f, mixed(dimension, order_of_second, generator), true);
      rows.push_back(f);
    }
  }
  return result;
}

/// As one block of rows; `keep`: with which field's weights.
gp::Rows block_of(const Sample& sample, int dimension, Rowing keep) {
  gp::Rows rows;
  rows.dimension = dimension;
  for (std::size_t p = 0; p < sample.points.size(); ++p) {
    for (std::size_t a = 0; a < static_cast<std::size_t>(dimension); ++a) {
      rows.coordinate[a].push_back(sample.points[p][a]);
    }
    for (const gp::Functional& f : sample.rows[p]) {
      rows.point.push_back(static_cast<std::int32_t>(p));
      const auto append = [](std::vector<double>& column, const double& weight) {
        column.push_back(weight);
      };
      if (keep != Rowing::second) gp::each_kind_of_field(append, rows, f);
      if (keep == Rowing::second) {  // as if it were u
        gp::each_kind_of_field(append, static_cast<gp::FieldWeights&>(rows), f.second);
      }
      if (keep == Rowing::both) gp::each_kind_of_field(append, rows.second, f.second);
    }
  }
  for (auto a = static_cast<std::size_t>(dimension); a < 3; ++a) {
    rows.gradient[a].clear();
    rows.second.gradient[a].clear();
  }
  for (auto e = hessian_entries(dimension); e < 6; ++e) {
    rows.hessian[e].clear();
    rows.second.hessian[e].clear();
  }
  return rows;
}

std::vector<double> cross(Covariance& covariance, const gp::Rows& a, const gp::Rows& b) {
  const std::size_t stride = (b.rows() + 7) / 8 * 8;
  std::vector<double> block(a.rows() * stride);
  covariance.cross(a, b, block.data(), stride);
  return block;
}

// Kernels of other families, lengths and variances; one of them sees its axes differently, so that
// its Laplacians are split.
TEST(TwoFields, BlocksAreTheSumOfBothFields) {
  for (int d = 1; d <= 3; ++d) {
    const auto n = static_cast<std::size_t>(d);
    const Kernel first = radial(Family::matern_7_2, 0.4);
    const Kernel stretched{
        {{0.3, {{Family::matern_9_2, std::vector<double>(n, 0.7), {}}}},
         {1.7, {{Family::gaussian, {0.5}, {0}}, {Family::matern_5_2, {0.9}, {}}}}}};
    for (const bool swapped : {false, true}) {
      const gp::Prior prior = swapped ? gp::Prior(stretched, first) : gp::Prior(first, stretched);
      Covariance both(prior, d), of_first(prior.first, d), of_second(*prior.second, d);
      const Sample left = sample(d, 2, 30, 3), right = sample(d, 2, 101, 4);
      const auto sum =
          cross(both, block_of(left, d, Rowing::both), block_of(right, d, Rowing::both));
      const auto a =
          cross(of_first, block_of(left, d, Rowing::first), block_of(right, d, Rowing::first));
      const auto b =
          cross(of_second, block_of(left, d, Rowing::second), block_of(right, d, Rowing::second));
      double largest = 0, worst = 0;
      for (std::size_t i = 0; i < sum.size(); ++i) {
        largest = std::max({largest, std::abs(a[i]), std::abs(b[i])});
        worst = std::max(worst, std::abs(sum[i] - a[i] - b[i]));
      }
      // Up to 242 summands in another association.
      EXPECT_LE(worst, 1e-14 * largest) << d << " dimensions";
      EXPECT_GT(largest, 1);
    }
  }
}

// The state rows of an equation: no row mixes the fields, and rows of u do not notice the other.
TEST(TwoFields, RowsOfOneFieldKeepTheirBits) {
  const gp::Prior prior(radial(Family::matern_7_2, 0.4), radial(Family::matern_3_2, 0.8));
  Covariance both(prior, 2), alone(prior.first, 2);
  Sample mixed_rows = sample(2, 1, 40, 5);
  for (auto& rows : mixed_rows.rows) rows.pop_back();
  const gp::Rows rows = block_of(mixed_rows, 2, Rowing::both);
  const gp::Rows of_u = block_of(mixed_rows, 2, Rowing::first);
  const std::size_t n = rows.rows(), stride = (n + 7) / 8 * 8;
  std::vector<double> block(n * stride), plain(n * stride);
  both.symmetric(rows, block.data(), stride);
  alone.symmetric(of_u, plain.data(), stride);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i; j < n; ++j) {
      const double entry = block[i * stride + j];
      if (i % 2 != j % 2) {
        EXPECT_EQ(entry, 0) << "the fields are independent";
      } else if (i % 2 == 0) {
        EXPECT_EQ(entry, plain[i * stride + j]);
      } else if (i == j) {
        EXPECT_GT(entry, 0);
      }
    }
  }
}

TEST(TwoFields, SmoothnessIsThatOfEachField) {
  const gp::Prior prior(radial(Family::matern_7_2, 0.4), radial(Family::matern_3_2, 0.8));
  Covariance covariance(prior, 2);
  // The second field has one derivative only, u has three.
  const gp::Rows fine = block_of(sample(2, 1, 3, 6), 2, Rowing::both);
  const gp::Rows rough = block_of(sample(2, 2, 3, 6), 2, Rowing::both);
  std::vector<double> block(16 * 16);
  EXPECT_NO_THROW(covariance.cross(fine, fine, block.data(), 16));
  EXPECT_THROW(covariance.cross(rough, rough, block.data(), 16), parallel::Error);
}

TEST(TwoFields, ASecondFieldNeedsItsPrior) {
  Covariance covariance(radial(Family::matern_7_2, 0.4), 2);
  const gp::Rows rows = block_of(sample(2, 1, 3, 7), 2, Rowing::both);
  std::vector<double> block(16 * 16);
  EXPECT_THROW(covariance.cross(rows, rows, block.data(), 16), parallel::Error);
}

TEST(TwoFields, LengthsOfAnAxisAreTheShorterOnes) {
  const gp::Prior prior(Kernel{{{1, {{Family::matern_7_2, {0.4, 0.9}, {}}}}}},
                        Kernel{{{1, {{Family::gaussian, {0.6, 0.5}, {}}}}}});
  EXPECT_EQ(gp::axis_lengths(prior, 2), (std::vector<double>{0.4, 0.5}));
}

}  // namespace
}  // namespace mensura::test
