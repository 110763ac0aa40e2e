// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <memory>
#include <optional>

#include "gp/conditioner.hpp"
#include "gp/covariance.hpp"
#include "gp/problem.hpp"
#include "gp/sparse_factor.hpp"
#include "linear/handles.hpp"
#include "linear/triangular.hpp"

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
  double log_determinant(const std::function<void()>& poll) override;
  std::vector<double> mean_at(std::span<const double>, const Functional&) override { return {}; }
  ConditionerMemory memory() const override;
  void remember(const ConditionerMemory& memory) override;
  double nonzeros_per_row() const override;
  void record(output::Value& entry) const override;
  /// Local. False when options replace the convergence test: all solves are complete then.
  bool adapts() const noexcept { return own_test_; }

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
  void lift(Vec small, Vec big) const;         // big = S small
  void restrict_to(Vec big, Vec small) const;  // small = S' big
  void apply_prior(Vec big) const;             // big := Theta big
  void apply_operator(Vec x, Vec y) const;     // y = (S' Theta S + R) x
  void apply_preconditioner(Vec x, Vec y) const;
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
  std::vector<double> variance_;  // own rows: of the functionals under the prior
  RowLayout small_layout_;
  RowWeights small_weights_;
  std::vector<double> lift_;            // own and ghost rows; ghosts as of the last small factor
  std::vector<double> factorised_;      // own rows: the lift of the small factor; empty: none yet
  std::vector<double> noise_variance_;  // own points, of the last solve; empty: none
  SparseFactor big_, small_;
  std::unique_ptr<linear::TriangularSolver> theta_;
  FactorStatistics big_statistics_, small_statistics_;
  linear::TriangularStatistics forward_, backward_;
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
