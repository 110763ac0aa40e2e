// SPDX-License-Identifier: BSD-3-Clause
// Points of the reference numbers, and neighbours by brute force: the same bits as
// tests/reference/divergence/make_numerics.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "divergence/dimension.hpp"
#include "divergence/histograms.hpp"
#include "parallel/random.hpp"
#include "points/neighbours.hpp"

namespace mensura::divergence::test {

/// X (n points), then Y (m points), row-major.
struct TwoSets {
  std::int64_t n = 0, m = 0;
  int d = 0;
  std::vector<double> coordinates;
  std::int64_t size() const { return n + m; }
  std::span<const double> point(std::int64_t i) const {
    return {coordinates.data() + i * d, static_cast<std::size_t>(d)};
  }
  Side side(std::int64_t i) const { return i < n ? Side::x : Side::y; }
};

inline double uniform(std::uint64_t counter) {
  const std::uint64_t bits = parallel::mix(counter * 0x9e3779b97f4a7c15ULL + 0x1234567ULL) >> 11U;
  return static_cast<double>(bits) * 0x1p-53;
}

inline TwoSets make_points(std::int64_t n, std::int64_t m, int d, bool duplicates) {
  TwoSets sets{n, m, d, {}};
  std::uint64_t counter = 0;
  for (std::int64_t i = 0; i < n + m; ++i) {
    for (int j = 0; j < d; ++j) {
      double s = -2.0;
      for (int u = 0; u < 4; ++u) s += uniform(counter++);
      if (i >= n) s = s * 1.25 + 0.25;
      if (duplicates && i % 3 == 0) s = std::floor(s * 2.0 + 0.5) * 0.5;
      sets.coordinates.push_back(s);
    }
  }
  return sets;
}

/// All other points of the union in the order (squared distance, mix(id), id).
inline std::vector<points::Neighbour> neighbours_of(const TwoSets& sets, std::int64_t centre) {
  std::vector<points::Neighbour> list;
  const auto x = sets.point(centre);
  for (std::int64_t i = 0; i < sets.size(); ++i) {
    if (i == centre) continue;
    double square = 0;
    for (std::size_t j = 0; j < x.size(); ++j) {
      const double gap = x[j] - sets.point(i)[j];
      square += gap * gap;
    }
    list.push_back({square, static_cast<std::uint64_t>(i)});
  }
  std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) {
    if (a.distance2 != b.distance2) return a.distance2 < b.distance2;
    return parallel::mix(a.id) < parallel::mix(b.id);
  });
  return list;
}

/// n_k of one centre for every k.
inline std::vector<int> counts_of(const TwoSets& sets, const std::vector<points::Neighbour>& list,
                                  const std::vector<int>& ks) {
  std::vector<int> counts;
  int found = 0;
  std::size_t i = 0;
  for (const int k : ks) {
    for (; i < static_cast<std::size_t>(k); ++i) {
      if (static_cast<std::int64_t>(list[i].id) < sets.n) ++found;
    }
    counts.push_back(found);
  }
  return counts;
}

inline std::vector<double> squares_of(const std::vector<points::Neighbour>& list, int k) {
  std::vector<double> squares;
  for (int i = 0; i < k; ++i) squares.push_back(list[static_cast<std::size_t>(i)].distance2);
  return squares;
}

}  // namespace mensura::divergence::test
