// SPDX-License-Identifier: BSD-3-Clause
#include "points/reduce.hpp"

#include <algorithm>
#include <limits>

#include "parallel/random.hpp"

namespace mensura::points {

namespace {

using parallel::mix;

// Position of every copy in the list, -1 where it does not appear. Copies have distance zero;
// within a run of equal distances the list, like the copies, ascends by mix(id). Distinct points
// may also underflow to distance zero, hence the comparison of ids.
template <class Fn>
void match_copies(const Neighbourhood& site, std::span<const Neighbour> list, Fn&& fn) {
  std::size_t position = 0;
  for (const std::uint64_t id : site.copies) {
    const std::uint64_t key = mix(id);
    while (position < list.size() && list[position].distance2 == 0.0 &&
           mix(list[position].id) < key) {
      ++position;
    }
    const bool found =
        position < list.size() && list[position].distance2 == 0.0 && list[position].id == id;
    fn(id, found ? static_cast<int>(position++) : -1);
  }
}

bool within(std::uint64_t id, std::uint64_t first_id, std::uint64_t last_id) noexcept {
  return id - first_id < last_id - first_id;
}

}  // namespace

void group_copies(const Neighbourhood& site, std::size_t list,
                  std::span<const std::int64_t> offsets, std::vector<CopyGroup>& groups) {
  groups.clear();
  match_copies(site, site.lists[list], [&](std::uint64_t id, int position) {
    if (position >= 0) groups.push_back({label_of(id, offsets), 1, position});
  });
  const std::size_t single = groups.size();
  for (std::size_t label = 0; label < site.copies_per_label.size(); ++label) {
    std::int64_t rest = site.copies_per_label[label];
    for (std::size_t g = 0; g < single; ++g) rest -= groups[g].label == static_cast<int>(label);
    if (rest > 0) groups.push_back({static_cast<int>(label), rest, -1});
  }
}

void count_label(std::span<const Neighbour> list, std::span<const int> ks, int skip,
                 std::uint64_t first_id, std::uint64_t last_id, std::span<int> counts) noexcept {
  std::size_t position = 0;
  int count = 0;
  for (std::size_t i = 0; i < ks.size(); ++i) {
    const bool inside = skip >= 0 && skip < ks[i];
    const std::size_t end =
        std::min(list.size(), static_cast<std::size_t>(ks[i]) + (inside ? 1U : 0U));
    for (; position < end; ++position)
      count += within(list[position].id, first_id, last_id) ? 1 : 0;
    const auto self = static_cast<std::size_t>(skip);
    counts[i] = count - (inside && self < list.size() && within(list[self].id, first_id, last_id));
  }
}

double kth_distance2(std::span<const Neighbour> list, int k, int skip) noexcept {
  const auto position = static_cast<std::size_t>(skip >= 0 && skip < k ? k : k - 1);
  return position < list.size() ? list[position].distance2
                                : std::numeric_limits<double>::infinity();
}

void kth_distances2(std::span<const Neighbour> list, std::span<const int> ks, int skip,
                    std::span<double> distances2) noexcept {
  for (std::size_t i = 0; i < ks.size(); ++i) distances2[i] = kth_distance2(list, ks[i], skip);
}

NeighbourLists neighbour_lists(NeighbourEngine& engine, const Request& request,
                               std::uint64_t query_labels, std::span<const std::int64_t> offsets,
                               std::int64_t batch, std::int64_t batches,
                               const std::function<void()>& poll) {
  NeighbourLists result;
  result.neighbours = request.neighbours;
  const auto k = static_cast<std::size_t>(request.neighbours);
  const auto visit = [&](const Neighbourhood& site) {
    const auto list = site.lists[0];
    match_copies(site, list, [&](std::uint64_t id, int position) {
      if (((query_labels >> static_cast<unsigned>(label_of(id, offsets))) & 1U) == 0) return;
      result.ids.push_back(id);
      const std::size_t begin = result.rows.size();
      for (std::size_t i = 0; i < list.size() && result.rows.size() < begin + k; ++i) {
        if (static_cast<int>(i) != position) result.rows.push_back(list[i]);
      }
      result.rows.resize(begin + k, {std::numeric_limits<double>::infinity(), ~std::uint64_t{0}});
    });
  };
  engine.search({&request, 1}, query_labels, batch, batches, visit, poll);
  return result;
}

}  // namespace mensura::points
