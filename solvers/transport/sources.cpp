// SPDX-License-Identifier: BSD-3-Clause
#include "transport/sources.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "parallel/exchange.hpp"

namespace mensura::transport {

namespace {

// Levels of the tree above the clusters: at most 2^6 of them per rank.
constexpr int cluster_depth = 6;

void collect(const NodeBounds& bounds, std::uint32_t node, int depth,
             std::vector<std::uint32_t>& result) {
  if (depth == cluster_depth || bounds.nodes[node].right == 0) {
    result.push_back(node);
    return;
  }
  collect(bounds, node + 1, depth + 1, result);
  collect(bounds, bounds.nodes[node].right, depth + 1, result);
}

// Fields are read by whole leaves.
void pad(std::vector<double>& field, const points::Tree& tree) {
  field.resize(std::size_t{tree.leaves} * static_cast<std::size_t>(tree.leaf_size), 0.0);
}

}  // namespace

Sources::Sources(const parallel::Communicator& comm, const Cloud& cloud,
                 std::vector<std::span<const double>> fields, const Cost& cost,
                 std::span<const double> origin)
    : comm_(comm),
      cloud_(cloud),
      fields_(std::move(fields)),
      cost_(cost),
      origin_(origin.begin(), origin.end()) {
  if (comm.size() == 1) return;
  publish(bounds_of(cloud.tree, cloud.coordinates, fields_, cost, origin_.data()));
}

void Sources::publish(const NodeBounds& bounds) {
  const auto d = static_cast<std::size_t>(cloud_.dimension);
  std::vector<std::uint32_t> nodes;
  if (!bounds.nodes.empty()) collect(bounds, 0, 0, nodes);
  const auto most = static_cast<std::size_t>(comm_.max(static_cast<std::int64_t>(nodes.size())));
  const std::size_t stride =
      static_cast<std::size_t>(2 * cloud_.dimension) + fields_.size() * (2 + d);
  const std::size_t width = 3 + d + stride;  // begin, end, level, best point, record
  std::vector<double> mine(most * width, 0.0);
  for (std::size_t c = 0; c < nodes.size(); ++c) {
    const std::uint32_t best = bounds.best[nodes[c]];
    double* entry = &mine[c * width];
    entry[0] = bounds.nodes[nodes[c]].begin;
    entry[1] = bounds.nodes[nodes[c]].end;
    entry[2] = fields_[0][best];
    for (std::size_t j = 0; j < d; ++j)
      entry[3 + j] = cloud_.coordinates[best * d + j] - origin_[j];
    std::copy_n(bounds.record(nodes[c]), stride, entry + 3 + d);
  }
  published_ = comm_.all_gather<double>(mine);
  for (std::size_t c = 0; c < published_.size() / width; ++c) {
    const double* entry = &published_[c * width];
    if (entry[1] <= entry[0]) continue;
    clusters_.push_back({static_cast<int>(c / most), static_cast<std::uint32_t>(entry[0]),
                         static_cast<std::uint32_t>(entry[1]), entry + 3 + d, entry + 3, entry[2]});
  }
}

LocalSources Sources::own() const {
  LocalSources local;
  local.tree = cloud_.tree;
  local.coordinates = cloud_.coordinates;
  for (const auto& field : fields_) {
    local.fields.emplace_back(field.begin(), field.end());
    pad(local.fields.back(), local.tree);
  }
  local.numbers.resize(cloud_.own());
  std::iota(local.numbers.begin(), local.numbers.end(), cloud_.first);
  local.bounds = bounds_of(local.tree, local.coordinates, fields_, cost_, origin_.data());
  return local;
}

LocalSources Sources::import(const std::vector<char>& wanted) const {
  if (comm_.size() == 1) return own();
  const auto d = static_cast<std::size_t>(cloud_.dimension);
  const auto ranks = static_cast<std::size_t>(comm_.size());
  // Ask for ranges of points.
  std::vector<std::uint32_t> requests;
  std::vector<std::int64_t> request_counts(ranks, 0);
  for (std::size_t c = 0; c < clusters_.size(); ++c) {  // clusters are ordered by rank
    if (wanted[c] == 0) continue;
    requests.push_back(clusters_[c].begin);
    requests.push_back(clusters_[c].end);
    request_counts[static_cast<std::size_t>(clusters_[c].rank)] += 2;
  }
  const auto asked = parallel::exchange<std::uint32_t>(comm_, requests, request_counts);
  // Reply with one row per point: number, coordinates, fields.
  const std::size_t width = 1 + d + fields_.size();
  std::vector<double> rows;
  std::vector<std::int64_t> row_counts(ranks, 0);
  std::size_t at = 0;
  for (std::size_t r = 0; r < ranks; ++r) {
    for (std::int64_t i = 0; i < asked.counts[r]; i += 2, at += 2) {
      for (std::size_t p = asked.data[at]; p < asked.data[at + 1]; ++p) {
        rows.push_back(static_cast<double>(cloud_.first + static_cast<std::int64_t>(p)));
        for (std::size_t j = 0; j < d; ++j) rows.push_back(cloud_.coordinates[p * d + j]);
        for (const auto& field : fields_) rows.push_back(field[p]);
        row_counts[r] += static_cast<std::int64_t>(width);
      }
    }
  }
  const auto received = parallel::exchange<double>(comm_, rows, row_counts);
  LocalSources local;
  parallel::agree(comm_, [&] {
    const std::size_t count = received.data.size() / width;
    points::LabelledPoints labelled;
    labelled.dimension = cloud_.dimension;
    labelled.offsets = {0, static_cast<std::int64_t>(count)};
    for (std::size_t p = 0; p < count; ++p) {
      labelled.coordinates.insert(labelled.coordinates.end(), &received.data[p * width + 1],
                                  &received.data[p * width + 1] + d);
      labelled.ids.push_back(p);
    }
    points::Sites sites = points::make_sites(std::move(labelled));
    local.tree = points::build_tree(sites, cloud_.tree.leaf_size,
                                    std::vector<std::int64_t>{0, static_cast<std::int64_t>(count)});
    local.fields.resize(fields_.size());
    for (const std::uint64_t p : sites.ids) {
      const double* row = &received.data[p * width];
      local.numbers.push_back(static_cast<std::int64_t>(row[0]));
      local.coordinates.insert(local.coordinates.end(), row + 1, row + 1 + d);
      for (std::size_t k = 0; k < fields_.size(); ++k) local.fields[k].push_back(row[1 + d + k]);
    }
    local.bounds = bounds_of(local.tree, local.coordinates,
                             {local.fields.begin(), local.fields.end()}, cost_, origin_.data());
    for (auto& field : local.fields) pad(field, local.tree);
  });
  return local;
}

std::vector<double> common_origin(const parallel::Communicator& comm, const Cloud& x,
                                  const Cloud& y) {
  return box_around(comm, {&x, &y}).centre();
}

}  // namespace mensura::transport
