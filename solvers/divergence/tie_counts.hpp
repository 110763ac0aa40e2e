// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "points/neighbours.hpp"

namespace mensura::divergence {

/// Counts of the first set among the k nearest neighbours of the points of one location, for
/// several k. Where the k-th and the next neighbour are equally far, every query point draws its
/// own random order of the tied points (hypergeometric counts from the complete shell, keyed by the
/// location's first id and the number of the copy). The order of the lists would break these ties
/// alike for all points around a heavily duplicated location: their counts would share one draw of
/// labels, a noise that no number of points averages out and no standard error sees.
class TieCounts {
 public:
  /// `neighbours` ascending. Local.
  explicit TieCounts(std::vector<int> neighbours) : neighbours_(std::move(neighbours)) {}

  const std::vector<int>& neighbours() const { return neighbours_; }

  /// A new location: its list of at least largest k + 1 entries (its own points included), the
  /// complete shell of the last entry (ids of the first and of the other sets), and the ids
  /// [0, first_set) that form the first set.
  void assign(std::span<const points::Neighbour> list, std::span<const std::int64_t> shell,
              std::uint64_t first_set);

  /// Counts for a point of the location that belongs to the first set (`own`) or not. `key` selects
  /// the draw. Returns false, with the counts still right, when no draw was needed: all points of
  /// the location and set then have the same counts.
  bool count(bool own, std::uint64_t key, std::span<int> counts);

 private:
  struct Shell {
    std::int64_t before = 0;        ///< other points that are strictly nearer
    std::int64_t first_before = 0;  ///< those of the first set
    std::int64_t points = 0;        ///< points at the distance, the query itself left out
    std::int64_t first = 0;         ///< those of the first set
  };
  bool is_split(int k) const;
  Shell shell_of(int k, bool own) const;

  std::vector<int> neighbours_;
  std::span<const points::Neighbour> list_;
  std::vector<int> first_among_;  ///< points of the first set among the first m entries
  std::int64_t last_points_ = 0, last_first_ = 0;
};

}  // namespace mensura::divergence
