// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/tie_counts.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "parallel/random.hpp"

namespace mensura::divergence {
namespace {

using points::Neighbour;
using Counts = std::vector<int>;

// Ids below 100 form the first set.
constexpr std::uint64_t first_set = 100;

TEST(TieCounts, WithoutTiesTheListDecides) {
  TieCounts ties({1, 2, 3});
  const std::vector<Neighbour> list{{0, 1}, {1, 200}, {2, 2}, {3, 201}};
  ties.assign(list, std::vector<std::int64_t>{0, 1}, first_set);
  Counts counts(3);
  EXPECT_FALSE(ties.count(true, 7, counts));
  EXPECT_EQ(counts, (Counts{0, 1, 1}));
}

TEST(TieCounts, EqualLabelsNeedNoDraw) {
  TieCounts ties({1, 2, 4});
  // Two points of the second set at the location, three more of it at distance 1, one beyond the
  // list.
  const std::vector<Neighbour> list{{0, 300}, {0, 301}, {1, 302}, {1, 303}, {1, 304}};
  ties.assign(list, std::vector<std::int64_t>{0, 4}, first_set);
  Counts counts(3);
  EXPECT_FALSE(ties.count(false, 7, counts));
  EXPECT_EQ(counts, (Counts{0, 0, 0}));
}

// 600 points of the first and 400 of the second set on one location, of which the list shows the
// first five: the counts are hypergeometric.
TEST(TieCounts, DrawsAreHypergeometricNestedAndKeyed) {
  const std::vector<int> ks{4, 9, 20};
  TieCounts ties(ks);
  std::vector<Neighbour> list;
  for (std::uint64_t i = 0; i < 21; ++i) list.push_back({0, 300 + i});  // the order says nothing
  ties.assign(list, std::vector<std::int64_t>{600, 400}, first_set);
  constexpr int draws = 20000;
  std::vector<double> sum(3), square(3);
  double product = 0;
  Counts counts(3), again(3);
  for (std::uint64_t draw = 0; draw < draws; ++draw) {
    EXPECT_TRUE(ties.count(true, parallel::mix(draw), counts));
    ties.count(true, parallel::mix(draw), again);
    EXPECT_EQ(counts, again);
    for (std::size_t i = 0; i < 3; ++i) {
      sum[i] += counts[i];
      square[i] += static_cast<double>(counts[i]) * counts[i];
      if (i > 0) {
        EXPECT_GE(counts[i], counts[i - 1]);
        EXPECT_LE(counts[i] - counts[i - 1], ks[i] - ks[i - 1]);
      }
    }
    product += static_cast<double>(counts[0]) * counts[2];
  }
  // The query is one of the 600: 599 of 999 others.
  const double p = 599.0 / 999.0;
  for (std::size_t i = 0; i < 3; ++i) {
    const double k = ks[i];
    const double variance = k * p * (1 - p) * (999 - k) / 998;
    const double mean = sum[i] / draws;
    // Five standard deviations of the simulated mean, and of the variance of a near-normal count.
    EXPECT_NEAR(mean, k * p, 5 * std::sqrt(variance / draws));
    EXPECT_NEAR(square[i] / draws - mean * mean, variance, 5 * variance * std::sqrt(2.0 / draws));
  }
  // Sampling without replacement, the first 4 of the first 20: covariance 4 p (1-p) (999-20)/998.
  const double covariance = product / draws - sum[0] / draws * sum[2] / draws;
  EXPECT_NEAR(covariance, 4 * p * (1 - p) * 979 / 998, 0.1);
}

// A boundary within a visible shell at a positive distance: two of four tied points, of which one
// belongs to the first set, are drawn; the query's own location is complete before it.
TEST(TieCounts, InnerShell) {
  TieCounts ties({2, 3, 5});
  const std::vector<Neighbour> list{{0, 1}, {0, 2}, {4, 3}, {4, 300}, {4, 301}, {4, 302}, {9, 303}};
  ties.assign(list, std::vector<std::int64_t>{0, 1}, first_set);
  constexpr int draws = 20000;
  std::vector<double> mean(3);
  Counts counts(3);
  for (std::uint64_t draw = 0; draw < draws; ++draw) {
    EXPECT_TRUE(ties.count(true, parallel::mix(draw), counts));
    for (std::size_t i = 0; i < 3; ++i) mean[i] += static_cast<double>(counts[i]) / draws;
    EXPECT_EQ(counts[2], 2);  // all four at distance 2 belong to the five nearest
  }
  // One other point at the location, then one (two) of four: 1/4 (1/2) of the single one.
  EXPECT_NEAR(mean[0], 1.25, 5 * std::sqrt(0.1875 / draws));
  EXPECT_NEAR(mean[1], 1.5, 5 * std::sqrt(0.25 / draws));
}

}  // namespace
}  // namespace mensura::divergence
