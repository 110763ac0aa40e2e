// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <span>
#include <vector>

#include "gp/conditioner.hpp"
#include "gp/equation.hpp"
#include "gp/pattern.hpp"
#include "gp/problem.hpp"
#include "gp/rows.hpp"
#include "linear/handles.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// One evaluation of the Gauss-Newton map.
struct NewtonStep {
  double relative_step = 0;      ///< ||u_new - u|| / ||u_new|| over values of u (of both unknowns)
  double damping = 1;            ///< of the step that led to the state
  double equation_residual = 0;  ///< root mean square of F at the state
  /// Where all else has converged: norm of F at the mean over that of the linearised data.
  double mean_residual = 0;
  SolveReport solve{};
};

/// Gauss-Newton as a fixed point: G(state) = posterior mean under the equation linearised at the
/// state. PETSc's SNES (nonlinear Richardson on state - G(state), prefix gp_newton_) drives it,
/// with a backtracking line search on the equation's residual, for which the step is an (inexact)
/// Newton direction.
class GaussNewton {
 public:
  /// Collective. All references must outlive the object. `adaptive`: linear solves are only as
  /// accurate as the linearisation deserves, and the search goes on until a complete one.
  GaussNewton(const parallel::Communicator& comm, const Pattern& pattern, const RowLayout& layout,
              const Equation& equation, Conditioner& conditioner, const SolveSpec& solve,
              bool adaptive);
  /// Collective. Throws Error{usage} when PETSc refuses the options of the iteration (gp_newton_),
  /// to know before the set-up.
  static void check_options(const parallel::Communicator& comm);
  GaussNewton(const GaussNewton&) = delete;
  GaussNewton& operator=(const GaussNewton&) = delete;

  /// Local. Begins at a state (own rows), with the measured values and noise variances of boundary
  /// and data points (own points; entries of interior points are ignored).
  void start(std::span<const double> state, std::vector<double> values, std::vector<double> noise);

  /// Collective. Takes up a search that another run began: after start() at the state of the last
  /// evaluation, `mean` is what it gave, after so many evaluations in all.
  void resume(std::span<const double> mean, const NewtonStep& last, std::int64_t evaluations,
              bool converged);

  /// Collective. The first call evaluates G at the start, every further one takes a damped step and
  /// evaluates G there: one linear solve each. `last`: a complete one, whatever comes of it. Throws
  /// what the conditioner throws; state and mean are then those of the evaluation before.
  NewtonStep step(const std::function<void()>& poll, bool last = false);

  /// Local. What is measured when the equation is linearised at a state (own rows).
  Measurements linearised(std::span<const double> state) const;

  bool converged() const noexcept { return converged_; }
  /// Local. Where the last evaluation was made (what a restart needs) ...
  void state(std::span<double> rows) const;
  /// ... and G there: the posterior mean.
  void mean(std::span<double> rows) const;
  /// Local. What the last evaluation of this object conditioned on.
  const Measurements& measurements() const noexcept { return measurements_; }

 private:
  struct Callbacks;
  void advance();
  void evaluate(Vec x, Vec f);
  void linearise(const double* state, Measurements& measurements,
                 const std::function<void(double value, double data)>& visit) const;
  void search(SNESLineSearch line_search);
  double merit(Vec x) const;
  double harmless_residual(Vec x);
  double residual_at(const double* state) const;
  double relative_size(const double* change) const;
  bool test(double residual, double size, double previous) const;

  const parallel::Communicator& comm_;
  const Pattern& pattern_;
  const RowLayout& layout_;
  const Equation& equation_;
  Conditioner& conditioner_;
  SolveSpec solve_;
  bool adaptive_, last_evaluation_ = false;
  std::int64_t interior_total_ = 0;
  Measurements measurements_;
  std::vector<double> mean_;
  linear::Vector state_, earlier_, defect_, initial_defect_;  // earlier_: state before a step
  linear::Nonlinear snes_;
  const std::function<void()>* poll_ = nullptr;
  std::exception_ptr failure_;
  NewtonStep last_{};
  double previous_step_ = 1, previous_damping_ = 1;
  std::int64_t evaluations_ = 0;
  bool evaluated_ = false, converged_ = false;
};

}  // namespace mensura::gp
