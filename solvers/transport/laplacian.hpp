// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <petscmat.h>

#include <algorithm>
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
  const parallel::Communicator& comm() const { return plan_.comm(); }

  /// Local. The diagonal of L, which shifts are relative to (at least 1e-14 of the row's sum is
  /// added, which is what products with L are uncertain by).
  std::span<const double> diagonal() const { return diagonal_; }

  /// Collective. (L + shift diagonal) v without a matrix: two products with the plan.
  void apply(double shift, std::span<const double> v, std::span<double> result) const;

  /// Collective. The matrix L + shift diagonal for a preconditioner. Entries of the plan below
  /// `least_share` of both what links their row to other rows (the diagonal of L) and their column
  /// to other columns are left out of it, diagonals corrected, so that it stays a Laplacian; 0: all
  /// are in it. In thin places, where rows have little but their one column, all links count.
  linear::Matrix assemble(double shift, double least_share) const;
  std::int64_t assembled_entries() const noexcept { return assembled_entries_; }  ///< all ranks

  /// Collective. Right-hand side from the residuals of rows and columns, and the way back to both
  /// potentials' changes.
  void right_hand_side(std::span<const double> row_residual,
                       std::span<const double> column_residual, std::span<double> result) const;
  void back(std::span<const double> solution, std::span<const double> column_residual,
            std::span<double> rows, std::span<double> columns) const;

 private:
  // A row that is alone with its column has nothing left on its diagonal but rounding.
  static constexpr double rounding = 1e-14;
  struct Kept;
  struct ColumnLabels;
  /// What the shift adds to the diagonal of an own row.
  double shifted(std::size_t row, double shift) const {
    return std::max(shift * diagonal_[row], rounding * rows_[row]);
  }
  std::vector<double> links_of_columns() const;
  Kept keep(double least_share) const;
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
