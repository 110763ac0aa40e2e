// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "points/neighbours.hpp"

/// What visitors of NeighbourEngine::search do with a Neighbourhood. Everything here is local.
namespace mensura::points {

/// Copies of one site that see the same k nearest neighbours in a list.
struct CopyGroup {
  int label = 0;
  std::int64_t multiplicity = 1;
  /// Position of the copy itself in the list, to be left out; -1 when it does not appear: its
  /// neighbours are then simply the first k entries.
  int skip = -1;
};

/// The query points of a site with respect to lists[list]: every kept copy found in the list is a
/// group of its own, all others of a set form one group with skip = -1. Multiplicities add up to
/// copies_per_label. Replaces `groups` (reused between sites to avoid allocation).
void group_copies(const Neighbourhood& site, std::size_t list,
                  std::span<const std::int64_t> offsets, std::vector<CopyGroup>& groups);

/// Calls fn(label, multiplicity, skip) for every CopyGroup of the site.
template <class Fn>
void for_each_query(const Neighbourhood& site, std::size_t list,
                    std::span<const std::int64_t> offsets, Fn&& fn) {
  const auto entries = site.lists[list];
  if (site.copies.size() == 1 && !entries.empty() && entries.front().id == site.copies.front()) {
    fn(label_of(site.copies.front(), offsets), std::int64_t{1}, 0);
    return;  // the usual case: one point, first in its own list
  }
  thread_local std::vector<CopyGroup> groups;
  group_copies(site, list, offsets, groups);
  for (const CopyGroup& group : groups) fn(group.label, group.multiplicity, group.skip);
}

/// counts[i] = how many of the ks[i] nearest neighbours of a copy, in list order, belong to the set
/// of the ids [first_id, last_id), the copy at position `skip` left out (-1: nothing to leave out).
/// ks ascending; lists shorter than k count what there is.
void count_label(std::span<const Neighbour> list, std::span<const int> ks, int skip,
                 std::uint64_t first_id, std::uint64_t last_id, std::span<int> counts) noexcept;

/// Squared distance to the k-th nearest neighbour of the copy at position `skip` (-1: of a copy
/// that is not in the list); infinity when the list is too short.
double kth_distance2(std::span<const Neighbour> list, int k, int skip) noexcept;
/// distances2[i] = kth_distance2(list, ks[i], skip).
void kth_distances2(std::span<const Neighbour> list, std::span<const int> ks, int skip,
                    std::span<double> distances2) noexcept;

/// Neighbour lists of this rank's query points, row after row.
struct NeighbourLists {
  int neighbours = 0;              ///< k
  std::vector<std::uint64_t> ids;  ///< query ids, in no particular order
  std::vector<Neighbour> rows;     ///< ids.size() x k; short lists end with {infinity, ~0}
};

/// Collective. Materialises the k nearest neighbours of every point of `query_labels` in one batch:
/// O(points x k) memory, so only for those who need lists. Points beyond max_k + 1 per site and set
/// are left out unless the engine was built with keep_all_copies.
NeighbourLists neighbour_lists(NeighbourEngine& engine, const Request& request,
                               std::uint64_t query_labels, std::span<const std::int64_t> offsets,
                               std::int64_t batch, std::int64_t batches,
                               const std::function<void()>& poll);

}  // namespace mensura::points
