// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/communicator.hpp"
#include "points/sites.hpp"

namespace mensura::points {

/// Where every local site goes: `order` lists the sites grouped by destination, rank r owns the
/// next counts[r] of them.
struct Assignment {
  std::vector<std::uint32_t> order;
  std::vector<std::int64_t> counts;
};

/// Collective. Recursive bisection over the ranks: a group of ranks is halved (floor, ceil), its
/// sites are cut in the same proportion across the widest extent. The cut is an exact order
/// statistic of (coordinate on that axis, then the other coordinates in index order), found by
/// radix selection with integer reductions: equal keys, hence coincident sites of different ranks,
/// go to the same side, and the result does not depend on samples. All groups of one level share
/// their reductions; nothing is moved before the end. O(size) memory besides the order.
Assignment bisect(const parallel::Communicator& comm, const Sites& sites);

/// Collective. Sends every site to its rank, in rounds of at most `piece_bytes` per rank, and
/// returns what arrived (sites of different sources may coincide: merge them). Frees `sites`.
Sites redistribute(const parallel::Communicator& comm, Sites sites, Assignment assignment,
                   std::int64_t piece_bytes);

/// The rank that begins the right half of the group [first, last) of ranks.
inline int middle_rank(int first, int last) noexcept {
  return first + (last - first) / 2;
}

}  // namespace mensura::points
