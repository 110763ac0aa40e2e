// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <memory>
#include <optional>

#include "gp/conditioner.hpp"
#include "gp/covariance.hpp"
#include "gp/noise.hpp"
#include "gp/problem.hpp"
#include "gp/sparse_factor.hpp"
#include "linear/handles.hpp"
#include "linear/triangular.hpp"

namespace mensura::gp {

/// Conditioning by two sparse inverse-Cholesky factors (reference gp_pde 3.2 (g)): the big factor
/// over all rows is computed once and applies Theta by two triangular solves; the small factor over
/// the measurements of each solve preconditions conjugate gradients and gives their start.
class SparseConditioner final : public Conditioner {
 public:
  /// Collective. Factors the big matrix. All references must outlive the conditioner.
  SparseConditioner(const parallel::Communicator& comm, const Pattern& pattern,
                    const RowLayout& layout, const RowWeights& weights, const Kernel& prior,
                    const FactorSpec& factor, const SolveSpec& solve,
                    const std::function<void()>& poll);

  SolveReport condition(const Measurements& measurements, std::span<double> state,
                        const std::function<void()>& poll) override;
  std::vector<double> mean_at(std::span<const double>) override { return {}; }
  std::vector<double> solution() const override;
  void set_solution(std::span<const double> alpha) override;
  double nonzeros_per_row() const override;
  void record(output::Value& entry) const override;

 private:
  struct Callbacks;  // what PETSc calls
  void prepare(const Measurements& measurements, const std::function<void()>& poll);
  void lift(Vec small, Vec big) const;         // big = S small
  void restrict_to(Vec big, Vec small) const;  // small = S' big
  void apply_prior(Vec big) const;             // big := Theta big
  void apply_operator(Vec x, Vec y) const;     // y = (S' Theta S + R) x
  void apply_preconditioner(Vec x, Vec y) const;
  void make_solver();
  void set_start(Vec y);
  std::int64_t solve(Vec y, const std::function<void()>& poll);

  const parallel::Communicator& comm_;
  const Pattern& pattern_;
  const RowLayout& layout_;
  const RowWeights& weights_;
  FactorSpec factor_spec_;
  SolveSpec solve_spec_;
  Covariance covariance_;
  double prior_variance_ = 1;
  bool strong_noise_ = false;  // the noise is in the small factor
  RowLayout small_layout_;
  RowWeights small_weights_;
  std::vector<double> lift_;  // own and ghost rows
  SparseFactor big_, small_;
  linear::TriangularSolver theta_;
  FactorStatistics big_statistics_, small_statistics_;
  linear::TriangularStatistics forward_, backward_;
  linear::Vector big_vector_, alpha_, data_, residual_, half_;
  std::unique_ptr<Noise> noise_;
  linear::Matrix operator_;
  linear::Krylov krylov_;
  const std::function<void()>* poll_ = nullptr;
  bool solved_ = false;  // alpha_ holds a solution
};

}  // namespace mensura::gp
