// SPDX-License-Identifier: BSD-3-Clause
#include "transport/line_share.hpp"

#include <array>
#include <cmath>

#include "parallel/exchange.hpp"

namespace mensura::transport {

namespace {

using parallel::Communicator;
using Groups = std::span<const Group>;

std::int64_t ends_until(Groups groups, Units mass) {
  const auto above = std::partition_point(groups.begin(), groups.end(),
                                          [&](const Group& group) { return group.end <= mass; });
  return above - groups.begin();
}

struct Bracket {
  std::size_t cut;
  Units low, high;
  std::int64_t target;
};

// Collective. Masses below which about k n / P of the jumps lie, by simultaneous bisection. At
// most two jumps are at one mass, so that a count within one of the target exists.
std::vector<Units> rough_cuts(const Communicator& comm, Groups a, Groups b, Units total) {
  const std::int64_t n = comm.sum(static_cast<std::int64_t>(a.size() + b.size()));
  const std::int64_t ranks = comm.size(), slack = 1 + n / (16 * ranks);
  std::vector<Units> cuts(static_cast<std::size_t>(ranks - 1), 0);
  std::vector<Bracket> open;
  for (std::size_t k = 0; k < cuts.size(); ++k) {
    const auto part = static_cast<std::int64_t>(k) + 1;
    open.push_back({k, 0, total, n / ranks * part + n % ranks * part / ranks});
  }
  std::vector<std::int64_t> counts;
  while (!open.empty()) {
    counts.clear();
    for (const auto& bracket : open) {
      const Units middle = bracket.low + (bracket.high - bracket.low) / 2;
      counts.push_back(ends_until(a, middle) + ends_until(b, middle));
    }
    comm.sum(counts);
    std::size_t kept = 0;
    for (std::size_t i = 0; i < open.size(); ++i) {
      auto bracket = open[i];
      const Units middle = bracket.low + (bracket.high - bracket.low) / 2;
      (counts[i] < bracket.target ? bracket.low : bracket.high) = middle;
      const bool done = std::abs(counts[i] - bracket.target) <= slack;
      if (done || bracket.high - bracket.low <= 1) {
        cuts[bracket.cut] = done ? middle : bracket.high;
      } else {
        open[kept++] = bracket;
      }
    }
    open.resize(kept);
  }
  return cuts;
}

// Collective. Replaces every cut by the last jump that is not above it: the maximum over ranks,
// 42 bits at a time, which doubles hold exactly.
void snap_to_jumps(const Communicator& comm, Groups a, Groups b, std::span<Units> cuts) {
  constexpr unsigned digit = 42;
  constexpr Units mask = (Units{1} << digit) - 1;
  std::vector<Units> own(cuts.size(), 0);
  for (std::size_t k = 0; k < cuts.size(); ++k) {
    for (const Groups groups : {a, b}) {
      const auto count = static_cast<std::size_t>(ends_until(groups, cuts[k]));
      if (count > 0) own[k] = std::max(own[k], groups[count - 1].end);
    }
    cuts[k] = 0;
  }
  std::vector<double> digits(cuts.size());
  for (unsigned shift = 3 * digit; shift > 0;) {
    shift -= digit;
    for (std::size_t k = 0; k < cuts.size(); ++k) {
      const bool leads = own[k] >> shift >= cuts[k] >> shift;
      digits[k] = leads ? static_cast<double>(own[k] >> shift & mask) : 0.0;
    }
    comm.max(std::span<double>(digits));
    for (std::size_t k = 0; k < cuts.size(); ++k) {
      cuts[k] |= static_cast<Units>(static_cast<std::uint64_t>(digits[k])) << shift;
    }
  }
}

// Collective. Sends every group to the ranks whose share it meets; bounds are those of the shares.
parallel::Received<Group> fetch(const Communicator& comm, Groups groups,
                                std::span<const Units> bounds) {
  const auto ranks = static_cast<std::size_t>(comm.size());
  std::vector<std::int64_t> counts(ranks, 0);
  std::vector<Group> sent;
  parallel::agree(comm, [&] {
    sent.reserve(groups.size() + 2 * ranks);
    for (std::size_t r = 0; r < ranks; ++r) {
      if (bounds[r] == bounds[r + 1]) continue;
      auto from = static_cast<std::size_t>(ends_until(groups, bounds[r]));
      for (; from < groups.size() && groups[from].start <= bounds[r + 1]; ++from) {
        sent.push_back(groups[from]);
        ++counts[r];
      }
    }
  });
  return parallel::exchange<Group>(comm, sent, counts);
}

}  // namespace

Share share_out(const Communicator& comm, Groups a, Groups b, Units total) {
  auto bounds = rough_cuts(comm, a, b, total);
  snap_to_jumps(comm, a, b, bounds);
  bounds.insert(bounds.begin(), 0);
  bounds.push_back(total);
  auto share_a = fetch(comm, a, bounds);
  auto share_b = fetch(comm, b, bounds);
  const auto by_mass = [](const Group& x, const Group& y) { return x.end < y.end; };
  if (!std::is_sorted(share_b.data.begin(), share_b.data.end(), by_mass)) {
    std::sort(share_b.data.begin(), share_b.data.end(), by_mass);
  }
  const auto rank = static_cast<std::size_t>(comm.rank());
  return {bounds[rank],
          bounds[rank + 1],
          total,
          std::move(share_a.data),
          std::move(share_b.data),
          std::move(share_a.counts),
          std::move(share_b.counts)};
}

}  // namespace mensura::transport
