// SPDX-License-Identifier: BSD-3-Clause
// Who computes which row when, and who tells whom: the static plan of a distributed triangular
// solve. Private to this folder (PETSc types).
#pragma once

#include <petscsys.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::linear {

/// The structure of this rank's rows. Columns that this rank owns have local numbers, the others
/// (ghosts) compact ones: ghost g is the global column ghost_ids[g], ascending, so that the ghosts
/// of one owner are adjacent.
struct LocalPattern {
  std::int32_t rows = 0;
  std::int32_t ghosts = 0;
  const PetscInt* begin = nullptr;         ///< [rows + 1] into column
  const PetscInt* column = nullptr;        ///< ascending inside a row
  const PetscInt* ghost_begin = nullptr;   ///< [rows + 1] into ghost_column, or null without ghosts
  const PetscInt* ghost_column = nullptr;  ///< ascending inside a row
  const PetscInt* ghost_ids = nullptr;
  const PetscInt* rank_begin = nullptr;  ///< [ranks + 1] first global column of every rank

  std::span<const PetscInt> columns(std::int32_t row) const noexcept {
    return {column + begin[row], static_cast<std::size_t>(begin[row + 1] - begin[row])};
  }
  std::span<const PetscInt> ghost_columns(std::int32_t row) const noexcept {
    if (ghost_begin == nullptr) return {};
    return {ghost_column + ghost_begin[row],
            static_cast<std::size_t>(ghost_begin[row + 1] - ghost_begin[row])};
  }
};

/// One row, or two rows with storage neighbours that share all their columns but their own: the
/// second one needs the first. Two functionals at one point make such a pair; done together they
/// read columns and unknowns once.
struct Unit {
  std::int32_t row = 0;       ///< the first one
  std::int32_t second = -1;   ///< row - 1, row + 1 or, for a single row, -1
  std::int32_t diagonal = 0;  ///< place of the diagonal entry among columns(row)
};

/// A message to or from `rank`: the items [first, last) of its direction.
struct Message {
  int rank = 0;
  std::int32_t first = 0, last = 0;
};

/// Wait for the messages [in_first, in_last), do the units [unit_first, unit_last), send the
/// messages [out_first, out_last). The transposed solve runs everything in reverse.
struct Step {
  std::int32_t in_first = 0, in_last = 0;
  std::int32_t unit_first = 0, unit_last = 0;
  std::int32_t out_first = 0, out_last = 0;
};

struct Schedule {
  std::vector<Step> steps;
  std::vector<Unit> units;
  std::vector<Message> in, out;         ///< between two ranks in one order on both sides
  std::vector<std::int32_t> in_items;   ///< ghosts
  std::vector<std::int32_t> out_items;  ///< local rows
  std::int64_t stages = 0;              ///< longest chain of messages over all ranks
};

/// Collective. The schedule of the forward solve; see triangular.hpp for what it promises and
/// throws. Memory beyond the result: O(rows + ghosts).
Schedule make_schedule(const parallel::Communicator& comm, const LocalPattern& pattern,
                       std::span<const std::int32_t> elimination,
                       const std::function<void()>& poll);

}  // namespace mensura::linear
