// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/one_step.hpp"

#include <gtest/gtest.h>

#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <cmath>
#include <numeric>

#include "divergence/truth.hpp"
#include "line.hpp"
#include "parallel/error.hpp"
#include "points.hpp"

namespace mensura::divergence::test {
namespace {

CountHistograms count(const TwoSets& sets) {
  CountHistograms h(default_neighbours);
  for (std::int64_t i = 0; i < sets.size(); ++i) {
    h.add(sets.side(i), counts_of(sets, neighbours_of(sets, i), default_neighbours));
  }
  return h;
}

const CountHistograms& sample() {
  static const CountHistograms h = count(make_points(230, 310, 2, true));
  return h;
}

// All points of one set are far from the other: no neighbourhood is mixed.
CountHistograms apart() {
  CountHistograms h(default_neighbours);
  h.add(Side::x, default_neighbours, 400);
  h.add(Side::y, std::vector<int>(default_neighbours.size(), 0), 500);
  return h;
}

constexpr double rounding =
    1e-11;  // two routes of a few hundred operations each, condition of the covariance 1e3

TEST(OneStep, JeffreysIsTheSumOfBothDirections) {
  const Profile both = profile(Quantity::jeffreys, 0, sample());
  const Profile forward = profile(Quantity::kl, 0, sample());
  const Profile backward = profile(Quantity::kl, 0, sample().swapped());
  for (std::size_t i = 0; i < both.value.size(); ++i) {
    EXPECT_NEAR(both.value[i], forward.value[i] + backward.value[i], rounding);
    EXPECT_NEAR(both.saturation[i], forward.saturation[i] + backward.saturation[i], rounding);
  }
}

void expect_same(const Estimate& a, const Estimate& b, double factor) {
  EXPECT_NEAR(a.value, factor * b.value, rounding);
  EXPECT_NEAR(a.standard_error, factor * b.standard_error, rounding);
  EXPECT_NEAR(a.bias_bar, factor * b.bias_bar, rounding);
  EXPECT_NEAR(a.interval[0], factor * b.interval[0], rounding);
  EXPECT_NEAR(a.interval[1], factor * b.interval[1], rounding);
  EXPECT_EQ(a.flags, b.flags);
}

TEST(OneStep, SymmetricQuantitiesAreSymmetric) {
  const CountHistograms other = sample().swapped();
  for (const Quantity q :
       {Quantity::jeffreys, Quantity::js, Quantity::hellinger, Quantity::bhattacharyya}) {
    SCOPED_TRACE(name_of(q));
    expect_same(one_step(q, 0, sample(), 2, 2), one_step(q, 0, other, 2, 2), 1);
  }
  expect_same(one_step(Quantity::alpha, 0.3, sample(), 2, 2),
              one_step(Quantity::alpha, 0.7, other, 2, 2), 1);
  // Skew symmetry: (1-a) D_a(P||Q) = a D_(1-a)(Q||P).
  expect_same(one_step(Quantity::renyi, 0.3, sample(), 2, 2),
              one_step(Quantity::renyi, 0.7, other, 2, 2), 0.3 / 0.7);
}

TEST(OneStep, FunctionsOfOneJAgree) {
  expect_same(one_step(Quantity::renyi, 0.5, sample(), 2, 2),
              one_step(Quantity::bhattacharyya, 0, sample(), 2, 2), 2);
  expect_same(one_step(Quantity::renyi, 0.5, sample(), 12, 12),
              one_step(Quantity::bhattacharyya, 0, sample(), 12, 12), 2);
  const auto j =
      moments(count_tables(Quantity::renyi, 0.5, 230, 310, default_neighbours), sample());
  for (const Quantity q : {Quantity::alpha, Quantity::tsallis, Quantity::hellinger}) {
    const Profile p = profile(q, 0.5, sample());
    for (std::size_t i = 0; i < p.value.size(); ++i) {
      EXPECT_NEAR(p.value[i], from_j(q, 0.5, j.corrected.value[i]), rounding) << name_of(q);
    }
  }
}

TEST(OneStep, ReportsWhatItUsed) {
  const Estimate e = one_step(Quantity::js, 0, sample(), 2, 2);
  EXPECT_EQ(e.neighbours, default_neighbours);
  EXPECT_NEAR(std::accumulate(e.weights.begin(), e.weights.end(), 0.0), 1.0, 1e-10);
  EXPECT_EQ(e.profile.size(), default_neighbours.size());
  EXPECT_EQ(e.units, "nats");
  EXPECT_EQ(e.saturated, sample().saturated());
  EXPECT_EQ(e.intrinsic_dimension, 2);
  EXPECT_LT(e.interval[0], e.value);
  EXPECT_GT(e.interval[1], e.value);
  const Estimate narrow = one_step(Quantity::js, 0, sample(), 2, 2, 0.5);
  const double ratio = (narrow.interval[1] - narrow.interval[0]) / (e.interval[1] - e.interval[0]);
  EXPECT_NEAR(ratio, 0.6744897501960817 / 1.959963984540054, 1e-12);
}

TEST(OneStep, WeightsReproduceTheValueUpToThePull) {
  for (const Quantity q : {Quantity::kl, Quantity::js, Quantity::renyi}) {
    const Estimate e = one_step(q, 0.5, sample(), 2, 2);
    double sum = 0;
    for (std::size_t i = 0; i < e.weights.size(); ++i) sum += e.weights[i] * e.profile[i];
    // The prior's own pull is below its width, which the bias bar holds.
    EXPECT_NEAR(sum, e.value, e.bias_bar);
  }
}

// JS of N(0, 1) and N(0.6, 1.4^2).
double js_truth() {
  const auto term = [](double x) {
    const double p = std::exp(-0.5 * x * x), z = (x - 0.6) / 1.4, q = std::exp(-0.5 * z * z) / 1.4;
    return 0.5 * (p * std::log(2 * p / (p + q)) + q * std::log(2 * q / (p + q))) /
           std::sqrt(2 * M_PI);
  };
  return boost::math::quadrature::gauss_kronrod<double, 61>::integrate(term, -15.0, 15.0, 10,
                                                                       1e-12);
}

TEST(OneStep, IntervalsCoverOnTheLine) {
  constexpr int repetitions = 60;
  const Law p{Gaussian{{0}, {{1}}}}, q{Gaussian{{0.6}, {{1.96}}}};
  std::vector<int> covered(quantity_names().size(), 0);
  for (std::uint64_t s = 0; s < repetitions; ++s) {
    const auto x = sorted_normals(s, "x", 700, 0, 1), y = sorted_normals(s, "y", 1000, 0.6, 1.4);
    CountHistograms h(default_neighbours);
    for (const double c : x) h.add(Side::x, line_counts(x, y, c, default_neighbours, true));
    for (const double c : y) h.add(Side::y, line_counts(x, y, c, default_neighbours, false));
    for (std::size_t i = 0; i < covered.size(); ++i) {
      const auto quantity = static_cast<Quantity>(i);
      const double t = quantity == Quantity::js ? js_truth() : *truth(quantity, 0.3, p, q);
      const Estimate e = one_step(quantity, 0.3, h, 1, 1);
      if (e.interval[0] <= t && !(e.interval[1] < t)) ++covered[i];
    }
  }
  for (std::size_t i = 0; i < covered.size(); ++i) {
    // With a true coverage of 95 %, fewer than 51 hits of 60 have probability 0.2 %.
    EXPECT_GE(covered[i], 51) << quantity_names()[i];
  }
}

TEST(OneStep, SeparatedSetsAreSaturatedNotNan) {
  const CountHistograms h = apart();
  const Estimate renyi = one_step(Quantity::renyi, 0.5, h, 3, 3);
  EXPECT_TRUE(std::isinf(renyi.value));
  EXPECT_EQ(renyi.flags, "LS");
  EXPECT_NE(renyi.status.find("saturated"), std::string::npos);
  const Estimate hellinger = one_step(Quantity::hellinger, 0, h, 3, 3);
  EXPECT_EQ(hellinger.value, 1);
  EXPECT_EQ(hellinger.flags, "LS");
  EXPECT_TRUE(std::isnan(hellinger.interval[0]) && std::isnan(hellinger.interval[1]));
  const Estimate kl = one_step(Quantity::kl, 0, h, 3, 3);
  EXPECT_TRUE(std::isfinite(kl.value));
  EXPECT_NE(kl.flags.find('L'), std::string::npos);
  EXPECT_TRUE(std::isfinite(kl.interval[0]));
  EXPECT_TRUE(std::isnan(kl.interval[1]));
  EXPECT_EQ(kl.saturated, 900);
  const Estimate js = one_step(Quantity::js, 0, h, 3, 3);
  // All counts say "apart": half of log 2 from each side, whatever k is, up to what 64 labels can
  // exclude.
  EXPECT_NEAR(js.value, std::log(2.0), 0.1);
}

TEST(OneStep, EveryQuantityIsFiniteOrSaysWhy) {
  CountHistograms nearly = apart();  // one mixed neighbourhood
  nearly.add(Side::x, std::vector<int>{4, 6, 8, 12, 16, 24, 32});
  CountHistograms constant(
      default_neighbours);  // every count exactly one half: no variance between points
  constant.add(Side::x, std::vector<int>{4, 6, 8, 12, 16, 24, 32}, 100);
  constant.add(Side::y, std::vector<int>{4, 6, 8, 12, 16, 24, 32}, 100);
  for (const CountHistograms& h : {apart(), nearly, constant, sample()}) {
    for (const std::string& name : quantity_names()) {
      for (const int d : {1, 3, 12}) {
        const Estimate e = one_step(*quantity_from(name), 0.3, h, d, d);
        const bool finite = std::isfinite(e.value) && std::isfinite(e.standard_error) &&
                            std::isfinite(e.bias_bar) && std::isfinite(e.interval[0]) &&
                            std::isfinite(e.interval[1]);
        EXPECT_TRUE(finite || e.status != "ok") << name;
        EXPECT_FALSE(std::isnan(e.value)) << name;
      }
    }
  }
}

TEST(OneStep, LowerBoundRuleDependsOnTheQuantity) {
  // X-points live where Y has none (n = k), Y-points see balanced counts: P has unseen mass, Q has
  // not.
  CountHistograms h(default_neighbours);
  h.add(Side::x, default_neighbours, 300);
  h.add(Side::x, std::vector<int>{4, 6, 8, 12, 16, 24, 32}, 100);
  h.add(Side::y, std::vector<int>{2, 3, 4, 6, 8, 12, 16}, 400);
  const Balance z = balance(h);
  EXPECT_LT(z.z1, -0.25);
  EXPECT_LT(z.z2, -0.25);
  EXPECT_NE(one_step(Quantity::kl, 0, h, 2, 2).flags.find('L'), std::string::npos);
  CountHistograms one_sided(default_neighbours);
  one_sided.add(Side::x, std::vector<int>{4, 6, 8, 12, 16, 24, 32}, 400);
  one_sided.add(Side::y, std::vector<int>{2, 3, 4, 6, 8, 12, 16}, 400);
  EXPECT_GT(balance(one_sided).z2, -0.25);
  const auto lower = [&](Quantity q, const CountHistograms& counts) {
    return one_step(q, 0.5, counts, 2, 2).flags.find('L') != std::string::npos;
  };
  EXPECT_TRUE(lower(Quantity::kl, one_sided));
  EXPECT_FALSE(lower(Quantity::kl, one_sided.swapped()));
  EXPECT_TRUE(lower(Quantity::jeffreys, one_sided));
  EXPECT_TRUE(lower(Quantity::jeffreys, one_sided.swapped()));
  EXPECT_FALSE(lower(Quantity::renyi, one_sided));
  EXPECT_FALSE(lower(Quantity::js, one_sided));
}

TEST(OneStep, RefusesTooFewPointsAndWrongOrders) {
  CountHistograms h(default_neighbours);
  h.add(Side::x, default_neighbours);
  h.add(Side::y, default_neighbours, 100);
  EXPECT_THROW(one_step(Quantity::kl, 0, h, 2, 2), parallel::Error);
  EXPECT_THROW(one_step(Quantity::renyi, 1.0, sample(), 2, 2), parallel::Error);
  EXPECT_THROW(one_step(Quantity::kl, 0, sample(), 2, 2, 1.0), parallel::Error);
}

TEST(Interval, ExtrapolationFindsAKnownSlope) {
  // A profile that is exactly D + b phi with tiny noise: the exponent is one of the model's.
  Profile p;
  p.neighbours = default_neighbours;
  const std::size_t n = p.neighbours.size();
  p.covariance.assign(n * n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    p.value.push_back(0.5 - 0.1 * std::pow(p.neighbours[i] / 64.0, 4.0 / 4));
    p.covariance[i * n + i] = 1e-10;
    p.ball_noise.push_back(0);
    p.saturation.push_back(0);
  }
  const Extrapolation e = extrapolate(p, 4);
  // The noise of 1e-5 leaves no doubt about the exponent; the level is good to a few times that.
  EXPECT_NEAR(e.value, 0.5, 5e-5);
  EXPECT_LT(e.unextrapolated, 0.48);
  p.value[3] = std::nan("");
  EXPECT_THROW(extrapolate(p, 4), parallel::Error);
}

TEST(Interval, NormalQuantile) {
  EXPECT_NEAR(normal_quantile(0.95), 1.959963984540054, 1e-14);
  EXPECT_NEAR(normal_quantile(0.5), 0.6744897501960817, 1e-14);
  EXPECT_THROW(normal_quantile(0), parallel::Error);
}

}  // namespace
}  // namespace mensura::divergence::test
