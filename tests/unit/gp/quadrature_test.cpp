// SPDX-License-Identifier: BSD-3-Clause
// Means over boxes and balls: polynomials in closed form, kernels against a fine rule.
#include "gp/quadrature.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <numeric>

#include "gp/covariance.hpp"
#include "gp/kernel.hpp"

namespace {

using namespace mensura;

double mean(const gp::MeanRule& rule, const std::function<double(const double*)>& f) {
  double sum = 0;
  for (std::size_t i = 0; i < rule.weights.size(); ++i) {
    sum += rule.weights[i] * f(&rule.nodes[i * static_cast<std::size_t>(rule.dimension)]);
  }
  return sum;
}

// Five points per axis integrate x^9 exactly.
TEST(MeanRule, PolynomialsInBoxes) {
  const std::array<double, 3> widths{0.2, 0.4, 1}, lengths{10, 10, 10};
  for (std::size_t d = 1; d <= 3; ++d) {
    const auto rule = gp::box_mean(std::span(widths).first(d), std::span(lengths).first(d));
    EXPECT_NEAR(mean(rule, [](const double*) { return 1.0; }), 1, 1e-14);
    for (std::size_t a = 0; a < d; ++a) {
      const double half = widths[a] / 2;
      for (int power = 1; power <= 9; ++power) {
        const double exact = power % 2 == 0 ? std::pow(half, power) / (power + 1) : 0;
        EXPECT_NEAR(mean(rule, [&](const double* x) { return std::pow(x[a], power); }), exact,
                    1e-14 * std::pow(half, power));
      }
    }
    EXPECT_EQ(rule.extremes.size(), d << d);
    EXPECT_EQ(*std::ranges::max_element(rule.extremes), widths[d - 1] / 2);
  }
}

// Moments of the unit ball: x^2 has 1/3, 1/4, 1/5; x^2 y^2 has 1/24 and 1/35; x^4 1/5, 1/8, 3/35.
TEST(MeanRule, PolynomialsInBalls) {
  constexpr std::array<double, 4> square{0, 1.0 / 3, 1.0 / 4, 1.0 / 5},
      mixed{0, 0, 1.0 / 24, 1.0 / 35}, fourth{0, 1.0 / 5, 1.0 / 8, 3.0 / 35};
  const double r = 0.3;
  for (int d = 1; d <= 3; ++d) {
    const auto rule = gp::ball_mean(d, r, 10);
    const auto k = static_cast<std::size_t>(d);
    EXPECT_NEAR(mean(rule, [](const double*) { return 1.0; }), 1, 1e-14);
    for (std::size_t a = 0; a < k; ++a) {
      EXPECT_NEAR(mean(rule, [&](const double* x) { return x[a]; }), 0, 1e-14);
      EXPECT_NEAR(mean(rule, [&](const double* x) { return x[a] * x[a]; }), r * r * square[k],
                  1e-14);
      EXPECT_NEAR(mean(rule, [&](const double* x) { return std::pow(x[a], 4); }),
                  std::pow(r, 4) * fourth[k], 1e-14);
      for (std::size_t b = 0; b < a; ++b) {
        EXPECT_NEAR(mean(rule, [&](const double* x) { return x[a] * x[a] * x[b] * x[b]; }),
                    std::pow(r, 4) * mixed[k], 1e-14);
      }
    }
    double farthest = 0;
    for (std::size_t i = 0; i < rule.extremes.size(); ++i) {
      farthest = std::max(farthest, std::abs(rule.extremes[i]));
    }
    EXPECT_EQ(farthest, r);
  }
}

// Means of the roughest kernel that an equation allows, about points inside and on the edge of the
// region, against a rule for a tenth of the length.
TEST(MeanRule, KernelsToSixDigits) {
  const double length = 0.3;
  const gp::Kernel kernel{{{1.0, {{gp::Family::matern_5_2, {length}, {}}}}}};
  for (int d = 1; d <= 3; ++d) {
    gp::Covariance covariance(kernel, d);
    const auto value_at = [&](const double* x, const std::array<double, 3>& y) {
      gp::Rows a, b;
      a.dimension = b.dimension = d;
      for (int i = 0; i < d; ++i) {
        a.coordinate[static_cast<std::size_t>(i)] = {x[i]};
        b.coordinate[static_cast<std::size_t>(i)] = {y[static_cast<std::size_t>(i)]};
      }
      a.point = b.point = {0};
      a.value = b.value = {1};
      std::array<double, 8> block{};
      covariance.cross(a, b, block.data(), 8);
      return block[0];
    };
    double worst = 0;
    for (const double width : {0.05, 0.2, 0.6}) {
      const std::vector<double> widths(static_cast<std::size_t>(d), width);
      const std::vector<double> lengths(widths.size(), length), fine(widths.size(), length / 10);
      for (const std::array<double, 3>& at :
           {std::array<double, 3>{0, 0, 0}, {0.3 * width, 0.1 * width, 0}, {width / 2, 0, 0}}) {
        const auto f = [&](const double* x) { return value_at(x, at); };
        worst = std::max(worst, std::abs(mean(gp::box_mean(widths, lengths), f) -
                                         mean(gp::box_mean(widths, fine), f)));
        if (d == 3 && width > 0.3) continue;  // two million nodes
        worst = std::max(worst, std::abs(mean(gp::ball_mean(d, width / 2, length), f) -
                                         mean(gp::ball_mean(d, width / 2, length / 10), f)));
      }
    }
    std::printf("dimension %d: error of means up to %.1e\n", d, worst);
    EXPECT_LT(worst, 1e-5) << "dimension " << d;
  }
}

}  // namespace
