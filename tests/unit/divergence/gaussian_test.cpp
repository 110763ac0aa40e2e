// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/gaussian.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "divergence/truth.hpp"
#include "line.hpp"
#include "parallel/error.hpp"
#include "parallel/random.hpp"

namespace mensura::divergence::test {
namespace {

Moments given(std::int64_t count, std::vector<double> mean, std::vector<double> covariance) {
  return {static_cast<int>(mean.size()), count, std::move(mean), std::move(covariance)};
}

const std::vector<double> mean_p = {0.1, -0.3}, mean_q = {0.6, 0.2};
const std::vector<double> cov_p = {1.0, 0.4, 0.4, 0.8}, cov_q = {1.5, -0.2, -0.2, 1.1};

Law law_of(const std::vector<double>& mean, const std::vector<double>& covariance) {
  return {Gaussian{mean, {covariance, true}}, 2};
}

std::vector<std::pair<Quantity, double>> all() {
  return {{Quantity::kl, 0},
          {Quantity::jeffreys, 0},
          {Quantity::renyi, 0.3},
          {Quantity::alpha, 0.3},
          {Quantity::tsallis, 0.7},
          {Quantity::hellinger, 0},
          {Quantity::bhattacharyya, 0},
          {Quantity::renyi, 0.5}};
}

TEST(GaussianFit, ValueIsTheClosedForm) {
  for (const auto& [q, order] : all()) {
    const GaussianFit fit(q, order, given(100, mean_p, cov_p), given(100, mean_q, cov_q));
    EXPECT_NEAR(fit.value(), *truth(q, order, law_of(mean_p, cov_p), law_of(mean_q, cov_q)), 1e-13)
        << name_of(q);
  }
}

// Moments of (1-e) F + e delta_x.
Moments contaminated(const Moments& m, std::span<const double> x, double e) {
  Moments result = m;
  for (std::size_t i = 0; i < 2; ++i) {
    result.mean[i] += e * (x[i] - m.mean[i]);
    for (std::size_t j = 0; j < 2; ++j) {
      result.covariance[2 * i + j] =
          (1 - e) * m.covariance[2 * i + j] + e * (1 - e) * (x[i] - m.mean[i]) * (x[j] - m.mean[j]);
    }
  }
  return result;
}

TEST(GaussianFit, InfluenceIsTheDerivativeAlongContamination) {
  const Moments p = given(1000000000, mean_p, cov_p), q = given(1000000000, mean_q, cov_q);
  const std::vector<double> x = {1.3, -2.1};
  constexpr double e = 1e-5;
  for (const auto& [quantity, order] : all()) {
    const GaussianFit fit(quantity, order, p, q);
    const auto value = [&](const Moments& a, const Moments& b) {
      return GaussianFit(quantity, order, a, b).value();
    };
    const double in_p =
        (value(contaminated(p, x, e), q) - value(contaminated(p, x, -e), q)) / (2 * e);
    const double in_q =
        (value(p, contaminated(q, x, e)) - value(p, contaminated(q, x, -e))) / (2 * e);
    // Central differences: e^2 times a third derivative of a few thousand (influences are of order
    // ten).
    EXPECT_NEAR(fit.influence_p(x), in_p, 1e-6) << name_of(quantity);
    EXPECT_NEAR(fit.influence_q(x), in_q, 1e-6) << name_of(quantity);
  }
}

std::vector<double> draw(std::uint64_t seed, const char* name, int count,
                         const std::vector<double>& mean, const std::vector<double>& c) {
  const parallel::Stream stream(seed, "gaussian", name);
  std::vector<double> points;
  const double l00 = std::sqrt(c[0]), l10 = c[1] / l00, l11 = std::sqrt(c[3] - l10 * l10);
  for (int i = 0; i < count; ++i) {
    const auto index = static_cast<std::uint64_t>(i);
    const double z0 = stream.normal(index, 0), z1 = stream.normal(index, 1);
    points.push_back(mean[0] + l00 * z0);
    points.push_back(mean[1] + l10 * z0 + l11 * z1);
  }
  return points;
}

Moments moments_of(const std::vector<double>& points) {
  const auto n = static_cast<std::int64_t>(points.size() / 2);
  MeanSums first(2);
  const auto point = [&](std::int64_t i) {
    return std::span(points).subspan(static_cast<std::size_t>(2 * i), 2);
  };
  for (std::int64_t i = 0; i < n; ++i) first.add(point(i));
  ScatterSums second(first.mean(n));
  for (std::int64_t i = 0; i < n; ++i) second.add(point(i));
  return second.moments(n);
}

Estimate estimate(Quantity q, double order, const std::vector<double>& x,
                  const std::vector<double>& y) {
  const GaussianFit fit(q, order, moments_of(x), moments_of(y));
  double sum_p = 0, squares_p = 0, squares_q = 0;
  for (std::size_t i = 0; i < x.size(); i += 2) {
    const double psi = fit.influence_p(std::span(x).subspan(i, 2));
    sum_p += psi;
    squares_p += psi * psi;
  }
  for (std::size_t i = 0; i < y.size(); i += 2) {
    const double psi = fit.influence_q(std::span(y).subspan(i, 2));
    squares_q += psi * psi;
  }
  EXPECT_NEAR(sum_p / static_cast<double>(x.size()), 0,
              1e-12);  // influences have mean zero over the sample
  return fit.estimate(squares_p, squares_q);
}

TEST(GaussianFit, ErrorAndBiasMatchRepetitions) {
  constexpr int repetitions = 1500;
  for (const auto& [q, order] : all()) {
    std::vector<double> values, errors, bars;
    for (std::uint64_t s = 0; s < repetitions; ++s) {
      const Estimate e =
          estimate(q, order, draw(s, "p", 120, mean_p, cov_p), draw(s, "q", 160, mean_q, cov_q));
      values.push_back(e.value);
      errors.push_back(e.standard_error);
      bars.push_back(e.bias_bar);
    }
    const Spread v = spread(values);
    const double bias = v.mean - *truth(q, order, law_of(mean_p, cov_p), law_of(mean_q, cov_q));
    // 1500 repetitions know the deviation to 2 % and the bias to deviation/39; second-order terms
    // at n = 120 add a few per cent.
    EXPECT_NEAR(spread(errors).mean / v.deviation, 1, 0.1) << name_of(q);
    EXPECT_NEAR(spread(bars).mean, std::abs(bias),
                3.5 * v.deviation / std::sqrt(repetitions) + 0.15 * std::abs(bias))
        << name_of(q);
  }
}

TEST(GaussianFit, SingularCovarianceAndJsAreRefused) {
  const Moments good = given(100, mean_p, cov_p);
  const Moments flat = given(100, mean_p, {1, 1, 1, 1});
  try {
    GaussianFit(Quantity::kl, 0, good, flat, "left", "right");
    FAIL() << "a singular covariance passed";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::numerical);
    EXPECT_NE(std::string(error.what()).find("'right'"), std::string::npos);
  }
  EXPECT_THROW(GaussianFit(Quantity::js, 0, good, good), parallel::Error);
  EXPECT_THROW(GaussianFit(Quantity::renyi, 1.2, good, good), parallel::Error);
  EXPECT_THROW(GaussianFit(Quantity::kl, 0, given(2, mean_p, cov_p), good), parallel::Error);
}

}  // namespace
}  // namespace mensura::divergence::test
