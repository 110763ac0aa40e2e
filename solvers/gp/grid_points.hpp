// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "gp/boundary_pieces.hpp"
#include "gp/domain.hpp"
#include "gp/problem.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// The regular grid over a box, ends included: point i of an axis lies at lower + i h, the last one
/// at upper to the bit, so that grids of boxes meet their boundary exactly.
struct RegularGrid {
  int dimension = 0;
  std::array<std::int64_t, 3> per_side{1, 1, 1};
  Coordinates lower{}, upper{}, spacing{};

  double coordinate(std::size_t axis, std::int64_t i) const {
    return i + 1 == per_side[axis] ? upper[axis]
                                   : lower[axis] + static_cast<double>(i) * spacing[axis];
  }
  /// The points with an index strictly between the ends on every axis, row-major, the last axis
  /// fastest.
  std::int64_t inner_count() const;
  Coordinates inner_point(std::int64_t index) const;
  /// All others, in the row-major order of the whole grid: every corner and edge once.
  std::int64_t rim_count() const;
  Coordinates rim_point(std::int64_t index) const;
};

/// Local. The grid over the domain's bounding box. Throws Error{usage} for a number of entries in
/// per_side that is neither one nor the dimension and for less than three points per side,
/// Error{too_large} when the number of points is above 2^61.
RegularGrid regular_grid(const Domain& domain, const GridLayout& layout);

/// Boundary and interior points of a grid layout.
class GridPoints {
 public:
  GridPoints(const Domain& domain, const GridLayout& layout);

  const RegularGrid& grid() const noexcept { return grid_; }
  /// True when every inner point of the regular grid is an interior point: a box without holes.
  bool plain() const noexcept { return plain_; }
  std::int64_t boundary_count() const noexcept { return boundary_count_; }
  Coordinates boundary_point(std::int64_t index) const;
  /// Exact for a plain grid, otherwise from the volume.
  std::int64_t estimated_interior() const;

  /// Collective. The interior points of this rank, row-major in the order of the grid, block-
  /// distributed by their number; `count` gets the number of all.
  std::vector<double> interior_block(const parallel::Communicator& comm, std::int64_t& count,
                                     const std::function<void()>& poll) const;

 private:
  bool keeps(const Coordinates& point) const;
  Domain domain_;
  RegularGrid grid_;
  bool plain_ = true;
  double spacing_ = 0;  ///< the smallest over the axes
  bool has_rim_ = true;
  std::vector<Piece> pieces_;
  std::vector<std::int64_t> piece_sizes_;
  std::int64_t boundary_count_ = 0;
};

}  // namespace mensura::gp
