// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/sort.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <span>
#include <utility>

#include "parallel/exchange.hpp"

namespace mensura::parallel {

namespace {

bool before(const Keyed& a, const Keyed& b) noexcept {
  return a.value < b.value || (a.value == b.value && a.id < b.id);
}

// Integers ordered like the doubles they come from, both zeros alike.
std::uint64_t order_bits(double value) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(value + 0.0);  // -0 + 0 = +0
  return (bits >> 63U) != 0 ? ~bits : bits | (std::uint64_t{1} << 63U);
}

// For one splitter: the slice of the locally sorted elements among which the order statistic is
// sought, and how many elements of all slices of the job lie before the splitter.
struct Search {
  std::span<const Keyed> slice;
  std::int64_t target;
};

// What a splitter still knows nothing about: the key lies in [low, high], both of which are keys of
// elements, and `slice` holds this rank's candidates.
struct Bracket {
  std::size_t search;
  std::uint64_t low;
  std::uint64_t high;
  std::span<const Keyed> slice;
  std::int64_t target;
};

// Element-wise over all ranks: minimum of the even words, maximum of the odd ones, in one
// reduction.
void reduce_extremes(const Communicator& comm, std::vector<std::uint64_t>& words) {
  for (std::size_t i = 1; i < words.size(); i += 2) words[i] = ~words[i];
  check_mpi(MPI_Allreduce(MPI_IN_PLACE, words.data(), static_cast<int>(words.size()), MPI_UINT64_T,
                          MPI_MIN, comm.handle()),
            "MPI_Allreduce");
  ++traffic().reductions;
  for (std::size_t i = 1; i < words.size(); i += 2) words[i] = ~words[i];
}

constexpr std::uint64_t nothing_above = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t nothing_below = 0;

template <class Key>
std::vector<Bracket> first_brackets(const Communicator& comm, std::span<const Search> searches,
                                    Key key) {
  std::vector<std::uint64_t> ends;
  for (const auto& search : searches) {
    const bool empty = search.slice.empty();
    ends.push_back(empty ? nothing_above : key(search.slice.front()));
    ends.push_back(empty ? nothing_below : key(search.slice.back()));
  }
  reduce_extremes(comm, ends);
  std::vector<Bracket> brackets;
  for (std::size_t i = 0; i < searches.size(); ++i) {
    brackets.push_back({i, ends[2 * i], ends[2 * i + 1], searches[i].slice, searches[i].target});
  }
  return brackets;
}

// Collective. For every search the key of the element at place target - 1 (targets count from 1) of
// all slices together, by simultaneous bisection. `key` is a 64-bit integer by which each slice is
// sorted. Brackets shrink onto keys that occur, so that few distinct keys take few rounds.
template <class Key>
std::vector<std::uint64_t> order_statistics(const Communicator& comm,
                                            std::span<const Search> searches, Key key) {
  std::vector<std::uint64_t> found(searches.size());
  auto brackets = first_brackets(comm, searches, key);
  std::vector<std::int64_t> counts;
  std::vector<std::uint64_t> neighbours;
  std::vector<std::size_t> splits;
  for (;;) {
    std::erase_if(brackets, [&](const Bracket& bracket) {
      if (bracket.low != bracket.high) return false;
      found[bracket.search] = bracket.low;
      return true;
    });
    if (brackets.empty()) return found;
    counts.clear();
    neighbours.clear();
    splits.clear();
    for (const auto& [search, low, high, slice, target] : brackets) {
      const std::uint64_t middle = low + (high - low) / 2;
      const auto above = std::partition_point(
          slice.begin(), slice.end(), [&](const Keyed& element) { return key(element) <= middle; });
      const auto below_count = static_cast<std::size_t>(above - slice.begin());
      splits.push_back(below_count);
      counts.push_back(static_cast<std::int64_t>(below_count));
      neighbours.push_back(below_count < slice.size() ? key(slice[below_count]) : nothing_above);
      neighbours.push_back(below_count > 0 ? key(slice[below_count - 1]) : nothing_below);
    }
    comm.sum(counts);
    reduce_extremes(comm, neighbours);
    for (std::size_t i = 0; i < brackets.size(); ++i) {
      auto& bracket = brackets[i];
      if (counts[i] >= bracket.target) {
        bracket.high = neighbours[2 * i + 1];
        bracket.slice = bracket.slice.first(splits[i]);
      } else {
        bracket.low = neighbours[2 * i];
        bracket.slice = bracket.slice.subspan(splits[i]);
        bracket.target -= counts[i];
      }
    }
  }
}

using Slice = std::span<const Keyed>;

Slice with_value(Slice sorted, std::uint64_t value_bits) {
  const auto first = std::partition_point(sorted.begin(), sorted.end(), [&](const Keyed& element) {
    return order_bits(element.value) < value_bits;
  });
  const auto last = std::partition_point(first, sorted.end(), [&](const Keyed& element) {
    return order_bits(element.value) == value_bits;
  });
  return {first, last};
}

Slice with_id(Slice same_value, std::uint64_t id) {
  const auto first = std::partition_point(same_value.begin(), same_value.end(),
                                          [&](const Keyed& element) { return element.id < id; });
  const auto last = std::partition_point(first, same_value.end(),
                                         [&](const Keyed& element) { return element.id == id; });
  return {first, last};
}

// Collective. For each position (0 < position < n) how many of this rank's sorted elements come
// before it in the global order; elements equal in value and id come by rank.
std::vector<std::int64_t> local_cuts(const Communicator& comm, Slice sorted,
                                     std::span<const std::int64_t> positions) {
  std::vector<Search> searches;
  for (const auto position : positions) searches.push_back({sorted, position});
  const auto values = order_statistics(
      comm, searches, [](const Keyed& element) { return order_bits(element.value); });

  std::vector<std::int64_t> before_value;  // first here, then over all ranks
  for (std::size_t i = 0; i < searches.size(); ++i) {
    searches[i].slice = with_value(sorted, values[i]);
    before_value.push_back(searches[i].slice.data() - sorted.data());
  }
  comm.sum(before_value);
  for (std::size_t i = 0; i < searches.size(); ++i) searches[i].target -= before_value[i];
  const auto ids =
      order_statistics(comm, searches, [](const Keyed& element) { return element.id; });

  std::vector<std::int64_t> lower;
  std::vector<std::int64_t> equal;
  for (std::size_t i = 0; i < searches.size(); ++i) {
    const auto ties = with_id(searches[i].slice, ids[i]);
    lower.push_back(ties.data() - sorted.data());
    equal.push_back(static_cast<std::int64_t>(ties.size()));
  }
  auto all_lower = lower;
  comm.sum(all_lower);
  std::vector<std::int64_t> equal_before(equal.size(), 0);
  check_mpi(MPI_Exscan(equal.data(), equal_before.data(), static_cast<int>(equal.size()),
                       MPI_INT64_T, MPI_SUM, comm.handle()),
            "MPI_Exscan");
  ++traffic().reductions;
  if (comm.is_root()) std::fill(equal_before.begin(), equal_before.end(), 0);
  for (std::size_t i = 0; i < lower.size(); ++i) {
    const auto wanted = positions[i] - all_lower[i] - equal_before[i];
    lower[i] += std::clamp<std::int64_t>(wanted, 0, equal[i]);
  }
  return lower;
}

// floor(r n / P) without overflow.
std::int64_t block_start(std::int64_t n, std::int64_t r, std::int64_t size) {
  return n / size * r + n % size * r / size;
}

// Collective. How many of this rank's sorted elements go to each rank.
std::vector<std::int64_t> send_counts(const Communicator& comm, Slice sorted) {
  const auto n = comm.sum(static_cast<std::int64_t>(sorted.size()));
  std::vector<std::int64_t> positions;  // the distinct inner block boundaries
  for (int r = 1; r < comm.size(); ++r) {
    const auto position = block_start(n, r, comm.size());
    if (position > 0 && (positions.empty() || positions.back() != position)) {
      positions.push_back(position);
    }
  }
  const auto cuts =
      positions.empty() ? std::vector<std::int64_t>{} : local_cuts(comm, sorted, positions);
  std::vector<std::int64_t> counts;
  std::int64_t begin = 0;
  std::size_t next = 0;
  for (int r = 0; r < comm.size(); ++r) {
    const auto stop = block_start(n, r + 1, comm.size());
    while (next < positions.size() && positions[next] < stop) ++next;
    std::int64_t end = static_cast<std::int64_t>(sorted.size());
    if (stop == 0) {
      end = 0;
    } else if (stop < n) {
      end = cuts[next];
    }
    counts.push_back(end - begin);
    begin = end;
  }
  return counts;
}

// Merges consecutive sorted runs pairwise, log2(runs) passes.
std::vector<Keyed> merge_runs(std::vector<Keyed> data, std::span<const std::int64_t> lengths) {
  std::vector<std::ptrdiff_t> ends{0};
  for (const auto length : lengths) {
    if (length > 0) ends.push_back(ends.back() + static_cast<std::ptrdiff_t>(length));
  }
  if (ends.size() <= 2) return data;
  std::vector<Keyed> other(data.size());
  while (ends.size() > 2) {
    std::vector<std::ptrdiff_t> merged{0};
    for (std::size_t i = 0; i + 1 < ends.size(); i += 2) {
      const auto middle = ends[i + 1];
      const auto end = i + 2 < ends.size() ? ends[i + 2] : middle;
      std::merge(data.begin() + ends[i], data.begin() + middle, data.begin() + middle,
                 data.begin() + end, other.begin() + ends[i], before);
      merged.push_back(end);
    }
    std::swap(data, other);
    std::swap(ends, merged);
  }
  return data;
}

}  // namespace

std::vector<Keyed> sort(const Communicator& comm, std::vector<Keyed> local) {
  agree(comm, [&]() {
    const auto bad = std::find_if(local.begin(), local.end(),
                                  [](const Keyed& element) { return std::isnan(element.value); });
    if (bad != local.end()) {
      throw Error(ExitCode::numerical,
                  fmt::format("a value to be sorted is NaN (element with id {})", bad->id));
    }
  });
  std::sort(local.begin(), local.end(), before);
  if (comm.size() == 1) return local;
  auto received = exchange<Keyed>(comm, local, send_counts(comm, local));
  std::vector<Keyed>().swap(local);
  return merge_runs(std::move(received.data), received.counts);
}

}  // namespace mensura::parallel
