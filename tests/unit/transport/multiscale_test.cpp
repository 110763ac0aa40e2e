// SPDX-License-Identifier: BSD-3-Clause
// Registered on one rank: which stages fail is a matter of rounding.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

#include "linear/petsc.hpp"
#include "newton_task.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;

// The last regularisation is far below a pixel: reached from twice as much Newton's method gives
// up, from a milder one in between it does not.
TEST(Multiscale, StagesThatFailAreApproachedInSmallerSteps) {
  const Communicator comm = Communicator::world();
  const linear::PetscSession session(comm, {}, {});
  const std::int64_t n = 64;
  const double h = 1.0 / static_cast<double>(n);
  const auto board = [](double colour) {
    return [=](double x, double y) {
      return std::fmod(std::floor(4 * x) + std::floor(4 * y), 2) == colour ? 1.0 : 0.0;
    };
  };
  Task task{image(board(1), n), image(board(0), n), h, h * h / 32, 1e-10};
  const Solved solved = solve(comm, task);
  EXPECT_TRUE(solved.converged);
  EXPECT_LE(solved.history.back().error_l1, task.tolerance);
}

}  // namespace
