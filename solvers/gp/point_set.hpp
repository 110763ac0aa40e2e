// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace mensura::gp {

/// What a point is there for. The kinds own consecutive ranges of global ids, in this order.
enum class PointKind : std::uint8_t {
  boundary,  ///< carries the boundary condition u = g
  interior,  ///< carries the equation
  data,      ///< carries a measurement of u and nothing else
};

/// This rank's part of all points. Global id = row in the kind's list + ids of the kinds before.
struct PointSet {
  int dimension = 0;
  std::array<std::int64_t, 3> counts{};     ///< global number of points of each kind
  std::vector<double> coordinates;          ///< row-major, ids.size() x dimension
  std::vector<std::uint64_t> ids;           ///< any order, any distribution
  std::vector<std::int64_t> data_counts{};  ///< global number of points of each data entry

  std::int64_t total() const noexcept { return counts[0] + counts[1] + counts[2]; }
  PointKind kind(std::uint64_t id) const noexcept {
    const auto boundary = static_cast<std::uint64_t>(counts[0]);
    const auto interior = static_cast<std::uint64_t>(counts[1]);
    return id < boundary ? PointKind::boundary
                         : (id < boundary + interior ? PointKind::interior : PointKind::data);
  }
};

}  // namespace mensura::gp
