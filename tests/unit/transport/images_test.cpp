// SPDX-License-Identifier: BSD-3-Clause
// Newton's method on the reference's classes of images, on any number of ranks.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <numbers>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "linear/petsc.hpp"
#include "newton_task.hpp"
#include "parallel/random.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using parallel::Stream;

// How far f + g are apart on pairs with more than a millionth of their row's mass.
double apart_where_mass_flows(const Task& task, const Solved& one, const Solved& other) {
  const Cost cost(task.cost, task.weight, task.a.dimension);
  double most = 0;
  for (std::size_t i = 0; i < task.a.size(); ++i) {
    for (std::size_t j = 0; j < task.b.size(); ++j) {
      const double sum = one.f[i] + one.g[j];
      const double c = cost(task.a[i], task.b[j]);
      if (task.b.mass[j] * std::exp((sum - c) / task.epsilon) < 1e-6) continue;
      most = std::max(most, std::abs(sum - other.f[i] - other.g[j]));
    }
  }
  return most;
}

double disc(double x, double y, double u, double v, double radius) {
  return std::hypot(x - u, y - v) < radius ? 1 : 0;
}

std::pair<Density, Density> image_pair(const std::string& name) {
  // A number of the pixel, the same on all ranks.
  const auto random = [](double x, double y, std::uint64_t draw) {
    const auto pixel = static_cast<std::uint64_t>(4096 * std::floor(x * 512) + std::floor(y * 512));
    return Stream(5, "test", "pixels").uniform(pixel, draw);
  };
  const auto at_middle = [](double x, double y) { return disc(x, y, 0.5, 0.5, 0.17); };
  if (name == "split") {
    return {[](double x, double y) {
              return disc(x, y, 0.5, 0.25, 0.12) + disc(x, y, 0.5, 0.75, 0.12);
            },
            at_middle};
  }
  if (name == "asym") {
    return {
        [](double x, double y) { return disc(x, y, 0.3, 0.2, 0.12) + disc(x, y, 0.6, 0.8, 0.15); },
        at_middle};
  }
  if (name == "ring") {
    return {[](double x, double y) {
              return std::abs(x - 0.5) < 0.2 && std::abs(y - 0.5) < 0.2 ? 1.0 : 0.0;
            },
            [](double x, double y) {
              const double r = std::hypot(x - 0.5, y - 0.5);
              return r > 0.3 && r < 0.42 ? 1.0 : 0.0;
            }};
  }
  if (name == "checker") {
    const auto black = [](double x, double y) {
      return std::fmod(std::floor(4 * x) + std::floor(4 * y), 2.0);
    };
    return {black, [black](double x, double y) { return 1 - black(x, y); }};
  }
  if (name == "islands") {
    const auto grid_of_discs = [](int n, double first, double step, double radius) {
      return [=](double x, double y) {
        double sum = 0;
        for (int i = 0; i < n * n; ++i) {
          sum += disc(x, y, first + step * (i / n), first + step * (i % n), radius);
        }
        return sum;
      };
    };
    return {grid_of_discs(3, 0.2, 0.3, 0.06), grid_of_discs(4, 0.15, 0.23, 0.05)};
  }
  if (name == "sparse") {
    const auto pixels = [random](std::uint64_t draw) {
      return [random, draw](double x, double y) {
        return random(x, y, draw) < 0.05 ? random(x, y, draw + 1) : 0;
      };
    };
    return {pixels(0), pixels(2)};
  }
  if (name == "noise") {
    return {[random](double x, double y) { return random(x, y, 0); },
            [random](double x, double y) { return random(x, y, 1); }};
  }
  if (name == "lognoise") {
    const auto pixels = [random](std::uint64_t draw) {
      return [random, draw](double x, double y) {
        const double normal = std::sqrt(-2 * std::log(random(x, y, draw))) *
                              std::cos(2 * std::numbers::pi * random(x, y, draw + 1));
        return std::exp(4 * normal);
      };
    };
    return {pixels(0), pixels(2)};
  }
  return {[](double x, double y) { return bumps(x, y, 0); },
          [](double x, double y) { return bumps(x, y, 1); }};
}

class Images : public testing::TestWithParam<std::string> {};

TEST_P(Images, SolvedToRoundingInFewStepsOnAnyRanks) {
  const Communicator comm = Communicator::world();
  const linear::PetscSession session(comm, {}, {});
  const std::int64_t n = 32;
  const double h = 1.0 / static_cast<double>(n);
  const auto [first, second] = image_pair(GetParam());
  Task task{image(first, n), image(second, n), h, h * h / 8};
  const Solved solved = solve(comm, task);
  ASSERT_TRUE(solved.converged);
  for (const StageReport& stage : solved.history) {
    EXPECT_LE(stage.newton, 15) << "level " << stage.level << ", eps " << stage.regularisation;
    for (const std::int64_t cg : stage.cg) EXPECT_LE(cg, 15) << "level " << stage.level;
  }
  EXPECT_LE(solved.history.back().error_l1, task.tolerance);
  // Pairs outside the support have up to theta = 1e-10 of the smaller mass; most are far smaller.
  if (comm.is_root()) {
    EXPECT_LE(full_error(task, solved), 1e-9);
  }
  EXPECT_GE(solved.certificate.absolute(), 0);
  EXPECT_LE(solved.certificate.absolute(), 0.6 * task.epsilon);  // 0.27 measured on photographs

  // One rank by itself.
  if (comm.size() == 1) return;
  const Communicator alone = comm.split(comm.rank() == 0 ? 0 : 1, comm.rank());
  Solved single;
  if (comm.is_root()) single = solve(alone, task);
  single.f.resize(task.a.size());
  single.g.resize(task.b.size());
  comm.broadcast(std::span(single.f));
  comm.broadcast(std::span(single.g));
  const double range = range_of(single.f);
  EXPECT_LE(apart_where_mass_flows(task, solved, single), 1e-10 * range);
  // Mirrored halves that exchange less mass than the tolerance have a constant each.
  if (GetParam() == "split") return;
  EXPECT_LE(apart(solved.f, single.f), 1e-10 * range);
  EXPECT_LE(apart(solved.g, single.g), 1e-10 * range);
}

INSTANTIATE_TEST_SUITE_P(Reference, Images,
                         testing::Values("smooth", "split", "asym", "ring", "checker", "islands",
                                         "sparse", "noise", "lognoise"),
                         [](const auto& instance) { return instance.param; });

}  // namespace
