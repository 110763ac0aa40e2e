// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gp/covariance.hpp"
#include "gp/pattern.hpp"
#include "gp/rows.hpp"
#include "linear/handles.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

class SpreadPolls;

/// What a factor holds and what it cost; sums over all ranks.
struct FactorStatistics {
  std::int64_t rows = 0, nonzeros = 0, supernodes = 0;
  std::int64_t largest_block = 0;  ///< rows of the largest dense block
  double flops = 0;                ///< rows^3 / 3 + rows^2 columns per block
  double imbalance = 1;            ///< largest over mean flops of the ranks
};

/// The sparse inverse-Cholesky factor U, Theta^-1 ~ U U', that minimises the Kullback-Leibler
/// divergence of N(0, Theta) from N(0, (U U')^-1) over the pattern (Schaefer, Katzfuss, Owhadi
/// 2021): column j is Theta_{s,s}^-1 e_j / sqrt(e_j' Theta_{s,s}^-1 e_j) for its rows s, all
/// columns of a supernode from one dense Cholesky factor. Stored by rows of L = U', so that every
/// rank computes the rows it owns, straight into the arrays of a MATMPIAIJ, without communication.
class SparseFactor {
 public:
  /// Collective. Allocates for the pattern; pattern and layout must outlive the factor. Throws
  /// Error{too_large} on all ranks when a rank would hold 2^31 nonzeros or more.
  /// `poll`, if not empty, is called collectively 32 times.
  SparseFactor(const parallel::Communicator& comm, const Pattern& pattern, const RowLayout& layout,
               const std::function<void()>& poll = {});
  SparseFactor(const SparseFactor&) = delete;
  SparseFactor& operator=(const SparseFactor&) = delete;

  /// Collective. Computes the values for the functionals `weights` (own and ghost rows). `nugget`
  /// multiplies every diagonal entry of Theta by 1 + nugget; `added`
  /// (own and ghost rows, or empty) is added to it. `variances`, if given, receives the diagonal of
  /// Theta for the own rows, nugget and `added` left out. Throws Error{numerical} on all ranks,
  /// naming the place, when a block is not positive definite in floating point. `poll` is called
  /// collectively, 32 times or more when there is much to do.
  void compute(const parallel::Communicator& comm, const RowWeights& weights,
               Covariance& covariance, double nugget, const std::function<void()>& poll,
               std::span<const double> added = {}, std::vector<double>* variances = nullptr);

  void release() noexcept { matrix_.reset(); }  ///< Collective. Destroys the matrix early.
  Mat lower() const noexcept { return matrix_.get(); }
  /// Own rows such that each comes after those that it needs, as linear::TriangularSolver wants
  /// them: storage order is such an order (pattern.hpp).
  std::vector<std::int32_t> elimination() const;
  FactorStatistics statistics(const parallel::Communicator& comm) const;  ///< Collective.
  /// Collective. -2 sum of log U_jj: log det Theta, rounded once.
  double log_determinant(const parallel::Communicator& comm) const;
  static std::int64_t bytes_per_nonzero() { return 12; }

 private:
  struct Block;
  void make_block(std::size_t supernode, Block& block) const;
  void count(const Block& block);
  void allocate();
  void number(const Block& block);
  void write(const Block& block, const std::vector<double>& x, std::size_t stride);
  bool factor_block(std::size_t supernode, Block& block, const Rows& rows, Covariance& covariance,
                    double nugget, std::span<const double> added, std::vector<double>* variances,
                    SpreadPolls& polls);

  const Pattern& pattern_;
  const RowLayout& layout_;
  std::vector<PetscInt> own_first_, own_column_, ghost_first_, ghost_column_;
  std::vector<PetscScalar> own_value_, ghost_value_;
  std::vector<double> dense_, unit_;  // workspace of one block
  double work_ = 0;                   // flops, covariances included
  double thirds_ = 0;  // three times the flops: whole numbers, so that sums do not know ranks
  std::int64_t largest_ = 0;
  linear::Matrix matrix_;
};

}  // namespace mensura::gp
