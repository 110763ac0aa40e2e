// SPDX-License-Identifier: BSD-3-Clause
#include "transport/stages.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "parallel/error.hpp"

namespace mensura::transport {

namespace {

constexpr std::array<double, 2> level_units{2, 1};
constexpr double fattest_unit = 2;
constexpr double same = 1 + 1e-12;

}  // namespace

std::deque<Stage> plan_stages(const std::vector<double>& units, double first, double last,
                              double tolerance) {
  parallel::require(std::isfinite(first), "stages begin at a finite regularisation");
  std::deque<Stage> stages;
  const auto add = [&](std::size_t level, double epsilon) {
    const double allowed = std::max(epsilon, last);
    if (!stages.empty() && stages.back().level == level && stages.back().epsilon <= allowed) return;
    stages.push_back({level, allowed, Stage::loose_tolerance});
  };
  for (std::size_t level = units.size(); level-- > 0;) {
    const double unit = units[level];
    if (level + 1 == units.size()) {
      const double least = std::max(fattest_unit * unit, last);
      for (double epsilon = first; epsilon > least * same; epsilon /= 4) add(level, epsilon);
    }
    for (const double m : level_units) {
      // A level whose plan would be fat at the last regularisation has nothing to add.
      if (level > 0 && std::max(m * unit, last) <= fattest_unit * unit * same) {
        add(level, m * unit);
      }
    }
    if (level > 0) continue;
    double start = last;
    while (2 * start <= unit * same) start *= 2;
    for (; start > last * same; start /= 2) add(0, start);
  }
  add(0, last);
  stages.back().tolerance = tolerance;
  return stages;
}

}  // namespace mensura::transport
