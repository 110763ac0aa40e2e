// SPDX-License-Identifier: BSD-3-Clause
// The mean at any point, from the state of its neighbours, against the exact kernel sums.
#include "gp/mean.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "gp/dense_conditioner.hpp"
#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"
#include "small_system.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using parallel::Communicator;

constexpr double pi = std::numbers::pi;
constexpr double nugget = 1e-10;

/// Not symmetric in the axes, not zero on the boundary.
double truth(const double* x, int dimension) {
  double u = 1;
  for (int a = 0; a < dimension; ++a) u *= std::sin(pi * (a + 1) * 0.7 * x[a] + 0.4);
  return u;
}

double minus_laplacian(const double* x, int dimension) {
  double factor = 0;
  for (int a = 0; a < dimension; ++a) factor += std::pow(pi * (a + 1) * 0.7, 2);
  return factor * truth(x, dimension);
}

/// Exact values of u on the boundary, of -Lap u inside.
gp::Measurements measure(const SmallSystem& system) {
  const gp::Pattern& pattern = system.pattern;
  gp::Measurements result;
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
    const double* x = &pattern.coordinates[p * static_cast<std::size_t>(pattern.dimension)];
    const bool inside = pattern.kind(p) == gp::PointKind::interior;
    result.value.push_back(inside ? minus_laplacian(x, pattern.dimension)
                                  : truth(x, pattern.dimension));
    if (inside) result.lift.push_back(0);
    result.lift.push_back(1);
  }
  return result;
}

/// This rank's block of points where the mean is wanted: inside, up to the boundary.
std::vector<double> sites(const Communicator& comm, int dimension, std::int64_t total) {
  const Cloud cloud = random_cloud(dimension, {0, total, 0}, 77);
  const parallel::Blocks blocks{total, comm.size()};
  return {cloud.row(blocks.begin(comm.rank())), cloud.row(blocks.begin(comm.rank() + 1))};
}

std::vector<double> local_mean(const Communicator& comm, const SmallSystem& system,
                               const gp::Kernel& prior, std::span<const double> state,
                               std::span<const double> x) {
  const std::vector<double> scale(static_cast<std::size_t>(system.pattern.dimension), 1.0);
  return gp::local_mean(comm, {system.pattern, system.layout, system.weights, prior, nugget, scale},
                        state, x, gp::value_of_u(), [] {});
}

struct Errors {
  double interpolation = 0, solution = 0;  ///< root mean squares over the sites
};

/// Collective. Everything is computed on every rank alone as well where the dense solve is: the
/// dense conditioner replicates.
Errors compare(const Communicator& comm, int dimension, int side, const gp::Kernel& prior) {
  constexpr std::int64_t total = 300;
  const SmallSystem system =
      make_system(comm, grid_cloud(dimension, side), elliptic("1", 0, 1, "0"), 2);
  gp::DenseConditioner dense(comm, system.pattern, system.layout, system.weights, prior, nugget);
  std::vector<double> state(static_cast<std::size_t>(system.layout.own));
  dense.condition(measure(system), 0, state, [] {});
  const auto x = sites(comm, dimension, total);
  const auto found = local_mean(comm, system, prior, state, x);
  const auto exact = dense.mean_at(x, gp::value_of_u());
  EXPECT_EQ(found.size(), exact.size());
  std::array<parallel::ExactSum, 2> sums;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double u = truth(&x[i * static_cast<std::size_t>(dimension)], dimension);
    sums[0].add(std::pow(found[i] - exact[i], 2));
    sums[1].add(std::pow(exact[i] - u, 2));
  }
  parallel::reduce(comm, sums);
  return {std::sqrt(sums[0].value() / total), std::sqrt(sums[1].value() / total)};
}

// The interpolation must not be what limits the answer, at any of the usual spacings and priors.
TEST(LocalMean, ErrorIsBelowThatOfTheSolution) {
  const auto comm = Communicator::world();
  const std::array<std::vector<int>, 4> sides = {
      std::vector<int>{}, {11, 21, 41, 81}, {9, 13, 17, 25}, {6, 8, 10}};
  for (const gp::Family family :
       {gp::Family::matern_5_2, gp::Family::matern_7_2, gp::Family::matern_9_2}) {
    const gp::Kernel prior = kernel(family, 0.3);
    for (int d = 1; d <= 3; ++d) {
      for (const int side : sides[static_cast<std::size_t>(d)]) {
        const Errors errors = compare(comm, d, side, prior);
        EXPECT_LT(errors.interpolation, errors.solution)
            << gp::describe(prior) << ", dimension " << d << ", " << side << " points per side";
        if (comm.is_root()) {
          std::printf("%s, dimension %d, h = 1/%d: interpolation %.1e, solution %.1e\n",
                      gp::describe(prior).c_str(), d, side - 1, errors.interpolation,
                      errors.solution);
        }
      }
    }
  }
}

/// A smooth state without a solve: u and -Lap u of a known function.
std::vector<double> smooth_state(const SmallSystem& system) {
  const gp::Pattern& pattern = system.pattern;
  std::vector<double> state;
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
    const double* x = &pattern.coordinates[p * static_cast<std::size_t>(pattern.dimension)];
    state.push_back(truth(x, pattern.dimension));
    if (pattern.kind(p) == gp::PointKind::interior) {
      state.push_back(minus_laplacian(x, pattern.dimension));
    }
  }
  return state;
}

Cloud cloud_of(int dimension) {
  constexpr std::array<std::int64_t, 4> boundary = {0, 2, 60, 150};
  return random_cloud(dimension, {boundary[static_cast<std::size_t>(dimension)], 400, 30}, 9);
}

TEST(LocalMean, CoincidentPointsGetTheStateItself) {
  const auto comm = Communicator::world();
  for (int d = 1; d <= 3; ++d) {
    const Cloud cloud = cloud_of(d);
    const SmallSystem system = make_system(comm, cloud, elliptic("1", 0, 1, "0"), 2);
    const parallel::Blocks blocks{cloud.size(), comm.size()};
    const std::vector<double> x(cloud.row(blocks.begin(comm.rank())),
                                cloud.row(blocks.begin(comm.rank() + 1)));
    const auto found =
        local_mean(comm, system, kernel(gp::Family::matern_7_2, 0.3), smooth_state(system), x);
    for (std::size_t i = 0; i < found.size(); ++i) {
      EXPECT_EQ(found[i], truth(&x[i * static_cast<std::size_t>(d)], d));
    }
  }
}

// Fewer points than neighbours, no sites, one site.
TEST(LocalMean, FewPoints) {
  const auto comm = Communicator::world();
  const SmallSystem system =
      make_system(comm, random_cloud(2, {3, 2, 0}, 4), elliptic("1", 0, 1, "0"), 2);
  const gp::Kernel prior = kernel(gp::Family::matern_7_2, 0.3);
  for (const std::int64_t total : {0, 1, 5}) {
    const auto x = sites(comm, 2, total);
    const auto found = local_mean(comm, system, prior, smooth_state(system), x);
    EXPECT_EQ(found.size(), x.size() / 2);
    for (const double value : found) EXPECT_TRUE(std::isfinite(value));
  }
}

// A Gaussian far longer than the cloud: no covariance of forty neighbours is positive definite.
TEST(LocalMean, IndefiniteIsAnErrorOnAllRanks) {
  const auto comm = Communicator::world();
  const SmallSystem system = make_system(comm, cloud_of(2), elliptic("1", 0, 1, "0"), 2);
  const auto x = sites(comm, 2, 20);
  parallel::ExitCode code = parallel::ExitCode::success;
  try {
    const std::vector<double> scale(2, 1.0);
    gp::local_mean(comm,
                   {system.pattern, system.layout, system.weights,
                    kernel(gp::Family::gaussian, 100), 0, scale},
                   smooth_state(system), x, gp::value_of_u(), [] {});
  } catch (const parallel::Error& error) {
    code = error.code();
  }
  EXPECT_EQ(code, parallel::ExitCode::numerical);
}

}  // namespace
