// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/tie_counts.hpp"

#include <algorithm>
#include <numeric>

#include "parallel/random.hpp"

namespace mensura::divergence {

using points::Neighbour;

void TieCounts::assign(std::span<const Neighbour> list, std::span<const std::int64_t> shell,
                       std::uint64_t first_set) {
  list_ = list;
  first_among_.resize(list.size() + 1);
  first_among_[0] = 0;
  for (std::size_t m = 0; m < list.size(); ++m) {
    first_among_[m + 1] = first_among_[m] + (list[m].id < first_set ? 1 : 0);
  }
  last_first_ = shell[0];
  last_points_ = std::accumulate(shell.begin(), shell.end(), std::int64_t{0});
}

// The query itself is one of the first k + 1 entries, or would be in some order of the ties: the
// boundary of its k nearest lies behind entry k.
bool TieCounts::is_split(int k) const {
  const auto at = static_cast<std::size_t>(k);
  const double distance2 = list_[at].distance2;
  if (at + 1 < list_.size()) return list_[at + 1].distance2 == distance2;
  const auto visible = std::ranges::equal_range(list_, distance2, {}, &Neighbour::distance2);
  return static_cast<std::int64_t>(visible.size()) < last_points_;
}

TieCounts::Shell TieCounts::shell_of(int k, bool own) const {
  const double distance2 = list_[static_cast<std::size_t>(k)].distance2;
  const auto visible = std::ranges::equal_range(list_, distance2, {}, &Neighbour::distance2);
  const auto begin = static_cast<std::size_t>(visible.begin() - list_.begin());
  const auto end = begin + visible.size();
  const bool last = distance2 == list_.back().distance2;
  Shell shell;
  shell.before = static_cast<std::int64_t>(begin);
  shell.first_before = first_among_[begin];
  shell.points = last ? last_points_ : static_cast<std::int64_t>(visible.size());
  shell.first = last ? last_first_ : first_among_[end] - first_among_[begin];
  // The query lies at distance zero: in this shell when nothing is nearer, else before it.
  (begin == 0 ? shell.points : shell.before) -= 1;
  if (own) (begin == 0 ? shell.first : shell.first_before) -= 1;
  return shell;
}

bool TieCounts::count(bool own, std::uint64_t key, std::span<int> counts) {
  bool drawn = false;
  Shell shell;
  double shell_distance2 = -1.0;
  std::uint64_t draw = 0;
  for (std::size_t i = 0; i < neighbours_.size(); ++i) {
    const int k = neighbours_[i];
    if (!is_split(k)) {
      counts[i] = first_among_[static_cast<std::size_t>(k) + 1] - (own ? 1 : 0);
      continue;
    }
    const double distance2 = list_[static_cast<std::size_t>(k)].distance2;
    if (distance2 != shell_distance2) {
      shell = shell_of(k, own);
      shell_distance2 = distance2;
    }
    // Draws without replacement, going on from the smaller k in the same shell.
    for (; shell.before < k; ++shell.before, --shell.points) {
      bool first = shell.first == shell.points;
      if (shell.first > 0 && !first) {
        const std::uint64_t word = parallel::mix(key + 0x9e3779b97f4a7c15ULL * ++draw);
        first = static_cast<double>(word >> 11U) * 0x1p-53 * static_cast<double>(shell.points) <
                static_cast<double>(shell.first);
        drawn = true;
      }
      shell.first -= first ? 1 : 0;
      shell.first_before += first ? 1 : 0;
    }
    counts[i] = static_cast<int>(shell.first_before);
  }
  return drawn;
}

}  // namespace mensura::divergence
