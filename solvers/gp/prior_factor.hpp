// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "gp/covariance.hpp"
#include "gp/problem.hpp"
#include "gp/sparse_factor.hpp"
#include "linear/triangular.hpp"

namespace mensura::gp {

/// The prior on all state rows: Theta = U^-T U^-1 by the sparse factor U of the big matrix, which
/// is computed once (reference gp_pde 3.2 (g)).
class PriorFactor {
 public:
  /// Collective. References must outlive the factor. Throws Error{numerical} on all ranks.
  PriorFactor(const parallel::Communicator& comm, const Pattern& pattern, const RowLayout& layout,
              const RowWeights& weights, Covariance& covariance, double nugget,
              const std::function<void()>& poll);

  void apply(Vec rows) const;                       ///< Collective. rows := Theta rows
  void apply(std::span<linear::Eight> rows) const;  ///< Collective. Eight vectors at once.
  /// Collective. rows := U^-T rows: standard normal numbers become draws of the prior.
  void draw(std::span<linear::Eight> rows) const;

  Mat lower() const noexcept { return factor_.lower(); }
  /// Of the functionals under the prior; own rows.
  std::span<const double> variance() const noexcept { return variance_; }
  const FactorStatistics& statistics() const noexcept { return statistics_; }
  const linear::TriangularStatistics& forward() const noexcept { return forward_; }
  const linear::TriangularStatistics& backward() const noexcept { return backward_; }

 private:
  SparseFactor factor_;
  std::unique_ptr<linear::TriangularSolver> solver_;
  std::vector<double> variance_;
  FactorStatistics statistics_;
  linear::TriangularStatistics forward_, backward_;
};

}  // namespace mensura::gp
