// SPDX-License-Identifier: BSD-3-Clause
#include "transport/grid_layout.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#include "parallel/exchange.hpp"

namespace mensura::transport {

GridLayout::GridLayout(const parallel::Communicator& comm, const Cloud& cloud,
                       const std::vector<std::int64_t>& shape)
    : shape_(shape), slabs_{shape.at(0), comm.size()} {
  columns_ = {std::accumulate(shape.begin() + 1, shape.end(), std::int64_t{1}, std::multiplies<>()),
              comm.size()};
  slab_ = plan(comm, cloud, true);
  // A single column would lie on one rank.
  if (shape.size() > 1) column_ = plan(comm, cloud, false);
}

GridLayout::Way GridLayout::plan(const parallel::Communicator& comm, const Cloud& cloud,
                                 bool slab) const {
  Way way;
  std::vector<std::uint64_t> numbers;
  parallel::agree(comm, [&] {
    std::vector<int> owner(cloud.own());
    way.counts.assign(static_cast<std::size_t>(comm.size()), 0);
    for (std::size_t i = 0; i < cloud.own(); ++i) {
      const auto id = static_cast<std::int64_t>(cloud.ids[i]);
      parallel::require(id >= 0 && id < slabs_.total * columns_.total, "an id lies in the grid");
      owner[i] = slab ? slabs_.owner(id / columns_.total) : columns_.owner(id % columns_.total);
      ++way.counts[static_cast<std::size_t>(owner[i])];
    }
    way.order.resize(cloud.own());
    std::iota(way.order.begin(), way.order.end(), std::size_t{0});
    std::stable_sort(way.order.begin(), way.order.end(),
                     [&](std::size_t a, std::size_t b) { return owner[a] < owner[b]; });
    numbers.reserve(cloud.own());
    for (const std::size_t i : way.order) numbers.push_back(cloud.ids[i]);
  });
  const auto received = parallel::exchange<std::uint64_t>(comm, numbers, way.counts);
  way.place_counts = received.counts;
  const std::int64_t first_row = slabs_.begin(comm.rank());
  const std::int64_t first_column = columns_.begin(comm.rank());
  const std::int64_t own_columns = columns_.size(comm.rank());
  parallel::agree(comm, [&] {
    way.places.reserve(received.data.size());
    for (const std::uint64_t number : received.data) {
      const auto id = static_cast<std::int64_t>(number);
      const std::int64_t row = id / columns_.total, column = id % columns_.total;
      way.places.push_back(
          static_cast<std::size_t>(slab ? (row - first_row) * columns_.total + column
                                        : row * own_columns + column - first_column));
    }
  });
  return way;
}

std::vector<double> GridLayout::to_slab(const parallel::Communicator& comm,
                                        std::span<const double> values) const {
  std::vector<double> sent, slab;
  parallel::agree(comm, [&] {
    sent.reserve(values.size());
    for (const std::size_t i : slab_.order) sent.push_back(values[i]);
    slab.assign(static_cast<std::size_t>(slabs_.size(comm.rank()) * columns_.total),
                -std::numeric_limits<double>::infinity());
  });
  const auto received = parallel::exchange<double>(comm, sent, slab_.counts);
  for (std::size_t i = 0; i < received.data.size(); ++i) slab[slab_.places[i]] = received.data[i];
  return slab;
}

void GridLayout::collect(const parallel::Communicator& comm, const Way& way,
                         std::span<const double> held, std::span<double> values) {
  std::vector<double> sent;
  parallel::agree(comm, [&] {
    sent.reserve(way.places.size());
    for (const std::size_t place : way.places) sent.push_back(held[place]);
  });
  const auto received = parallel::exchange<double>(comm, sent, way.place_counts);
  for (std::size_t i = 0; i < received.data.size(); ++i) {
    values[way.order[i]] = received.data[i];
  }
}

std::vector<double> slabs_to_columns(const parallel::Communicator& comm,
                                     std::span<const double> slab, const parallel::Blocks& rows,
                                     const parallel::Blocks& columns) {
  std::vector<double> sent;
  std::vector<std::int64_t> counts;
  const std::int64_t own_rows = rows.size(comm.rank());
  parallel::agree(comm, [&] {
    sent.reserve(slab.size());
    for (int r = 0; r < comm.size(); ++r) {
      counts.push_back(own_rows * columns.size(r));
      for (std::int64_t row = 0; row < own_rows; ++row) {
        const auto from = slab.begin() + row * columns.total + columns.begin(r);
        sent.insert(sent.end(), from, from + columns.size(r));
      }
    }
  });
  // Sources arrive in the order of their rows.
  return parallel::exchange<double>(comm, sent, counts).data;
}

}  // namespace mensura::transport
