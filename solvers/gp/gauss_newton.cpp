// SPDX-License-Identifier: BSD-3-Clause
#include "gp/gauss_newton.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "parallel/error.hpp"
#include "parallel/exact_sum.hpp"

namespace mensura::gp {

using linear::check_petsc;

namespace {

// Sufficient decrease of the line search, its smallest damping, and the relative step below which
// the residual is dominated by the accuracy of the linear solve and no search is made.
constexpr double decrease = 1e-4;
constexpr double least_damping = 1.0 / 1024;
constexpr double trusted_step = 1e-5;
// With a second unknown there are many states that satisfy the equation, and the way to the likely
// ones among them follows a curve: a step along its tangent must be allowed to raise the residual.
// Residuals up to this part of the linearised data are no reason to shorten a step then (a tube
// around the curve; the next step leads back to it).
constexpr double tube = 0.1;
// Rates of convergence that are believed, and that mean none.
constexpr double most_rate = 0.5;
constexpr double stagnation = 0.1;
// Residual of the equation at a mean, in units of the linear solves' tolerance, below which another
// step is useless: one is the linear system's own, one is left for the nonlinear part.
constexpr double indistinct = 2;
// What direct solves are taken to reach.
constexpr double least_accuracy = 1e-8;

// Residual of the equation at a mean, relative to the data, that is no solution: a start that is
// not the image of any function can lead to a mean that moves no more and satisfies nothing.
constexpr double no_solution = 0.1;
constexpr double smallest_residual = 1e-145;

// Of its deviation under the prior, below which a second unknown counts as zero.
constexpr double smallest_share = 1e-3;

constexpr const char* prefix = "gp_newton_";

void make_richardson(const parallel::Communicator& comm, linear::Nonlinear& snes) {
  check_petsc(SNESCreate(comm.handle(), snes.put()), "SNESCreate");
  check_petsc(SNESSetOptionsPrefix(snes.get(), prefix), "SNESSetOptionsPrefix");
  check_petsc(SNESSetType(snes.get(), SNESNRICHARDSON), "SNESSetType");
}

void take_options(const parallel::Communicator& comm, SNES snes, Vec solution) {
  linear::check_petsc_options(comm, SNESSetFromOptions(snes), "SNESSetFromOptions", prefix);
  check_petsc(SNESSetSolution(snes, solution), "SNESSetSolution");
  linear::check_petsc_options(comm, SNESSetUp(snes), "SNESSetUp", prefix);
}

}  // namespace

struct GaussNewton::Callbacks {
  template <class Action>
  static PetscErrorCode guarded(GaussNewton& self, const Action& action) {
    try {
      action();
      return 0;
    } catch (...) {
      self.failure_ = std::current_exception();
      return PETSC_ERR_LIB;
    }
  }
  static PetscErrorCode function(SNES, Vec x, Vec f, void* context) {
    auto& self = *static_cast<GaussNewton*>(context);
    return guarded(self, [&] { self.evaluate(x, f); });
  }
  static PetscErrorCode nothing(SNES, Vec, Vec, void*) { return 0; }
  static PetscErrorCode line_search(SNESLineSearch search, void* context) {
    auto& self = *static_cast<GaussNewton*>(context);
    return guarded(self, [&] { self.search(search); });
  }
  static PetscErrorCode test(SNES, PetscInt, PetscReal, PetscReal, PetscReal norm,
                             SNESConvergedReason* reason, void* context) {
    const auto& self = *static_cast<GaussNewton*>(context);
    *reason = SNES_CONVERGED_ITERATING;
    if (!std::isfinite(norm)) *reason = SNES_DIVERGED_FNORM_NAN;
    if (self.converged_) *reason = SNES_CONVERGED_SNORM_RELATIVE;
    return 0;
  }
};

void GaussNewton::check_options(const parallel::Communicator& comm) {
  linear::Vector state;
  check_petsc(VecCreateMPI(comm.handle(), 1, PETSC_DETERMINE, state.put()), "VecCreateMPI");
  linear::Nonlinear snes;
  make_richardson(comm, snes);
  check_petsc(SNESSetFunction(snes.get(), nullptr, &Callbacks::nothing, nullptr),
              "SNESSetFunction");
  linear::or_destroy([&] { take_options(comm, snes.get(), state.get()); }, snes, state);
}

GaussNewton::GaussNewton(const parallel::Communicator& comm, const Pattern& pattern,
                         const RowLayout& layout, const Equation& equation,
                         Conditioner& conditioner, const SolveSpec& solve, bool adaptive)
    : comm_(comm),
      pattern_(pattern),
      layout_(layout),
      equation_(equation),
      conditioner_(conditioner),
      solve_(solve),
      adaptive_(adaptive),
      interior_total_(pattern.counts[static_cast<std::size_t>(PointKind::interior)]),
      mean_(static_cast<std::size_t>(layout.own)) {
  const auto local = static_cast<PetscInt>(layout.own);
  check_petsc(VecCreateMPI(comm.handle(), local, static_cast<PetscInt>(layout.total), state_.put()),
              "VecCreateMPI");
  check_petsc(VecDuplicate(state_.get(), earlier_.put()), "VecDuplicate");
  check_petsc(VecDuplicate(state_.get(), defect_.put()), "VecDuplicate");
  check_petsc(VecDuplicate(state_.get(), initial_defect_.put()), "VecDuplicate");
  make_richardson(comm, snes_);
  SNES snes = snes_.get();
  check_petsc(SNESSetFunction(snes, defect_.get(), &Callbacks::function, this), "SNESSetFunction");
  check_petsc(SNESSetConvergenceTest(snes, &Callbacks::test, this, nullptr),
              "SNESSetConvergenceTest");
  SNESLineSearch search = nullptr;
  check_petsc(SNESGetLineSearch(snes, &search), "SNESGetLineSearch");
  check_petsc(SNESLineSearchSetType(search, SNESLINESEARCHSHELL), "SNESLineSearchSetType");
  check_petsc(SNESLineSearchShellSetUserFunc(search, &Callbacks::line_search, this),
              "SNESLineSearchShellSetUserFunc");
  take_options(comm, snes, state_.get());
  // One step per call: the batch run stops and saves between them.
  check_petsc(SNESSetTolerances(snes, 0, 0, 0, 1, PETSC_DEFAULT), "SNESSetTolerances");
}

void GaussNewton::start(std::span<const double> state, std::vector<double> values,
                        std::vector<double> noise) {
  measurements_.value = std::move(values);
  measurements_.noise = std::move(noise);
  measurements_.lift.assign(static_cast<std::size_t>(layout_.own), 1.0);
  PetscScalar* x = nullptr;
  check_petsc(VecGetArray(state_.get(), &x), "VecGetArray");
  std::copy(state.begin(), state.end(), x);
  check_petsc(VecRestoreArray(state_.get(), &x), "VecRestoreArray");
  evaluated_ = false;
  converged_ = false;
  last_ = NewtonStep{};
  previous_step_ = 1;
  previous_damping_ = 1;
  evaluations_ = 0;
}

void GaussNewton::resume(std::span<const double> mean, const NewtonStep& last,
                         std::int64_t evaluations, bool converged) {
  evaluations_ = evaluations;
  std::copy(mean.begin(), mean.end(), mean_.begin());
  PetscScalar* defect = nullptr;
  const PetscScalar* state = nullptr;
  check_petsc(VecGetArrayRead(state_.get(), &state), "VecGetArrayRead");
  check_petsc(VecGetArray(initial_defect_.get(), &defect), "VecGetArray");
  for (std::size_t r = 0; r < mean_.size(); ++r) defect[r] = state[r] - mean_[r];
  check_petsc(VecRestoreArray(initial_defect_.get(), &defect), "VecRestoreArray");
  check_petsc(VecRestoreArrayRead(state_.get(), &state), "VecRestoreArrayRead");
  last_ = last;
  previous_step_ = last.relative_step;
  evaluated_ = true;
  converged_ = converged;
}

// Functionals and data of the interior points; the visitor sees F and the data of each.
void GaussNewton::linearise(const double* state, Measurements& measurements,
                            const std::function<void(double value, double data)>& visit) const {
  std::size_t interior = 0;
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_.own); ++p) {
    if (pattern_.kind(p) != PointKind::interior) continue;
    const auto first = static_cast<std::size_t>(layout_.first[p]);
    const auto rows = static_cast<std::size_t>(layout_.rows_of(p));
    const std::span<const double> here(state + first, rows);
    const std::span<double> weights(&measurements.lift[first], rows);
    const double value = equation_.linearise(interior++, here, weights);
    double data = -value;
    for (std::size_t r = 0; r < rows; ++r) data += weights[r] * here[r];
    measurements.value[p] = data;
    visit(value, data);
  }
}

Measurements GaussNewton::linearised(std::span<const double> state) const {
  Measurements result = measurements_;
  linearise(state.data(), result, [](double, double) {});
  return result;
}

void GaussNewton::evaluate(Vec x, Vec f) {
  const PetscScalar* state = nullptr;
  check_petsc(VecGetArrayRead(x, &state), "VecGetArrayRead");
  std::array<parallel::ExactSum, 2> squares;  // of the residual, of the linearised data
  linearise(state, measurements_, [&](double value, double data) {
    squares[0].add(value * value);
    squares[1].add(data * data);
  });
  ++evaluations_;
  parallel::reduce(comm_, squares);
  const double residual = std::sqrt(squares[0].value());
  last_.equation_residual = residual / std::sqrt(static_cast<double>(interior_total_));
  const bool adaptive = adaptive_ && !last_evaluation_ && !equation_.linear();
  const double distance = adaptive ? residual : 0.0;
  last_.solve = conditioner_.condition(measurements_, distance, mean_, *poll_);

  PetscScalar* defect = nullptr;
  check_petsc(VecGetArray(f, &defect), "VecGetArray");
  for (std::size_t r = 0; r < mean_.size(); ++r) defect[r] = state[r] - mean_[r];
  last_.relative_step = relative_size(defect);
  check_petsc(VecRestoreArray(f, &defect), "VecRestoreArray");
  check_petsc(VecRestoreArrayRead(x, &state), "VecRestoreArrayRead");
  converged_ = test(residual, std::sqrt(squares[1].value()),
                    std::exchange(previous_step_, last_.relative_step));
  last_.mean_residual = 0;
  if (!converged_ || equation_.linear()) return;
  const double left = residual_at(mean_.data());
  // Squares of what is smaller vanish: no comparison then.
  if (left > smallest_residual) last_.mean_residual = left / std::sqrt(squares[1].value());
  converged_ = last_.mean_residual <= std::max(no_solution, indistinct * last_.solve.tolerance);
}

// Collective. Norm of a change over that of the mean; the larger one of the unknown fields. Values
// of u alone are its first row at boundary and interior (data points may hold other functionals),
// those of the second its row at interior points.
double GaussNewton::relative_size(const double* change) const {
  const auto second = equation_.second();
  std::array<parallel::ExactSum, 4> sums;
  const auto add = [&](std::size_t field, std::size_t row) {
    sums[2 * field].add(change[row] * change[row]);
    sums[2 * field + 1].add(mean_[row] * mean_[row]);
  };
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_.own); ++p) {
    const auto first = static_cast<std::size_t>(layout_.first[p]);
    if (pattern_.kind(p) != PointKind::data) add(0, first);
    if (!second || pattern_.kind(p) != PointKind::interior) continue;
    add(1, first + static_cast<std::size_t>(second->row));
  }
  parallel::reduce(comm_, sums);
  const double step = std::sqrt(sums[0].value()), size = std::sqrt(sums[1].value());
  double result = size > 0 ? step / size : step;
  bool finite = std::isfinite(size) && std::isfinite(step);
  if (second) {
    // A coefficient may vanish: a small part of the prior's deviation counts as its size then.
    const double least =
        smallest_share * second->deviation * std::sqrt(static_cast<double>(interior_total_));
    const double other = std::sqrt(sums[2].value());
    result = std::max(result, other / std::max(least, std::sqrt(sums[3].value())));
    finite = finite && std::isfinite(other);
  }
  if (!finite) {
    throw parallel::Error(parallel::ExitCode::numerical,
                          "Gauss-Newton produced values that are not finite; try a better start, "
                          "more points, or a larger factor.nugget");
  }
  return result;
}

// Converged: the last linear solve was complete, and the last step is below the tolerance; or,
// after two full steps, the equation held at the last mean as well as linear solves can make it
// hold and the step was near their accuracy; or the next step would be below the tolerance, at the
// rate of the last two; or the steps no longer shrink and are as small as the linear solves are
// accurate.
bool GaussNewton::test(double residual, double size, double previous) const {
  const double step = last_.relative_step;
  const SolveReport& solve = last_.solve;
  if (!solve.complete) return false;
  if (equation_.linear() || step <= solve_.newton) return true;
  // The first change, from nothing, and damped steps say nothing.
  if (last_.damping < 1 || previous_damping_ < 1 || evaluations_ < 3) return false;
  const double rate = step / previous;
  if (adaptive_ && residual <= indistinct * solve.tolerance * size &&
      step <= (rate < most_rate ? 10 : 2 * indistinct) * solve.tolerance) {
    return true;
  }
  if (rate < most_rate && step * rate / (1 - rate) <= solve_.newton) return true;
  return step <= std::max(solve.tolerance, least_accuracy) && rate > stagnation;
}

// Collective. Norm of F.
double GaussNewton::residual_at(const double* state) const {
  std::vector<double> weights(static_cast<std::size_t>(equation_.state_rows()));
  parallel::ExactSum squares;
  std::size_t interior = 0;
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_.own); ++p) {
    if (pattern_.kind(p) != PointKind::interior) continue;
    const double value =
        equation_.linearise(interior++, {state + layout_.first[p], weights.size()}, weights);
    squares.add(value * value);
  }
  parallel::reduce(comm_, std::span(&squares, 1));
  return std::sqrt(squares.value());
}

double GaussNewton::merit(Vec x) const {
  const PetscScalar* state = nullptr;
  check_petsc(VecGetArrayRead(x, &state), "VecGetArrayRead");
  const double norm = residual_at(state);
  check_petsc(VecRestoreArrayRead(x, &state), "VecRestoreArrayRead");
  return norm / std::sqrt(static_cast<double>(interior_total_));
}

// Collective. Residuals (root mean square) that bound no step from here.
double GaussNewton::harmless_residual(Vec x) {
  if (!equation_.second()) return 0;
  const PetscScalar* state = nullptr;
  parallel::ExactSum squares;
  check_petsc(VecGetArrayRead(x, &state), "VecGetArrayRead");
  linearise(state, measurements_, [&](double, double data) { squares.add(data * data); });
  check_petsc(VecRestoreArrayRead(x, &state), "VecRestoreArrayRead");
  parallel::reduce(comm_, std::span(&squares, 1));
  return tube * std::sqrt(squares.value() / static_cast<double>(interior_total_));
}

// Backtracking on the residual of the equation; then G at the accepted state.
void GaussNewton::search(SNESLineSearch line_search) {
  SNES snes = nullptr;
  Vec x = nullptr, f = nullptr, y = nullptr, w = nullptr, g = nullptr;
  check_petsc(SNESLineSearchGetSNES(line_search, &snes), "SNESLineSearchGetSNES");
  check_petsc(SNESLineSearchGetVecs(line_search, &x, &f, &y, &w, &g), "SNESLineSearchGetVecs");
  const double before = last_.equation_residual;
  const bool search = last_.relative_step > trusted_step;
  const double harmless = search ? harmless_residual(x) : 0;
  double damping = 1, best_damping = 1, best = INFINITY;
  for (;; damping /= 2) {
    check_petsc(VecWAXPY(w, -damping, y, x), "VecWAXPY");
    if (!search) break;
    const double after = merit(w);
    if (after < best) best = after, best_damping = damping;
    if (after <= std::max((1 - decrease * damping) * before, harmless)) break;
    if (damping <= least_damping) {
      // No descent: the smallest residual seen, and the record says so. But the start may satisfy
      // the equation and not the boundary, which this residual does not see: then the full step.
      damping = evaluations_ == 1 ? 1 : best_damping;
      check_petsc(VecWAXPY(w, -damping, y, x), "VecWAXPY");
      break;
    }
  }
  check_petsc(VecCopy(w, x), "VecCopy");
  previous_damping_ = last_.damping;
  last_.damping = damping;
  check_petsc(SNESLineSearchSetLambda(line_search, damping), "SNESLineSearchSetLambda");
  evaluate(x, f);
  check_petsc(SNESLineSearchComputeNorms(line_search), "SNESLineSearchComputeNorms");
  check_petsc(SNESLineSearchSetReason(line_search, SNES_LINESEARCH_SUCCEEDED),
              "SNESLineSearchSetReason");
}

NewtonStep GaussNewton::step(const std::function<void()>& poll, bool last) {
  poll_ = &poll;
  last_evaluation_ = last;
  if (!evaluated_) {
    evaluate(state_.get(), initial_defect_.get());
    evaluated_ = true;
    return last_;
  }
  check_petsc(VecCopy(state_.get(), earlier_.get()), "VecCopy");
  try {
    advance();
  } catch (...) {
    check_petsc(VecCopy(earlier_.get(), state_.get()), "VecCopy");
    throw;
  }
  return last_;
}

void GaussNewton::advance() {
  check_petsc(SNESSetInitialFunction(snes_.get(), initial_defect_.get()), "SNESSetInitialFunction");
  const int code = SNESSolve(snes_.get(), nullptr, state_.get());
  if (auto failure = std::exchange(failure_, nullptr)) std::rethrow_exception(failure);
  linear::check_petsc_options(comm_, code, "SNESSolve", prefix);
  SNESConvergedReason reason = SNES_CONVERGED_ITERATING;
  check_petsc(SNESGetConvergedReason(snes_.get(), &reason), "SNESGetConvergedReason");
  if (reason < 0 && reason != SNES_DIVERGED_MAX_IT) {
    throw parallel::Error(parallel::ExitCode::numerical,
                          std::string("Gauss-Newton broke down: ") + SNESConvergedReasons[reason]);
  }
  Vec defect = nullptr;
  check_petsc(SNESGetFunction(snes_.get(), &defect, nullptr, nullptr), "SNESGetFunction");
  check_petsc(VecCopy(defect, initial_defect_.get()), "VecCopy");
}

void GaussNewton::state(std::span<double> rows) const {
  const PetscScalar* x = nullptr;
  check_petsc(VecGetArrayRead(state_.get(), &x), "VecGetArrayRead");
  std::copy_n(x, rows.size(), rows.begin());
  check_petsc(VecRestoreArrayRead(state_.get(), &x), "VecRestoreArrayRead");
}

void GaussNewton::mean(std::span<double> rows) const {
  std::copy_n(mean_.begin(), rows.size(), rows.begin());
}

}  // namespace mensura::gp
