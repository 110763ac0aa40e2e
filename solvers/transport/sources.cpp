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

// A node's part of a tree: all below it.
struct Part {
  const points::Tree& tree;
  std::span<const double> coordinates;  // of the tree's points
  const std::vector<std::span<const double>>& fields;
  const NodeBounds& bounds;
  std::uint32_t node;
};

// Adds the part to the forest; `number` is the global number of a point of the tree.
template <class Number>
void append(const Part& part, const Number& number, LocalSources& local) {
  const std::size_t d = local.dimension, size = local.leaf_size;
  const NodeBounds& from = part.bounds;
  NodeBounds& to = local.bounds;
  const std::size_t begin = from.nodes[part.node].begin, end = from.nodes[part.node].end;
  const std::size_t place = local.numbers.size(), leaves = (end - begin + size - 1) / size;
  const double* first = part.tree.coordinates.data() + begin * d;
  local.leaves.insert(local.leaves.end(), first, first + leaves * d * size);
  local.coordinates.insert(local.coordinates.end(), &part.coordinates[begin * d],
                           &part.coordinates[begin * d] + (end - begin) * d);
  local.coordinates.resize((place + leaves * size) * d, 0.0);
  for (std::size_t k = 0; k < part.fields.size(); ++k) {
    local.fields[k].insert(local.fields[k].end(), &part.fields[k][begin],
                           &part.fields[k][begin] + (end - begin));
    local.fields[k].resize(place + leaves * size, 0.0);
  }
  for (std::size_t p = begin; p < end; ++p) local.numbers.push_back(number(p));
  local.numbers.resize(place + leaves * size, -1);
  // Nodes in preorder: all up to the rightmost leaf are below.
  const auto base = static_cast<std::uint32_t>(to.nodes.size());
  local.roots.push_back(base);
  std::uint32_t last = part.node;
  while (from.nodes[last].right != 0) last = from.nodes[last].right;
  const auto moved = [&](std::size_t p) { return static_cast<std::uint32_t>(p - begin + place); };
  for (std::uint32_t n = part.node; n <= last; ++n) {
    const NodeBounds::Node& node = from.nodes[n];
    to.nodes.push_back(
        {moved(node.begin), moved(node.end), node.right == 0 ? 0 : node.right - part.node + base});
    to.best.push_back(moved(from.best[n]));
  }
  to.records.insert(to.records.end(), from.record(part.node),
                    from.record(part.node) + (last - part.node + 1) * from.stride());
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
  bounds_ = bounds_of(cloud.tree, cloud.coordinates, fields_, cost, origin_.data());
  publish();
}

void Sources::publish() {
  const auto d = static_cast<std::size_t>(cloud_.dimension);
  if (!bounds_.nodes.empty()) collect(bounds_, 0, 0, nodes_);
  const auto most = static_cast<std::size_t>(comm_.max(static_cast<std::int64_t>(nodes_.size())));
  const std::size_t stride =
      static_cast<std::size_t>(2 * cloud_.dimension) + fields_.size() * (2 + d);
  const std::size_t width = 3 + d + stride;  // begin, end, level, best point, record
  std::vector<double> mine(most * width, 0.0);
  for (std::size_t c = 0; c < nodes_.size(); ++c) {
    const std::uint32_t best = bounds_.best[nodes_[c]];
    double* entry = &mine[c * width];
    entry[0] = bounds_.nodes[nodes_[c]].begin;
    entry[1] = bounds_.nodes[nodes_[c]].end;
    entry[2] = fields_[0][best];
    for (std::size_t j = 0; j < d; ++j)
      entry[3 + j] = cloud_.coordinates[best * d + j] - origin_[j];
    std::copy_n(bounds_.record(nodes_[c]), stride, entry + 3 + d);
  }
  published_ = comm_.all_gather<double>(mine);
  for (std::size_t c = 0; c < published_.size() / width; ++c) {
    const double* entry = &published_[c * width];
    if (entry[1] <= entry[0]) continue;
    clusters_.push_back({static_cast<int>(c / most), static_cast<std::uint32_t>(entry[0]),
                         static_cast<std::uint32_t>(entry[1]), entry + 3 + d, entry + 3, entry[2]});
  }
}

void Sources::append_own(std::uint32_t node, LocalSources& local) const {
  append(
      {cloud_.tree, cloud_.coordinates, fields_, bounds_, node},
      [&](std::size_t p) { return cloud_.first + static_cast<std::int64_t>(p); }, local);
}

// Rows of a cluster of another rank: number, coordinates, fields. Its tree comes out as it is
// there.
void Sources::append_remote(std::span<const double> rows, LocalSources& local) const {
  const std::size_t d = local.dimension, width = 1 + d + fields_.size();
  const std::size_t count = rows.size() / width;
  points::LabelledPoints labelled;
  labelled.dimension = cloud_.dimension;
  labelled.offsets = {0, static_cast<std::int64_t>(count)};
  for (std::size_t p = 0; p < count; ++p) {
    labelled.coordinates.insert(labelled.coordinates.end(), &rows[p * width + 1],
                                &rows[p * width + 1] + d);
    labelled.ids.push_back(p);
  }
  points::Sites sites = points::make_sites(std::move(labelled));
  const points::Tree tree = points::build_tree(
      sites, cloud_.tree.leaf_size, std::vector<std::int64_t>{0, static_cast<std::int64_t>(count)});
  std::vector<double> coordinates;
  std::vector<std::vector<double>> fields(fields_.size());
  for (const std::uint64_t p : sites.ids) {
    const double* row = &rows[p * width];
    coordinates.insert(coordinates.end(), row + 1, row + 1 + d);
    for (std::size_t k = 0; k < fields.size(); ++k) fields[k].push_back(row[1 + d + k]);
  }
  const std::vector<std::span<const double>> views(fields.begin(), fields.end());
  const NodeBounds bounds = bounds_of(tree, coordinates, views, cost_, origin_.data());
  append(
      {tree, coordinates, views, bounds, 0},
      [&](std::size_t p) { return static_cast<std::int64_t>(rows[sites.ids[p] * width]); }, local);
}

LocalSources Sources::import(const std::vector<char>& wanted) const {
  const auto d = static_cast<std::size_t>(cloud_.dimension);
  const auto ranks = static_cast<std::size_t>(comm_.size());
  // Ask for ranges of points.
  std::vector<std::uint32_t> requests;
  std::vector<std::int64_t> request_counts(ranks, 0);
  for (std::size_t c = 0; c < clusters_.size(); ++c) {  // clusters are ordered by rank
    if (wanted[c] == 0 || clusters_[c].rank == comm_.rank()) continue;
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
  local.dimension = d;
  local.leaf_size = static_cast<std::size_t>(cloud_.tree.leaf_size);
  local.fields.resize(fields_.size());
  local.bounds.dimension = cloud_.dimension;
  local.bounds.fields = static_cast<int>(fields_.size());
  parallel::agree(comm_, [&] {
    std::size_t next = 0, own = 0;
    for (std::size_t c = 0; c < clusters_.size(); ++c) {
      const bool here = clusters_[c].rank == comm_.rank();
      if (here) ++own;
      if (wanted[c] == 0) continue;
      if (here) {
        append_own(nodes_[own - 1], local);
        continue;
      }
      const std::size_t count = (clusters_[c].end - clusters_[c].begin) * width;
      append_remote(std::span(received.data).subspan(next, count), local);
      next += count;
    }
  });
  return local;
}

std::vector<double> common_origin(const parallel::Communicator& comm, const Cloud& x,
                                  const Cloud& y) {
  return box_around(comm, {&x, &y}).centre();
}

}  // namespace mensura::transport
