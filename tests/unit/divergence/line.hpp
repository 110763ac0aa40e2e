// SPDX-License-Identifier: BSD-3-Clause
// Neighbours on the line by sorting: fast enough for simulations of the sampling error.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "parallel/random.hpp"

namespace mensura::divergence::test {

/// `count` normals of one repetition, sorted.
inline std::vector<double> sorted_normals(std::uint64_t repetition, const char* name, int count,
                                          double mean, double deviation) {
  const parallel::Stream stream(repetition, "simulation", name);
  std::vector<double> x;
  for (int i = 0; i < count; ++i) {
    x.push_back(mean + deviation * stream.normal(static_cast<std::uint64_t>(i), 0));
  }
  std::sort(x.begin(), x.end());
  return x;
}

/// Distance from `centre` to its k-th neighbour (k = 1, 2, ...) in sorted `x`, leaving out one
/// point equal to the centre when `self` is true.
inline double line_distance(const std::vector<double>& x, double centre, int k, bool self) {
  auto right = std::lower_bound(x.begin(), x.end(), centre);
  auto left = right;
  if (self) ++right;
  double gap = 0;
  for (int i = 0; i < k; ++i) {
    const double down = left == x.begin() ? INFINITY : centre - *(left - 1);
    const double up = right == x.end() ? INFINITY : *right - centre;
    gap = std::min(down, up);
    if (down < up) {
      --left;
    } else {
      ++right;
    }
  }
  return gap;
}

/// Number of X-points among the k nearest of `centre` in the union, for every k of an ascending
/// list.
inline std::vector<int> line_counts(const std::vector<double>& x, const std::vector<double>& y,
                                    double centre, const std::vector<int>& ks, bool centre_in_x) {
  auto xr = std::lower_bound(x.begin(), x.end(), centre), xl = xr;
  auto yr = std::lower_bound(y.begin(), y.end(), centre), yl = yr;
  if (centre_in_x) {
    ++xr;
  } else {
    ++yr;
  }
  std::vector<int> counts;
  int n = 0;
  for (int i = 1; i <= ks.back(); ++i) {
    const double gaps[4] = {
        xl == x.begin() ? INFINITY : centre - *(xl - 1), xr == x.end() ? INFINITY : *xr - centre,
        yl == y.begin() ? INFINITY : centre - *(yl - 1), yr == y.end() ? INFINITY : *yr - centre};
    const auto best = std::min_element(gaps, gaps + 4) - gaps;
    if (best == 0) --xl;
    if (best == 1) ++xr;
    if (best == 2) --yl;
    if (best == 3) ++yr;
    n += best < 2 ? 1 : 0;
    if (i == ks[counts.size()]) counts.push_back(n);
  }
  return counts;
}

struct Spread {
  double mean = 0, deviation = 0;
};

inline Spread spread(const std::vector<double>& values) {
  Spread s;
  for (const double v : values) s.mean += v / static_cast<double>(values.size());
  for (const double v : values) s.deviation += (v - s.mean) * (v - s.mean);
  s.deviation = std::sqrt(s.deviation / static_cast<double>(values.size() - 1));
  return s;
}

}  // namespace mensura::divergence::test
