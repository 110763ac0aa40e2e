// SPDX-License-Identifier: BSD-3-Clause
#include "gp/sparse_conditioner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <exception>

#include "gp/lift.hpp"
#include "linear/arrays.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

using linear::check_petsc;
using linear::ReadArray;
using linear::WriteArray;

namespace {

// Change of a measured functional, relative to itself, that the small factor bears.
constexpr double most_move = 0.1;

// A solve whose linearisation is r away, relative to the data, goes to the smaller of this times r
// (the line search needs a direction of descent) and r squared: with a residual of the order of the
// nonlinear one squared Gauss-Newton stays quadratic (Dembo, Eisenstat and Steihaug 1982). A target
// this close to the tolerance is left for the tolerance itself: one solve more would cost more.
constexpr double forcing = 0.05;
constexpr double almost = 4;

// Distance for solves that precondition: to a residual of 0.015, the accuracy of the factors.
constexpr double rough = 0.3;

std::size_t width_of(const RowLayout& layout, std::size_t points) {
  std::int32_t width = 1;
  for (std::size_t p = 0; p < points; ++p) width = std::max(width, layout.rows_of(p));
  return static_cast<std::size_t>(width);
}

constexpr const char* prefix = "gp_cg_";

// Conjugate gradients as they are without options.
void make_krylov(const parallel::Communicator& comm, Mat matrix, double tolerance,
                 linear::Krylov& krylov) {
  check_petsc(KSPCreate(comm.handle(), krylov.put()), "KSPCreate");
  check_petsc(KSPSetOptionsPrefix(krylov.get(), prefix), "KSPSetOptionsPrefix");
  check_petsc(KSPSetType(krylov.get(), KSPCG), "KSPSetType");
  check_petsc(KSPSetOperators(krylov.get(), matrix, matrix), "KSPSetOperators");
  check_petsc(KSPSetNormType(krylov.get(), KSP_NORM_UNPRECONDITIONED), "KSPSetNormType");
  check_petsc(KSPSetInitialGuessNonzero(krylov.get(), PETSC_TRUE), "KSPSetInitialGuessNonzero");
  check_petsc(KSPSetTolerances(krylov.get(), tolerance, 0, PETSC_DEFAULT, 500), "KSPSetTolerances");
  PC pc = nullptr;
  check_petsc(KSPGetPC(krylov.get(), &pc), "KSPGetPC");
  check_petsc(PCSetType(pc, PCSHELL), "PCSetType");
}

void take_options(const parallel::Communicator& comm, KSP krylov) {
  linear::check_petsc_options(comm, KSPSetFromOptions(krylov), "KSPSetFromOptions", prefix);
  linear::check_petsc_options(comm, KSPSetUp(krylov), "KSPSetUp", prefix);
}

// sum over a point's rows of lift x weights, for one kind of weight.
void combine(const std::vector<double>& big, const std::vector<double>& lift,
             const RowLayout& layout, std::vector<double>& small) {
  if (big.empty()) return;
  for (std::size_t p = 0; p < small.size(); ++p) {
    double sum = 0;
    for (auto r = static_cast<std::size_t>(layout.first[p]);
         r < static_cast<std::size_t>(layout.first[p + 1]); ++r) {
      sum += lift[r] * big[r];
    }
    small[p] = sum;
  }
}

}  // namespace

// PETSc calls these; an exception must not pass through its C frames, so it waits in `failure`.
struct SparseConditioner::Callbacks {
  static std::exception_ptr& failure() {
    static std::exception_ptr waiting;
    return waiting;
  }
  template <class Action>
  static PetscErrorCode guarded(const Action& action) {
    try {
      action();
      return 0;
    } catch (...) {
      failure() = std::current_exception();
      return PETSC_ERR_LIB;
    }
  }
  static PetscErrorCode multiply(Mat mat, Vec x, Vec y) {
    void* context = nullptr;
    MatShellGetContext(mat, &context);
    return guarded([&] { static_cast<SparseConditioner*>(context)->apply_operator(x, y); });
  }
  static PetscErrorCode precondition(PC pc, Vec x, Vec y) {
    void* context = nullptr;
    PCShellGetContext(pc, &context);
    return guarded([&] { static_cast<SparseConditioner*>(context)->apply_preconditioner(x, y); });
  }
  static PetscErrorCode monitor(KSP, PetscInt, PetscReal, void* context) {
    return guarded([&] { (*static_cast<SparseConditioner*>(context)->poll_)(); });
  }
  static PetscErrorCode test(KSP krylov, PetscInt iteration, PetscReal norm,
                             KSPConvergedReason* reason, void* context) {
    auto& self = *static_cast<SparseConditioner*>(context);
    if (iteration == 0) {
      const PetscErrorCode code = guarded([&] { self.aim(); });
      if (code != 0) return code;
      if (self.warm_ && norm > self.size_) {  // worse than nothing: functionals have moved too far
        *reason = KSP_DIVERGED_DTOL;
        return 0;
      }
    }
    return KSPConvergedDefault(krylov, iteration, norm, reason, self.standard_test_);
  }
  static PetscErrorCode destroy_test(void* context) {
    return KSPConvergedDefaultDestroy(static_cast<SparseConditioner*>(context)->standard_test_);
  }
};

SparseConditioner::SparseConditioner(const parallel::Communicator& comm, const Pattern& pattern,
                                     const RowLayout& layout, const RowWeights& weights,
                                     const Prior& prior, const FactorSpec& factor,
                                     const SolveSpec& solve, const std::function<void()>& poll)
    : comm_(comm),
      pattern_(pattern),
      layout_(layout),
      weights_(weights),
      factor_spec_(factor),
      solve_spec_(solve),
      covariance_(prior, pattern.dimension),
      small_layout_(make_layout(comm, pattern, {1, 1, 1})),
      theta_(comm, pattern, layout, weights, covariance_, factor.nugget, poll),
      small_(comm, pattern, small_layout_) {
  small_statistics_ = small_.statistics(comm);
  const auto make = [&](Mat mat, linear::Vector& vector) {
    check_petsc(MatCreateVecs(mat, vector.put(), nullptr), "MatCreateVecs");
  };
  make(theta_.lower(), big_vector_);
  for (linear::Vector* vector : {&alpha_, &earlier_, &data_, &residual_, &half_})
    make(small_.lower(), *vector);
  const std::size_t points = pattern.ids.size();
  each_kind(
      [&](const std::vector<double>& kind, std::vector<double>& small) {
        if (!kind.empty()) small.resize(points);
      },
      weights, small_weights_);
  lift_.resize(static_cast<std::size_t>(layout.local()));
  make_solver();
}

void SparseConditioner::check_options(const parallel::Communicator& comm) {
  linear::Matrix matrix;  // of no use but to be asked for its type
  check_petsc(
      MatCreateShell(comm.handle(), 1, 1, PETSC_DETERMINE, PETSC_DETERMINE, nullptr, matrix.put()),
      "MatCreateShell");
  linear::Krylov krylov;
  make_krylov(comm, matrix.get(), 0.1, krylov);
  linear::or_destroy(
      [&] {
        take_options(comm, krylov.get());
        PetscReal tolerance = 0;
        check_petsc(KSPGetTolerances(krylov.get(), &tolerance, nullptr, nullptr, nullptr),
                    "KSPGetTolerances");
        if (tolerance > 0 && tolerance < 1) return;
        throw parallel::Error(
            parallel::ExitCode::usage,
            fmt::format("option -gp_cg_ksp_rtol: found {}; expected a number in (0, 1)",
                        tolerance));
      },
      krylov, matrix);
}

void SparseConditioner::make_solver() {
  const auto local = static_cast<PetscInt>(small_layout_.own);
  const auto total = static_cast<PetscInt>(small_layout_.total);
  check_petsc(MatCreateShell(comm_.handle(), local, local, total, total, this, operator_.put()),
              "MatCreateShell");
  check_petsc(MatShellSetOperation(operator_.get(), MATOP_MULT,
                                   reinterpret_cast<void (*)()>(&Callbacks::multiply)),
              "MatShellSetOperation");
  check_petsc(MatSetOption(operator_.get(), MAT_SPD, PETSC_TRUE), "MatSetOption");
  make_krylov(comm_, operator_.get(), solve_spec_.tolerance, krylov_);
  KSP krylov = krylov_.get();
  PC pc = nullptr;
  check_petsc(KSPGetPC(krylov, &pc), "KSPGetPC");
  check_petsc(PCShellSetContext(pc, this), "PCShellSetContext");
  check_petsc(PCShellSetApply(pc, &Callbacks::precondition), "PCShellSetApply");
  check_petsc(KSPMonitorSet(krylov, &Callbacks::monitor, this, nullptr), "KSPMonitorSet");
  check_petsc(KSPConvergedDefaultCreate(&standard_test_), "KSPConvergedDefaultCreate");
  check_petsc(KSPSetConvergenceTest(krylov, &Callbacks::test, this, &Callbacks::destroy_test),
              "KSPSetConvergenceTest");
  take_options(comm_, krylov);
  check_petsc(KSPGetTolerances(krylov, &tolerance_, nullptr, nullptr, nullptr), "KSPGetTolerances");
  PetscErrorCode (*chosen)(KSP, PetscInt, PetscReal, KSPConvergedReason*, void*) = nullptr;
  check_petsc(KSPGetConvergenceTest(krylov, &chosen, nullptr, nullptr), "KSPGetConvergenceTest");
  own_test_ = chosen == &Callbacks::test;
}

void SparseConditioner::apply_operator(Vec x, Vec y) const {
  const auto own = static_cast<std::size_t>(pattern_.own);
  {
    const ReadArray from(x);
    WriteArray to(big_vector_.get());
    lift_to_rows(layout_, lift_, from.data(), own, to.data());
  }
  theta_.apply(big_vector_.get());
  const ReadArray rows(big_vector_.get());
  WriteArray to(y);
  restrict_to_points(layout_, lift_, rows.data(), own, to.data());
  const ReadArray from(x);
  for (std::size_t p = 0; p < noise_variance_.size(); ++p) to[p] += noise_variance_[p] * from[p];
}

void SparseConditioner::apply_preconditioner(Vec x, Vec y) const {
  check_petsc(MatMult(small_.lower(), x, half_.get()), "MatMult");
  check_petsc(MatMultTranspose(small_.lower(), half_.get(), y), "MatMultTranspose");
}

// Collective.
bool SparseConditioner::moved(std::span<const double> lift) const {
  double most = 0;
  const std::span<const double> variance = theta_.variance();
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_.own); ++p) {
    double change = 0, size = 0;
    for (auto r = static_cast<std::size_t>(layout_.first[p]);
         r < static_cast<std::size_t>(layout_.first[p + 1]); ++r) {
      const double difference = lift[r] - factorised_[r];
      change += difference * difference * variance[r];
      size += factorised_[r] * factorised_[r] * variance[r];
    }
    // Not finite counts as moved: the factor then reports it.
    if (!(change <= most_move * most_move * size)) most = 1;
  }
  return comm_.max(most) > 0;
}

void SparseConditioner::prepare(const Measurements& measurements,
                                const std::function<void()>& poll) {
  const auto rows = static_cast<std::size_t>(layout_.own);
  const bool same_noise =
      comm_.max(static_cast<std::int64_t>(measurements.noise != noise_variance_)) == 0;
  noise_variance_ = measurements.noise;
  const bool none = comm_.max(static_cast<std::int64_t>(factorised_.size() != rows)) > 0;
  const bool restored = std::exchange(restored_, false);
  const bool keep = !none && (same_noise || restored) && !moved(measurements.lift);
  if (keep && restored) {  // the factor that the run had which was stopped
    std::copy(factorised_.begin(), factorised_.end(), lift_.begin());
    factor_small(poll);
  }
  std::copy_n(measurements.lift.begin(), rows, lift_.begin());
  if (!keep) factor_small(poll);
}

// Collective. The small factor is not that of the present functionals.
bool SparseConditioner::outdated() const {
  const bool same = std::equal(factorised_.begin(), factorised_.end(), lift_.begin(),
                               lift_.begin() + static_cast<std::ptrdiff_t>(layout_.own));
  return comm_.max(static_cast<std::int64_t>(!same)) > 0;
}

// Collective. Gives the lift of the own rows to the ranks where they are ghosts.
void SparseConditioner::share_lift() {
  const std::size_t points = pattern_.ids.size();
  const std::size_t width =
      static_cast<std::size_t>(comm_.max(static_cast<std::int64_t>(width_of(layout_, points))));
  std::vector<double> shared(points * width, 0.0);
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_.own); ++p) {
    const auto first = static_cast<std::size_t>(layout_.first[p]);
    std::copy_n(&lift_[first], layout_.rows_of(p), &shared[p * width]);
  }
  pattern_.halo.fill(comm_, shared, pattern_.own, static_cast<int>(width));
  for (std::size_t p = 0; p < points; ++p) {
    std::copy_n(&shared[p * width], layout_.rows_of(p),
                &lift_[static_cast<std::size_t>(layout_.first[p])]);
  }
}

// Collective. The small factor of the present lift and noise.
void SparseConditioner::factor_small(const std::function<void()>& poll) {
  share_lift();
  each_kind([&](const std::vector<double>& big,
                std::vector<double>& small) { combine(big, lift_, layout_, small); },
            weights_, small_weights_);
  // The noise enters the factor: it only preconditions, and conjugate gradients solve the exact
  // system.
  std::vector<double> noise;
  if (comm_.max(static_cast<std::int64_t>(!noise_variance_.empty())) > 0) {
    noise = noise_variance_;
    noise.resize(pattern_.ids.size(), 0.0);
    pattern_.halo.fill(comm_, noise, pattern_.own, 1);
  }
  small_.compute(comm_, small_weights_, covariance_, factor_spec_.nugget, poll, noise);
  factorised_.assign(lift_.begin(), lift_.begin() + static_cast<std::ptrdiff_t>(layout_.own));
}

ConditionerMemory SparseConditioner::memory() const {
  if (!solved_) return {};
  const ReadArray alpha(alpha_.get());
  return {{alpha.data(), alpha.data() + pattern_.own}, factorised_};
}

void SparseConditioner::remember(const ConditionerMemory& memory) {
  WriteArray to(alpha_.get());
  for (std::size_t p = 0; p < memory.solution.size(); ++p) to[p] = memory.solution[p];
  solved_ = true;
  factorised_ = memory.factorised;
  restored_ = true;
}

double SparseConditioner::log_determinant(const std::function<void()>& poll) {
  if (outdated()) factor_small(poll);
  return small_.log_determinant(comm_);
}

// Sets the target of the solve that begins.
void SparseConditioner::aim() {
  const double deserved = std::min(forcing * distance_, distance_ * distance_);
  target_ = deserved > almost * tolerance_ ? deserved : tolerance_;
  check_petsc(KSPSetTolerances(krylov_.get(), target_, PETSC_DEFAULT, PETSC_DEFAULT, PETSC_DEFAULT),
              "KSPSetTolerances");
}

KSPConvergedReason SparseConditioner::iterate(Vec y) {
  const int code = KSPSolve(krylov_.get(), y, alpha_.get());
  if (auto failure = std::exchange(Callbacks::failure(), nullptr)) std::rethrow_exception(failure);
  linear::check_petsc_options(comm_, code, "KSPSolve", prefix);
  KSPConvergedReason reason = KSP_CONVERGED_ITERATING;
  check_petsc(KSPGetConvergedReason(krylov_.get(), &reason), "KSPGetConvergedReason");
  return reason;
}

std::int64_t SparseConditioner::solve(Vec y, double distance, const std::function<void()>& poll) {
  poll_ = &poll;
  distance_ = distance;
  warm_ = solve_spec_.warm_start && solved_;
  if (!warm_) apply_preconditioner(y, alpha_.get());
  KSPConvergedReason reason = iterate(y);
  for (bool again = true; reason < 0 && again;) {  // from the start; with the present small factor
    again = std::exchange(warm_, false);
    if (!again) {
      if (!outdated()) break;
      factor_small(poll);
    }
    apply_preconditioner(y, alpha_.get());
    reason = iterate(y);
  }
  PetscInt iterations = 0;
  PetscReal residual = 0;
  check_petsc(KSPGetIterationNumber(krylov_.get(), &iterations), "KSPGetIterationNumber");
  check_petsc(KSPGetResidualNorm(krylov_.get(), &residual), "KSPGetResidualNorm");
  if (reason < 0 || !std::isfinite(residual)) {
    const bool slow = reason == KSP_DIVERGED_ITS;
    throw parallel::Error(
        slow ? parallel::ExitCode::not_converged : parallel::ExitCode::numerical,
        fmt::format("conjugate gradients stopped after {} iterations with residual {:.3g} ({}); {}",
                    iterations, residual, KSPConvergedReasons[reason],
                    slow ? "raise factor.radius (the preconditioner is too weak) or solve.tolerance"
                         : "the factors are too inaccurate: raise factor.radius or factor.nugget"));
  }
  solved_ = true;
  return iterations;
}

SolveReport SparseConditioner::condition(const Measurements& measurements, double distance,
                                         std::span<double> state,
                                         const std::function<void()>& poll) {
  check_petsc(VecCopy(alpha_.get(), earlier_.get()), "VecCopy");
  const std::vector<double> factorised = factorised_;
  try {
    return attempt(measurements, distance, state, poll);
  } catch (...) {
    check_petsc(VecCopy(earlier_.get(), alpha_.get()), "VecCopy");
    factorised_ = factorised;
    restored_ = true;  // the small factor may be the failed attempt's: the next solve makes it anew
    throw;
  }
}

SolveReport SparseConditioner::attempt(const Measurements& measurements, double distance,
                                       std::span<double> state, const std::function<void()>& poll) {
  prepare(measurements, poll);
  {
    WriteArray data(data_.get());
    for (std::size_t p = 0; p < measurements.value.size(); ++p) data[p] = measurements.value[p];
  }
  SolveReport report;
  PetscReal size = 0;
  check_petsc(VecNorm(data_.get(), NORM_2, &size), "VecNorm");
  if (!std::isfinite(size)) {
    throw parallel::Error(parallel::ExitCode::numerical,
                          "the data of the linearised equation are not finite: Gauss-Newton "
                          "diverged; try a better start, more points or a smoother source");
  }
  size_ = size;
  if (size > 0) {
    report.iterations = solve(data_.get(), std::min(distance / size, 1.0), poll);
  } else {
    check_petsc(VecSet(alpha_.get(), 0), "VecSet");
    target_ = tolerance_;
    solved_ = true;
  }
  report.tolerance = tolerance_;
  report.complete = target_ <= tolerance_;
  apply_operator(alpha_.get(), residual_.get());  // leaves Theta S alpha in big_vector_
  {
    const ReadArray mean(big_vector_.get());
    std::copy_n(mean.data(), state.size(), state.begin());
  }
  check_petsc(VecAYPX(residual_.get(), -1, data_.get()), "VecAYPX");
  PetscReal rest = 0;
  check_petsc(VecNorm(residual_.get(), NORM_2, &rest), "VecNorm");
  report.residual = size > 0 ? rest / size : rest;
  check_petsc(VecDot(data_.get(), alpha_.get(), &report.quadratic), "VecDot");
  return report;
}

// A rough solve with the big factor: as close to the exact matrix as the factor is to the
// covariance, wherever the points lie and whatever the noise. (The small factor alone saves a
// quarter of the steps on grids, but needs four times as many on scattered points or with noise.)
void SparseConditioner::precondition(std::span<const double> r, std::span<double> z,
                                     const std::function<void()>& poll) {
  {
    WriteArray to(data_.get());
    for (std::size_t p = 0; p < r.size(); ++p) to[p] = r[p];
  }
  check_petsc(VecCopy(alpha_.get(), earlier_.get()), "VecCopy");
  const bool solved = std::exchange(solved_, false);  // no warm start
  const auto restore = [&] {
    check_petsc(VecCopy(alpha_.get(), residual_.get()), "VecCopy");
    check_petsc(VecCopy(earlier_.get(), alpha_.get()), "VecCopy");
    solved_ = solved;
  };
  try {
    solve(data_.get(), rough, poll);
  } catch (...) {
    restore();
    throw;
  }
  restore();
  const ReadArray from(residual_.get());
  std::copy_n(from.data(), z.size(), z.begin());
}

double SparseConditioner::nonzeros_per_row() const {
  return static_cast<double>(theta_.statistics().nonzeros) /
         static_cast<double>(theta_.statistics().rows);
}

void SparseConditioner::record(output::Value& entry) const {
  const auto describe = [](const FactorStatistics& factor) {
    output::Value value;
    value["rows"] = factor.rows;
    value["nonzeros"] = factor.nonzeros;
    value["supernodes"] = factor.supernodes;
    value["largest_block"] = factor.largest_block;
    value["flops"] = factor.flops;
    value["imbalance"] = factor.imbalance;
    return value;
  };
  entry["big"] = describe(theta_.statistics());
  entry["small"] = describe(small_statistics_);
  const auto solves = [](const linear::TriangularStatistics& statistics) {
    output::Value value;
    value["stages"] = statistics.stages;
    value["messages"] = statistics.messages;
    value["bytes"] = statistics.bytes;
    return value;
  };
  entry["forward_solve"] = solves(theta_.forward());
  entry["backward_solve"] = solves(theta_.backward());
}

}  // namespace mensura::gp
