// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cmath>
#include <cstdint>
#include <numeric>
#include <span>
#include <vector>

#include "gp/collocation.hpp"
#include "parallel/by_index.hpp"

namespace mensura::test {

/// Collective. All points in the order of their ids, on every rank; to_blocks refuses ids that are
/// not each global number once.
inline std::vector<double> everything(const parallel::Communicator& comm, const gp::PointSet& set) {
  const auto block =
      parallel::to_blocks(comm, set.coordinates, set.dimension, set.ids, set.total());
  std::vector<std::uint64_t> all(static_cast<std::size_t>(set.total()));
  std::iota(all.begin(), all.end(), std::uint64_t{0});
  return parallel::fetch_rows(comm, block, set.total(), set.dimension, all);
}

/// The points of a problem, all of them on every rank.
struct Collocated {
  gp::PointSet set;
  std::size_t d;
  std::vector<double> points;
  explicit Collocated(const parallel::Communicator& comm, const gp::Problem& problem)
      : set(gp::make_points(comm, problem, {})),
        d(static_cast<std::size_t>(set.dimension)),
        points(everything(comm, set)) {}
  std::size_t boundary() const { return static_cast<std::size_t>(set.counts[0]); }
  std::size_t total() const { return static_cast<std::size_t>(set.total()); }
  std::span<const double> operator[](std::size_t id) const {
    return std::span(points).subspan(id * d, d);
  }
  double distance(std::size_t a, std::size_t b) const {
    double sum = 0;
    for (std::size_t i = 0; i < d; ++i) {
      sum += (points[a * d + i] - points[b * d + i]) * (points[a * d + i] - points[b * d + i]);
    }
    return std::sqrt(sum);
  }
};

}  // namespace mensura::test
