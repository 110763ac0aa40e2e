// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <span>
#include <vector>

#include "transport/laplacian_solver.hpp"

namespace mensura::transport {

/// The Newton system of one edge's plan P as if both its ends were fixed,
///   [[R, P], [P', C]] (f, g) = (rows, columns),
/// R and C the sums of P (plus what a penalty adds), set up once for many right-hand sides: by the
/// tree's structure, the inverse of a tree's second derivative is made of these. Collective.
class EdgeSystem {
 public:
  struct Options {
    double shift = 0, least_share = 0, accuracy = 1e-8;
    bool singular = true;  ///< no penalty: (1, -1) is in the kernel
  };
  EdgeSystem(const SparsePlan& plan, std::span<const double> row_extra,
             std::span<const double> column_extra, const Options& options);

  /// False when the inner iteration failed. Where the system is singular, the right-hand side is
  /// made consistent and f gets mean zero under R.
  bool solve(std::span<const double> rows, std::span<const double> columns, std::vector<double>& f,
             std::vector<double>& g);
  std::int64_t iterations() const { return solver_.iterations(); }
  double entries_per_row() const;

 private:
  const SparsePlan& plan_;
  bool singular_;
  Laplacian laplacian_;
  LaplacianSolver solver_;
  std::vector<double> right_, solution_;
};

}  // namespace mensura::transport
