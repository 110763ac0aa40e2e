// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/moments.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "parallel/error.hpp"
#include "points.hpp"

namespace mensura::divergence::test {
namespace {

Moments moments_of(std::span<const double> points, int d) {
  const auto n = static_cast<std::int64_t>(points.size()) / d;
  MeanSums first(d);
  const auto point = [&](std::int64_t i) {
    return points.subspan(static_cast<std::size_t>(i * d), static_cast<std::size_t>(d));
  };
  for (std::int64_t i = 0; i < n; ++i) first.add(point(i));
  ScatterSums second(first.mean(n));
  for (std::int64_t i = 0; i < n; ++i) second.add(point(i));
  return second.moments(n);
}

TEST(Moments, KnownSmallSample) {
  const Moments m = moments_of(std::vector<double>{0, 0, 2, 4, 4, 2}, 2);
  EXPECT_EQ(m.count, 3);
  EXPECT_EQ(m.mean, (std::vector<double>{2, 2}));
  EXPECT_EQ(m.covariance, (std::vector<double>{4, 2, 2, 4}));
  EXPECT_THROW(moments_of(std::vector<double>{1, 2}, 2), parallel::Error);
}

TEST(Moments, LargeOffsetDoesNotCancel) {
  std::vector<double> points;
  for (int i = 0; i < 1000; ++i) points.push_back(1e9 + (i % 2));
  // The mean 1e9 + 1/2 is exact, so the variance is 1/4 * 1000/999 to the last bits.
  EXPECT_NEAR(moments_of(points, 1).covariance[0], 0.25 * 1000 / 999, 1e-15);
}

TEST(Whitening, MakesThePooledCovarianceTheIdentity) {
  TwoSets sets = make_points(400, 300, 3, false);
  for (std::size_t i = 0; i < sets.coordinates.size(); i += 3) {
    sets.coordinates[i] = 1e4 + 100 * sets.coordinates[i];
    sets.coordinates[i + 2] += 0.5 * sets.coordinates[i + 1] - 0.01 * sets.coordinates[i];
  }
  const Whitening w(moments_of(sets.coordinates, 3));
  EXPECT_TRUE(w.warning().empty());
  w.apply(sets.coordinates);
  const Moments after = moments_of(sets.coordinates, 3);
  for (std::size_t i = 0; i < 9; ++i) {
    // Condition 1e4 of the scales times rounding.
    EXPECT_NEAR(after.covariance[i], i % 4 == 0 ? 1.0 : 0.0, 1e-11);
  }
}

TEST(Whitening, RankDeficientDataIsStandardisedWithAWarning) {
  std::vector<double> points;
  for (int i = 0; i < 50; ++i) {
    const double u = uniform(static_cast<std::uint64_t>(i));
    points.insert(points.end(), {u, 3 * u + 1, 7.0});
  }
  const Whitening w(moments_of(points, 3));
  EXPECT_NE(w.warning().find("1 of 3"), std::string::npos);
  const std::vector<double> before = points;
  w.apply(points);
  const Moments after = moments_of(points, 3);
  EXPECT_NEAR(after.covariance[0], 1, 1e-12);
  EXPECT_NEAR(after.covariance[4], 1, 1e-12);
  EXPECT_EQ(points[2], 7.0);
  for (const double x : points) EXPECT_TRUE(std::isfinite(x));
}

}  // namespace
}  // namespace mensura::divergence::test
