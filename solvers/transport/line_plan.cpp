// SPDX-License-Identifier: BSD-3-Clause
// The entries of the comonotone coupling: the walk of line_map over points in place of positions.
#include <algorithm>
#include <cmath>
#include <vector>

#include "parallel/by_index.hpp"
#include "parallel/exchange.hpp"
#include "parallel/sort.hpp"
#include "transport/line.hpp"
#include "transport/line_measure.hpp"
#include "transport/line_share.hpp"

namespace mensura::transport {

using parallel::Communicator;

namespace {

// Collective. The place of every own point in the order of (position, number), so that points at
// one position become neighbours of different places.
std::vector<double> places(const Communicator& comm, const Masses& masses,
                           std::span<const double> positions) {
  std::vector<parallel::Keyed> sorted;
  std::vector<std::uint64_t> numbers;
  parallel::agree(comm, [&] {
    sorted.reserve(positions.size());
    for (std::size_t i = 0; i < positions.size(); ++i) {
      numbers.push_back(static_cast<std::uint64_t>(masses.first) + i);
      sorted.push_back({positions[i] + 0.0, numbers.back()});
    }
  });
  sorted = parallel::sort(comm, std::move(sorted));
  const auto first = comm.exclusive_scan(static_cast<std::int64_t>(sorted.size()));
  std::vector<double> place;
  std::vector<std::uint64_t> of;
  parallel::agree(comm, [&] {
    for (std::size_t k = 0; k < sorted.size(); ++k) {
      place.push_back(static_cast<double>(first) + static_cast<double>(k));
      of.push_back(sorted[k].id);
    }
  });
  const std::vector<double> block = parallel::to_blocks(comm, place, 1, of, masses.total);
  return parallel::fetch_rows(comm, block, masses.total, 1, numbers);
}

// Every group is one point: its number takes the position's place.
void name_groups(Ordered& measure) {
  for (std::size_t g = 0; g < measure.groups.size(); ++g) {
    measure.groups[g].position = static_cast<double>(measure.ids[g]);
  }
}

}  // namespace

std::vector<LineEntry> line_plan(const Communicator& comm, const Weighted& a, const Weighted& b) {
  const MassPair masses = carry_masses(comm, a, b, 1);
  OrderedPair pair = order_pair(comm, masses, places(comm, masses.a, a.positions),
                                places(comm, masses.b, b.positions));
  parallel::agree(comm, [&] {
    for (const Ordered* measure : {&pair.a, &pair.b}) {
      parallel::require(measure->groups.size() == measure->ids.size(), "places are distinct");
    }
    name_groups(pair.a);
    name_groups(pair.b);
  });
  const Share share = share_out(comm, pair.a.groups, pair.b.groups, pair.total);
  std::vector<LineEntry> found;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(comm.size()), 0);
  // A point's entries lie on several shares: they meet at the rank that holds the point.
  const auto firsts = comm.all_gather(std::span<const std::int64_t>(&masses.a.first, 1));
  std::vector<std::vector<LineEntry>> to(static_cast<std::size_t>(comm.size()));
  parallel::agree(comm, [&] {
    walk(
        share,
        [&](std::size_t i, std::size_t j, Units mass) {
          const auto number = static_cast<std::int64_t>(share.a[i].position);
          const auto after = std::upper_bound(firsts.begin(), firsts.end(), number);
          to[static_cast<std::size_t>(after - firsts.begin()) - 1].push_back(
              {number, static_cast<std::int64_t>(share.b[j].position),
               std::ldexp(relative(mass), pair.exponent + unit_bits)});
        },
        [](std::size_t, std::size_t, bool, bool) {});
    for (std::size_t r = 0; r < to.size(); ++r) {
      counts[r] = static_cast<std::int64_t>(to[r].size());
      found.insert(found.end(), to[r].begin(), to[r].end());
    }
  });
  std::vector<LineEntry> own = parallel::exchange<LineEntry>(comm, found, counts).data;
  for (LineEntry& entry : own) entry.row -= masses.a.first;
  // Shares ascend with the ranks, so that a row's entries are in their order already.
  parallel::agree(comm, [&] {
    std::stable_sort(own.begin(), own.end(),
                     [](const LineEntry& u, const LineEntry& v) { return u.row < v.row; });
  });
  return own;
}

}  // namespace mensura::transport
