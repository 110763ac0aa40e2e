// SPDX-License-Identifier: BSD-3-Clause
// Points of the unit square, dealt out in equal parts over the ranks.
#pragma once

#include <cstdint>
#include <vector>

#include "gp/point_set.hpp"
#include "parallel/communicator.hpp"
#include "parallel/random.hpp"

namespace mensura::bench {

/// side x side interior points and the boundary points of the same grid; `random`: as many interior
/// points, uniform.
class Square {
 public:
  Square(std::int64_t side, bool random) : side_(side), random_(random) {}

  gp::PointSet part(const parallel::Communicator& comm) const {
    gp::PointSet points;
    points.dimension = 2;
    points.counts = {4 * (side_ + 1), side_ * side_, 0};
    const std::int64_t total = points.total();
    const std::int64_t end = total * (comm.rank() + 1) / comm.size();
    for (std::int64_t id = total * comm.rank() / comm.size(); id < end; ++id) {
      points.ids.push_back(static_cast<std::uint64_t>(id));
      place(id, points.coordinates);
    }
    return points;
  }

 private:
  static double uniform(std::uint64_t counter) {
    const std::uint64_t word = parallel::mix(counter * 0x9e3779b97f4a7c15ULL + 1);
    return (static_cast<double>(word >> 11U) + 0.5) * 0x1p-53;
  }

  /// Point `id`: the boundary counter-clockwise, then the interior row by row.
  void place(std::int64_t id, std::vector<double>& coordinates) const {
    const std::int64_t cells = side_ + 1;
    std::int64_t column = 0, row = 0;
    if (id < 4 * cells) {
      const std::int64_t edge = id / cells, step = id % cells;
      column = edge == 0 ? step : (edge == 1 ? cells : (edge == 2 ? cells - step : 0));
      row = edge == 1 ? step : (edge == 2 ? cells : (edge == 3 ? cells - step : 0));
    } else if (random_) {
      const auto counter = static_cast<std::uint64_t>(id) * 2;
      coordinates.insert(coordinates.end(), {uniform(counter), uniform(counter + 1)});
      return;
    } else {
      column = 1 + (id - 4 * cells) % side_;
      row = 1 + (id - 4 * cells) / side_;
    }
    const auto width = static_cast<double>(cells);
    coordinates.insert(coordinates.end(),
                       {static_cast<double>(column) / width, static_cast<double>(row) / width});
  }

  std::int64_t side_;
  bool random_;
};

}  // namespace mensura::bench
