// SPDX-License-Identifier: BSD-3-Clause
#include "gp/level_grid.hpp"

#include <algorithm>
#include <cmath>

namespace mensura::gp {

LevelGrid::LevelGrid(std::span<const double> coordinates, int dimension,
                     std::span<const std::int32_t> points, double cell)
    : dimension_(static_cast<std::size_t>(dimension)) {
  std::array<double, 3> upper{};
  lower_.fill(std::numeric_limits<double>::infinity());
  upper.fill(-std::numeric_limits<double>::infinity());
  for (const std::int32_t p : points) {
    for (std::size_t a = 0; a < dimension_; ++a) {
      const double value = coordinates[static_cast<std::size_t>(p) * dimension_ + a];
      lower_[a] = std::min(lower_[a], value);
      upper[a] = std::max(upper[a], value);
    }
  }
  const double most = 4.0 * static_cast<double>(points.size()) + 64;
  // A side of zero (squares of tiny distances underflow) would never grow.
  cell = std::max(cell, std::numeric_limits<double>::min());
  for (std::size_t a = 0; !points.empty() && a < dimension_; ++a) {
    cell = std::max(cell, (upper[a] - lower_[a]) / most);
  }
  for (double total = most + 1; total > most; cell *= 1.5) {
    total = 1;
    for (std::size_t a = 0; a < dimension_; ++a) {
      const double wanted = points.empty() ? 1 : std::floor((upper[a] - lower_[a]) / cell) + 1;
      cells_[a] =
          wanted > most ? static_cast<std::int64_t>(most) : static_cast<std::int64_t>(wanted);
      cells_[a] = std::max<std::int64_t>(cells_[a], 1);
      inverse_side_[a] = std::isfinite(cell) ? 1 / cell : 0;
      total *= std::max(wanted, 1.0);
    }
  }
  std::size_t total = 1;
  for (const std::int64_t n : cells_) total *= static_cast<std::size_t>(n);
  std::vector<std::int32_t> cell_of_point(points.size());
  first_.assign(total + 1, 0);
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::int64_t index = 0;
    for (std::size_t a = 0; a < 3; ++a) {
      index *= cells_[a];
      if (a < dimension_) {
        index += cell_of(coordinates[static_cast<std::size_t>(points[i]) * dimension_ + a], a);
      }
    }
    cell_of_point[i] = static_cast<std::int32_t>(index);
    ++first_[static_cast<std::size_t>(index) + 1];
  }
  for (std::size_t c = 0; c < total; ++c) first_[c + 1] += first_[c];
  std::vector<std::int32_t> next(first_.begin(), first_.end() - 1);
  points_.resize(points.size());
  coordinates_.resize(points.size() * dimension_);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const auto slot = static_cast<std::size_t>(next[static_cast<std::size_t>(cell_of_point[i])]++);
    points_[slot] = points[i];
    for (std::size_t a = 0; a < dimension_; ++a) {
      coordinates_[slot * dimension_ + a] =
          coordinates[static_cast<std::size_t>(points[i]) * dimension_ + a];
    }
  }
}

}  // namespace mensura::gp
