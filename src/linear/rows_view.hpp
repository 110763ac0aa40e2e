// SPDX-License-Identifier: BSD-3-Clause
// This rank's rows of a distributed matrix as PETSc holds them. Private to this folder.
#pragma once

#include <petscmat.h>

#include <cstdint>

#include "linear/handles.hpp"
#include "linear/sweep.hpp"
#include "parallel/error.hpp"

namespace mensura::linear {

// The two sequential matrices of this rank's rows: owned columns and ghosts (none when sequential).
struct Blocks {
  Mat owned = nullptr;
  Mat ghosts = nullptr;
  const PetscInt* ghost_ids = nullptr;
};

inline Blocks blocks_of(Mat matrix) {
  PetscBool sequential = PETSC_FALSE, distributed = PETSC_FALSE;
  check_petsc(PetscObjectTypeCompare(reinterpret_cast<PetscObject>(matrix), MATSEQAIJ, &sequential),
              "PetscObjectTypeCompare");
  check_petsc(
      PetscObjectTypeCompare(reinterpret_cast<PetscObject>(matrix), MATMPIAIJ, &distributed),
      "PetscObjectTypeCompare");
  Blocks blocks;
  if (sequential == PETSC_TRUE) {
    blocks.owned = matrix;
  } else if (distributed == PETSC_TRUE) {
    check_petsc(MatMPIAIJGetSeqAIJ(matrix, &blocks.owned, &blocks.ghosts, &blocks.ghost_ids),
                "MatMPIAIJGetSeqAIJ");
  } else {
    throw parallel::Error(parallel::ExitCode::internal,
                          "the matrix is neither MATSEQAIJ nor MATMPIAIJ; create it with "
                          "MatSetType(matrix, MATAIJ)");
  }
  return blocks;
}

// Read access to a sequential matrix: the structure is PETSc's own and stays, the values are
// borrowed.
class Reader {
 public:
  explicit Reader(Mat matrix) : matrix_(matrix) {
    if (matrix_ == nullptr) return;
    PetscBool done = PETSC_FALSE;
    check_petsc(MatGetRowIJ(matrix_, 0, PETSC_FALSE, PETSC_FALSE, &rows_, &begin_, &column_, &done),
                "MatGetRowIJ");
    parallel::require(done == PETSC_TRUE, "PETSc shows the structure of an AIJ matrix");
    check_petsc(MatSeqAIJGetArrayRead(matrix_, &value_), "MatSeqAIJGetArrayRead");
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
  ~Reader() {
    if (matrix_ == nullptr) return;
    PetscBool done = PETSC_FALSE;
    MatSeqAIJRestoreArrayRead(matrix_, &value_);
    MatRestoreRowIJ(matrix_, 0, PETSC_FALSE, PETSC_FALSE, &rows_, &begin_, &column_, &done);
  }
  const PetscInt* begin() const noexcept { return begin_; }
  const PetscInt* column() const noexcept { return column_; }
  const double* value() const noexcept { return value_; }

 private:
  Mat matrix_ = nullptr;
  PetscInt rows_ = 0;
  const PetscInt* begin_ = nullptr;
  const PetscInt* column_ = nullptr;
  const PetscScalar* value_ = nullptr;
};

// The rows as PETSc holds them at this moment.
struct View {
  explicit View(Mat matrix)
      : blocks(blocks_of(matrix)), owned(blocks.owned), ghosts(blocks.ghosts) {
    PetscInt height = 0, width = 0;
    check_petsc(MatGetLocalSize(matrix, &height, &width), "MatGetLocalSize");
    columns = static_cast<std::int32_t>(width);
    rows.pattern.rows = static_cast<std::int32_t>(height);
    rows.pattern.begin = owned.begin();
    rows.pattern.column = owned.column();
    rows.value = owned.value();
    check_petsc(MatGetOwnershipRangesColumn(matrix, &rows.pattern.rank_begin),
                "MatGetOwnershipRangesColumn");
    if (blocks.ghosts == nullptr) return;
    check_petsc(MatGetSize(blocks.ghosts, nullptr, &width), "MatGetSize");
    rows.pattern.ghosts = static_cast<std::int32_t>(width);
    rows.pattern.ghost_ids = blocks.ghost_ids;
    if (width == 0) return;
    rows.pattern.ghost_begin = ghosts.begin();
    rows.pattern.ghost_column = ghosts.column();
    rows.ghost_value = ghosts.value();
  }
  Blocks blocks;
  Reader owned, ghosts;
  LocalRows rows;
  std::int32_t columns = 0;  // that this rank owns
};

}  // namespace mensura::linear
