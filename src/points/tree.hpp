// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "points/aligned.hpp"
#include "points/sites.hpp"

namespace mensura::points {

/// Balanced kd-tree over the sites of one rank, without pointers. Leaf l holds the sites
/// [l leaf_size, (l + 1) leaf_size), so every leaf but the last is full. A node over the leaves
/// [a, b) is cut at split(a, b); its left child is the next node in preorder, its right child
/// follows the 2 (split - a) - 1 nodes of the left one.
struct Tree {
  int dimension = 0;
  int leaf_size = 0;  ///< a multiple of 8
  std::uint32_t sites = 0, leaves = 0;
  /// leaves x dimension x leaf_size: one point per vector lane. Empty lanes of the last leaf hold
  /// NaN, which no distance test passes.
  AlignedVector<double> coordinates;
  std::vector<double> boxes;          ///< nodes x (lower[dimension], upper[dimension]), tight
  std::vector<std::uint64_t> labels;  ///< nodes: bit l is set where a point of set l lies below

  static std::uint32_t split(std::uint32_t a, std::uint32_t b) noexcept {
    return a + (b - a + 1) / 2;
  }
  const double* leaf(std::uint32_t l) const noexcept {
    return coordinates.data() + std::size_t{l} * static_cast<std::size_t>(dimension) *
                                    static_cast<std::size_t>(leaf_size);
  }
  double coordinate(std::uint32_t site, int j) const noexcept {
    const auto size = static_cast<std::uint32_t>(leaf_size);
    return leaf(site / size)[static_cast<std::uint32_t>(j) * size + site % size];
  }
};

/// Builds the tree in O(n log n) and brings `sites` into its order; the coordinates move into the
/// tree. Local. `leaf_size` is rounded up to a multiple of 8.
Tree build_tree(Sites& sites, std::int64_t leaf_size, std::span<const std::int64_t> offsets);

}  // namespace mensura::points
