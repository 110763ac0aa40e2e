// SPDX-License-Identifier: BSD-3-Clause
#include "points/sites.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "parallel/error.hpp"
#include "parallel/random.hpp"

namespace mensura::points {

namespace {

using parallel::mix;

std::uint64_t hash_row(const double* row, int dimension) noexcept {
  std::uint64_t hash = 0;
  for (int j = 0; j < dimension; ++j) {
    hash = mix(hash + std::bit_cast<std::uint64_t>(row[j]) + 0x9e3779b97f4a7c15ULL);
  }
  return hash;
}

struct Grouping {
  std::vector<std::uint32_t> group;  // of every site; numbered by first occurrence
  std::uint32_t groups = 0;
};

// Open addressing with linear probing; slots hold site + 1.
Grouping group_equal_rows(const Sites& sites) {
  const auto n = static_cast<std::uint32_t>(sites.size());
  const auto d = static_cast<std::size_t>(sites.dimension);
  const double* rows = sites.coordinates.data();
  Grouping result;
  result.group.resize(n);
  const std::size_t capacity = std::bit_ceil(std::size_t{n} + n / 2 + 2);
  std::vector<std::uint32_t> table(capacity, 0);
  constexpr std::uint32_t ahead = 16;
  std::uint64_t hashes[ahead];
  for (std::uint32_t begin = 0; begin < n; begin += ahead) {
    const std::uint32_t end = std::min(n, begin + ahead);
    for (std::uint32_t i = begin; i < end; ++i) {
      hashes[i - begin] = hash_row(rows + i * d, sites.dimension) & (capacity - 1);
      __builtin_prefetch(&table[hashes[i - begin]]);
    }
    for (std::uint32_t i = begin; i < end; ++i) {
      std::size_t slot = hashes[i - begin];
      while (table[slot] != 0 &&
             !std::equal(rows + i * d, rows + (i + 1) * d, rows + (table[slot] - 1) * d)) {
        slot = (slot + 1) & (capacity - 1);
      }
      if (table[slot] == 0) {
        table[slot] = i + 1;
        result.group[i] = result.groups++;
      } else {
        result.group[i] = result.group[table[slot] - 1];
      }
    }
  }
  return result;
}

void compact_coordinates(Sites& sites, const Grouping& grouping) {
  const auto d = static_cast<std::size_t>(sites.dimension);
  std::uint32_t next = 0;
  for (std::size_t i = 0; i < grouping.group.size(); ++i) {
    if (grouping.group[i] != next) continue;  // not the first of its group
    std::copy_n(sites.coordinates.data() + i * d, d, sites.coordinates.data() + next * d);
    ++next;
  }
  sites.coordinates.resize(std::size_t{next} * d);
  sites.coordinates.shrink_to_fit();
}

// All ids of the input, group after group (counting sort).
Sites gather_ids(const Sites& sites, const Grouping& grouping) {
  Sites merged;
  merged.dimension = sites.dimension;
  merged.labels = sites.labels;
  merged.first.assign(std::size_t{grouping.groups} + 1, 0);
  merged.ids.resize(sites.ids.size());
  for (std::size_t i = 0; i < grouping.group.size(); ++i) {
    merged.first[grouping.group[i] + 1] += static_cast<std::uint32_t>(sites.copies(i).size());
  }
  for (std::size_t g = 0; g < grouping.groups; ++g) merged.first[g + 1] += merged.first[g];
  std::vector<std::uint32_t> cursor(merged.first.begin(), merged.first.end() - 1);
  for (std::size_t i = 0; i < grouping.group.size(); ++i) {
    std::uint32_t& position = cursor[grouping.group[i]];
    for (const std::uint64_t id : sites.copies(i)) merged.ids[position++] = id;
  }
  return merged;
}

// Sums of the dropped counts of the input sites of every truncated group, sorted by group.
struct DroppedRows {
  std::vector<std::uint32_t> groups;
  std::vector<std::int64_t> counts;
};

DroppedRows gather_dropped(const Sites& sites, const Grouping& grouping) {
  const auto labels = static_cast<std::size_t>(sites.labels);
  DroppedRows rows;
  for (const std::uint32_t site : sites.truncated) rows.groups.push_back(grouping.group[site]);
  std::ranges::sort(rows.groups);
  rows.groups.erase(std::ranges::unique(rows.groups).begin(), rows.groups.end());
  rows.counts.assign(rows.groups.size() * labels, 0);
  for (std::size_t t = 0; t < sites.truncated.size(); ++t) {
    const std::uint32_t group = grouping.group[sites.truncated[t]];
    const auto row = static_cast<std::size_t>(std::ranges::lower_bound(rows.groups, group) -
                                              rows.groups.begin());
    for (std::size_t l = 0; l < labels; ++l) {
      rows.counts[row * labels + l] += sites.dropped[t * labels + l];
    }
  }
  return rows;
}

// Orders the ids of every site by mix(id), keeps the first `kept` of every set and books the rest.
void order_and_truncate(Sites& merged, const DroppedRows& before,
                        std::span<const std::int64_t> offsets, std::int64_t kept) {
  const auto labels = static_cast<std::size_t>(merged.labels);
  std::vector<std::int64_t> seen(labels), dropped(labels);
  std::size_t written = 0, row = 0, begin = 0;
  for (std::size_t site = 0; site + 1 < merged.first.size(); ++site) {
    const std::size_t end = merged.first[site + 1];
    if (end - begin > 1) {
      std::sort(merged.ids.begin() + static_cast<std::ptrdiff_t>(begin),
                merged.ids.begin() + static_cast<std::ptrdiff_t>(end),
                [](std::uint64_t a, std::uint64_t b) { return mix(a) < mix(b); });
    }
    const bool had_dropped = row < before.groups.size() && before.groups[row] == site;
    if (had_dropped || static_cast<std::int64_t>(end - begin) > kept) {
      std::ranges::fill(seen, 0);
      std::ranges::fill(dropped, 0);
      if (had_dropped) std::copy_n(&before.counts[row++ * labels], labels, dropped.begin());
      for (std::size_t i = begin; i < end; ++i) {
        const std::uint64_t id = merged.ids[i];
        const auto label = static_cast<std::size_t>(label_of(id, offsets));
        if (seen[label] < kept) {
          ++seen[label];
          merged.ids[written++] = id;
        } else {
          ++dropped[label];
        }
      }
      if (std::ranges::any_of(dropped, [](std::int64_t count) { return count > 0; })) {
        merged.truncated.push_back(static_cast<std::uint32_t>(site));
        merged.dropped.insert(merged.dropped.end(), dropped.begin(), dropped.end());
      }
    } else {
      for (std::size_t i = begin; i < end; ++i) merged.ids[written++] = merged.ids[i];
    }
    begin = end;
    merged.first[site + 1] = static_cast<std::uint32_t>(written);
  }
  merged.ids.resize(written);
  merged.ids.shrink_to_fit();
}

}  // namespace

int label_of(std::uint64_t id, std::span<const std::int64_t> offsets) noexcept {
  int label = 0;
  for (std::size_t l = 1; l + 1 < offsets.size(); ++l) {
    label += static_cast<std::uint64_t>(offsets[l]) <= id ? 1 : 0;
  }
  return label;
}

std::span<const std::int64_t> Sites::dropped_of(std::size_t site) const noexcept {
  if (truncated.empty()) return {};
  const auto found = std::ranges::lower_bound(truncated, site);
  if (found == truncated.end() || *found != site) return {};
  const auto row = static_cast<std::size_t>(found - truncated.begin());
  return {&dropped[row * static_cast<std::size_t>(labels)], static_cast<std::size_t>(labels)};
}

void Sites::count_labels(std::size_t site, std::span<const std::int64_t> offsets,
                         std::span<std::int64_t> counts) const noexcept {
  std::ranges::fill(counts, 0);
  for (const std::uint64_t id : copies(site)) {
    ++counts[static_cast<std::size_t>(label_of(id, offsets))];
  }
  const auto missing = dropped_of(site);
  for (std::size_t l = 0; l < missing.size(); ++l) counts[l] += missing[l];
}

Sites make_sites(LabelledPoints points) {
  const auto n = points.ids.size();
  const auto d = static_cast<std::size_t>(points.dimension);
  parallel::require(points.coordinates.size() == n * d,
                    "points: the number of coordinates is not ids x dimension");
  if (n > max_local) {
    throw parallel::Error(parallel::ExitCode::too_large,
                          fmt::format("{} points on one rank are more than the limit of {}; "
                                      "use more ranks",
                                      n, max_local));
  }
  for (std::size_t i = 0; i < n * d; ++i) {
    double& x = points.coordinates[i];
    if (!std::isfinite(x)) {
      throw parallel::Error(
          parallel::ExitCode::input_data,
          fmt::format("point {} has the coordinate {} in column {}; every coordinate must be a "
                      "finite number",
                      points.ids[i / d], x, i % d));
    }
    x += 0.0;  // turns -0.0 into 0.0, so that equal numbers have equal bits
  }
  Sites sites;
  sites.dimension = points.dimension;
  sites.labels = static_cast<int>(points.offsets.size()) - 1;
  sites.coordinates = std::move(points.coordinates);
  sites.ids = std::move(points.ids);
  return sites;
}

Sites merge_coincident(Sites sites, std::span<const std::int64_t> offsets, std::int64_t kept) {
  const Grouping grouping = group_equal_rows(sites);
  if (grouping.groups == sites.size()) return sites;
  compact_coordinates(sites, grouping);
  Sites merged = gather_ids(sites, grouping);
  merged.coordinates = std::move(sites.coordinates);
  const DroppedRows dropped = gather_dropped(sites, grouping);
  sites = {};
  order_and_truncate(merged, dropped, offsets, kept);
  return merged;
}

void reorder_ids(Sites& sites, std::span<const std::uint32_t> order) {
  const auto labels = static_cast<std::size_t>(sites.labels);
  std::vector<std::uint64_t> ids;
  ids.reserve(sites.ids.size());
  if (sites.first.empty()) {
    for (const std::uint32_t site : order) ids.push_back(sites.ids[site]);
    sites.ids = std::move(ids);
    return;
  }
  std::vector<std::uint32_t> first{0}, truncated;
  std::vector<std::int64_t> dropped;
  first.reserve(order.size() + 1);
  dropped.reserve(sites.dropped.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto copies = sites.copies(order[i]);
    ids.insert(ids.end(), copies.begin(), copies.end());
    first.push_back(static_cast<std::uint32_t>(ids.size()));
    const auto missing = sites.dropped_of(order[i]);
    if (missing.empty()) continue;
    truncated.push_back(static_cast<std::uint32_t>(i));
    dropped.insert(dropped.end(), missing.begin(),
                   missing.begin() + static_cast<std::ptrdiff_t>(labels));
  }
  sites.ids = std::move(ids);
  sites.first = std::move(first);
  sites.truncated = std::move(truncated);
  sites.dropped = std::move(dropped);
}

}  // namespace mensura::points
