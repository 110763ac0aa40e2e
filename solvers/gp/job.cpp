// SPDX-License-Identifier: BSD-3-Clause
#include "gp/job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gp/complaint.hpp"
#include "gp/gauss_newton.hpp"
#include "gp/job_parts.hpp"
#include "gp/posterior_stage.hpp"
#include "gp/prediction.hpp"
#include "gp/sparse_conditioner.hpp"
#include "gp/state_blocks.hpp"
#include "run/timers.hpp"

namespace mensura::gp {

GpJob::GpJob(Problem problem, const parallel::Communicator& comm)
    : problem_(std::move(problem)), comm_(comm), system_(problem_, comm) {
  if (HyperFit::wanted(problem_)) fit_ = std::make_unique<HyperFit>(problem_, system_, comm);
}

GpJob::~GpJob() = default;

std::int64_t GpJob::time_steps() const {
  if (!problem_.time) return 0;
  return std::max<std::int64_t>(
      1,
      static_cast<std::int64_t>(std::ceil(problem_.time->final_time / problem_.time->step - 1e-9)));
}

// Steps of equal length up to the final time.
double GpJob::time_after(std::int64_t step) const {
  if (!problem_.time) return 0;
  return problem_.time->final_time * static_cast<double>(step) / static_cast<double>(time_steps());
}

void GpJob::advance(run::Context& context) {
  if (!system_.ready()) return set_up(context);
  if (fits()) {
    const auto phase = context.timers.phase("hyper");
    fit_->advance(context);
    if (!fits()) begin();
    return;
  }
  if (!solved_) {
    const auto phase = context.timers.phase("solve");
    return problem_.time ? time_step(context) : newton_step(context);
  }
  if (certificate_ && !certificate_->finished()) {
    certificate_->advance(context);
    if (certificate_->exact()) {
      mean_.assign(certificate_->state().begin(), certificate_->state().end());
    }
    return;
  }
  if (!answer_) return find_mean(context);
  find_posterior(context);
}

void GpJob::find_mean(run::Context& context) {
  const auto phase = context.timers.phase("mean");
  PointMean sums;
  if (certificate_ && certificate_->exact()) {
    sums = [&](std::span<const double> points, const Functional& functional) {
      return certificate_->mean_at(points, functional, context.poll);
    };
  }
  answer_ = answer(comm_, problem_, system_, mean_, time_after(time_steps()), context.poll, sums);
  for (const PredictedField& field : answer_->fields) {
    if (!field.error_known) continue;
    context.log(
        fmt::format("error of {} against the exact one: root mean square {:.3g}, maximum "
                    "{:.3g}",
                    field.name, field.error_l2, field.error_linf));
  }
}

void GpJob::find_posterior(run::Context& context) {
  const auto phase = context.timers.phase("posterior");
  if (!posterior_) {
    posterior_ = std::make_unique<PosteriorStage>(comm_, problem_, system_, *newton_, mean_,
                                                  *answer_, context.poll);
    if (restored_posterior_) posterior_->resume(*restored_posterior_);
    restored_posterior_.reset();
  }
  if (!posterior_->finished()) posterior_->advance(context.poll);
  if (!posterior_->finished()) return;
  posterior_->complete(*answer_, scale());
  complete_ = true;
  for (const PredictedField& field : answer_->fields) {
    context.log(fmt::format("posterior of {}: root mean square deviation {:.3g}", field.name,
                            std::sqrt(field.mean_variance)));
  }
}

double GpJob::quadratic() const {
  const bool refined = certificate_ && certificate_->exact();
  return refined ? certificate_->quadratic() : history_.back().quadratic;
}

// Of the prior.
double GpJob::scale() const {
  return problem_.variance.value_or(best_scale(system_.measurements(), quadratic()));
}

// Collective. Wrong options of PETSc's solvers, before they are needed.
void GpJob::check_options() const {
  GaussNewton::check_options(comm_);
  if (fit_) HyperSearch::check_options(comm_);
  if (problem_.factor.method == FactorMethod::dense) return;
  SparseConditioner::check_options(comm_);
}

void GpJob::set_up(run::Context& context) {
  if (system_.step() == 0) check_options();
  if (system_.step() + 1 == System::steps && fit_) fit_->before_factor();
  system_.advance(context);
  const bool elsewhere = !problem_.predict.grid.empty() || problem_.predict.points;
  if (system_.step() == (elsewhere ? 1 : 2)) {
    check_wanted(comm_, problem_, system_, time_after(time_steps()));
  }
  if (system_.ready() && !fits()) begin();
}

void GpJob::begin() {
  // Time steps take a few Gauss-Newton steps at most, each with all it can give.
  const bool adaptive = problem_.solve.warm_start && !problem_.time;
  newton_ =
      std::make_unique<GaussNewton>(comm_, system_.pattern(), system_.layout(), system_.equation(),
                                    system_.conditioner(), problem_.solve, adaptive);
  const RowLayout& layout = system_.layout();
  mean_.assign(static_cast<std::size_t>(layout.own), 0.0);
  std::vector<double> start(mean_);
  if (restored_) {
    if (restored_->fingerprint != system_.fingerprint()) {
      throw parallel::Error(
          parallel::ExitCode::usage,
          fmt::format("the points or data differ from those of the checkpoint: an input file ({}) "
                      "changed since the run began; restore it, or start a new run in another "
                      "folder",
                      input_files(problem_)));
    }
    const StateBlocks blocks = state_blocks();
    start = blocks.to_rows(restored_->state);
    mean_ = blocks.to_rows(restored_->mean);
    if (steps_done_ > 0) {
      system_.conditioner().remember(
          {blocks.to_points(restored_->solution), blocks.to_rows(restored_->factorised)});
    }
    if (solved_ && restored_->certificate) {
      make_certificate();
      certificate_->resume(*restored_->certificate, stalled_ ? 0 : problem_.solve.refine);
    }
  } else {
    start = system_.initial_state();
    if (problem_.time) mean_ = start;
  }
  std::vector<double> values, noise;
  system_.measured(0, values, noise);
  newton_->start(start, values, noise);
  if (restored_ && !problem_.time && !history_.empty()) {
    const HistoryEntry& last = history_.back();
    NewtonStep step;
    step.relative_step = last.relative_step;
    step.damping = last.damping;
    step.equation_residual = last.equation_residual;
    newton_->resume(mean_, step, steps_done_, solved_);
  }
  restored_.reset();
}

void GpJob::note(const NewtonStep& step, double time, run::Context& context) {
  history_.push_back({time, step.relative_step, step.damping, step.equation_residual,
                      static_cast<double>(step.solve.iterations), step.solve.residual,
                      step.solve.quadratic, step.solve.complete ? 1.0 : 0.0});
  context.log(fmt::format(
      "{}step {}: relative change {:.3g}, residual of the equation {:.3g}, {} iterations{}{}",
      problem_.time ? fmt::format("time {:g}, ", time) : "Gauss-Newton ", history_.size(),
      step.relative_step, step.equation_residual, step.solve.iterations,
      step.damping < 1 ? fmt::format(", damped by {:g}", step.damping) : "",
      step.solve.complete ? "" : ", to what this step deserves"));
}

void GpJob::newton_step(run::Context& context) {
  const bool last = steps_done_ + 1 >= problem_.solve.max_newton;
  const NewtonStep step = newton_->step(context.poll, last);
  newton_->mean(mean_);
  ++steps_done_;
  note(step, 0, context);
  const bool converged = newton_->converged();
  if (!converged && !last) return;
  stalled_ = !converged;
  finish_solve(context);
  if (!stalled_) return;
  std::vector<double> changes;
  for (const HistoryEntry& entry : history_) changes.push_back(entry.relative_step);
  context.warn(complaint(step, changes, problem_.solve.newton));
}

// The last linear system is solved: what is known of it before the mean.
void GpJob::finish_solve(run::Context& context) {
  determinant_ = system_.conditioner().log_determinant(context.poll);
  solved_ = true;
  if (!problem_.certify) return;
  make_certificate();
  certificate_->begin(newton_->measurements(), system_.conditioner().memory().solution,
                      stalled_ ? 0 : problem_.solve.refine);
}

void GpJob::make_certificate() {
  certificate_ =
      std::make_unique<Certificate>(comm_, system_.state_rows(), problem_.solve.tolerance,
                                    system_.conditioner(), system_.equation().state_rows());
}

bool GpJob::converged() const {
  return !stalled_ && !(certificate_ && certificate_->finished() && !certificate_->converged());
}

void GpJob::time_step(run::Context& context) {
  const double now = time_after(steps_done_), next = time_after(steps_done_ + 1);
  const auto states = static_cast<std::size_t>(system_.equation().state_rows());
  const Pattern& pattern = system_.pattern();
  std::vector<double> interior;
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
    if (pattern.kind(p) != PointKind::interior) continue;
    const double* row = &mean_[static_cast<std::size_t>(system_.layout().first[p])];
    interior.insert(interior.end(), row, row + states);
  }
  system_.equation().begin_step(comm_, now, next - now, interior);
  std::vector<double> values, noise;
  system_.measured(next, values, noise);
  newton_->start(mean_, std::move(values), std::move(noise));
  const std::size_t entries = history_.size();
  try {
    int count = 0;
    do {
      note(newton_->step(context.poll), next, context);
    } while (++count < problem_.time->newton_steps && !newton_->converged());
  } catch (...) {
    history_.resize(entries);  // a time step is done as a whole, or not at all
    throw;
  }
  newton_->mean(mean_);
  ++steps_done_;
  if (steps_done_ == time_steps()) finish_solve(context);
}

// A dense mean at points is that of the last solve, which may belong to an unfinished time step.
bool GpJob::recover() {
  if (!has_state()) return false;
  if (!newton_) return true;  // within the fit: its evaluations
  failed_ = true;
  const bool known = !problem_.time || problem_.factor.method == FactorMethod::sparse;
  const bool certified = solved_ && (!certificate_ || certificate_->finished());
  if (!certified && known) {
    answer_ = answer(comm_, problem_, system_, mean_, time_after(steps_done_), [] {});
  }
  return true;
}

run::Progress GpJob::progress() const {
  run::Progress progress;
  // The set-up counts as ten units, the solve as eighty (Gauss-Newton usually takes about five
  // steps), the mean as ten.
  progress.total = 100;
  if (!system_.ready()) {
    progress.done = 10 * system_.step() / System::steps;
    static constexpr std::array<const char*, System::steps> names = {"points and order", "pattern",
                                                                     "equation", "factor"};
    progress.line = names[static_cast<std::size_t>(system_.step())];
    return progress;
  }
  if (fits()) {
    progress.done = 10 + static_cast<std::int64_t>((problem_.posterior ? 20 : 60) * fit_->share());
    progress.line = fit_->line();
    return progress;
  }
  const auto expected = problem_.time ? time_steps() : std::max<std::int64_t>(5, steps_done_ + 1);
  const std::int64_t end = problem_.posterior ? 50 : 90, begin = fit_ ? end - 20 : 10;
  progress.done =
      finished() ? 100 : (solved_ ? end : begin + (end - begin) * steps_done_ / expected);
  if (certificate_ && !answer_) {
    progress.line = certificate_->line();
  } else if (!history_.empty()) {
    progress.line = problem_.time ? fmt::format("time step {} of {}", steps_done_, time_steps())
                                  : fmt::format("Gauss-Newton step {}, relative change {:.2g}",
                                                steps_done_, history_.back().relative_step);
  }
  if (posterior_ && !complete_) {
    progress.done += 50 * posterior_->done() / std::max<std::int64_t>(1, posterior_->steps());
    progress.line = posterior_->progress();
  }
  return progress;
}

}  // namespace mensura::gp
