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
    way.at_points.resize(way.order.size());
    way.at_places.resize(received.data.size());
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

void GridLayout::to_slab(const parallel::Communicator& comm, std::span<const double> values,
                         std::span<double> slab) const {
  for (std::size_t i = 0; i < values.size(); ++i) slab_.at_points[i] = values[slab_.order[i]];
  parallel::exchange_into<double>(comm, slab_.at_points, slab_.counts, slab_.at_places,
                                  slab_.place_counts);
  std::fill(slab.begin(), slab.end(), -std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < slab_.places.size(); ++i) slab[slab_.places[i]] = slab_.at_places[i];
}

void GridLayout::collect(const parallel::Communicator& comm, const Way& way,
                         std::span<const double> held, std::span<double> values) {
  for (std::size_t i = 0; i < way.places.size(); ++i) way.at_places[i] = held[way.places[i]];
  parallel::exchange_into<double>(comm, way.at_places, way.place_counts, way.at_points, way.counts);
  for (std::size_t i = 0; i < way.order.size(); ++i) values[way.order[i]] = way.at_points[i];
}

std::vector<double> slabs_to_columns(const parallel::Communicator& comm,
                                     std::span<const double> slab, const parallel::Blocks& rows,
                                     const parallel::Blocks& columns) {
  std::vector<double> sent, received;
  std::vector<std::int64_t> send_counts, receive_counts;
  const std::int64_t own_rows = rows.size(comm.rank()), own_columns = columns.size(comm.rank());
  parallel::agree(comm, [&] {
    sent.reserve(slab.size());
    for (int r = 0; r < comm.size(); ++r) {
      send_counts.push_back(own_rows * columns.size(r));
      receive_counts.push_back(rows.size(r) * own_columns);
      for (std::int64_t row = 0; row < own_rows; ++row) {
        const auto from = slab.begin() + row * columns.total + columns.begin(r);
        sent.insert(sent.end(), from, from + columns.size(r));
      }
    }
    received.resize(static_cast<std::size_t>(rows.total * own_columns));
  });
  // Sources arrive in the order of their rows.
  parallel::exchange_into<double>(comm, sent, send_counts, received, receive_counts);
  return received;
}

}  // namespace mensura::transport
