// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "gp/covariance.hpp"
#include "gp/pattern.hpp"
#include "gp/weights.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// The numbering of functionals: every point has a fixed number of adjacent rows, by its kind.
/// Global row numbers follow the storage order of the points, rank after rank.
struct RowLayout {
  std::vector<std::int32_t> first;   ///< own + ghost points, + 1: local row where a point begins
  std::vector<std::int64_t> global;  ///< own + ghost points: global number of its first row
  std::int64_t own = 0;              ///< rows of own points: local rows [0, own)
  std::int64_t begin = 0;            ///< global number of local row 0
  std::int64_t total = 0;            ///< over all ranks

  std::int64_t local() const noexcept { return first.back(); }  ///< own and ghost rows
  std::int32_t rows_of(std::size_t point) const noexcept { return first[point + 1] - first[point]; }
};

/// Collective. `rows_per_kind`: rows of a boundary, an interior and a data point. Throws
/// Error{too_large} on all ranks when PETSc's index type cannot count the rows.
RowLayout make_layout(const parallel::Communicator& comm, const Pattern& pattern,
                      const std::array<int, 3>& rows_per_kind);

/// The functionals of some points as one block, points and rows in the given order. Weights are
/// those of all local rows (own, then ghosts).
class RowGatherer {
 public:
  RowGatherer(const Pattern& pattern, const RowLayout& layout, const RowWeights& weights)
      : pattern_(pattern), layout_(layout), weights_(weights) {
    block_.dimension = pattern.dimension;
  }
  const Rows& gather(std::span<const std::int32_t> points);

 private:
  const Pattern& pattern_;
  const RowLayout& layout_;
  const RowWeights& weights_;
  Rows block_;
};

}  // namespace mensura::gp
