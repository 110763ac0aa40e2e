// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "points/neighbours.hpp"

namespace mensura::points {

/// Distinct locations with the ids that lie on them, lean where most sites hold one point. Local.
struct Sites {
  int dimension = 0;
  int labels = 1;
  std::vector<double> coordinates;   ///< row-major, sites x dimension; given to the tree later
  std::vector<std::uint64_t> ids;    ///< kept ids, site after site, each ascending by mix(id)
  std::vector<std::uint32_t> first;  ///< sites + 1 offsets into ids; empty: one id per site
  /// Sites (ascending) that hold more points than kept ids, and how many were dropped per set
  /// (truncated x labels).
  std::vector<std::uint32_t> truncated;
  std::vector<std::int64_t> dropped;

  std::size_t size() const noexcept { return first.empty() ? ids.size() : first.size() - 1; }
  std::span<const std::uint64_t> copies(std::size_t site) const noexcept {
    if (first.empty()) return {&ids[site], 1};
    return {ids.data() + first[site], first[site + 1] - first[site]};
  }
  /// Dropped points per set; empty for a complete site.
  std::span<const std::int64_t> dropped_of(std::size_t site) const noexcept;
  /// Complete number of points of every set on the site.
  void count_labels(std::size_t site, std::span<const std::int64_t> offsets,
                    std::span<std::int64_t> counts) const noexcept;
};

/// Largest number of sites or ids one rank can hold (32-bit local indices).
inline constexpr std::uint64_t max_local = 0xfffffff0U;

/// Every point a site of its own. -0.0 becomes 0.0. Throws Error{input_data} on a coordinate that
/// is not finite and Error{too_large} beyond max_local.
Sites make_sites(LabelledPoints points);

/// Merges sites with bitwise equal coordinates, through a hash table (linear time). Keeps of every
/// set the first `kept` ids in the order of mix(id), so that the first `kept` ids of any choice of
/// sets are among them.
Sites merge_coincident(Sites sites, std::span<const std::int64_t> offsets, std::int64_t kept);

/// The sites in the new order: site i of the result is site order[i]. Coordinates are not moved.
void reorder_ids(Sites& sites, std::span<const std::uint32_t> order);

}  // namespace mensura::points
