// SPDX-License-Identifier: BSD-3-Clause
// Of concern to the pattern only.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace mensura::gp {

/// Points of similar scale in the cells of a regular grid, for searches within a radius. Local.
class LevelGrid {
 public:
  /// `points`: indices into row-major coordinates. Cells have about the side `cell`, and not many
  /// more of them than points exist.
  LevelGrid(std::span<const double> coordinates, int dimension,
            std::span<const std::int32_t> points, double cell);

  /// Calls visit(point, distance2) for the points within `radius` (inclusive) of x; distance2 as in
  /// order_distance2.
  template <class Visit>
  void search(const double* x, double radius, const Visit& visit) const;

 private:
  std::int64_t cell_of(double value, std::size_t axis) const noexcept;

  std::size_t dimension_;
  std::array<double, 3> lower_{}, inverse_side_{};
  std::array<std::int64_t, 3> cells_{1, 1, 1};
  std::vector<std::int32_t> first_;   // cells + 1
  std::vector<std::int32_t> points_;  // by cell
  std::vector<double> coordinates_;   // of points_, row-major
};

inline std::int64_t LevelGrid::cell_of(double value, std::size_t axis) const noexcept {
  const double cell = (value - lower_[axis]) * inverse_side_[axis];
  const auto last = static_cast<double>(cells_[axis] - 1);
  return static_cast<std::int64_t>(cell < 0 ? 0 : (cell > last ? last : cell));
}

template <class Visit>
void LevelGrid::search(const double* x, double radius, const Visit& visit) const {
  std::array<std::int64_t, 3> from{0, 0, 0}, to{0, 0, 0};
  for (std::size_t a = 0; a < dimension_; ++a) {
    const bool everywhere = radius == std::numeric_limits<double>::infinity();
    // A margin of rounding: a point exactly at the radius may begin the next cell (cell_of itself
    // is monotone).
    const double margin = 8 * std::numeric_limits<double>::epsilon() * (std::abs(x[a]) + radius);
    from[a] = everywhere ? 0 : cell_of(x[a] - radius - margin, a);
    to[a] = everywhere ? cells_[a] - 1 : cell_of(x[a] + radius + margin, a);
  }
  const double bound = radius * radius * (1 + 4 * std::numeric_limits<double>::epsilon());
  for (std::int64_t i = from[0]; i <= to[0]; ++i) {
    for (std::int64_t j = from[1]; j <= to[1]; ++j) {
      const std::int64_t row = (i * cells_[1] + j) * cells_[2];
      const auto begin = static_cast<std::size_t>(first_[static_cast<std::size_t>(row + from[2])]);
      const auto end = static_cast<std::size_t>(first_[static_cast<std::size_t>(row + to[2] + 1)]);
      for (std::size_t p = begin; p < end; ++p) {
        double distance2 = 0;
        for (std::size_t a = 0; a < dimension_; ++a) {
          const double z = x[a] - coordinates_[p * dimension_ + a];
          distance2 += z * z;
        }
        if (distance2 <= bound) visit(points_[p], distance2);
      }
    }
  }
}

}  // namespace mensura::gp
