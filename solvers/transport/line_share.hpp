// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/line_measure.hpp"

namespace mensura::transport {

/// A rank's share (begin, end] of the cumulated mass, with the groups of both measures that meet
/// it. Both ends are jumps of one of the distribution functions (or 0 and the total), so that no
/// atom of the coupling is cut; a group may reach beyond the share on both sides.
struct Share {
  Units begin = 0, end = 0, total = 0;
  std::vector<Group> a, b;  ///< those with end > begin and start <= end, ascending
  std::vector<std::int64_t> counts_a, counts_b;  ///< of them from each rank
};

/// Collective. Cuts the merged jumps of two measures of the same total into equal shares (within
/// 1/16), rank by rank, and fetches the groups. The groups of each rank ascend; those of the first
/// measure ascend over ranks too, those of the second may begin anywhere (a circle).
Share share_out(const parallel::Communicator& comm, std::span<const Group> a,
                std::span<const Group> b, Units total);

/// Local. Walks through the merged jumps of a share: atom(i, j, mass) for a's group i coupled with
/// b's group j, then jump(i, j, a_ends, b_ends) at the end of the atom, where group i or j or both
/// end. The groups i + 1, j + 1 follow in the share unless the jump is at the total.
template <class Atom, class Jump>
void walk(const Share& share, Atom atom, Jump jump) {
  std::size_t i = 0, j = 0;
  for (Units at = share.begin; at < share.end;) {
    const Units next = std::min(share.a[i].end, share.b[j].end);
    atom(i, j, next - at);
    const bool a_ends = share.a[i].end == next, b_ends = share.b[j].end == next;
    jump(i, j, a_ends, b_ends);
    if (a_ends) ++i;
    if (b_ends) ++j;
    at = next;
  }
}

}  // namespace mensura::transport
