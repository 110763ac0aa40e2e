// SPDX-License-Identifier: BSD-3-Clause
// The exact solution: against all permutations, the line, and its own dual, checked densely.
#include "transport/pricing.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dense.hpp"
#include "linear/petsc.hpp"
#include "transport/line.hpp"
#include "transport/network_simplex.hpp"
#include "transport/plan_forest.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using parallel::Communicator;
using transport::Cost;
using transport::CostKind;
using transport::CostSpec;
using transport::ExactPlan;
using transport::Pricing;

// One session for all tests of the program: PETSc cannot be started again.
class PetscEnvironment : public testing::Environment {
  void SetUp() override {
    session_.emplace(Communicator::world(), std::vector<std::pair<std::string, std::string>>{},
                     std::vector<std::string>{});
  }
  void TearDown() override { session_.reset(); }
  std::optional<linear::PetscSession> session_;
};
[[maybe_unused]] const auto* const petsc = testing::AddGlobalTestEnvironment(new PetscEnvironment);

// Rounding of sums of a hundred terms near one.
constexpr double sharp = 1e-14;

/// A whole plan with its potentials, the same on all ranks.
struct Solved {
  double primal = 0, dual = 0, error_l1 = 0;
  bool optimal = false;
  std::int64_t rounds = 0, entries = 0;
  std::vector<double> f, g, rows, columns;
};

/// Collective. From potentials zero: a small `cut` makes many rounds.
Solved solve(const Communicator& comm, const Measure& x, const Measure& y, const Cost& cost,
             double cut, transport::PricingOptions options = {}) {
  options.cut = cut;
  const transport::Cloud a = cloud_of(comm, x), b = cloud_of(comm, y);
  Pricing pricing(comm, a, b, cost,
                  {std::vector<double>(a.own(), 0.0), std::vector<double>(b.own(), 0.0)}, options);
  int polls = 0;
  while (!pricing.finished()) pricing.advance([&] { ++polls; });
  // A poll is a collective call: all ranks must have made as many.
  EXPECT_EQ(comm.max(std::int64_t{polls}), comm.min(std::int64_t{polls}));
  const ExactPlan& plan = pricing.result();
  return {plan.primal,
          plan.dual,
          plan.error_l1,
          plan.optimal,
          plan.rounds,
          plan.entries,
          everywhere(comm, a, x, plan.at.f),
          everywhere(comm, b, y, plan.at.g),
          everywhere(comm, a, x, plan.row_sums),
          everywhere(comm, b, y, plan.column_sums)};
}

/// The solution proves itself: marginals, feasible potentials on all pairs, primal = dual.
void expect_proof(const Solved& s, const Measure& x, const Measure& y, const Cost& cost) {
  EXPECT_TRUE(s.optimal);
  EXPECT_LE(s.entries, std::int64_t(x.size() + y.size() - 1));
  EXPECT_LE(s.error_l1, 1e-15);
  // The two total masses differ by rounding, which some rows or columns must miss.
  for (std::size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(s.rows[i], x.mass[i], 1e-15);
  for (std::size_t j = 0; j < y.size(); ++j) {
    EXPECT_NEAR(s.columns[j], y.mass[j], 1e-15);
  }
  double least = 1, dual = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j < y.size(); ++j) {
      least = std::min(least, cost(x[i], y[j]) - s.f[i] - s.g[j]);
    }
    dual += s.f[i] * x.mass[i];
  }
  for (std::size_t j = 0; j < y.size(); ++j) dual += s.g[j] * y.mass[j];
  EXPECT_GE(least, -1e-15);
  EXPECT_NEAR(s.dual, dual, sharp);
  EXPECT_NEAR(s.primal, s.dual, sharp);
}

Measure equal_masses(Measure measure) {
  for (double& m : measure.mass) m = 1.0 / static_cast<double>(measure.size());
  return measure;
}

TEST(Pricing, CostsWeightsAndSizes) {
  const auto comm = Communicator::world();
  int number = 0;
  for (const int d : {1, 2, 3, 5}) {
    for (const CostKind kind : {CostKind::squared_euclidean, CostKind::l1, CostKind::power}) {
      SCOPED_TRACE(std::to_string(d) + " " + std::to_string(static_cast<int>(kind)));
      const auto seed = static_cast<std::uint64_t>(++number);
      const Measure x = random_measure(d, 60, seed), y = random_measure(d, 47, seed + 100);
      const Cost cost({.kind = kind, .power = 1.5}, 0.7, d);
      const Solved whole = solve(comm, x, y, cost, 4);  // all pairs at once
      expect_proof(whole, x, y, cost);
      EXPECT_EQ(whole.rounds, 1);
      // A hundredth of the potentials' range: the reach must grow and violated pairs must join.
      const Solved priced = solve(comm, x, y, cost, 0.01);
      expect_proof(priced, x, y, cost);
      EXPECT_GT(priced.rounds, 1);
      EXPECT_NEAR(priced.primal, whole.primal, sharp);
    }
  }
}

TEST(Pricing, AssignmentsByPermutations) {
  const auto comm = Communicator::world();
  for (const std::size_t n : {1U, 2U, 5U, 7U}) {
    const Measure x = equal_masses(random_measure(2, n, 7 + n));
    const Measure y = equal_masses(random_measure(2, n, 70 + n));
    const Cost cost({.kind = CostKind::squared_euclidean}, 1, 2);
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    double best = std::numeric_limits<double>::infinity();
    do {
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i) sum += cost(x[i], y[order[i]]) / static_cast<double>(n);
      best = std::min(best, sum);
    } while (std::next_permutation(order.begin(), order.end()));
    const Solved s = solve(comm, x, y, cost, 0.05);
    expect_proof(s, x, y, cost);
    EXPECT_NEAR(s.primal, best, sharp);
    EXPECT_EQ(s.entries, std::int64_t(n));  // Birkhoff: a permutation
    EXPECT_EQ(s.error_l1, 0);               // whole masses of equal points are exact
  }
}

TEST(Pricing, TheLine) {
  const auto comm = Communicator::world();
  for (const double power : {1.0, 1.5, 2.0}) {
    const Measure x = random_measure(1, 300, 11), y = random_measure(1, 211, 12);
    const Cost cost({.kind = CostKind::power, .power = power}, 1, 1);
    const Solved s = solve(comm, x, y, cost, 0.05);
    expect_proof(s, x, y, cost);
    const transport::Cloud a = cloud_of(comm, x), b = cloud_of(comm, y);
    EXPECT_NEAR(s.primal,
                transport::line_cost(comm, {a.coordinates, a.mass}, {b.coordinates, b.mass}, power),
                sharp);
  }
}

TEST(Pricing, DuplicatesTiesAndUnlikeMasses) {
  const auto comm = Communicator::world();
  // Points on a coarse lattice: each place many times, and costs full of ties.
  Measure x = equal_masses(random_measure(2, 90, 21)), y = equal_masses(random_measure(2, 60, 22));
  for (Measure* m : {&x, &y}) {
    for (double& z : m->coordinates) z = std::floor(4 * z) / 4;
  }
  const Cost squared({.kind = CostKind::squared_euclidean}, 1, 2);
  const Cost l1({.kind = CostKind::l1}, 1, 2);
  for (const Cost* cost : {&squared, &l1}) expect_proof(solve(comm, x, y, *cost, 0.1), x, y, *cost);
  // Masses over twelve orders of magnitude.
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    sum += x.mass[i] = std::pow(10.0, -double(i % 13));
  }
  for (double& m : x.mass) m /= sum;
  for (const Cost* cost : {&squared, &l1}) expect_proof(solve(comm, x, y, *cost, 0.1), x, y, *cost);
  // A measure with itself: nothing moves.
  const Solved still = solve(comm, x, x, squared, 0.1);
  expect_proof(still, x, x, squared);
  EXPECT_NEAR(still.primal, 0, 1e-16);
}

// Searches that find too much lower the cut, or keep the best of every row and column.
TEST(Pricing, FewPairsAtATime) {
  const auto comm = Communicator::world();
  const Measure x = random_measure(2, 200, 41), y = random_measure(2, 150, 42);
  const transport::PricingOptions few{.most_per_row = 6, .per_row = 4, .small_search = 0};
  for (const CostKind kind : {CostKind::squared_euclidean, CostKind::l1}) {
    const Cost cost({.kind = kind}, 1, 2);
    const Solved s = solve(comm, x, y, cost, 0.5, few);
    expect_proof(s, x, y, cost);
    EXPECT_GT(s.rounds, 1);
  }
  // Points on one spot cannot be told apart: no cut is low enough.
  Measure spot = equal_masses(x);
  for (double& z : spot.coordinates) z = 0.5;
  const Cost cost({.kind = CostKind::squared_euclidean}, 1, 2);
  expect_proof(solve(comm, spot, spot, cost, 0.5, few), spot, spot, cost);
}

TEST(Pricing, SaysWhenItIsNotOptimal) {
  const auto comm = Communicator::world();
  const Measure x = random_measure(2, 60, 31), y = random_measure(2, 60, 32);
  const Cost cost({.kind = CostKind::squared_euclidean}, 1, 2);
  const Solved s = solve(comm, x, y, cost, 0.001, {.most_rounds = 1});
  const Solved exact = solve(comm, x, y, cost, 1);
  EXPECT_FALSE(s.optimal);
  EXPECT_GE(s.primal, exact.primal);  // bounds all the same
  EXPECT_LE(s.dual, exact.dual + sharp);
  EXPECT_GT(s.primal - s.dual, 1e-3 * exact.primal);
}

TEST(Pricing, TooManyPoints) {
  transport::check_exact_size(100000, 100000);
  try {
    transport::check_exact_size(10, 100001);
    FAIL() << "no error";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::too_large);
    EXPECT_NE(std::string(error.what()).find("100001"), std::string::npos);
  }
}

TEST(NetworkSimplex, TakesTheDetourOnlyWhereItMust) {
  // Row 1 reaches no column but through the hub.
  const transport::WholeTransport problem{
      .supply = {3, 2}, .demand = {4, 1}, .arcs = {{0, 0, -5}, {0, 1, 7}}, .half_detour = 100};
  const transport::WholeSolution s = transport::network_simplex(problem);
  EXPECT_EQ(s.detour, 2);
  EXPECT_EQ(s.flow[0] + s.flow[1], 3);
  EXPECT_EQ(s.flow[0], 3);
  for (const std::int64_t f : s.row_potential) EXPECT_LE(std::abs(f), 205);
}

TEST(NetworkSimplex, WholeMassesAddUp) {
  const std::int64_t total = std::int64_t{1} << 62U;
  for (const std::vector<double>& mass :
       {std::vector<double>{0.1, 0.2, 0.7}, std::vector<double>{1, 1e-30, 1e-30},
        std::vector<double>(1000, 0.001), random_measure(1, 777, 5).mass}) {
    const std::vector<std::int64_t> whole = transport::whole_masses(mass, total);
    EXPECT_EQ(std::accumulate(whole.begin(), whole.end(), std::int64_t{0}), total);
    const long double sum = std::accumulate(mass.begin(), mass.end(), 0.0L);
    for (std::size_t i = 0; i < mass.size(); ++i) {
      EXPECT_GE(whole[i], 1);
      // One unit, and one for masses below it; long double adds some rounding of the total.
      EXPECT_NEAR(static_cast<double>(whole[i] - mass[i] / sum * total), 0, 4);
    }
  }
}

TEST(PlanForest, LeavesInwards) {
  // A path 0 - 0' - 1 - 1' and a pair 2 - 2'.
  const std::vector<transport::PairArc> forest{{0, 0, 0}, {1, 0, 0}, {1, 1, 0}, {2, 2, 0}};
  const std::vector<double> values =
      transport::plan_on_forest(forest, {0.25, 0.25, 0.5}, {0.375, 0.125, 0.5});
  EXPECT_EQ(values, (std::vector<double>{0.25, 0.125, 0.125, 0.5}));
}

}  // namespace
