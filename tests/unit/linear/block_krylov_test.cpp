// SPDX-License-Identifier: BSD-3-Clause
// Conjugate gradients for eight systems at once: solutions that are known, iterations of the
// theory.
#include "linear/block_krylov.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <vector>

#include "linear/lane_sums.hpp"
#include "parallel/by_index.hpp"
#include "parallel/error.hpp"

namespace {

using namespace mensura;
using linear::Eight;

// A diagonal matrix with the eigenvalues 1 .. 8 in turn: every system ends after eight iterations
// (Cayley and Hamilton), one with a single eigenvalue after one.
struct Diagonal {
  parallel::Communicator comm = parallel::Communicator::world();
  parallel::Blocks blocks{100, comm.size()};
  std::size_t own = static_cast<std::size_t>(blocks.size(comm.rank()));
  double value(std::size_t i) const {
    return 1.0 + static_cast<double>((static_cast<std::size_t>(blocks.begin(comm.rank())) + i) % 8);
  }
  linear::BlockOperator apply = [this](std::span<const Eight> x, std::span<Eight> y) {
    for (std::size_t i = 0; i < own; ++i) y[i] = value(i) * x[i];
  };
  linear::BlockOperator same = [](std::span<const Eight> x, std::span<Eight> y) {
    std::ranges::copy(x, y.begin());
  };
  linear::BlockOperator inverse = [this](std::span<const Eight> x, std::span<Eight> y) {
    for (std::size_t i = 0; i < own; ++i) y[i] = (1 / value(i)) * x[i];
  };

  // Side l: l everywhere; the last one only where the eigenvalue is three.
  std::vector<Eight> sides() const {
    std::vector<Eight> result;
    for (std::size_t i = 0; i < own; ++i) {
      alignas(64) std::array<double, 8> values{};
      for (std::size_t l = 0; l < 7; ++l) values[l] = static_cast<double>(l);
      values[7] = value(i) == 3 ? 5.0 : 0.0;
      result.push_back(linear::load(values.data()));
    }
    return result;
  }
};

TEST(BlockConjugateGradients, SolvesEightSystems) {
  const Diagonal problem;
  const std::vector<Eight> b = problem.sides();
  std::vector<Eight> x(problem.own, Eight{});
  int polls = 0;
  const auto report = linear::block_conjugate_gradients(problem.comm, problem.apply, problem.same,
                                                        b, x, {1e-13}, 100, [&] { ++polls; });
  EXPECT_TRUE(report.converged);
  EXPECT_EQ(report.iterations, 8);
  EXPECT_EQ(polls, 8);
  EXPECT_EQ(report.residual[0], 0);
  for (std::size_t i = 0; i < problem.own; ++i) {
    alignas(64) std::array<double, 8> values{};
    linear::store(x[i], values.data());
    for (std::size_t l = 0; l < 7; ++l) {
      EXPECT_NEAR(values[l], static_cast<double>(l) / problem.value(i), 1e-12);
    }
    EXPECT_NEAR(values[7], problem.value(i) == 3 ? 5.0 / 3 : 0.0, 1e-14);
  }
}

TEST(BlockConjugateGradients, AnExactPreconditionerNeedsOneIteration) {
  const Diagonal problem;
  std::vector<Eight> x(problem.own, linear::all(0.25));
  const auto report = linear::block_conjugate_gradients(
      problem.comm, problem.apply, problem.inverse, problem.sides(), x, {1e-13}, 100, [] {});
  EXPECT_TRUE(report.converged);
  EXPECT_EQ(report.iterations, 1);
}

// What is left of an energy: here a hundredth more than the solutions can reach. The goal is met
// when the error is a tenth of that.
TEST(BlockConjugateGradients, StopsAtWhatIsLeft) {
  const Diagonal problem;
  const std::vector<Eight> b = problem.sides();
  std::vector<Eight> exact(problem.own), x(problem.own);
  problem.inverse(b, exact);
  const auto energy = linear::dot(problem.comm, b, exact);
  std::array<double, 8> whole{};
  for (std::size_t l = 0; l < 8; ++l) whole[l] = 1.01 * energy[l];
  const auto report = linear::block_conjugate_gradients(
      problem.comm, problem.apply, problem.same, b, x,
      {.whole = &whole, .allowed = [](double left) { return 0.1 * left; }}, 100, [] {});
  EXPECT_TRUE(report.converged);
  EXPECT_LT(report.iterations, 8);
  const auto reached = linear::dot(problem.comm, b, x);
  for (std::size_t l = 1; l < 8; ++l) {
    // The residual's square is at least the error's energy: eigenvalues are 1 to 8.
    EXPECT_LE(energy[l] - reached[l], 0.1 * 0.011 * energy[l]);
    EXPECT_GE(energy[l] - reached[l], -1e-14 * energy[l]);
  }
}

TEST(BlockConjugateGradients, SaysWhatIsWrong) {
  const Diagonal problem;
  const std::vector<Eight> b = problem.sides();
  std::vector<Eight> x(problem.own, Eight{});
  const auto few = linear::block_conjugate_gradients(problem.comm, problem.apply, problem.same, b,
                                                     x, {1e-13}, 3, [] {});
  EXPECT_FALSE(few.converged);
  EXPECT_EQ(few.iterations, 3);
  EXPECT_GT(few.residual[3], 1e-6);
  EXPECT_LT(few.residual[7], 1e-13);
  const linear::BlockOperator negative = [&](std::span<const Eight> from, std::span<Eight> to) {
    problem.apply(from, to);
    for (Eight& value : to) value = -1.0 * value;
  };
  std::ranges::fill(x, Eight{});
  try {
    linear::block_conjugate_gradients(problem.comm, negative, problem.same, b, x, {1e-13}, 9,
                                      [] {});
    ADD_FAILURE() << "negative definite";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::numerical);
  }
}

}  // namespace
