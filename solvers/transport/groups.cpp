// SPDX-License-Identifier: BSD-3-Clause
#include "transport/groups.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "parallel/error.hpp"

namespace mensura::transport {

std::size_t Groups::of_rank(int rank) const {
  return static_cast<std::size_t>(std::ranges::upper_bound(firsts, rank) - firsts.begin()) - 1;
}

std::size_t Groups::of_part(std::size_t part) const {
  for (std::size_t g = 0; g < parts.size(); ++g) {
    if (std::ranges::find(parts[g], part) != parts[g].end()) return g;
  }
  parallel::require(false, "every part has a group");
  return 0;
}

Groups plan_groups(std::span<const double> work, int ranks, int least) {
  const auto most = static_cast<std::size_t>(std::max(1, ranks / std::max(1, least)));
  const std::size_t count = std::min(most, work.size());
  std::vector<std::size_t> order(work.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) { return work[a] > work[b]; });
  Groups groups;
  groups.parts.resize(count);
  std::vector<double> loads(count, 0.0);
  for (const std::size_t part : order) {
    const auto lightest = static_cast<std::size_t>(std::ranges::min_element(loads) - loads.begin());
    groups.parts[lightest].push_back(part);
    loads[lightest] += work[part];
  }
  // Every group has its least; the others go one by one to where most work waits for a rank.
  std::vector<int> sizes(count, std::max(1, std::min(least, ranks / static_cast<int>(count))));
  for (int left = ranks - std::accumulate(sizes.begin(), sizes.end(), 0); left > 0; --left) {
    std::size_t busiest = 0;
    for (std::size_t g = 1; g < count; ++g) {
      if (loads[g] / sizes[g] > loads[busiest] / sizes[busiest]) busiest = g;
    }
    ++sizes[busiest];
  }
  groups.firsts.push_back(0);
  for (const int size : sizes) groups.firsts.push_back(groups.firsts.back() + size);
  return groups;
}

}  // namespace mensura::transport
