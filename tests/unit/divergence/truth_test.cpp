// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/truth.hpp"

#include <gtest/gtest.h>

#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <boost/math/quadrature/tanh_sinh.hpp>
#include <cmath>
#include <functional>

#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

using Density = std::function<double(double)>;
const double log_two = std::log(2.0);

struct Pair {
  const char* name;
  Law p, q;
  Density fp, fq;
  double lower, upper;
};

double normal_density(double x, double m, double s) {
  return boost::math::pdf(boost::math::normal(m, s), x);
}

Density truncated_density(double m, double s, double lower, double upper) {
  const boost::math::normal law(m, s);
  const double mass = boost::math::cdf(law, upper) - boost::math::cdf(law, lower);
  return [=](double x) { return normal_density(x, m, s) / mass; };
}

std::vector<Pair> pairs() {
  const auto beta = [](double a, double b) {
    return
        [=](double x) { return boost::math::pdf(boost::math::beta_distribution<double>(a, b), x); };
  };
  const auto exponential = [](double rate) {
    return [=](double x) { return rate * std::exp(-rate * x); };
  };
  return {{"gaussian",
           {Gaussian{{0.3}, {{1}}}},
           {Gaussian{{-0.5}, {{2.25}}}},
           [](double x) { return normal_density(x, 0.3, 1); },
           [](double x) { return normal_density(x, -0.5, 1.5); },
           -20,
           20},
          {"truncated",
           {TruncatedGaussian{{0.2}, {{1}}, {-1}, {2}}},
           {TruncatedGaussian{{1.5}, {{0.25}}, {-1}, {2}}},
           truncated_density(0.2, 1, -1, 2),
           truncated_density(1.5, 0.5, -1, 2),
           -1,
           2},
          {"beta", {Beta{{2.5}, {3}}}, {Beta{{1.5}, {2}}}, beta(2.5, 3), beta(1.5, 2), 0, 1},
          {"exponential",
           {Exponential{{2}}},
           {Exponential{{0.7}}},
           exponential(2),
           exponential(0.7),
           0,
           60},
          {"uniform",
           {Uniform{{0.2}, {0.7}}},
           {Uniform{{0}, {1}}},
           [](double) { return 2.0; },
           [](double) { return 1.0; },
           0.2,
           0.7}};
}

double integrate(const Density& f, double lower, double upper) {
  boost::math::quadrature::tanh_sinh<double> rule;
  double total = 0;
  constexpr int panels =
      8;  // the densities are smooth inside; the ends may be singular in derivatives
  for (int i = 0; i < panels; ++i) {
    const double a = lower + (upper - lower) * i / panels,
                 b = lower + (upper - lower) * (i + 1) / panels;
    total += rule.integrate(f, a, b, 1e-13);
  }
  return total;
}

double kl_by_quadrature(const Density& p, const Density& q, double lower, double upper) {
  return integrate(
      [&](double x) {
        const double a = p(x), b = q(x);
        return a > 0 && b > 0 ? a * std::log(a / b) : 0.0;
      },
      lower, upper);
}

TEST(Truth, AgreesWithQuadrature) {
  for (const Pair& c : pairs()) {
    // Quadrature to 1e-13 of integrands up to order ten.
    constexpr double tolerance = 2e-12;
    EXPECT_NEAR(*truth(Quantity::kl, 0, c.p, c.q), kl_by_quadrature(c.fp, c.fq, c.lower, c.upper),
                tolerance)
        << c.name;
    if (std::string(c.name) != "uniform") {
      EXPECT_NEAR(*truth(Quantity::kl, 0, c.q, c.p), kl_by_quadrature(c.fq, c.fp, c.lower, c.upper),
                  tolerance)
          << c.name;
    }
    for (const double a : {0.2, 0.5, 0.9}) {
      const double j =
          integrate([&](double x) { return std::pow(c.fp(x), a) * std::pow(c.fq(x), 1 - a); },
                    c.lower, c.upper);
      EXPECT_NEAR(*truth(Quantity::renyi, a, c.p, c.q), std::log(j) / (a - 1), 10 * tolerance)
          << c.name;
      EXPECT_NEAR(*truth(Quantity::tsallis, a, c.p, c.q), (j - 1) / (a - 1), 10 * tolerance)
          << c.name;
      EXPECT_NEAR(*truth(Quantity::alpha, a, c.p, c.q), (j - 1) / (a * (a - 1)), 20 * tolerance)
          << c.name;
    }
    EXPECT_NEAR(*truth(Quantity::hellinger, 0, c.p, c.q),
                *truth(Quantity::tsallis, 0.5, c.p, c.q) / 2, 1e-14);
    EXPECT_NEAR(*truth(Quantity::bhattacharyya, 0, c.p, c.q),
                *truth(Quantity::renyi, 0.5, c.p, c.q) / 2, 1e-14);
  }
}

TEST(Truth, PublishedNumbers) {
  // Truncated Gaussians of the NNR experiments: box [0,1]^d, means 0.7 and 0.3, covariance 0.4;
  // eight printed digits.
  for (const int d : {1, 10}) {
    const Law p{TruncatedGaussian{{0.7}, {{0.4}}, {0}, {1}}, d},
        q{TruncatedGaussian{{0.3}, {{0.4}}, {0}, {1}}, d};
    EXPECT_NEAR(*truth(Quantity::kl, 0, p, q), d * 0.038166353, d * 1e-9);
    EXPECT_NEAR(*truth(Quantity::renyi, 0.5, p, q), d * 0.019116951, d * 1e-9);
    if (d == 10) {
      EXPECT_NEAR(1 - *truth(Quantity::hellinger, 0, p, q), 0.90884133, 1e-8);
    }
  }
  // Gaussian shift of norm one and scale two.
  const Law standard{Gaussian{{0}, {{1}}}, 4};
  EXPECT_NEAR(*truth(Quantity::kl, 0, standard, {Gaussian{{0.5}, {{1}}}, 4}), 0.5, 1e-14);
  EXPECT_NEAR(*truth(Quantity::renyi, 0.5, standard, {Gaussian{{0.5}, {{1}}}, 4}), 0.25, 1e-14);
  EXPECT_NEAR(*truth(Quantity::kl, 0, standard, {Gaussian{{0}, {{2}}}, 4}), 2 * (log_two - 0.5),
              1e-14);
  EXPECT_NEAR(*truth(Quantity::renyi, 0.5, standard, {Gaussian{{0}, {{2}}}, 4}),
              4 * std::log(1.5 / std::sqrt(2.0)), 1e-14);
}

TEST(Truth, FullCovariancesAreInvariantUnderRotation) {
  // A rotation by 45 degrees of diag(1, 4) against diag(2, 1) and shift (1, 0).
  const Law p{Gaussian{{0, 0}, {{1, 4}}}}, q{Gaussian{{1, 0}, {{2, 1}}}};
  const double h = std::sqrt(0.5);
  const Law pr{Gaussian{{0, 0}, {{2.5, -1.5, -1.5, 2.5}, true}}};
  const Law qr{Gaussian{{h, h}, {{1.5, 0.5, 0.5, 1.5}, true}}};
  for (const std::string& name : quantity_names()) {
    const Quantity quantity = *quantity_from(name);
    const auto a = truth(quantity, 0.3, p, q), b = truth(quantity, 0.3, pr, qr);
    ASSERT_EQ(a.has_value(), b.has_value());
    if (a) {
      EXPECT_NEAR(*a, *b, 1e-13) << name;
    }
  }
}

TEST(Truth, TruncatedGaussiansFarInATail) {
  // On [30, 31] the law N(0, 1) is exp(-30 u - u^2/2) and N(1, 1) is exp(-29 u - u^2/2) up to
  // factors.
  const auto weight = [](double rate) {
    return [rate](double u) { return std::exp(-rate * u - 0.5 * u * u); };
  };
  const double zp = integrate(weight(30), 0, 1), zq = integrate(weight(29), 0, 1);
  const double expected = kl_by_quadrature([&](double u) { return weight(30)(u) / zp; },
                                           [&](double u) { return weight(29)(u) / zq; }, 0, 1);
  const Law p{TruncatedGaussian{{0}, {{1}}, {30}, {31}}},
      q{TruncatedGaussian{{1}, {{1}}, {30}, {31}}};
  EXPECT_NEAR(*truth(Quantity::kl, 0, p, q), expected, 1e-13);
  // Very wide Gaussians are uniform: the divergence is (gap/s^2)^2 var/2 with var = 1/12.
  const Law wide{TruncatedGaussian{{0}, {{1e8}}, {0}, {1}}},
      shifted{TruncatedGaussian{{1e3}, {{1e8}}, {0}, {1}}};
  // Logarithms of order ten are subtracted: 1e-14 each.
  EXPECT_NEAR(*truth(Quantity::kl, 0, wide, shifted), 1e-10 / 24, 1e-13);
  // Half-infinite boxes.
  const Law half{TruncatedGaussian{{0}, {{1}}, {0}, {INFINITY}}},
      scaled{TruncatedGaussian{{0}, {{4}}, {0}, {INFINITY}}};
  EXPECT_NEAR(*truth(Quantity::kl, 0, half, scaled), log_two + 0.125 - 0.5, 1e-13);
}

TEST(Truth, SupportsDecideFirst) {
  const Law small{Uniform{{0.2}, {0.6}}, 2}, unit{Uniform{{0}, {1}}, 2}, away{Uniform{{2}, {3}}, 2};
  const Law normal{Gaussian{}, 2}, positive{Exponential{{1}}, 2}, beta{Beta{{2}, {2}}, 2},
      student{StudentT{{3.0}}, 2};
  EXPECT_NEAR(*truth(Quantity::kl, 0, small, unit), 2 * std::log(2.5), 1e-14);
  for (const auto& [p, q] : std::vector<std::pair<Law, Law>>{{unit, small},
                                                             {unit, away},
                                                             {normal, unit},
                                                             {normal, positive},
                                                             {positive, beta},
                                                             {student, unit}}) {
    EXPECT_TRUE(std::isinf(*truth(Quantity::kl, 0, p, q)));
    EXPECT_TRUE(std::isinf(*truth(Quantity::jeffreys, 0, q, p)));
  }
  EXPECT_EQ(*truth(Quantity::js, 0, unit, away), log_two);
  EXPECT_EQ(*truth(Quantity::js, 0, away, beta), log_two);
  EXPECT_EQ(*truth(Quantity::hellinger, 0, unit, away), 1);
  EXPECT_TRUE(std::isinf(*truth(Quantity::renyi, 0.3, unit, away)));
  EXPECT_NEAR(*truth(Quantity::alpha, 0.3, unit, away), 1 / 0.21, 1e-14);
  EXPECT_FALSE(truth(Quantity::kl, 0, beta, unit).has_value());
  EXPECT_FALSE(truth(Quantity::js, 0, normal, positive).has_value());
  // A mixture whose component leaves the box of q.
  const Law mixture{Mixture{{1, 1}, {unit, away}}};
  EXPECT_TRUE(std::isinf(*truth(Quantity::kl, 0, mixture, unit)));
  EXPECT_FALSE(truth(Quantity::kl, 0, unit, mixture).has_value());
}

TEST(Truth, JensenShannonOfOverlappingBoxes) {
  // [0, 1] and [1/2, 2]: densities 1 and 2/3, common part 1/2.
  const double expected =
      0.5 * (0.5 * log_two + 0.5 * std::log(2 / (1 + 2.0 / 3))) +
      0.5 * (2.0 / 3 * log_two + 1.0 / 3 * std::log(2 * (2.0 / 3) / (1 + 2.0 / 3)));
  EXPECT_NEAR(*truth(Quantity::js, 0, {Uniform{{0}, {1}}}, {Uniform{{0.5}, {2}}}), expected, 1e-14);
}

TEST(Truth, UniformAgainstGaussians) {
  const Law box{Uniform{{-1}, {2}}}, normal{Gaussian{{0.5}, {{2}}}};
  const double expected =
      std::log(std::sqrt(2 * M_PI * 2) / 3) + (1.5 * 1.5 * 1.5 * 2) / (6 * 3 * 2);
  EXPECT_NEAR(*truth(Quantity::kl, 0, box, normal), expected, 1e-14);
  const Law truncated{TruncatedGaussian{{0.5}, {{2}}, {-1}, {3}}};
  const boost::math::normal law(0.5, std::sqrt(2.0));
  EXPECT_NEAR(*truth(Quantity::kl, 0, box, truncated),
              expected + std::log(boost::math::cdf(law, 3) - boost::math::cdf(law, -1)), 1e-13);
}

TEST(Truth, IdenticalLawsAreAtZero) {
  const Law mixture{Mixture{{1, 3}, {{Gaussian{{0}, {{1}}}}, {StudentT{{2.5}}}}}};
  for (const Law& law :
       {Law{Gaussian{{1, 2}, {{1}}}}, Law{StudentT{{3}}}, mixture, Law{Beta{{0.5}, {0.5}}}}) {
    for (const std::string& name : quantity_names()) {
      EXPECT_EQ(truth(*quantity_from(name), 0.4, law, law), 0.0) << name;
    }
  }
}

TEST(Truth, RefusesWrongInput) {
  EXPECT_THROW(truth(Quantity::renyi, 1, {Gaussian{}}, {Gaussian{}}), parallel::Error);
  EXPECT_THROW(truth(Quantity::kl, 0, {Gaussian{}, 2}, {Gaussian{}, 3}), parallel::Error);
}

}  // namespace
}  // namespace mensura::divergence
