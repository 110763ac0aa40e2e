// SPDX-License-Identifier: BSD-3-Clause
// Stars with one entropy per edge as parts of a graph: closed forms of all that an answer has,
// penalties, what is said without convergence, restarts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "linear/petsc.hpp"
#include "parts.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using namespace mensura::transport;

class BregmanPartTest : public ::testing::Test {
 protected:
  static constexpr std::size_t count = 241;
  static constexpr double spacing = 0.05;
  static Measure normal(double mean, double deviation) {
    return grid_measure({{static_cast<std::int64_t>(count)}, {-6}, {spacing}},
                        [=](const std::vector<double>& x) {
                          const double z = (x[0] - mean) / deviation;
                          return std::exp(-z * z / 2);
                        });
  }
  // Three normal laws of one width around uniform points of the line.
  StarTask task(double epsilon, bool debiased) const {
    StarTask result{{uniform(normal(0, 10))}, weights, epsilon};
    for (const double mean : means) result.nodes.push_back(normal(mean, deviation));
    result.problem.per_edge = true;
    result.problem.debiased = debiased;
    result.problem.tolerance = 1e-12;
    return result;
  }

  const parallel::Communicator comm = parallel::Communicator::world();
  const linear::PetscSession session{comm, {}, {}};
  const std::vector<double> weights{0.25, 0.5, 0.25}, means{-1, 0.8, 0.4};
  const double deviation = 0.5;
};

// Reference transport 3.3, 5.2 and 5.5. The plan between variances a and b has the covariance
// c = (a b + eps^2 / 16)^1/2 - eps / 4; plain barycenters have b = a + eps / 2, so that c = a and
// all maps are translations, debiased ones b = a. Sums of smooth functions are integrals to
// rounding; the tails beyond the line are below exp(-50).
TEST_F(BregmanPartTest, NormalLawsHaveTheirClosedForms) {
  for (const double epsilon : {0.2, 0.05}) {
    for (const bool debiased : {false, true}) {
      SCOPED_TRACE(std::to_string(epsilon) + (debiased ? " debiased" : ""));
      const StarTask star = task(epsilon, debiased);
      const Answer answer = solve(*part_of_star(comm, star));
      ASSERT_TRUE(answer.converged) << answer.marginal_error_l1;
      EXPECT_LE(answer.marginal_error_l1, 1e-12);
      const double a = deviation * deviation, b = debiased ? a : a + epsilon / 2;
      const double c = std::sqrt(a * b + epsilon * epsilon / 16) - epsilon / 4;
      const Measure& points = star.nodes[0];
      const auto mass = everywhere(comm, answer.nodes[0], points, answer.nodes[0].mass);
      double total = 0, mean = 0, variance = 0, wanted = 0, spread = 0;
      for (std::size_t k = 0; k < 3; ++k) wanted += weights[k] * means[k];
      for (std::size_t k = 0; k < 3; ++k) spread += weights[k] * std::pow(means[k] - wanted, 2);
      for (std::size_t i = 0; i < count; ++i) {
        total += mass[i];
        mean += mass[i] * points[i][0];
        variance += mass[i] * std::pow(points[i][0] - wanted, 2);
      }
      EXPECT_NEAR(total, 1, 1e-12);
      EXPECT_NEAR(mean, wanted, 1e-12);
      EXPECT_NEAR(variance, b, 1e-12);
      EXPECT_NEAR(answer.cost_linear, spread + a + b - 2 * c, 1e-11);
      // The unregularised barycenter of translates is one of them, on the line's points too: the
      // mean of the means is a whole number of spacings away.
      EXPECT_LE(answer.dual, spread + 1e-12);
      EXPECT_GE(answer.primal_rounded, spread - 1e-12);
      EXPECT_NEAR(answer.primal_rounded, answer.cost_linear, 1e-10);
      EXPECT_GT(answer.gap_absolute, 0);
      // Of the line's pixels, whose masses are spacing times a density.
      const auto entropy = [&](double first, double second, double covariance) {
        const double mutual = -std::log(1 - covariance * covariance / (first * second)) / 2;
        const double uniform = std::log(count * spacing);
        return mutual - std::log(2 * std::numbers::pi * std::numbers::e * second) / 2 + uniform;
      };
      double value = spread + a + b - 2 * c + epsilon * entropy(a, b, c);
      if (debiased) {  // the plan with itself is relative to the uniform measure on both sides
        const double own =
            -std::log(2 * std::numbers::pi * std::numbers::e * b) / 2 + std::log(count * spacing);
        value -= (b + b - 2 * c + epsilon * (entropy(b, b, c) + own)) / 2;
      }
      EXPECT_NEAR(answer.cost_regularised, value, 1e-10);
      for (std::size_t k = 1; k <= 3; ++k) {
        const NodeAnswer& leaf = answer.nodes[k];
        const auto map = everywhere(comm, leaf, star.nodes[k], leaf.map);
        const auto moved = everywhere(comm, leaf, star.nodes[k], leaf.transported);
        for (std::size_t i = 0; i < count; ++i) {
          EXPECT_NEAR(moved[i], star.nodes[k].mass[i], 1e-12);
          const double z = star.nodes[k][i][0] - means[k - 1];
          if (std::abs(z) > 4 * deviation) continue;  // the error of the plan over the mass there
          EXPECT_NEAR(map[i], wanted + c / a * z, 1e-6);
        }
      }
      EXPECT_TRUE(answer.plans.empty());
    }
  }
}

// The optimal potential of a leaf with a penalty says what of its mass is used, and the barycenter
// has as much as every leaf gives; input masses differ.
TEST_F(BregmanPartTest, PenaltiesLeaveTheirMass) {
  StarTask star{{uniform(random_measure(2, 40, 1)), random_measure(2, 30, 2),
                 random_measure(2, 25, 3), random_measure(2, 35, 4)},
                {0.5, 0.2, 0.3},
                0.05};
  star.problem.per_edge = true;
  star.problem.tolerance = 1e-11;
  star.problem.relaxation = Relaxation::kullback_leibler;
  star.problem.strength = 0.3;
  for (double& mass : star.nodes[2].mass) mass *= 1.5;
  const Answer answer = solve(*part_of_star(comm, star));
  ASSERT_TRUE(answer.converged);
  const auto sum = [](const std::vector<double>& values) {
    return std::accumulate(values.begin(), values.end(), 0.0);
  };
  const double mass = sum(everywhere(comm, answer.nodes[0], star.nodes[0], answer.nodes[0].mass));
  EXPECT_GT(std::abs(mass - 1), 1e-3);
  for (std::size_t k = 1; k <= 3; ++k) {
    const NodeAnswer& leaf = answer.nodes[k];
    const auto used = everywhere(comm, leaf, star.nodes[k], leaf.transported);
    const auto potential = everywhere(comm, leaf, star.nodes[k], leaf.potential);
    for (std::size_t i = 0; i < used.size(); ++i) {
      const double share = std::exp(-potential[i] / (star.weights[k - 1] * 0.3));
      EXPECT_NEAR(used[i], star.nodes[k].mass[i] * share, 1e-10);
    }
    EXPECT_NEAR(sum(used), mass, 1e-10);
  }
  EXPECT_TRUE(std::isnan(answer.dual) && std::isnan(answer.primal_rounded));
}

// Two spots, so that the barycenter is one that the kernel is wider than: the centre's error is
// what is left, and the answer says so.
TEST_F(BregmanPartTest, SharpDebiasedBarycentersSayWhatIsLeft) {
  StarTask star = task(2, true);
  star.nodes[1] = normal(-1, 0.02);
  star.nodes[2] = normal(0.5, 0.02);
  star.nodes[3] = normal(1, 0.4);
  star.problem.tolerance = 1e-5;
  star.problem.max_sinkhorn = 300;
  const Answer answer = solve(*part_of_star(comm, star));
  EXPECT_FALSE(answer.converged);
  EXPECT_LE(answer.marginal_error_l1, 1e-5);
  EXPECT_THAT(answer.advice, testing::HasSubstr("300 so far"));
  EXPECT_THAT(answer.advice, testing::HasSubstr("solve.max_sinkhorn"));
  EXPECT_THAT(answer.reason, testing::HasSubstr("that of the centre's plan with itself"));
  // Of a plain one the marginals are what is left.
  star.problem.debiased = false;
  star.problem.max_sinkhorn = 2;
  star.problem.tolerance = 1e-14;
  const Answer plain = solve(*part_of_star(comm, star));
  EXPECT_FALSE(plain.converged);
  EXPECT_THAT(plain.advice, testing::HasSubstr("raise solve.max_sinkhorn"));
  EXPECT_THAT(plain.reason, testing::HasSubstr("error of a given marginal"));
}

TEST_F(BregmanPartTest, GoesOnFromWhatItSaved) {
  StarTask star{
      {uniform(random_measure(2, 150, 1)), random_measure(2, 130, 2), random_measure(2, 125, 3)},
      {0.5, 0.5},
      2e-3};
  star.problem.per_edge = true;
  star.problem.tolerance = 1e-12;
  for (const bool debiased : {false, true}) {
    star.problem.debiased = debiased;
    star.problem.tolerance = debiased ? 1e-3 : 1e-10;
    const Answer whole = solve(*part_of_star(comm, star));
    auto first = part_of_star(comm, star);
    EXPECT_FALSE(first->begun());
    first->advance([] {});
    ASSERT_TRUE(first->begun() && !first->finished());
    auto second = part_of_star(comm, star);
    second->restore(first->save());
    const Answer resumed = solve(*second);
    EXPECT_EQ(resumed.nodes[0].mass, whole.nodes[0].mass);
    EXPECT_EQ(resumed.nodes[1].potential, whole.nodes[1].potential);
    EXPECT_EQ(resumed.sinkhorn_iterations, whole.sinkhorn_iterations);
    // Done, it is done again; with more sweeps what was stopped goes on.
    auto third = part_of_star(comm, star);
    third->restore(second->save());
    EXPECT_TRUE(third->finished() == whole.converged);
    StarTask more = star, less = star;
    less.problem.max_sinkhorn = 5;
    auto stopped = part_of_star(comm, less);
    EXPECT_FALSE(solve(*stopped).converged);
    auto longer = part_of_star(comm, more);
    longer->restore(stopped->save());
    EXPECT_FALSE(longer->finished());
    EXPECT_TRUE(solve(*longer).converged);
  }
}

}  // namespace
