// SPDX-License-Identifier: BSD-3-Clause
// The brute force that other tests trust: closed forms and identities.
#include <gtest/gtest.h>

#include "parallel/random.hpp"
#include "tensor.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;

// Four nodes of 3, 4, 2 and 5 points, node 2 free, a path with one edge that closes a cycle.
TensorProblem some_problem() {
  const parallel::Stream stream(1, "test", "tensor oracle");
  std::uint64_t next = 0;
  const auto uniform = [&] { return stream.uniform(next++, 0); };
  TensorProblem problem{{3, 4, 2, 5}, {}, {}, 0.3};
  for (std::size_t k = 0; k < 4; ++k) {
    std::vector<double> mass(problem.sizes[k]);
    double sum = 0;
    for (double& m : mass) sum += m = 0.2 + uniform();
    for (double& m : mass) m /= sum;
    problem.masses.push_back(k == 2 ? std::vector<double>{} : mass);
    problem.references.push_back(k == 2 ? mass : std::vector<double>{});
  }
  for (const auto& [i, j] : {std::pair{0U, 1U}, {1U, 2U}, {3U, 2U}, {0U, 3U}}) {
    std::vector<double> cost(problem.sizes[i] * problem.sizes[j]);
    for (double& c : cost) c = uniform();
    problem.edges.push_back({i, j, cost});
  }
  return problem;
}

TEST(TensorOracle, OnePointNodesHaveOnePlan) {
  // Node 0 and 2 have one point each: P is mu_1, phi_1 = c up to a constant, value <c, mu_1>.
  TensorProblem problem{{1, 2, 1}, {{1}, {0.25, 0.75}, {1}}, {{0, 1, {1, 2}}, {2, 1, {5, 7}}}, 0.1};
  const auto phi = solve_tensor(problem, 1e-14);
  const auto plan = tensor_plan(problem, phi);
  EXPECT_NEAR(plan.entries[0], 0.25, 1e-15);
  EXPECT_NEAR(plan.entries[1], 0.75, 1e-15);
  EXPECT_NEAR(plan.linear_cost(), 0.25 * 6 + 0.75 * 9, 1e-14);
  EXPECT_NEAR(plan.regularised_value(), plan.linear_cost(), 1e-14);
}

TEST(TensorOracle, TwoByTwoHasAClosedForm) {
  // Equal masses 1/2 and cost 0 on, 1 off the diagonal: P = (1/2) / (1 + e^(-1/eps)) on it.
  const double eps = 0.4;
  TensorProblem problem{{2, 2}, {{0.5, 0.5}, {0.5, 0.5}}, {{0, 1, {0, 1, 1, 0}}}, eps};
  const auto plan = tensor_plan(problem, solve_tensor(problem, 1e-15));
  const double on = 0.5 / (1 + std::exp(-1 / eps));
  EXPECT_NEAR(plan.entries[0], on, 1e-15);
  EXPECT_NEAR(plan.linear_cost(), 1 - 2 * on, 1e-15);
  // A free second node of counting reference 1: rows in proportion to exp(-c / eps), no potential
  // of the column.
  problem.masses[1].clear();
  const auto half = tensor_plan(problem, solve_tensor(problem, 1e-15));
  EXPECT_NEAR(half.entries[0], on, 1e-15);
  problem.references = {{}, {2, 1}};
  const auto leaning = tensor_plan(problem, solve_tensor(problem, 1e-15));
  EXPECT_NEAR(leaning.entries[0], 0.5 * 2 / (2 + std::exp(-1 / eps)), 1e-15);
}

TEST(TensorOracle, GradientAndHessianAreThoseOfTheDual) {
  const TensorProblem problem = some_problem();
  NodeValues phi = problem.zeros();
  for (std::size_t k : {0U, 1U, 3U}) {
    for (std::size_t x = 0; x < phi[k].size(); ++x) {
      phi[k][x] = 0.1 * static_cast<double>(k + 1) - 0.07 * static_cast<double>(x * x);
    }
  }
  const auto plan = tensor_plan(problem, phi);
  const auto slope = gradient(plan);
  const double h = 1e-5;  // central differences: h^2 and 1e-16 / h
  for (std::size_t k : {0U, 1U, 3U}) {
    for (std::size_t x = 0; x < phi[k].size(); ++x) {
      NodeValues d = problem.zeros(), up = phi, down = phi;
      d[k][x] = 1;
      up[k][x] += h;
      down[k][x] -= h;
      EXPECT_NEAR((dual_value(problem, up) - dual_value(problem, down)) / (2 * h), slope[k][x],
                  1e-9);
      const auto above = gradient(tensor_plan(problem, up)),
                 below = gradient(tensor_plan(problem, down));
      const auto column = plan.hessian_times(d);
      for (std::size_t l : {0U, 1U, 3U}) {
        const auto block = plan.pair(l, k);
        for (std::size_t y = 0; y < phi[l].size(); ++y) {
          EXPECT_NEAR(-(above[l][y] - below[l][y]) / (2 * h) * problem.epsilon, column[l][y], 1e-9);
          EXPECT_NEAR(block[y * phi[k].size() + x], column[l][y], 1e-15);
        }
      }
    }
  }
}

TEST(TensorOracle, StrongDualityAndMarginals) {
  const TensorProblem problem = some_problem();
  const auto phi = solve_tensor(problem, 1e-14);
  const auto plan = tensor_plan(problem, phi);
  EXPECT_LT(marginal_error(plan), 2e-14);
  EXPECT_NEAR(plan.total(), 1, 1e-14);
  EXPECT_NEAR(plan.regularised_value(), dual_value(problem, phi), 1e-13);
  // The free node's marginal is that of a pair.
  const auto free = plan.marginal(2);
  const auto pair = plan.pair(2, 0);
  for (std::size_t x = 0; x < 2; ++x) {
    EXPECT_NEAR(pair[3 * x] + pair[3 * x + 1] + pair[3 * x + 2], free[x], 1e-15);
  }
}

TEST(TensorOracle, ForbiddenPairsHaveNoMass) {
  const double never = std::numeric_limits<double>::infinity();
  TensorProblem problem{{3, 3}, {{0.3, 0.3, 0.4}, {0.4, 0.3, 0.3}}, {}, 0.01};
  problem.edges.push_back({0, 1, {never, 1, 2, 1, never, 1, 2, 1, never}});
  const auto plan = tensor_plan(problem, solve_tensor(problem, 1e-13));
  EXPECT_LT(marginal_error(plan), 1e-12);
  EXPECT_EQ(plan.entries[0], 0);
  EXPECT_EQ(plan.entries[4], 0);
  EXPECT_TRUE(std::isfinite(plan.regularised_value()));
}

}  // namespace
