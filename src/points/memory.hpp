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

/// Local. Estimate for full-dimensional data without duplicates, spread evenly: the largest phase
/// of the build (rows and leaves side by side), plus candidate buffers, lists and message buffers.
/// The remote factor counts the ranks met by a ball of k neighbours in a grid of equal rank boxes:
/// (1 + 2 r / edge)^d - 1, cut at ranks - 1.
MemoryPrediction predict_memory(std::int64_t points_total, int dimension, int ranks, int max_k,
                                std::int64_t remote_buffer_bytes = std::int64_t{16} << 20);

}  // namespace mensura::points
