// SPDX-License-Identifier: BSD-3-Clause
#include "transport/input_order.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "parallel/by_index.hpp"
#include "parallel/exchange.hpp"

namespace mensura::transport {

namespace {

std::vector<std::size_t> sorted_order(std::span<const std::uint64_t> positions) {
  std::vector<std::size_t> order(positions.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return positions[a] < positions[b]; });
  return order;
}

// A run of entries of one row, all on their way to one rank.
struct Run {
  std::int64_t first;  // position among all entries
  std::int64_t length;
};

struct Entry {
  std::int64_t column;
  double value;
};

// What one rank sends of its plan, ordered by destination.
struct Parcels {
  std::vector<Run> runs;
  std::vector<std::int64_t> run_counts;
  std::vector<Entry> entries;
  std::vector<std::int64_t> entry_counts;
};

// The entries of one row, ascending by column, cut where the blocks of entries end.
void pack_row(const PlanAnswer& plan, std::size_t row, std::int64_t start,
              const parallel::Blocks& blocks, Parcels& parcels) {
  const auto begin = static_cast<std::size_t>(plan.row_starts[row]);
  const auto end = static_cast<std::size_t>(plan.row_starts[row + 1]);
  const std::size_t packed = parcels.entries.size();
  for (std::size_t k = begin; k < end; ++k) {
    parcels.entries.push_back({plan.columns[k], plan.values[k]});
  }
  std::sort(parcels.entries.begin() + static_cast<std::ptrdiff_t>(packed), parcels.entries.end(),
            [](const Entry& a, const Entry& b) { return a.column < b.column; });
  const std::int64_t stop = start + static_cast<std::int64_t>(end - begin);
  while (start < stop) {
    const int owner = blocks.owner(start);
    const std::int64_t length = std::min(stop, blocks.begin(owner + 1)) - start;
    parcels.runs.push_back({start, length});
    ++parcels.run_counts[static_cast<std::size_t>(owner)];
    parcels.entry_counts[static_cast<std::size_t>(owner)] += length;
    start += length;
  }
}

void deliver(const parallel::Communicator& comm, Parcels parcels, const parallel::Blocks& blocks,
             InputOrderPlan& result) {
  const auto runs = parallel::exchange<Run>(comm, parcels.runs, parcels.run_counts);
  const auto entries = parallel::exchange<Entry>(comm, parcels.entries, parcels.entry_counts);
  parcels = {};  // the largest arrays of all: gone before the next ones come
  const std::int64_t first = blocks.begin(comm.rank());
  parallel::agree(comm, [&] {
    const auto own = static_cast<std::size_t>(blocks.size(comm.rank()));
    parallel::require(entries.data.size() == own, "every entry arrives once");
    result.columns.resize(own);
    result.values.resize(own);
    std::size_t next = 0;
    for (const Run& run : runs.data) {
      for (std::int64_t k = 0; k < run.length; ++k) {
        const auto place = static_cast<std::size_t>(run.first - first + k);
        result.columns[place] = entries.data[next].column;
        result.values[place] = entries.data[next++].value;
      }
    }
  });
}

}  // namespace

std::vector<double> to_input_blocks(const parallel::Communicator& comm,
                                    std::span<const double> rows, int width,
                                    std::span<const std::uint64_t> positions, std::int64_t total,
                                    double fill) {
  const auto w = static_cast<std::size_t>(width);
  const parallel::Blocks blocks{total, comm.size()};
  std::vector<std::int64_t> counts, value_counts;
  std::vector<std::uint64_t> places;
  std::vector<double> sent;
  parallel::agree(comm, [&] {
    parallel::require(rows.size() == positions.size() * w, "every row has its position");
    counts.assign(static_cast<std::size_t>(comm.size()), 0);
    for (const std::size_t i : sorted_order(positions)) {
      parallel::require(positions[i] < static_cast<std::uint64_t>(total),
                        "positions lie in the input");
      ++counts[static_cast<std::size_t>(blocks.owner(static_cast<std::int64_t>(positions[i])))];
      places.push_back(positions[i]);
      sent.insert(sent.end(), &rows[i * w], &rows[i * w] + w);
    }
    value_counts = counts;
    for (std::int64_t& count : value_counts) count *= width;
  });
  const auto got_places = parallel::exchange<std::uint64_t>(comm, places, counts);
  const auto got = parallel::exchange<double>(comm, sent, value_counts);
  std::vector<double> result;
  parallel::agree(comm, [&] {
    const auto own = static_cast<std::size_t>(blocks.size(comm.rank()));
    const auto first = static_cast<std::uint64_t>(blocks.begin(comm.rank()));
    result.assign(own * w, fill);
    std::vector<bool> seen(own, false);
    for (std::size_t i = 0; i < got_places.data.size(); ++i) {
      const auto place = static_cast<std::size_t>(got_places.data[i] - first);
      parallel::require(!seen[place], "every position is held once");
      seen[place] = true;
      std::copy_n(&got.data[i * w], w, &result[place * w]);
    }
  });
  return result;
}

InputOrderPlan to_input_order(const parallel::Communicator& comm, const PlanAnswer& plan,
                              std::int64_t rows) {
  InputOrderPlan result;
  result.rows = rows;
  const std::size_t own = plan.row_ids.size();
  std::vector<double> lengths;  // whole numbers far below 2^53
  parallel::agree(comm, [&] {
    parallel::require(plan.row_starts.size() == own + 1 || (own == 0 && plan.row_starts.empty()),
                      "one start for each row and one end");
    for (std::size_t i = 0; i < own; ++i) {
      lengths.push_back(static_cast<double>(plan.row_starts[i + 1] - plan.row_starts[i]));
    }
  });
  const auto block = to_input_blocks(comm, lengths, 1, plan.row_ids, rows, 0.0);
  const auto held = static_cast<std::int64_t>(std::accumulate(block.begin(), block.end(), 0.0));
  const std::int64_t before = comm.exclusive_scan(held);
  result.nonzeros = comm.sum(held);
  std::vector<double> starts;
  parallel::agree(comm, [&] {
    std::int64_t start = before;
    for (const double length : block) {
      result.row_starts.push_back(start);
      starts.push_back(static_cast<double>(start));
      start += static_cast<std::int64_t>(length);
    }
    if (comm.rank() == comm.size() - 1) result.row_starts.push_back(result.nonzeros);
  });
  const auto own_starts = parallel::fetch_rows(comm, starts, rows, 1, plan.row_ids);
  const parallel::Blocks blocks{result.nonzeros, comm.size()};
  Parcels parcels;
  parallel::agree(comm, [&] {
    parcels.run_counts.assign(static_cast<std::size_t>(comm.size()), 0);
    parcels.entry_counts = parcels.run_counts;
    // Rows in the order of the input, so that destinations ascend.
    for (const std::size_t row : sorted_order(plan.row_ids)) {
      pack_row(plan, row, static_cast<std::int64_t>(own_starts[row]), blocks, parcels);
    }
  });
  deliver(comm, std::move(parcels), blocks, result);
  return result;
}

}  // namespace mensura::transport
