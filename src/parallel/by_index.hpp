// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::parallel {

/// The block distribution of n global indices: rank r of P holds [r n / P, (r + 1) n / P).
struct Blocks {
  std::int64_t total = 0;
  int ranks = 1;
  std::int64_t begin(int rank) const noexcept;
  std::int64_t size(int rank) const noexcept { return begin(rank + 1) - begin(rank); }
  int owner(std::int64_t index) const noexcept;  ///< 0 <= index < total
};

/// Collective. Rows of `width` values that lie in the block distribution of `total` rows (`block`:
/// this rank's), asked for by global index in any order, repetitions allowed: indices.size() x
/// width, row-major, in the order asked. Throws Error{internal} on all ranks for an index out of
/// range.
std::vector<double> fetch_rows(const Communicator& comm, std::span<const double> block,
                               std::int64_t total, int width,
                               std::span<const std::uint64_t> indices);

/// Collective. The way back: rows of `width` values with their global indices, every index of
/// [0, total) held exactly once over all ranks, become the block distribution. Throws
/// Error{internal} on all ranks when an index is missing, twice or out of range.
std::vector<double> to_blocks(const Communicator& comm, std::span<const double> rows, int width,
                              std::span<const std::uint64_t> indices, std::int64_t total);

}  // namespace mensura::parallel
