// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gp/covariance.hpp"
#include "gp/equation.hpp"
#include "gp/pattern.hpp"
#include "gp/rows.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// The functionals of points that any rank may ask for by id: coordinates, global number of the
/// first row and weights of all rows, as one row of numbers per point in the block distribution.
class NeighbourRows {
 public:
  /// Collective. Memory: a copy of the points and weights.
  NeighbourRows(const parallel::Communicator& comm, const Pattern& pattern, const RowLayout& layout,
                const RowWeights& weights);

  /// Collective. Fetches the points with these ids (any order, repetitions allowed), each once;
  /// what was fetched before is forgotten.
  void fetch(std::span<const std::uint64_t> ids);

  /// Local. Appends a fetched point to a block; the global numbers of its rows to `numbers`.
  void append(std::uint64_t id, Rows& block, std::vector<std::int64_t>& numbers) const;

  /// Local. Global number of the row of a fetched point that is this functional; -1: none.
  std::int64_t row_with(std::uint64_t id, const Functional& functional) const;

  std::int64_t points() const noexcept { return total_; }

 private:
  const double* row_of(std::uint64_t id) const;

  const parallel::Communicator& comm_;
  std::int64_t total_ = 0;
  std::size_t dimension_ = 0, rows_ = 1;  // most rows of a point; absent ones have no weights
  std::vector<std::uint8_t> used_;        // kinds of weights that any rank has
  std::size_t kinds_ = 0, width_ = 0;
  std::vector<double> blocks_;
  std::vector<std::uint64_t> fetched_;  // ascending
  std::vector<double> numbers_;         // fetched x width
};

}  // namespace mensura::gp
