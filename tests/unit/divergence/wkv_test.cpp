// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/wkv.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "line.hpp"
#include "parallel/error.hpp"

namespace mensura::divergence::test {
namespace {

double squared(double x) {
  return x * x;
}

WkvSums on_the_line(const std::vector<double>& x, const std::vector<double>& y, int k) {
  WkvSums sums(k, 1);
  const auto add = [&](Side side, const std::vector<double>& own,
                       const std::vector<double>& other) {
    for (const double c : own) {
      sums.add(side, squared(line_distance(own, c, k, true)),
               squared(line_distance(other, c, k, false)),
               squared(line_distance(own, c, 2 * k, true)),
               squared(line_distance(other, c, 2 * k, false)));
    }
  };
  add(Side::x, x, y);
  add(Side::y, y, x);
  return sums;
}

TEST(Wkv, IsTheMeanLogRatio) {
  const auto x = sorted_normals(1, "x", 60, 0, 1), y = sorted_normals(1, "y", 90, 0.4, 1.3);
  const WkvSums sums = on_the_line(x, y, 5);
  double forward = std::log(90.0 / 59.0), back = std::log(60.0 / 89.0),
         coarse = std::log(90.0 / 59.0);
  for (const double c : x) {
    forward += std::log(line_distance(y, c, 5, false) / line_distance(x, c, 5, true)) / 60;
    coarse += std::log(line_distance(y, c, 10, false) / line_distance(x, c, 10, true)) / 60;
  }
  for (const double c : y) {
    back += std::log(line_distance(x, c, 5, false) / line_distance(y, c, 5, true)) / 90;
  }
  constexpr double rounding = 1e-13;  // sums of 90 logarithms
  EXPECT_NEAR(sums.estimate(Quantity::kl).value, forward, rounding);
  EXPECT_NEAR(sums.estimate(Quantity::kl).bias_bar, std::abs(forward - coarse), rounding);
  EXPECT_NEAR(sums.swapped().estimate(Quantity::kl).value, back, rounding);
  EXPECT_NEAR(sums.estimate(Quantity::jeffreys).value, forward + back, rounding);
  EXPECT_EQ(sums.estimate(Quantity::jeffreys).value,
            sums.swapped().estimate(Quantity::jeffreys).value);
}

TEST(Wkv, StandardErrorMatchesTheSpreadOfRepetitions) {
  for (const Quantity q : {Quantity::kl, Quantity::jeffreys}) {
    std::vector<double> values, errors;
    for (std::uint64_t s = 0; s < 200; ++s) {
      const auto x = sorted_normals(s, "x", 500, 0, 1), y = sorted_normals(s, "y", 700, 0.5, 1.2);
      const Estimate e = on_the_line(x, y, 5).estimate(q);
      values.push_back(e.value);
      errors.push_back(e.standard_error);
    }
    // 200 repetitions know a standard deviation to 5 %; the formula is good to some 15 % on either
    // side.
    const double ratio = spread(errors).mean / spread(values).deviation;
    EXPECT_GT(ratio, 0.8) << name_of(q);
    EXPECT_LT(ratio, 1.3) << name_of(q);
  }
}

// Squared distances from a centre in the plane to its k-th and 2k-th neighbour in `set`, leaving
// out itself at distance zero.
std::pair<double, double> plane_distances(const std::vector<double>& set, const double* centre,
                                          int k) {
  std::vector<double> squares;
  for (std::size_t i = 0; i < set.size(); i += 2) {
    const double square = squared(set[i] - centre[0]) + squared(set[i + 1] - centre[1]);
    if (square > 0) squares.push_back(square);
  }
  std::partial_sort(squares.begin(), squares.begin() + 2 * k, squares.end());
  return {squares[static_cast<std::size_t>(k - 1)], squares[static_cast<std::size_t>(2 * k - 1)]};
}

std::vector<double> plane_normals(std::uint64_t repetition, const char* name, std::uint64_t count) {
  const parallel::Stream stream(repetition, "simulation", name);
  std::vector<double> points;
  for (std::uint64_t i = 0; i < count; ++i) {
    points.push_back(stream.normal(i, 0));
    points.push_back(stream.normal(i, 1));
  }
  return points;
}

TEST(Wkv, StandardErrorHoldsWhereAllIsNoise) {
  // Equal laws in the plane: only the shared noise of the neighbours is left.
  std::vector<double> values, errors;
  for (std::uint64_t s = 0; s < 200; ++s) {
    const auto p = plane_normals(s, "plane x", 200), q = plane_normals(s, "plane y", 150);
    WkvSums sums(5, 2);
    for (std::size_t i = 0; i < p.size(); i += 2) {
      const auto own = plane_distances(p, &p[i], 5), other = plane_distances(q, &p[i], 5);
      sums.add(Side::x, own.first, other.first, own.second, other.second);
    }
    for (std::size_t i = 0; i < q.size(); i += 2) {
      const auto own = plane_distances(q, &q[i], 5), other = plane_distances(p, &q[i], 5);
      sums.add(Side::y, own.first, other.first, own.second, other.second);
    }
    const Estimate e = sums.estimate(Quantity::kl);
    values.push_back(e.value);
    errors.push_back(e.standard_error);
  }
  // Without the shared noise the ratio reads 0.78; 200 repetitions know it to 5 %.
  EXPECT_NEAR(spread(errors).mean / spread(values).deviation, 1, 0.15);
}

TEST(Wkv, CoincidentNeighboursAreReportedNotHidden) {
  WkvSums sums(5, 2);
  for (int i = 0; i < 10; ++i) {
    sums.add(Side::x, 1, 2, 2, 3);
    sums.add(Side::y, 1, 3, 2, 4);
  }
  sums.add(Side::y, 0, 1, 2, 2, 3);
  const Estimate forward = sums.estimate(Quantity::kl);
  EXPECT_TRUE(std::isfinite(forward.value));
  EXPECT_TRUE(std::isnan(forward.standard_error));
  EXPECT_NE(forward.status.find("3 points"), std::string::npos);
  sums.add(Side::x, 1, 0, 2, 2, 4);
  const Estimate kl = sums.estimate(Quantity::kl);
  EXPECT_TRUE(std::isnan(kl.value));
  EXPECT_NE(kl.status.find("4 points"), std::string::npos);
  EXPECT_NE(kl.status.find("one_step"), std::string::npos);
  EXPECT_NE(sums.estimate(Quantity::jeffreys).status.find("7 points"), std::string::npos);
}

TEST(Wkv, HugeDistanceRatiosDoNotOverflowTheValue) {
  WkvSums sums(5, 32);
  for (int i = 0; i < 4; ++i) {
    sums.add(Side::x, 1e-200, 1e+200, 1e-199, 1e+201);
    sums.add(Side::y, 1e-200, 1e+200, 1e-199, 1e+201);
  }
  const Estimate e = sums.estimate(Quantity::kl);
  EXPECT_NEAR(e.value, 16 * 400 * std::log(10.0) + std::log(4.0 / 3.0), 1e-9);
}

TEST(Wkv, RefusesOtherQuantitiesAndSmallK) {
  EXPECT_THROW(WkvSums(2, 1), parallel::Error);
  EXPECT_THROW(WkvSums(5, 1).estimate(Quantity::js), parallel::Error);
  EXPECT_THROW(WkvSums(5, 1).estimate(Quantity::kl), parallel::Error);
}

}  // namespace
}  // namespace mensura::divergence::test
