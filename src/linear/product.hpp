// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside one folder only (PETSc types).
#pragma once

#include <petscmat.h>

#include <cstdint>
#include <span>
#include <vector>

#include "linear/handles.hpp"
#include "linear/lanes.hpp"
#include "parallel/communicator.hpp"

namespace mensura::linear {

/// Products of a distributed matrix (MATMPIAIJ or MATSEQAIJ) and its transpose with eight vectors
/// at once, which read the matrix and send messages once. Keeps a reference to the matrix and reads
/// its current values; the structure stays that of the set-up. The communicator outlives it.
/// Results on one number of ranks are bitwise repeatable.
class BlockProduct {
 public:
  BlockProduct(const parallel::Communicator& comm, Mat matrix);  ///< Collective.

  /// Collective. y = A x and y = A' x; one entry for every local column and row, x and y apart.
  void multiply(std::span<const Eight> x, std::span<Eight> y);
  void multiply_transposed(std::span<const Eight> x, std::span<Eight> y);

 private:
  const parallel::Communicator& comm_;
  Matrix matrix_;
  std::vector<std::int32_t> items_;            // own rows that others need, by rank
  std::vector<std::int64_t> sent_, received_;  // per rank: items, ghosts
  std::vector<Eight> ghosts_, outbox_;
};

}  // namespace mensura::linear
