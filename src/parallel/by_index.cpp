// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/by_index.hpp"

#include <algorithm>
#include <string>

#include "parallel/exchange.hpp"

namespace mensura::parallel {

namespace {

// What goes to whom: element i of the caller's list travels at place slot[i] of the send buffer,
// which is ordered by destination.
struct Plan {
  std::vector<std::int64_t> counts;  // elements for each rank
  std::vector<std::int64_t> slot;
};

// Ranks own ascending ranges, and callers mostly ask in runs: the last owner is tried first.
Plan plan_by_owner(const Communicator& comm, const Blocks& blocks,
                   std::span<const std::uint64_t> indices) {
  Plan plan;
  plan.counts.assign(static_cast<std::size_t>(comm.size()), 0);
  plan.slot.resize(indices.size());
  int owner = 0;
  std::int64_t begin = blocks.begin(0);
  std::int64_t end = blocks.begin(1);
  const auto owner_of = [&](std::uint64_t index) {
    const auto i = static_cast<std::int64_t>(index);
    if (i < begin || i >= end) {
      owner = blocks.owner(i);
      begin = blocks.begin(owner);
      end = blocks.begin(owner + 1);
    }
    return static_cast<std::size_t>(owner);
  };
  for (const auto index : indices) ++plan.counts[owner_of(index)];
  std::vector<std::int64_t> next(plan.counts.size(), 0);
  for (std::size_t r = 1; r < next.size(); ++r) next[r] = next[r - 1] + plan.counts[r - 1];
  for (std::size_t i = 0; i < indices.size(); ++i) plan.slot[i] = next[owner_of(indices[i])]++;
  return plan;
}

void check_indices(std::span<const std::uint64_t> indices, std::int64_t total) {
  for (const auto index : indices) {
    if (index < static_cast<std::uint64_t>(total)) continue;
    require(false, "index " + std::to_string(index) + " lies in the " + std::to_string(total) +
                       " rows of the block distribution");
  }
}

// Every row of this rank's range is among the received ones, exactly once.
void check_places(std::span<const std::uint64_t> places, std::int64_t first, std::int64_t rows) {
  std::vector<bool> seen(static_cast<std::size_t>(rows), false);
  for (const auto index : places) {
    auto held = seen[static_cast<std::size_t>(static_cast<std::int64_t>(index) - first)];
    if (held) require(false, "index " + std::to_string(index) + " is held once");
    held = true;
  }
  const auto missing = std::find(seen.begin(), seen.end(), false);
  if (missing == seen.end()) return;
  require(false,
          "index " + std::to_string(first + (missing - seen.begin())) + " is held by a rank");
}

std::vector<std::uint64_t> in_sending_order(const Plan& plan,
                                            std::span<const std::uint64_t> indices) {
  std::vector<std::uint64_t> ordered(indices.size());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    ordered[static_cast<std::size_t>(plan.slot[i])] = indices[i];
  }
  return ordered;
}

std::vector<std::int64_t> bytes_of_rows(std::vector<std::int64_t> counts, std::size_t width) {
  for (auto& count : counts) count *= static_cast<std::int64_t>(width * sizeof(double));
  return counts;
}

}  // namespace

std::int64_t Blocks::begin(int rank) const noexcept {
  return total / ranks * rank + total % ranks * rank / ranks;  // floor(rank total / ranks)
}

int Blocks::owner(std::int64_t index) const noexcept {
  const double guess = static_cast<double>(index) / static_cast<double>(total) * ranks;
  int rank = std::clamp(static_cast<int>(guess), 0, ranks - 1);
  while (begin(rank) > index) --rank;
  while (begin(rank + 1) <= index) ++rank;
  return rank;
}

std::vector<double> fetch_rows(const Communicator& comm, std::span<const double> block,
                               std::int64_t total, int width,
                               std::span<const std::uint64_t> indices) {
  const Blocks blocks{total, comm.size()};
  const std::int64_t first = blocks.begin(comm.rank());
  const auto columns = static_cast<std::size_t>(std::max(width, 0));
  Plan plan;
  std::vector<std::uint64_t> requests;
  agree(comm, [&] {
    require(total >= 0 && width >= 1, "fetch_rows gets a number of rows and at least one column");
    require(block.size() == static_cast<std::size_t>(blocks.size(comm.rank())) * columns,
            "the block has the rows of this rank");
    check_indices(indices, total);
    plan = plan_by_owner(comm, blocks, indices);
    requests = in_sending_order(plan, indices);
  });
  const auto asked = exchange<std::uint64_t>(comm, requests, plan.counts);

  std::vector<double> answers;
  std::vector<double> ordered;
  agree(comm, [&] {
    answers.resize(asked.data.size() * columns);
    ordered.resize(indices.size() * columns);
  });
  for (std::size_t i = 0; i < asked.data.size(); ++i) {
    const auto row = static_cast<std::size_t>(static_cast<std::int64_t>(asked.data[i]) - first);
    std::copy_n(block.data() + row * columns, columns, answers.data() + i * columns);
  }
  exchange_bytes_into(comm, reinterpret_cast<const std::byte*>(answers.data()),
                      bytes_of_rows(asked.counts, columns),
                      reinterpret_cast<std::byte*>(ordered.data()),
                      bytes_of_rows(plan.counts, columns));

  std::vector<double> rows;
  agree(comm, [&] { rows.resize(ordered.size()); });
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const auto slot = static_cast<std::size_t>(plan.slot[i]);
    std::copy_n(ordered.data() + slot * columns, columns, rows.data() + i * columns);
  }
  return rows;
}

std::vector<double> to_blocks(const Communicator& comm, std::span<const double> rows, int width,
                              std::span<const std::uint64_t> indices, std::int64_t total) {
  const Blocks blocks{total, comm.size()};
  const std::int64_t first = blocks.begin(comm.rank());
  const auto columns = static_cast<std::size_t>(std::max(width, 0));
  Plan plan;
  std::vector<std::uint64_t> ordered;
  std::vector<double> sent;
  agree(comm, [&] {
    require(total >= 0 && width >= 1, "to_blocks gets a number of rows and at least one column");
    require(rows.size() == indices.size() * columns, "every row has its index");
    check_indices(indices, total);
    plan = plan_by_owner(comm, blocks, indices);
    ordered = in_sending_order(plan, indices);
    sent.resize(rows.size());
    for (std::size_t i = 0; i < indices.size(); ++i) {
      const auto slot = static_cast<std::size_t>(plan.slot[i]);
      std::copy_n(rows.data() + i * columns, columns, sent.data() + slot * columns);
    }
  });
  const auto places = exchange<std::uint64_t>(comm, ordered, plan.counts);
  std::vector<double> received;
  std::vector<double> block;
  agree(comm, [&] {
    check_places(places.data, first, blocks.size(comm.rank()));
    received.resize(places.data.size() * columns);
    block.resize(received.size());
  });
  exchange_bytes_into(
      comm, reinterpret_cast<const std::byte*>(sent.data()), bytes_of_rows(plan.counts, columns),
      reinterpret_cast<std::byte*>(received.data()), bytes_of_rows(places.counts, columns));
  for (std::size_t i = 0; i < places.data.size(); ++i) {
    const auto row = static_cast<std::size_t>(static_cast<std::int64_t>(places.data[i]) - first);
    std::copy_n(received.data() + i * columns, columns, block.data() + row * columns);
  }
  return block;
}

}  // namespace mensura::parallel
