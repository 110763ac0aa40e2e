// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/nnr.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "line.hpp"
#include "parallel/error.hpp"

namespace mensura::divergence::test {
namespace {

RatioCounts example() {
  RatioCounts c(6);
  const std::vector<std::int64_t> x = {1, 0, 2, 5, 3, 1, 0}, y = {4, 3, 3, 2, 1, 0, 1};
  for (int n = 0; n <= 6; ++n) {
    c.add(Side::x, n, x[static_cast<std::size_t>(n)]);
    c.add(Side::y, n, y[static_cast<std::size_t>(n)]);
  }
  return c;
}

TEST(Nnr, IsThePublishedSum) {
  const RatioCounts c = example();
  const double eta = 14.0 / 12.0;
  double kl = 0, back = 0, j = 0, js = 0;
  for (int n = 0; n <= 6; ++n) {
    const auto i = static_cast<std::size_t>(n);
    const double wx = static_cast<double>(c.of(Side::x)[i]) / 12;
    const double wy = static_cast<double>(c.of(Side::y)[i]) / 14;
    const double r = eta * n / (7.0 - n);
    const double s = (6.0 - n) / (eta * (n + 1.0));
    kl += wy * (r > 0 ? r * std::log(r) : 0);
    back += wx * (s > 0 ? s * std::log(s) : 0);
    j += wy * std::pow(r, 0.3);
    js += 0.5 * wy * ((r > 0 ? r * std::log(2 * r / (1 + r)) : 0) + std::log(2 / (1 + r)));
  }
  constexpr double rounding = 1e-14;  // seven terms of order one
  EXPECT_NEAR(nnr_value(Quantity::kl, 0, c), kl, rounding);
  EXPECT_NEAR(nnr_value(Quantity::kl, 0, c.swapped()), back, rounding);
  EXPECT_NEAR(nnr_value(Quantity::jeffreys, 0, c), kl + back, rounding);
  EXPECT_NEAR(nnr_value(Quantity::js, 0, c), js, rounding);
  EXPECT_NEAR(nnr_value(Quantity::renyi, 0.3, c), std::log(j) / -0.7, rounding);
  EXPECT_NEAR(nnr_value(Quantity::tsallis, 0.3, c), (j - 1) / -0.7, rounding);
  EXPECT_NEAR(nnr_value(Quantity::alpha, 0.3, c), (j - 1) / -0.21, rounding);
  EXPECT_NEAR(nnr_value(Quantity::renyi, 0.5, c), 2 * nnr_value(Quantity::bhattacharyya, 0, c),
              rounding);
  EXPECT_NEAR(nnr_value(Quantity::tsallis, 0.5, c), 2 * nnr_value(Quantity::hellinger, 0, c),
              rounding);
}

TEST(Nnr, ClipsTheRatioOnlyWhenAsked) {
  RatioCounts c(10);
  c.add(Side::x, 10, 50);
  c.add(Side::y, 0, 50);
  EXPECT_EQ(nnr_value(Quantity::kl, 0, c), 0);
  EXPECT_TRUE(std::isinf(nnr_value(Quantity::renyi, 0.5, c)));
  EXPECT_NEAR(nnr_value(Quantity::renyi, 0.5, c, 0.01), -2 * std::log(0.1), 1e-14);
  EXPECT_NEAR(nnr_value(Quantity::kl, 0, c, 0.01), 0.01 * std::log(0.01), 1e-16);
  const Estimate e = nnr(Quantity::renyi, 0.5, c, RatioCounts(5));
  EXPECT_NE(e.status, "ok");
  EXPECT_EQ(e.saturated, 100);
}

TEST(Nnr, RefusesWrongInput) {
  EXPECT_THROW(RatioCounts(0), parallel::Error);
  EXPECT_THROW(RatioCounts(4097), parallel::Error);
  EXPECT_THROW(nnr(Quantity::renyi, 1.5, example(), example()), parallel::Error);
  EXPECT_THROW(nnr(Quantity::kl, 0, example(), example(), {0.95, 2.0}), parallel::Error);
  EXPECT_THROW(nnr(Quantity::kl, 0, RatioCounts(5), RatioCounts(2)), parallel::Error);
}

TEST(Nnr, StandardErrorMatchesTheSpreadOfRepetitions) {
  constexpr int n = 400, m = 600, k = 30, repetitions = 120;
  for (const Quantity q : {Quantity::kl, Quantity::jeffreys, Quantity::js, Quantity::renyi}) {
    std::vector<double> values, errors;
    for (std::uint64_t s = 0; s < repetitions; ++s) {
      const auto x = sorted_normals(s, "x", n, 0, 1);
      const auto y = sorted_normals(s, "y", m, 0.5, 1.2);
      RatioCounts full(k), half(k / 2);
      for (const double c : x) {
        full.add(Side::x, line_counts(x, y, c, {k}, true)[0]);
        half.add(Side::x, line_counts(x, y, c, {k / 2}, true)[0]);
      }
      for (const double c : y) {
        full.add(Side::y, line_counts(x, y, c, {k}, false)[0]);
        half.add(Side::y, line_counts(x, y, c, {k / 2}, false)[0]);
      }
      const Estimate e = nnr(q, 0.5, full, half);
      values.push_back(e.value);
      errors.push_back(e.standard_error);
    }
    // 120 repetitions know a standard deviation to 6.5 %; the plug-in ratio at k = 30 is itself
    // some 15 % too noisy.
    EXPECT_NEAR(spread(errors).mean / spread(values).deviation, 1.1, 0.3) << name_of(q);
  }
}

}  // namespace
}  // namespace mensura::divergence::test
