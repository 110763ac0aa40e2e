// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "points/tree.hpp"

namespace mensura::points {

/// The tight boxes and set masks of all ranks, arranged along the bisection, the same on every
/// rank. O(size) memory; a query meets O(log size + ranks found) nodes.
class RankTree {
 public:
  /// Collective. `tree` is the local tree (may be empty).
  RankTree(const parallel::Communicator& comm, const Tree& tree);

  /// Ranks other than this one that hold a point of the sets and whose box is within `bound`
  /// (squared, inclusive) of the box [lower, upper]; ascending. Replaces `ranks`.
  void near(std::span<const double> lower, std::span<const double> upper, double bound,
            std::uint64_t labels, std::vector<int>& ranks) const;

  /// Lower bound, also in floating point, of the distance2 between the box and any point of `rank`.
  double distance2(std::span<const double> lower, std::span<const double> upper, int rank) const;
  std::uint64_t labels(int rank) const {
    return labels_[leaf_node_[static_cast<std::size_t>(rank)]];
  }

 private:
  void build(const std::vector<double>& boxes, const std::vector<std::uint64_t>& labels,
             std::size_t node, int first, int last);
  double node_distance2(std::span<const double> lower, std::span<const double> upper,
                        std::size_t node) const;

  int own_rank_, ranks_;
  std::size_t dimension_;
  std::vector<double> boxes_;  // nodes in preorder x (lower, upper)
  std::vector<std::uint64_t> labels_;
  std::vector<std::size_t> leaf_node_;
};

}  // namespace mensura::points
