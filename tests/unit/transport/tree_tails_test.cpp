// SPDX-License-Identifier: BSD-3-Clause
// Newton's method on stars of densities that fall over many decades.
#include <gtest/gtest.h>

#include <cmath>

#include "dense.hpp"
#include "linear/petsc.hpp"
#include "parts.hpp"
#include "transport/tree_newton.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using namespace mensura::transport;

class TreeTailsTest : public ::testing::Test {
 protected:
  // A normal density on the pixels of the unit cube.
  static Measure hump(std::int64_t pixels, const std::vector<double>& mean, double deviation) {
    const double h = 1 / static_cast<double>(pixels);
    const std::size_t d = mean.size();
    return grid_measure({std::vector<std::int64_t>(d, pixels), std::vector<double>(d, h / 2),
                         std::vector<double>(d, h)},
                        [&](const std::vector<double>& x) {
                          double square = 0;
                          for (std::size_t a = 0; a < d; ++a) {
                            square += (x[a] - mean[a]) * (x[a] - mean[a]);
                          }
                          return std::exp(-square / (2 * deviation * deviation));
                        });
  }

  // Every regularisation of a star around a free node on the first's pixels is solved, in few
  // steps, and none is put in between.
  void expect_steps(const std::vector<Measure>& leaves, double epsilon, std::int64_t most) const {
    Problem problem;
    std::vector<Marginal> marginals;
    std::vector<std::size_t> nodes, edges;
    for (std::size_t k = 0; k <= leaves.size(); ++k) {
      MarginalSpec spec;
      spec.name = std::string(1, static_cast<char>(97 + k));
      spec.free = k == 0;
      problem.marginals.push_back(spec);
      marginals.push_back(
          marginal_of(comm, k == 0 ? uniform(leaves[0]) : leaves[k - 1], spec.name));
      nodes.push_back(k);
      if (k == 0) continue;
      problem.edges.push_back({0, k, 1 / static_cast<double>(leaves.size()), {}});
      edges.push_back(k - 1);
    }
    problem.tolerance = 1e-9;
    const auto part = make_part(comm, part_of(problem, nodes, edges), marginals, epsilon, [] {});
    const Answer answer = solve(*part);
    EXPECT_TRUE(answer.converged);
    double last = std::numeric_limits<double>::infinity();
    for (const StageReport& stage : part->history()) {
      EXPECT_EQ(stage.method, "newton");
      EXPECT_LE(stage.newton, most) << stage.regularisation;
      EXPECT_LE(stage.regularisation, last);
      last = stage.regularisation;
    }
  }

  const parallel::Communicator comm = parallel::Communicator::world();
  const linear::PetscSession session{comm, {}, {}};
};

// At the ends of the grid no mass is left of the three. From one regularisation to the next their
// potentials move there by hundreds of it: no plan on supports reaches such points by itself.
TEST_F(TreeTailsTest, PointsThatNoSupportReachesAreFed) {
  const std::int64_t n = 64;
  const Measure a = hump(n, {0.3}, 0.0707), b = hump(n, {0.35}, 0.0707), c = hump(n, {0.4}, 0.0707);
  for (const double share : {0.25, 0.125, 0.06, 0.03}) {
    SCOPED_TRACE(share);
    expect_steps({a, b, c}, share / static_cast<double>(n * n), 25);
  }
}

TEST_F(TreeTailsTest, HumpsOnTheSquareAreReached) {
  const std::int64_t n = 32;
  const Measure a = hump(n, {0.3, 0.3}, 0.05), b = hump(n, {0.5, 0.7}, 0.045),
                c = hump(n, {0.7, 0.4}, 0.055);
  expect_steps({a, b, c}, 0.25 / static_cast<double>(n * n), 25);
}

TEST(StandstillTest, StepsMustHalveTheErrorOrRaiseTheObjective) {
  Standstill still, far, slow;
  for (int step = 0; step <= 12; ++step) {
    EXPECT_EQ(still.reached(0.1, step * 1e-3, 0.1), step == 12);
    // A tenth of the mass comes nearer by ten units in every step.
    EXPECT_FALSE(far.reached(0.1, step * 0.1, 0.1));
    EXPECT_FALSE(slow.reached(std::pow(0.9, step), 0, 0.1));
  }
}

}  // namespace
