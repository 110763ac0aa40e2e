// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/exponential.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/erf.hpp>
#include <cmath>
#include <functional>

#include "divergence/law.hpp"
#include "divergence/sampler.hpp"
#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

using parallel::Stream;
using Cdf = std::function<double(double)>;
constexpr int count = 20000;

std::vector<double> draw_line(const Law& law) {
  const Sampler sampler(law);
  const Stream stream(5, "test", name_of(law));
  std::vector<double> x(count);
  for (std::size_t i = 0; i < x.size(); ++i) sampler.draw(stream, i, std::span(&x[i], 1));
  return x;
}

// Kolmogorov-Smirnov: the supremum times sqrt(n) exceeds 1.95 with probability 0.001; the seeds are
// fixed.
void expect_law(const Law& law, const Cdf& cdf) {
  std::vector<double> x = draw_line(law);
  std::sort(x.begin(), x.end());
  double largest = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double f = cdf(x[i]);
    largest = std::max(
        {largest, f - static_cast<double>(i) / count, static_cast<double>(i + 1) / count - f});
  }
  EXPECT_LT(largest * std::sqrt(count), 1.95) << name_of(law);
}

template <class Distribution>
Cdf cdf_of(Distribution d) {
  return [d](double x) { return boost::math::cdf(d, x); };
}

// In long double the tail beyond 50 standard deviations (1e-545) still exists.
Cdf truncated_cdf(double mean, double s, double lower, double upper) {
  return [=](double x) {
    const auto above = [&](double t) {
      return boost::math::erfc(static_cast<long double>((t - mean) / s) / std::sqrt(2.0L));
    };
    return static_cast<double>((above(lower) - above(x)) / (above(lower) - above(upper)));
  };
}

TEST(Sampler, LawsHaveTheirDistribution) {
  expect_law({Gaussian{{1.5}, {{4.0}}}}, cdf_of(boost::math::normal(1.5, 2)));
  expect_law({Uniform{{-1}, {3}}}, [](double x) { return (x + 1) / 4; });
  expect_law({Exponential{{2.5}}}, cdf_of(boost::math::exponential(2.5)));
  expect_law({Beta{{2}, {5}}}, cdf_of(boost::math::beta_distribution<double>(2, 5)));
  expect_law({Beta{{0.3}, {0.4}}}, cdf_of(boost::math::beta_distribution<double>(0.3, 0.4)));
  for (const double dof : {0.7, 3.0, 30.0}) {
    expect_law({StudentT{{dof}, {1}, {2}}}, [dof](double x) {
      return boost::math::cdf(boost::math::students_t(dof), (x - 1) / 2);
    });
  }
}

TEST(Sampler, TruncatedNormalsIncludingFarTails) {
  const auto check = [](double mean, double s, double lower, double upper) {
    expect_law({TruncatedGaussian{{mean}, {{s * s}}, {lower}, {upper}}},
               truncated_cdf(mean, s, lower, upper));
  };
  check(0.7, std::sqrt(0.4), 0, 1);
  check(0, 1, -1, 3);
  check(0, 1, 3.5, 5);
  check(0, 1, 4.2, 4.3);
  check(0, 1, 8, 20);
  check(0, 1, 50, INFINITY);
  check(10, 0.5, 11, 30);
  // The left tails are mirror images.
  expect_law({TruncatedGaussian{{0}, {{1}}, {-20}, {-8}}},
             [f = truncated_cdf(0, 1, 8, 20)](double x) { return 1 - f(-x); });
}

TEST(Sampler, MixtureDrawsItsComponentsByWeight) {
  Mixture m;
  m.weights = {3, 1};
  m.components = {{Gaussian{{-2}, {{1}}}}, {Uniform{{0}, {4}}}};
  expect_law({m}, [](double x) {
    return 0.75 * boost::math::cdf(boost::math::normal(-2, 1), x) +
           0.25 * std::clamp(x / 4, 0.0, 1.0);
  });
}

TEST(Sampler, FullCovarianceIsReproduced) {
  const std::vector<double> c = {2, 0.6, -0.3, 0.6, 1, 0.2, -0.3, 0.2, 0.5};
  const Sampler sampler({Gaussian{{1, 2, 3}, {c, true}}});
  const Stream stream(9, "test", "full");
  std::vector<double> mean(3, 0.0), scatter(9, 0.0), x(3);
  for (std::uint64_t i = 0; i < count; ++i) {
    sampler.draw(stream, i, x);
    for (std::size_t a = 0; a < 3; ++a) {
      mean[a] += x[a] / count;
      for (std::size_t b = 0; b < 3; ++b) {
        scatter[3 * a + b] +=
            (x[a] - 1 - static_cast<double>(a)) * (x[b] - 1 - static_cast<double>(b)) / count;
      }
    }
  }
  // Five standard deviations: sqrt(2/20000) and sqrt((c_ii c_jj + c_ij^2)/20000), at most 2
  // sqrt(2)/141.
  for (std::size_t a = 0; a < 3; ++a) EXPECT_NEAR(mean[a], 1 + static_cast<double>(a), 0.05);
  for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(scatter[i], c[i], 0.1);
}

TEST(Sampler, PointDependsOnItsIndexOnly) {
  Mixture m;
  m.weights = {1, 1};
  m.components = {{Beta{{0.5}, {2}}}, {StudentT{{2.0}}}};
  m.components[0].dimension = m.components[1].dimension = 3;
  const Sampler sampler({m, 3});
  ASSERT_EQ(sampler.dimension(), 3);
  const Stream stream(1, "generate", "p"), other(1, "generate", "q");
  std::vector<std::vector<double>> forward;
  for (std::uint64_t i = 0; i < 50; ++i) {
    forward.emplace_back(3);
    sampler.draw(stream, i, forward.back());
  }
  std::vector<double> x(3);
  for (std::uint64_t i = 50; i-- > 0;) {
    sampler.draw(stream, i, x);
    EXPECT_EQ(x, forward[i]);
  }
  sampler.draw(other, 0, x);
  EXPECT_NE(x, forward[0]);
  sampler.draw(stream, std::uint64_t{1} << 40U, x);
  EXPECT_NE(x, forward[0]);
}

std::string failure(const Law& law) {
  try {
    validate(law);
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::usage);
    return error.what();
  }
  return "accepted";
}

TEST(Law, ErrorsNameTheParameter) {
  const auto expect = [](const Law& law, const std::string& part) {
    EXPECT_NE(failure(law).find(part), std::string::npos) << failure(law);
  };
  expect({Gaussian{{0, 0, 1}, {{1, 2}}}}, "covariance has 2 entries; the dimension is 3");
  expect({Gaussian{{0, 0}, {{1, 0.5, 0.4, 1}, true}}}, "not symmetric: [0][1] = 0.5");
  expect({Gaussian{{0, 0}, {{1, 2, 2, 1}, true}}}, "not positive definite");
  expect({Gaussian{{0, 0}, {{1, 2, 3}, true}}}, "2 x 2");
  expect({Gaussian{{0, NAN}, {{1}}}}, "mean[1] is nan");
  expect({Gaussian{{0}, {{-1}}}}, "covariance[0] is -1; it must be positive");
  expect({TruncatedGaussian{{0, 0}, {{1, .1, .1, 1}, true}, {0}, {1}}},
         "only known to law gaussian");
  expect({TruncatedGaussian{{0}, {{1}}, {2}, {1}}}, "lower[0] = 2 is not below upper[0] = 1");
  expect({Uniform{{0}, {INFINITY}}}, "upper[0] is inf");
  expect({Beta{{0}, {1}}}, "alpha[0] is 0");
  expect({Exponential{{-3}}}, "rate[0] is -3");
  expect({StudentT{{2}, {0}, {0}}}, "scale[0] is 0");
  expect({Mixture{{1}, {}}}, "1 weights for 0 components");
  expect({Mixture{{-1}, {{Gaussian{}}}}}, "weights[0] is -1");
  expect({Mixture{{1, 1}, {{Gaussian{{0, 0}, {{1}}}}, {Uniform{{0, 0, 0}, {1}}}}}},
         "mixture has 3");
  expect({Gaussian{}, -2}, "dimension -2");
}

TEST(Law, ScalarsAreBroadcast) {
  const Law law = validate({Uniform{{0}, {1, 2, 3}}});
  EXPECT_EQ(law.dimension, 3);
  EXPECT_EQ(std::get<Uniform>(law.form).lower, (std::vector<double>{0, 0, 0}));
  const Law wide = validate({Gaussian{{0}, {{2}}}, 4});
  EXPECT_EQ(std::get<Gaussian>(wide.form).covariance.values.size(), 4U);
  EXPECT_TRUE(same({Gaussian{{0, 0}, {{1}}}}, {Gaussian{{0}, {{1, 0, 0, 1}, true}}}));
  EXPECT_FALSE(same({Gaussian{{0, 0}, {{1}}}}, {Gaussian{{0, 0}, {{2}}}}));
  EXPECT_FALSE(same({Gaussian{}}, {Uniform{}}));
}

}  // namespace
}  // namespace mensura::divergence
