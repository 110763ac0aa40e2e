// SPDX-License-Identifier: BSD-3-Clause
// The search for hyper-parameters on functions whose maxima are known.
#include "gp/hyper_search.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "small_system.hpp"

namespace {

using namespace mensura;
using parallel::Communicator;

using Function = std::function<double(const std::vector<double>&)>;

gp::HyperEvaluation evaluate(const Function& function, const std::vector<double>& at) {
  gp::HyperEvaluation evaluation;
  evaluation.at = at;
  evaluation.value = function(at);
  evaluation.standard_error = 0.25;
  evaluation.log_scale = 3 * at[0] - at.back();
  return evaluation;
}

/// Collective. Runs a search to its end.
gp::HyperSearch searched(const Communicator& comm, const gp::HyperSearchSpec& spec,
                         const Function& function) {
  gp::HyperSearch search(comm, spec);
  while (const auto point = search.next()) search.add(evaluate(function, *point));
  return search;
}

// -(x - m)' H (x - m) / 2 with H = [[100, 30], [30, 25]], its inverse [[25, -30], [-30, 100]]/1600.
double quadratic(const std::vector<double>& x) {
  const double a = x[0] - 0.4, b = x[1] + 0.7;
  return 12.5 - 0.5 * (100 * a * a + 60 * a * b + 25 * b * b);
}

TEST(HyperSearch, FindsTheMaximumOfAQuadraticAndItsCovariance) {
  const auto comm = Communicator::world();
  const auto search =
      searched(comm, {{-3, -3}, {3, 3}, {{0, 0}, {2.5, -2.5}, {-2.9, 2.9}}, true}, quadratic);
  ASSERT_TRUE(search.optimum().has_value());
  const gp::HyperOptimum& optimum = *search.optimum();
  // A gain of less than 1e-3 is left: 0.045 deviations of 0.125 and 0.25.
  EXPECT_NEAR(optimum.best.at[0], 0.4, 6e-3);
  EXPECT_NEAR(optimum.best.at[1], -0.7, 12e-3);
  EXPECT_NEAR(optimum.best.value, 12.5, 1e-3);
  EXPECT_EQ(optimum.best.standard_error, 0.25);
  EXPECT_EQ(optimum.bound, (std::vector<int>{0, 0}));
  // Differences of a quadratic are exact up to rounding: 1e-16 times 1e3 over steps of 2^-4
  // squared.
  const std::vector<double> covariance{25.0 / 1600, -30.0 / 1600, -30.0 / 1600, 100.0 / 1600};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(optimum.covariance[i], covariance[i], 1e-9);
  EXPECT_NEAR(optimum.scale_slope[0], 3, 1e-12);
  EXPECT_NEAR(optimum.scale_slope[1], -1, 1e-12);
  EXPECT_EQ(search.ends()[0].kind, gp::HyperEnd::Kind::converged);
  EXPECT_EQ(search.ends()[1].kind, gp::HyperEnd::Kind::joined);
  EXPECT_EQ(search.ends()[2].kind, gp::HyperEnd::Kind::joined);
  // Along the conditional optimum the function falls by t^2 / 2.
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(optimum.profile[i].size(), 9);
    for (std::size_t k = 0; k < 9; ++k) {
      const double t = -3 + 0.75 * static_cast<double>(k);
      const double deviation = std::sqrt(covariance[3 * i]);
      EXPECT_NEAR(optimum.profile[i][k].parameter, optimum.best.at[i] + t * deviation, 1e-8);
      EXPECT_NEAR(optimum.profile[i][k].value, 12.5 - 0.5 * t * t, 0.15)
          << "off by the slope that is left, 0.045, times three deviations";
    }
  }
  if (comm.is_root()) std::printf("%zu evaluations\n", search.evaluations().size());
  EXPECT_LE(search.evaluations().size(), 80) << "measured: 72, 16 of them for the profile";
}

// The maximum lies beyond a bound of the first parameter: there the second one has another optimum,
// and only it has an uncertainty.
TEST(HyperSearch, ReportsParametersAtABound) {
  const auto comm = Communicator::world();
  const auto search = searched(comm, {{-3, -3}, {0.1, 3}, {{-1, 1}}, true}, quadratic);
  ASSERT_TRUE(search.optimum().has_value());
  const gp::HyperOptimum& optimum = *search.optimum();
  EXPECT_EQ(optimum.bound, (std::vector<int>{1, 0}));
  EXPECT_NEAR(optimum.best.at[0], 0.1, 1e-8);
  EXPECT_NEAR(optimum.best.at[1], -0.7 + 0.3 * 30 / 25, 0.01) << "0.05 deviations of 0.2";
  EXPECT_EQ(optimum.covariance[0], 0);
  EXPECT_NEAR(optimum.covariance[3], 1.0 / 25, 1e-9);
  ASSERT_GE(optimum.profile[0].size(), 2);
  for (const gp::ProfilePoint& point : optimum.profile[0]) EXPECT_LE(point.parameter, 0.1 + 1e-8);
  EXPECT_NEAR(optimum.profile[0].back().value, optimum.best.value, 1e-12);
  // 4.5 by the slope, 19.2 there, and what the curvature of 100 adds.
  const double way = 4.5 / 19.2;
  EXPECT_NEAR(optimum.profile[0].front().parameter, 0.1 - way, 0.01);
  EXPECT_NEAR(optimum.profile[0].front().value, optimum.best.value - 4.5 - 50 * way * way, 0.3);
}

// Two hills and a function that is not quadratic: the better one wins, and differences follow the
// deviations, 1/300.
TEST(HyperSearch, TakesTheBestOfSeveralStarts) {
  const auto comm = Communicator::world();
  const Function hills = [](const std::vector<double>& x) {
    const auto hill = [&](double at, double width, double height) {
      const double t = (x[0] - at) / width;
      return height / (1 + t * t);
    };
    return hill(-1.5, 0.5, 40) + hill(1.25, 0.1, 450);
  };
  const auto search = searched(comm, {{-3}, {3}, {{-1.6}, {1.2}}, false}, hills);
  ASSERT_TRUE(search.optimum().has_value());
  EXPECT_EQ(search.ends()[0].kind, gp::HyperEnd::Kind::converged);
  EXPECT_NEAR(search.ends()[0].at[0], -1.5, 0.02);
  EXPECT_NEAR(search.optimum()->best.at[0], 1.25, 0.05 / 300);
  EXPECT_NEAR(std::sqrt(search.optimum()->covariance[0]), 1.0 / 300, 0.02 / 300);
  EXPECT_TRUE(search.optimum()->profile[0].empty());
}

// Beyond 0.5 the function has no value (as where a matrix is not positive definite any more): steps
// into that region are taken back, and a start there is lost.
TEST(HyperSearch, StepsBackFromPointsWithoutAValue) {
  const auto comm = Communicator::world();
  const Function edge = [](const std::vector<double>& x) {
    if (x[0] > 0.5) return std::numeric_limits<double>::quiet_NaN();
    return -2 * (x[0] - 0.4) * (x[0] - 0.4) - 0.3 * std::pow(x[0] - 0.4, 4);
  };
  const auto search = searched(comm, {{-3}, {3}, {{2}, {-2.5}}, false}, edge);
  EXPECT_EQ(search.ends()[0].kind, gp::HyperEnd::Kind::failed);
  ASSERT_TRUE(search.optimum().has_value());
  EXPECT_NEAR(search.optimum()->best.at[0], 0.4, 0.05);
  const auto lost = searched(comm, {{-3}, {3}, {{2}, {1}}, false}, edge);
  EXPECT_FALSE(lost.optimum().has_value());
}

// All that a search knows are its values: one that is given half of them goes on as the first one
// went, on any number of ranks.
TEST(HyperSearch, GoesOnFromTheValuesOfAnother) {
  const auto comm = Communicator::world();
  const gp::HyperSearchSpec spec{{-3, -3}, {3, 3}, {{0, 0}, {2, 2}}, true};
  const auto whole = searched(comm, spec, quadratic);
  gp::HyperSearch later(comm, spec);
  const std::size_t half = whole.evaluations().size() / 2;
  for (std::size_t i = 0; i < half; ++i) later.add(whole.evaluations()[i]);
  std::size_t asked = 0;
  while (const auto point = later.next()) {
    EXPECT_EQ(*point, whole.evaluations()[half + asked].at);
    later.add(evaluate(quadratic, *point));
    ++asked;
  }
  EXPECT_EQ(half + asked, whole.evaluations().size());
  EXPECT_EQ(later.optimum()->best.at, whole.optimum()->best.at);
  EXPECT_EQ(later.optimum()->covariance, whole.optimum()->covariance);
}

}  // namespace
