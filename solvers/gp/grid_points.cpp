// SPDX-License-Identifier: BSD-3-Clause
#include "gp/grid_points.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gp/pieces_of_work.hpp"
#include "output/memory.hpp"
#include "parallel/by_index.hpp"

namespace mensura::gp {

namespace {

using parallel::Error;
using parallel::ExitCode;

// Number of points of the whole grid on the axes first, first + 1, ...
std::int64_t whole_count(const RegularGrid& grid, std::size_t first) {
  std::int64_t product = 1;
  for (auto axis = first; axis < static_cast<std::size_t>(grid.dimension); ++axis) {
    product *= grid.per_side[axis];
  }
  return product;
}

// The same for the rim: two full layers, and the rim of every layer between them.
std::int64_t rim_from(const RegularGrid& grid, std::size_t first) {
  if (first == static_cast<std::size_t>(grid.dimension)) return 0;
  return 2 * whole_count(grid, first + 1) + (grid.per_side[first] - 2) * rim_from(grid, first + 1);
}

void check_numbers(double points) {
  if (points < 0x1p61) return;
  throw Error(ExitCode::too_large,
              fmt::format("points: the grid has {:.2e} points, more than can be numbered; choose a "
                          "smaller per_side",
                          points));
}

std::vector<std::int64_t> sides_of(const Domain& domain, const GridLayout& layout) {
  const auto d = static_cast<std::size_t>(dimension_of(domain));
  auto sides = layout.per_side;
  if (sides.size() == 1) sides.assign(d, sides.front());
  if (sides.size() != d) {
    throw Error(ExitCode::usage,
                fmt::format("points: per_side has {} numbers; one for all axes or {}, one per axis "
                            "of the {}, are needed",
                            sides.size(), d, describe(domain)));
  }
  double total = 1;
  for (const auto side : sides) {
    if (side < 3) {
      throw Error(
          ExitCode::usage,
          fmt::format("points: per_side is {}; a grid with points inside needs at least 3", side));
    }
    total *= static_cast<double>(side);
  }
  check_numbers(total);
  return sides;
}

}  // namespace

RegularGrid regular_grid(const Domain& domain, const GridLayout& layout) {
  const auto sides = sides_of(domain, layout);
  const auto box = bounding_box(domain);
  RegularGrid grid;
  grid.dimension = dimension_of(domain);
  for (std::size_t axis = 0; axis < sides.size(); ++axis) {
    grid.per_side[axis] = sides[axis];
    grid.lower[axis] = box[axis];
    grid.upper[axis] = box[sides.size() + axis];
    grid.spacing[axis] =
        (grid.upper[axis] - grid.lower[axis]) / static_cast<double>(sides[axis] - 1);
  }
  return grid;
}

std::int64_t RegularGrid::inner_count() const {
  std::int64_t product = 1;
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(dimension); ++axis) {
    product *= per_side[axis] - 2;
  }
  return product;
}

Coordinates RegularGrid::inner_point(std::int64_t index) const {
  Coordinates point{};
  for (auto axis = static_cast<std::size_t>(dimension); axis-- > 0;) {
    point[axis] = coordinate(axis, index % (per_side[axis] - 2) + 1);
    index /= per_side[axis] - 2;
  }
  return point;
}

std::int64_t RegularGrid::rim_count() const {
  return rim_from(*this, 0);
}

Coordinates RegularGrid::rim_point(std::int64_t index) const {
  Coordinates point{};
  bool on_rim = false;  // an earlier axis is at its end: the layer is full
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(dimension); ++axis) {
    const std::int64_t full = whole_count(*this, axis + 1);
    const std::int64_t between = on_rim ? full : rim_from(*this, axis + 1);
    const std::int64_t middle = (per_side[axis] - 2) * between;
    std::int64_t i = 0;
    if (index >= full + middle) {
      i = per_side[axis] - 1;
      index -= full + middle;
    } else if (index >= full) {
      i = 1 + (index - full) / between;
      index = (index - full) % between;
    }
    on_rim = on_rim || i == 0 || i + 1 == per_side[axis];
    point[axis] = coordinate(axis, i);
  }
  return point;
}

GridPoints::GridPoints(const Domain& domain, const GridLayout& layout)
    : domain_(domain), grid_(regular_grid(domain, layout)) {
  has_rim_ = std::holds_alternative<Box>(domain.shape);
  plain_ = has_rim_ && domain.holes.empty();
  spacing_ = grid_.spacing[0];
  for (std::size_t axis = 1; axis < static_cast<std::size_t>(grid_.dimension); ++axis) {
    spacing_ = std::min(spacing_, grid_.spacing[axis]);
  }
  pieces_ = has_rim_ ? hole_pieces(domain) : boundary_pieces(domain);
  boundary_count_ = has_rim_ ? grid_.rim_count() : 0;
  for (const auto& piece : pieces_) {
    piece_sizes_.push_back(lattice_size(piece, spacing_));
    check_numbers(static_cast<double>(boundary_count_) + static_cast<double>(piece_sizes_.back()));
    boundary_count_ += piece_sizes_.back();
  }
}

Coordinates GridPoints::boundary_point(std::int64_t index) const {
  if (has_rim_) {
    if (index < grid_.rim_count()) return grid_.rim_point(index);
    index -= grid_.rim_count();
  }
  std::size_t piece = 0;
  while (index >= piece_sizes_[piece]) index -= piece_sizes_[piece++];
  return lattice_point(pieces_[piece], index, piece_sizes_[piece]);
}

std::int64_t GridPoints::estimated_interior() const {
  if (plain_) return grid_.inner_count();
  double cell = 1;
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(grid_.dimension); ++axis) {
    cell *= grid_.spacing[axis];
  }
  return std::min<std::int64_t>(grid_.inner_count(), std::llround(volume_of(domain_) / cell));
}

// The tolerance keeps points that lie half a spacing off a straight edge up to rounding.
bool GridPoints::keeps(const Coordinates& point) const {
  return plain_ || boundary_depth(domain_, point.data()) >= 0.5 * spacing_ * (1 - 1e-9);
}

// Counting before keeping costs a second look at every grid point and saves all guesses of memory.
std::vector<double> GridPoints::interior_block(const parallel::Communicator& comm,
                                               std::int64_t& count,
                                               const std::function<void()>& poll) const {
  const parallel::Blocks candidates{grid_.inner_count(), comm.size()};
  const std::int64_t first = candidates.begin(comm.rank());
  const std::int64_t last = candidates.begin(comm.rank() + 1);
  std::int64_t kept = last - first;
  if (!plain_) {
    kept = 0;
    in_pieces(comm, first, last, poll,
              [&](auto i) { kept += keeps(grid_.inner_point(i)) ? 1 : 0; });
  }
  count = comm.sum(kept);
  const auto d = static_cast<std::size_t>(grid_.dimension);
  const std::int64_t share = std::max(kept, parallel::Blocks{count, comm.size()}.size(comm.rank()));
  // A plain grid is made where it belongs; others move, in buffers on both sides.
  const std::int64_t bytes_per_point = 8 * static_cast<std::int64_t>(plain_ ? d : 4 * d + 3);
  output::check_memory(comm, share * bytes_per_point, "the interior points of the grid");
  std::vector<double> points;
  std::vector<std::uint64_t> ids;
  std::int64_t id = plain_ ? 0 : comm.exclusive_scan(kept);
  parallel::agree(comm, [&] {
    points.reserve(static_cast<std::size_t>(kept) * d);
    if (!plain_) ids.reserve(static_cast<std::size_t>(kept));
  });
  in_pieces(comm, first, last, poll, [&](auto i) {
    const auto point = grid_.inner_point(i);
    if (!keeps(point)) return;
    points.insert(points.end(), point.begin(), point.begin() + grid_.dimension);
    if (!plain_) ids.push_back(static_cast<std::uint64_t>(id++));
  });
  return plain_ ? points : parallel::to_blocks(comm, points, grid_.dimension, ids, count);
}

}  // namespace mensura::gp
