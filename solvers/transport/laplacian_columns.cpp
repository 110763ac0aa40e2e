// SPDX-License-Identifier: BSD-3-Clause
#include "transport/laplacian_columns.hpp"

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "parallel/exchange.hpp"

namespace mensura::transport {

namespace {

// How many ranks touch every ghost column; 0 for skipped ones.
std::vector<double> ranks_touching(const SparsePlan& plan, std::span<const char> skipped) {
  std::vector<double> ghost(plan.ghosts().size(), 1.0), own(plan.y().own());
  plan.ghosts().add(ghost, own);
  for (std::size_t j = 0; j < own.size(); ++j) {
    if (skipped[j] != 0) own[j] = 0;
  }
  plan.ghosts().forward(own, ghost);
  return ghost;
}

// Calls use(row, pair) for the pairs that take part.
template <class Use>
void for_each_pair(const Pairs& pairs, std::span<const char> kept,
                   const std::vector<double>& touching, const Use& use) {
  for (std::size_t i = 0; i + 1 < pairs.starts.size(); ++i) {
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      if (kept[k] != 0 && touching[pairs.columns[k]] > 0) use(i, k);
    }
  }
}

// At the owner of columns: every rank's entries to all others that touch the same column.
void answer(const ReceivedEntries& met, std::vector<PlanEntry>& entries,
            std::vector<std::size_t>& to) {
  std::vector<std::size_t> from;
  for (std::size_t r = 0; r < met.counts.size(); ++r) {
    from.insert(from.end(), static_cast<std::size_t>(met.counts[r]), r);
  }
  std::vector<std::size_t> order(met.entries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto column = [&](std::size_t e) { return met.entries[e].column; };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(column(a), a) < std::pair(column(b), b);
  });
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && column(order[end]) == column(order[begin])) ++end;
    std::vector<std::size_t> ranks;  // ascending, as the entries are
    for (std::size_t e = begin; e < end; ++e) ranks.push_back(from[order[e]]);
    ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
    for (const std::size_t rank : ranks) {
      for (std::size_t e = begin; e < end; ++e) {
        if (from[order[e]] == rank) continue;
        entries.push_back(met.entries[order[e]]);
        to.push_back(rank);
      }
    }
  }
}

// Own entries of shared columns to the columns' owners, and back what the other ranks have there.
std::vector<PlanEntry> entries_of_others(const SparsePlan& plan, std::span<const char> kept,
                                         const std::vector<double>& touching,
                                         std::int64_t first_unknown) {
  const parallel::Communicator& comm = plan.comm();
  const Pairs& pairs = plan.pairs();
  const Owners owner(comm, plan.y().first);
  std::vector<PlanEntry> entries;
  std::vector<std::size_t> to;
  parallel::agree(comm, [&] {
    for_each_pair(pairs, kept, touching, [&](std::size_t i, std::size_t k) {
      if (touching[pairs.columns[k]] < 2) return;
      const std::int64_t number = pairs.numbers[pairs.columns[k]];
      entries.push_back({number, first_unknown + static_cast<std::int64_t>(i), plan.values()[k]});
      to.push_back(owner(number));
    });
  });
  ReceivedEntries met = send_entries(comm, entries, to);
  entries.clear();
  to.clear();
  parallel::agree(comm, [&] { answer(met, entries, to); });
  met = ReceivedEntries{};
  return send_entries(comm, entries, to).entries;
}

// Own entries first in every column, then those of other ranks.
CompleteColumns merge(const SparsePlan& plan, std::span<const char> kept,
                      const std::vector<double>& touching, const std::vector<PlanEntry>& others) {
  const Pairs& pairs = plan.pairs();
  std::unordered_map<std::int64_t, std::uint32_t> ghost_of, row_of;  // of global numbers
  for (std::size_t c = 0; c < touching.size(); ++c) {
    if (touching[c] >= 2) ghost_of.emplace(pairs.numbers[c], static_cast<std::uint32_t>(c));
  }
  CompleteColumns columns;
  columns.starts.assign(touching.size() + 1, 0);
  for_each_pair(pairs, kept, touching,
                [&](std::size_t, std::size_t k) { ++columns.starts[pairs.columns[k] + 1]; });
  for (const PlanEntry& entry : others) ++columns.starts[ghost_of.at(entry.column) + 1];
  std::partial_sum(columns.starts.begin(), columns.starts.end(), columns.starts.begin());
  columns.rows.resize(static_cast<std::size_t>(columns.starts.back()));
  columns.values.resize(columns.rows.size());
  std::vector<std::int64_t> next(columns.starts.begin(), columns.starts.end() - 1);
  const auto put = [&](std::uint32_t column, std::size_t row, double value) {
    const auto at = static_cast<std::size_t>(next[column]++);
    columns.rows[at] = static_cast<std::uint32_t>(row);
    columns.values[at] = value;
  };
  for_each_pair(pairs, kept, touching,
                [&](std::size_t i, std::size_t k) { put(pairs.columns[k], i, plan.values()[k]); });
  for (const PlanEntry& entry : others) {
    const auto position = static_cast<std::uint32_t>(columns.numbers.size());
    const auto [found, fresh] = row_of.emplace(entry.row, position);
    if (fresh) columns.numbers.push_back(entry.row);
    put(ghost_of.at(entry.column), plan.x().own() + found->second, entry.value);
  }
  return columns;
}

}  // namespace

Owners::Owners(const parallel::Communicator& comm, std::int64_t first)
    : firsts_(comm.all_gather(std::span<const std::int64_t>(&first, 1))) {}

std::size_t Owners::operator()(std::int64_t number) const {
  return static_cast<std::size_t>(std::upper_bound(firsts_.begin(), firsts_.end(), number) -
                                  firsts_.begin()) -
         1;
}

ReceivedEntries send_entries(const parallel::Communicator& comm,
                             const std::vector<PlanEntry>& entries,
                             const std::vector<std::size_t>& to) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(comm.size()), 0);
  for (const std::size_t r : to) ++counts[r];
  std::vector<std::size_t> next(counts.size(), 0);
  for (std::size_t r = 1; r < next.size(); ++r) {
    next[r] = next[r - 1] + static_cast<std::size_t>(counts[r - 1]);
  }
  std::vector<PlanEntry> sorted;
  parallel::agree(comm, [&] { sorted.resize(entries.size()); });
  for (std::size_t e = 0; e < entries.size(); ++e) sorted[next[to[e]]++] = entries[e];
  auto received = parallel::exchange<PlanEntry>(comm, sorted, counts);
  return {std::move(received.data), std::move(received.counts)};
}

CompleteColumns complete_columns(const SparsePlan& plan, std::span<const char> kept,
                                 std::span<const char> skipped, std::int64_t first_unknown) {
  const std::vector<double> touching = ranks_touching(plan, skipped);
  std::vector<PlanEntry> others;
  if (plan.comm().size() > 1) others = entries_of_others(plan, kept, touching, first_unknown);
  CompleteColumns columns;
  parallel::agree(plan.comm(), [&] { columns = merge(plan, kept, touching, others); });
  return columns;
}

}  // namespace mensura::transport
