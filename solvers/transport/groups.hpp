// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace mensura::transport {

/// Ranks that work side by side on the parts of a problem.
struct Groups {
  std::vector<int> firsts;                      ///< first rank of every group; then all ranks
  std::vector<std::vector<std::size_t>> parts;  ///< of every group, in the order of their turn
  std::size_t count() const noexcept { return parts.size(); }
  std::size_t of_rank(int rank) const;
  std::size_t of_part(std::size_t part) const;
  int size(std::size_t group) const { return firsts[group + 1] - firsts[group]; }
};

/// Local. Shares parts of known work among at most `ranks` groups of at least `least` ranks each:
/// where there are fewer parts than groups could be, each has a group of its own whose size follows
/// its work; else the longest goes to the group with least work (LPT).
Groups plan_groups(std::span<const double> work, int ranks, int least);

}  // namespace mensura::transport
