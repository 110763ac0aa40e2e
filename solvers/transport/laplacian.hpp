// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <petscmat.h>

#include <cstdint>
#include <span>
#include <vector>

#include "linear/handles.hpp"
#include "transport/sparse_plan.hpp"

namespace mensura::transport {

/// The Newton system of a plan without the light columns (reference/transport 2.4, transport_robust
/// 1). With the light columns E and the heavy ones H (which would couple too many rows),
///   L = [[R - P_E C_E^-1 P_E', -P_H], [-P_H', C_H]],
/// R and C the diagonals of row and column sums: a graph Laplacian, positive semi-definite.
/// Unknowns of a rank: its rows, then its heavy columns.
class Laplacian {
 public:
  /// Collective. `rows`, `columns`: the diagonals R and C at own points (sums of the plan, plus
  /// what a penalty adds; `row_extra`, `column_extra`: that part). The plan must outlive the
  /// object.
  Laplacian(const SparsePlan& plan, std::span<const double> row_extra,
            std::span<const double> column_extra);

  std::int64_t own() const noexcept { return own_rows_ + own_heavy_; }
  std::int64_t total() const noexcept { return total_; }
  std::int64_t heavy() const noexcept { return heavy_total_; }  ///< columns, all ranks

  /// Local. The diagonal of L, which shifts are relative to.
  std::span<const double> diagonal() const { return diagonal_; }

  /// Collective. (L + shift diagonal) v without a matrix: two products with the plan.
  void apply(double shift, std::span<const double> v, std::span<double> result) const;

  /// Collective. The matrix L + shift diagonal for a preconditioner. Where the plan is fat, entries
  /// below `drop` of both their row's and their column's sum are left out of it, diagonals
  /// corrected, so that it stays a Laplacian.
  linear::Matrix assemble(double shift) const;
  std::int64_t assembled_entries() const noexcept { return assembled_entries_; }  ///< all ranks

  /// Collective. Right-hand side from the residuals of rows and columns, and the way back to both
  /// potentials' changes.
  void right_hand_side(std::span<const double> row_residual,
                       std::span<const double> column_residual, std::span<double> result) const;
  void back(std::span<const double> solution, std::span<const double> column_residual,
            std::span<double> rows, std::span<double> columns) const;

 private:
  struct Kept;
  struct ColumnLabels;
  Kept keep() const;
  ColumnLabels label(const Kept& kept, std::int64_t first_heavy) const;

  const SparsePlan& plan_;
  std::vector<double> row_extra_, column_extra_, rows_, columns_;
  std::vector<std::int64_t> heavy_;  // own columns
  std::vector<char> is_heavy_;       // own columns
  std::vector<double> diagonal_;
  std::int64_t own_rows_ = 0, own_heavy_ = 0, total_ = 0, heavy_total_ = 0;
  mutable std::vector<double> work_;
  mutable std::int64_t assembled_entries_ = 0;
};

}  // namespace mensura::transport
