// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/histograms.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "divergence/dimension.hpp"
#include "divergence/one_step.hpp"
#include "points.hpp"

namespace mensura::divergence::test {
namespace {

// A monotone random walk of counts, as neighbours give them.
std::vector<int> random_counts(const std::vector<int>& ks, std::uint64_t point, double share) {
  std::vector<int> counts;
  int n = 0, j = 0;
  for (const int k : ks) {
    for (; j < k; ++j) n += uniform(1000 * point + static_cast<std::uint64_t>(j)) < share ? 1 : 0;
    counts.push_back(n);
  }
  return counts;
}

TEST(Histograms, HoldEveryPairAndMarginal) {
  const std::vector<int> ks = {3, 5, 9};
  CountHistograms h(ks);
  h.add(Side::x, std::vector<int>{1, 2, 6}, 5);
  h.add(Side::x, std::vector<int>{3, 5, 9});
  h.add(Side::y, std::vector<int>{0, 0, 0}, 2);
  EXPECT_EQ(h.points(Side::x), 6);
  EXPECT_EQ(h.points(Side::y), 2);
  EXPECT_EQ(h.saturated(), 3);
  EXPECT_EQ(h.marginal(Side::x, 1)[2], 5);
  EXPECT_EQ(h.joint(Side::x, 0, 1)[1 * 6 + 2], 5);
  EXPECT_EQ(h.joint(Side::x, 0, 2)[1 * 10 + 6], 5);
  EXPECT_EQ(h.joint(Side::x, 1, 2)[2 * 10 + 6], 5);
  EXPECT_EQ(h.joint(Side::x, 1, 2)[5 * 10 + 9], 1);
  EXPECT_EQ(h.joint(Side::y, 0, 2)[0], 2);
  std::int64_t total = 0;
  for (const std::int64_t word : h.words()) total += word;
  EXPECT_EQ(total, 8 * 6);  // every point once in 3 marginals and 3 pairs
}

TEST(Histograms, SwapEqualsCountingTheOtherSet) {
  const std::vector<int> ks = {4, 8, 16};
  CountHistograms h(ks), swapped(ks);
  for (std::uint64_t i = 0; i < 200; ++i) {
    const auto counts = random_counts(ks, i, 0.4);
    std::vector<int> others;
    for (std::size_t j = 0; j < ks.size(); ++j) others.push_back(ks[j] - counts[j]);
    h.add(i % 3 == 0 ? Side::x : Side::y, counts, static_cast<std::int64_t>(i % 4));
    swapped.add(i % 3 == 0 ? Side::y : Side::x, others, static_cast<std::int64_t>(i % 4));
  }
  const CountHistograms result = h.swapped();
  EXPECT_TRUE(std::equal(result.words().begin(), result.words().end(), swapped.words().begin()));
}

TEST(Dimension, TermMatchesItsDefinition) {
  std::vector<double> squares = {0, 0};
  for (int i = 0; i < 700; ++i)
    squares.push_back(1e-3 * (1 + i) * (1 + uniform(static_cast<std::uint64_t>(i))));
  std::sort(squares.begin(), squares.end());
  double expected = 0;
  for (std::size_t i = 2; i < squares.size(); ++i)
    expected += 0.5 * std::log(squares.back() / squares[i]);
  // 700 logarithms rounded one by one against one product.
  EXPECT_NEAR(dimension_term(squares), expected / 698, 1e-13 * expected);
}

TEST(Dimension, SurvivesTinyHugeAndEqualDistances) {
  const std::vector<double> tiny = {5e-324, 1e-310, 1e-300, 1e-290};
  const double expected =
      0.5 * (std::log(1e-290) * 3 - std::log(5e-324) - std::log(1e-310) - std::log(1e-300));
  EXPECT_NEAR(dimension_term(tiny), expected / 2, 1e-12);
  EXPECT_EQ(dimension_term(std::vector<double>{4, 4, 4, 4}), 0);
  EXPECT_NEAR(dimension_term(std::vector<double>{1e300, 1e302, 1e304}), 0.5 * 6 * std::log(10.0),
              1e-12);
  EXPECT_TRUE(std::isnan(dimension_term(std::vector<double>{0, 0, 1, 2})));
  EXPECT_TRUE(std::isnan(dimension_term({})));
}

TEST(Dimension, MultiplicityIsRepetition) {
  const std::vector<double> squares = {1, 2, 5, 9};
  DimensionSums once, thrice;
  for (int i = 0; i < 4; ++i) once.add(squares);
  thrice.add(squares, 4);  // a power of two: the product is exact
  EXPECT_EQ(once.estimate(), thrice.estimate());
  EXPECT_EQ(once.points, 4);
}

TEST(Dimension, RuleTrustsTheEstimateOnlyWhenClearlyBelow) {
  EXPECT_EQ(intrinsic_dimension(13.0, 16), 16);
  EXPECT_EQ(intrinsic_dimension(2.0, 8), 2);
  EXPECT_EQ(intrinsic_dimension(0.1, 3), 1);
  EXPECT_EQ(intrinsic_dimension(std::nan(""), 5), 5);
  EXPECT_EQ(intrinsic_dimension(INFINITY, 5), 5);
  EXPECT_TRUE(std::isnan(DimensionSums{}.estimate()));
}

}  // namespace
}  // namespace mensura::divergence::test
