// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace mensura::points {

/// What a search will need, known before any point is read (--dry-run).
struct MemoryPrediction {
  double bytes_per_point = 0.0;     ///< peak over set-up and search, input included
  std::int64_t bytes_per_rank = 0;  ///< the same on one rank, with its fixed buffers
  double remote_factor = 0.0;       ///< expected (site, foreign rank) questions per site
};

/// Local. Estimate for uniform full-dimensional data without duplicates: the largest phase of the
/// build (old and new copy of the points, or rows and leaves side by side), plus candidate buffers,
/// lists and message buffers. The remote factor counts the sites within r, the radius of a ball of
/// k points, of an inner face of a grid of equal rank boxes in the unit cube; it grows with
/// skewness.
MemoryPrediction predict_memory(std::int64_t points_total, int dimension, int ranks, int max_k,
                                std::int64_t remote_buffer_bytes = std::int64_t{16} << 20);

}  // namespace mensura::points
