// SPDX-License-Identifier: BSD-3-Clause
#include "gp/kernel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gp/covariance.hpp"
#include "linear/exponential.hpp"
#include "parallel/error.hpp"

namespace mensura::test {
namespace {

using gp::Family;
using gp::Kernel;
using gp::RadialFactor;
using testing::HasSubstr;

Kernel one(RadialFactor factor) {
  return {{{1.0, {std::move(factor)}}}};
}

double exponential(double x) {
  alignas(64) std::array<double, 8> lanes{};
  linear::store(linear::exponential(linear::all(x)), lanes.data());
  for (const double lane : lanes) EXPECT_EQ(std::memcmp(&lane, lanes.data(), sizeof lane), 0);
  return lanes[0];
}

/// Distance in units in the last place of two numbers of one sign.
std::int64_t distance_in_ulp(double a, double b) {
  std::int64_t i = 0, j = 0;
  std::memcpy(&i, &a, sizeof i);
  std::memcpy(&j, &b, sizeof j);
  return std::abs(i - j);
}

TEST(Exponential, IsWithinOneUlpOfTheLibrary) {
  // Below one ulp here and below one there: neighbours at the worst, subnormal numbers included.
  std::int64_t worst = 0;
  std::mt19937_64 generator(1);
  std::uniform_real_distribution<double> uniform(0, 1);
  for (int i = 0; i < 200000; ++i) {
    const double all_range = -745 * uniform(generator);
    const double near_zero = -std::pow(10.0, -20 * uniform(generator));
    for (const double x : {all_range, near_zero, 0.01 * all_range}) {
      worst = std::max(worst, distance_in_ulp(exponential(x), std::exp(x)));
    }
  }
  EXPECT_LE(worst, 1);
}

TEST(Exponential, MeetsItsEnds) {
  EXPECT_EQ(exponential(0), 1);
  EXPECT_EQ(exponential(-0.0), 1);
  EXPECT_EQ(exponential(-746), 0);
  EXPECT_EQ(exponential(-800), 0);
  EXPECT_GT(exponential(-745), 0);
  EXPECT_TRUE(std::isnan(exponential(std::nan(""))));
}

TEST(Kernel, SmoothnessIsThatOfTheRoughestFactor) {
  EXPECT_EQ(gp::mean_square_derivatives(one({Family::matern_3_2, {1}, {}})), 1);
  EXPECT_EQ(gp::mean_square_derivatives(one({Family::matern_11_2, {1}, {}})), 5);
  EXPECT_EQ(gp::mean_square_derivatives(one({Family::gaussian, {1}, {}})), gp::smooth);
  const RadialFactor rough{Family::matern_5_2, {1}, {}}, smooth{Family::gaussian, {1}, {}};
  EXPECT_EQ(gp::mean_square_derivatives({{{1, {smooth, rough}}}}), 2);
  EXPECT_EQ(gp::mean_square_derivatives({{{1, {smooth}}, {1, {rough}}}}), 2);
}

TEST(Kernel, AxisLengthsAreTheShortest) {
  const Kernel kernel{
      {{1, {{Family::matern_5_2, {0.4, 0.2, 0.9}, {}}}}, {1, {{Family::gaussian, {0.3}, {0, 2}}}}}};
  EXPECT_EQ(gp::axis_lengths(kernel, 3), (std::vector<double>{0.3, 0.2, 0.3}));
}

TEST(Kernel, DescribesItself) {
  EXPECT_EQ(gp::describe(one({Family::matern_7_2, {0.3}, {}})), "matern_7_2(0.3)");
  EXPECT_EQ(
      gp::describe({{{0.5, {{Family::matern_5_2, {0.3}, {0}}, {Family::gaussian, {1, 0.25}, {}}}},
                     {1, {{Family::matern_3_2, {2}, {0, 1}}}}}}),
      "0.5 * matern_5_2(0.3; x) * gaussian(1, 0.25) + matern_3_2(2; x, y)");
}

void expect_refused(const Kernel& kernel, int dimension, const std::string& text) {
  try {
    const gp::Covariance covariance(kernel, dimension);
    FAIL() << "accepted: " << gp::describe(kernel);
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::usage);
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

TEST(Kernel, WrongKernelsAreRefused) {
  const Family family = Family::matern_5_2;
  expect_refused({}, 2, "no terms");
  expect_refused({{{1, {}}}}, 2, "term 0 has no factors");
  expect_refused({{{1, {{family, {1}, {}}}}, {-2, {{family, {1}, {}}}}}}, 2,
                 "term 1 has weight -2");
  expect_refused(one({family, {0}, {}}), 2, "factor 0 of term 0 has length 0");
  expect_refused(one({family, {1, -0.3}, {}}), 2, "has length -0.3");
  expect_refused(one({family, {std::nan("")}, {}}), 2, "has length nan");
  expect_refused(one({family, {1, 1, 1}, {}}), 2, "has 3 lengths in a problem with 2 axes");
  expect_refused(one({family, {}, {}}), 2, "has 0 lengths");
  expect_refused(one({family, {1}, {0, 2}}), 2, "depends on axis 2; a problem in 2 dimensions");
  expect_refused(one({family, {1}, {-1, 0}}), 2, "depends on axis -1");
  expect_refused(one({family, {1}, {0, 1, 0}}), 2, "names an axis twice");
  expect_refused(one({family, {1}, {0}}), 2, "no factor depends on axis y");
}

}  // namespace
}  // namespace mensura::test
