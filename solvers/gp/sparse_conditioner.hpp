// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <memory>
#include <optional>

#include "gp/conditioner.hpp"
#include "gp/covariance.hpp"
#include "gp/prior_factor.hpp"
#include "gp/problem.hpp"
#include "gp/sparse_factor.hpp"
#include "linear/handles.hpp"
#include "linear/product.hpp"

namespace mensura::gp {

/// Conditioning by two sparse inverse-Cholesky factors (reference gp_pde 3.2 (g)): the big factor
/// over all rows is computed once and applies Theta by two triangular solves; the small factor over
/// the measurements preconditions conjugate gradients and gives their first start. The small factor
/// is computed again when a measured functional has moved by more than a tenth (in the prior's
/// deviations of its rows; reference gp_pde 5), when the noise has changed, when conjugate
/// gradients fail with an older one, and for the determinant.
class SparseConditioner final : public Conditioner {
 public:
  /// Collective. Factors the big matrix. All references must outlive the conditioner.
  SparseConditioner(const parallel::Communicator& comm, const Pattern& pattern,
                    const RowLayout& layout, const RowWeights& weights, const Prior& prior,
                    const FactorSpec& factor, const SolveSpec& solve,
                    const std::function<void()>& poll);

  /// Collective. Throws Error{usage} when PETSc refuses the options of the iteration (gp_cg_), to
  /// know before anything is factored.
  static void check_options(const parallel::Communicator& comm);

  SolveReport condition(const Measurements& measurements, double distance, std::span<double> state,
                        const std::function<void()>& poll) override;
  /// That of the small factor, corrected by stochastic Lanczos quadrature (reference
  /// gp_evidence_frequencies 1.2 (b)) with the same eight vectors of random signs for all priors.
  LogDeterminant log_determinant(const std::function<void()>& poll) override;
  std::vector<double> mean_at(std::span<const double>, const Functional&) override { return {}; }
  ConditionerMemory memory() const override;
  void remember(const ConditionerMemory& memory) override;
  void adopt(const Measurements& measurements, const std::function<void()>& poll) override;
  void precondition(std::span<const double> r, std::span<double> z,
                    const std::function<void()>& poll) override;
  void draw_prior(std::span<linear::Eight> rows, const std::function<void()>& poll) override;
  void apply_prior(std::span<linear::Eight> rows, const std::function<void()>& poll) override;
  linear::BlockReport condition_block(std::span<const linear::Eight> values,
                                      std::span<linear::Eight> rows, double tolerance,
                                      const std::function<void()>& poll) override;
  linear::BlockReport apply_posterior(std::span<linear::Eight> rows, const AllowedError& allowed,
                                      const std::function<void()>& poll) override;
  double nonzeros_per_row() const override;
  void record(output::Value& entry) const override;
  bool adapts() const noexcept override { return own_test_; }

 private:
  struct Callbacks;  // what PETSc calls
  SolveReport attempt(const Measurements& measurements, double distance, std::span<double> state,
                      const std::function<void()>& poll);
  void prepare(const Measurements& measurements, const std::function<void()>& poll);
  bool moved(std::span<const double> lift) const;
  bool outdated() const;
  void share_lift();
  void factor_small(const std::function<void()>& poll);
  KSPConvergedReason iterate(Vec y);
  void apply_operator(Vec x, Vec y) const;  // y = (S' Theta S + R) x
  void apply_operator(std::span<const linear::Eight> x, std::span<linear::Eight> y);
  void apply_preconditioner(Vec x, Vec y) const;
  void apply_preconditioner(std::span<const linear::Eight> x, std::span<linear::Eight> y);
  void make_blocks();
  linear::BlockReport solve_block(std::span<const linear::Eight> values,
                                  std::span<linear::Eight> alpha, const linear::BlockGoal& goal,
                                  const std::function<void()>& poll);
  void make_solver();
  void aim();
  std::int64_t solve(Vec y, double distance, const std::function<void()>& poll);

  const parallel::Communicator& comm_;
  const Pattern& pattern_;
  const RowLayout& layout_;
  const RowWeights& weights_;
  FactorSpec factor_spec_;
  SolveSpec solve_spec_;
  Covariance covariance_;
  RowLayout small_layout_;
  RowWeights small_weights_;
  std::vector<double> lift_;            // own and ghost rows; ghosts as of the last small factor
  std::vector<double> factorised_;      // own rows: the lift of the small factor; empty: none yet
  std::vector<double> noise_variance_;  // own points, of the last solve; empty: none
  PriorFactor theta_;
  SparseFactor small_;
  FactorStatistics small_statistics_;
  std::unique_ptr<linear::BlockProduct> small_product_;  // once eight systems were solved together
  std::vector<linear::Eight> big_eight_, half_eight_;    // workspace of their solves
  linear::Vector big_vector_, alpha_, earlier_, data_, residual_, half_;
  linear::Matrix operator_;
  void* standard_test_ = nullptr;  // PETSc's convergence test; the solver destroys it
  linear::Krylov krylov_;
  double tolerance_ = 0, target_ = 0;  // what the user wants, what the running solve aims at
  double size_ = 0;                    // norm of the data
  double distance_ = 0;                // of the linearisation, relative to the data
  bool warm_ = false;                  // the running solve began at the last solution
  const std::function<void()>* poll_ = nullptr;
  bool own_test_ = true;
  bool solved_ = false;    // alpha_ holds a solution
  bool restored_ = false;  // factorised_ is that of another run; its factor is yet to be computed
};

}  // namespace mensura::gp
