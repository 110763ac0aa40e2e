// SPDX-License-Identifier: BSD-3-Clause
#include "transport/multiscale.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

namespace mensura::transport {

namespace {

// All stages but the last end after so many sweeps of Sinkhorn's iteration.
constexpr std::int64_t loose_sweeps = 40;
// Extrapolation in eps pays below a sixteenth of the squared spacing.
constexpr double extrapolated_unit = 1.0 / 16;
constexpr std::int64_t most_insertions = 6;
// Errors below so many units in the last place of a potential are rounding.
constexpr double most_units = 10;
constexpr double same = 1 + 1e-12;
// Pairs that the sweeps between two safe points may visit.
constexpr double pairs_between_stops = 2e10;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Multiscale::Multiscale(const parallel::Communicator& comm, std::vector<Level> levels,
                       const Cost* cost, MakeKernel make_kernel, const MultiscaleOptions& options)
    : comm_(comm),
      levels_(std::move(levels)),
      cost_(cost),
      make_kernel_(std::move(make_kernel)),
      options_(options),
      level_(levels_.size()) {
  plan_stages();
}

double Multiscale::rho() const {
  return options_.relaxation == Relaxation::kullback_leibler
             ? options_.strength
             : std::numeric_limits<double>::infinity();
}

// The cost of a move by one spacing: the weighted squared spacing for the squared cost.
double Multiscale::unit_of(std::size_t level) const {
  return cost_ == nullptr ? 0 : cost_->of_distance(levels_[level].spacing);
}

void Multiscale::plan_stages() {
  std::vector<double> units;
  for (std::size_t level = 0; level < levels_.size(); ++level) units.push_back(unit_of(level));
  todo_ =
      transport::plan_stages(units, options_.first_epsilon, options_.epsilon, options_.tolerance);
}

// Both potentials at the points of a finer level: f by a soft c-transform of the coarse g, then one
// exact sweep, so that no row and no column is starved.
Potentials Multiscale::prolonged(std::size_t from, std::size_t to, double epsilon,
                                 const std::function<void()>& poll) const {
  const Level& coarse = levels_[from];
  const Level& fine = levels_[to];
  Potentials result;
  const std::vector<double> f = soft_transform(comm_, fine.x, coarse.y, at_.g, epsilon_, *cost_);
  poll();
  result.g = soft_transform(comm_, fine.y, fine.x, f, epsilon, *cost_);
  poll();
  result.f = soft_transform(comm_, fine.x, fine.y, result.g, epsilon, *cost_);
  poll();
  return result;
}

Potentials Multiscale::predicted(double epsilon) const {
  const double unit = unit_of(level_);
  if (past_.size() < 2 || epsilon > extrapolated_unit * unit * same) return at_;
  const double t = (epsilon - past_epsilons_[1]) / (past_epsilons_[1] - past_epsilons_[0]);
  Potentials result = past_[1];
  for (std::size_t i = 0; i < result.f.size(); ++i) {
    result.f[i] += t * (past_[1].f[i] - past_[0].f[i]);
  }
  for (std::size_t j = 0; j < result.g.size(); ++j) {
    result.g[j] += t * (past_[1].g[j] - past_[0].g[j]);
  }
  return result;
}

Potentials Multiscale::first_guess(const Stage& stage, const std::function<void()>& poll) {
  const Level& here = levels_[stage.level];
  if (level_ == stage.level) return predicted(stage.epsilon);
  if (level_ < levels_.size()) return prolonged(level_, stage.level, stage.epsilon, poll);
  Potentials start;
  start.f.assign(here.x.own(), 0.0);
  start.g.assign(here.y.own(), 0.0);
  if (options_.only_sinkhorn) return start;  // its first sweep does the same
  // All pairs count at the first regularisation: there is nothing to search for.
  const Kernel& sums = kernel_at(stage.level);
  sums.soft_columns(stage.epsilon, start.f, start.g, poll);
  sums.soft_rows(stage.epsilon, start.g, start.f, poll);
  return start;
}

void Multiscale::enter(std::size_t level) {
  if (level_ == level) return;
  newton_.reset();
  if (level_ < levels_.size()) kernel_.reset();
  plan_.reset();
  if (options_.rows != nullptr) {
    plan_ = std::make_unique<SparsePlan>(comm_, levels_[level].x, levels_[level].y, *options_.rows);
  } else {
    plan_ = std::make_unique<SparsePlan>(comm_, levels_[level].x, levels_[level].y, *cost_);
  }
  past_.clear();
  past_epsilons_.clear();
  inserted_ = 0;
  level_ = level;
}

// False when the plan does not fit.
bool Multiscale::start_newton(const Stage& stage, Potentials start, const Newton::Memory* memory) {
  if (plan_ == nullptr || (options_.only_sinkhorn && stage.level == 0)) return false;
  NewtonOptions options;
  options.epsilon = stage.epsilon;
  options.tolerance = stage.tolerance;
  options.rho = rho();
  options.max_steps = options_.max_newton;
  options.most_pairs = options_.most_pairs;
  options.hessian = options_.hessian;
  options.kept_per_point = options_.kept_per_point;
  options.warm_sweeps = options_.warm_sweeps;
  newton_ = std::make_unique<Newton>(*plan_, std::move(start), options);
  if (memory != nullptr ? newton_->resume(*memory) : newton_->begin()) return true;
  newton_.reset();
  return false;
}

const Kernel& Multiscale::kernel() {
  return kernel_at(level_);
}

const Kernel& Multiscale::kernel_at(std::size_t level) {
  const Level& here = levels_[level];
  if (!kernel_) {
    kernel_ = level == 0 && make_kernel_ ? make_kernel_(here.x, here.y)
                                         : make_blocked_kernel(comm_, here.x, here.y, *cost_);
  }
  return *kernel_;
}

void Multiscale::start_stage(const std::function<void()>& poll) {
  const Stage stage = todo_.front();
  Potentials start = first_guess(stage, poll);
  enter(stage.level);
  by_sinkhorn_ = !start_newton(stage, start, nullptr);
  if (by_sinkhorn_) {
    at_ = std::move(start);
    sinkhorn_ = SinkhornReport{};
  }
  begun_ = true;
}

// Some sweeps of Sinkhorn's iteration; true when the stage is over.
bool Multiscale::sweep(const std::function<void()>& poll) {
  const Stage& stage = todo_.front();
  const bool last = todo_.size() == 1;
  const Level& here = levels_[level_];
  const double pairs = static_cast<double>(here.x.total) * static_cast<double>(here.y.total);
  const auto block =
      static_cast<std::int64_t>(std::clamp(pairs_between_stops / pairs, 10.0, 1000.0));
  const std::int64_t limit = last ? options_.max_sinkhorn : loose_sweeps;
  SinkhornOptions options;
  options.epsilon = stage.epsilon;
  const double tolerance = last ? stage.tolerance : 1e-2;
  options.tolerance = tolerance * options_.mass;
  options.max_sweeps = std::min(block, limit - sinkhorn_.sweeps);
  options.relaxation = options_.relaxation;
  options.strength = options_.strength;
  const std::int64_t before = sinkhorn_.sweeps;
  if (options_.symmetric) {
    sinkhorn_ = sinkhorn_symmetric(comm_, kernel(), here.x, options, at_.f, poll);
    at_.g = at_.f;
  } else {
    sinkhorn_ = sinkhorn(comm_, kernel(), here.x, here.y, options, at_.f, at_.g, poll);
  }
  sinkhorn_.sweeps += before;
  // The update of a potential that doubles cannot resolve says nothing of the plan's marginals.
  const double rounding = resolution(at_), measured = sinkhorn_.error_l1 / options_.mass;
  sinkhorn_.error_l1 = std::max(measured, rounding);
  if (rounding > tolerance) sinkhorn_.converged = false;
  const bool resolved = rounding > tolerance && measured < most_units * rounding;
  return sinkhorn_.converged || resolved || sinkhorn_.sweeps >= limit;
}

// Collective. Relative change of the plan's entries by one unit in the last place of a potential.
double Multiscale::resolution(const Potentials& at) const {
  double most = 0;
  for (const auto* side : {&at.f, &at.g}) {
    for (const double value : *side) most = std::max(most, std::abs(value));
  }
  return std::numeric_limits<double>::epsilon() * comm_.max(most) / todo_.front().epsilon;
}

void Multiscale::report() {
  const Stage& stage = todo_.front();
  StageReport entry;
  if (by_sinkhorn_) {
    entry.method = "sinkhorn";
    entry.sinkhorn = sinkhorn_.sweeps;
    entry.error_l1 = sinkhorn_.error_l1;
    entry.dual_objective = sinkhorn_.dual_objective;
    entry.sweep_rate = sinkhorn_.rate;
  } else {
    entry = stage_of(newton_->report());
    entry.dual_objective += stage.epsilon * options_.mass_product;
  }
  entry.level = static_cast<int>(stage.level);
  entry.points = levels_[stage.level].x.total;
  entry.regularisation = stage.epsilon;
  entry.seconds = seconds_;
  history_.push_back(std::move(entry));
}

// Takes the result, or puts a milder regularisation before the one that failed.
void Multiscale::finish_stage(bool accepted) {
  const Stage stage = todo_.front();
  report();
  seconds_ = 0;
  begun_ = false;
  // An error that rounding explains would not be smaller from a milder start.
  const bool rounded =
      !by_sinkhorn_ && newton_->report().error_l1 < most_units * resolution(newton_->potentials());
  if (!by_sinkhorn_ && !accepted && !rounded && inserted_ < most_insertions && !past_.empty()) {
    ++inserted_;
    at_ = past_.back();
    epsilon_ = past_epsilons_.back();
    todo_.push_front({stage.level, std::sqrt(epsilon_ * stage.epsilon), Stage::loose_tolerance});
    return;
  }
  if (!by_sinkhorn_) at_ = newton_->potentials();
  epsilon_ = stage.epsilon;
  converged_ = accepted;
  past_.push_back(at_);
  past_epsilons_.push_back(stage.epsilon);
  if (past_.size() > 2) {
    past_.erase(past_.begin());
    past_epsilons_.erase(past_epsilons_.begin());
  }
  todo_.pop_front();
}

void Multiscale::advance(const std::function<void()>& poll) {
  const auto start = std::chrono::steady_clock::now();
  if (!begun_) {
    start_stage(poll);
    seconds_ += seconds_since(start);
    return;
  }
  const bool finished = by_sinkhorn_ ? sweep(poll) : newton_->step();
  seconds_ += seconds_since(start);
  if (finished) finish_stage(by_sinkhorn_ ? sinkhorn_.converged : newton_->converged());
}

SparsePlan* Multiscale::plan() {
  if (plan_ == nullptr) return nullptr;
  // Sinkhorn's iteration stores none, and a search that did not fit has left none.
  if (!plan_->stored() && !plan_->search(at_, options_.epsilon, options_.most_pairs)) {
    return nullptr;
  }
  plan_->evaluate(at_, options_.epsilon);
  return plan_.get();
}

std::string Multiscale::line() const {
  if (todo_.empty()) return "solved";
  const Stage& stage = todo_.front();
  const std::string where =
      fmt::format("{} points, regularisation {:.3g}", levels_[stage.level].x.total, stage.epsilon);
  if (!begun_) return where;
  if (by_sinkhorn_) {
    return fmt::format("{}: sweep {}, error {:.2g}", where, sinkhorn_.sweeps, sinkhorn_.error_l1);
  }
  return fmt::format("{}: Newton step {}, error {:.2g}", where, newton_->report().steps,
                     newton_->report().error_l1);
}

Multiscale::State Multiscale::state() const {
  State state;
  state.todo.assign(todo_.begin(), todo_.end());
  state.level = level_;
  state.begun = begun_;
  state.converged = converged_;
  state.by_sinkhorn = by_sinkhorn_;
  state.inserted = inserted_;
  state.epsilon = epsilon_;
  state.seconds = seconds_;
  state.past_epsilons = past_epsilons_;
  state.past = past_;
  state.history = history_;
  state.sinkhorn = sinkhorn_;
  state.at = at_;
  if (begun_ && !by_sinkhorn_) {
    state.at = newton_->potentials();
    state.newton = newton_->memory();
  }
  // The plan that the results are taken from.
  if (state.keeps_support()) state.newton.searched = plan_->searched_at();
  return state;
}

void Multiscale::resume(State state) {
  todo_.assign(state.todo.begin(), state.todo.end());
  enter(state.level);
  begun_ = state.begun;
  converged_ = state.converged;
  by_sinkhorn_ = state.by_sinkhorn;
  inserted_ = state.inserted;
  epsilon_ = state.epsilon;
  seconds_ = state.seconds;
  past_epsilons_ = state.past_epsilons;
  past_ = std::move(state.past);
  history_ = std::move(state.history);
  sinkhorn_ = state.sinkhorn;
  at_ = state.at;
  if (todo_.empty() && !converged_) {  // the last stage again, perhaps with other limits
    todo_.push_back({0, options_.epsilon, options_.tolerance});
    past_.clear();
    past_epsilons_.clear();
  }
  if (begun_ && !by_sinkhorn_) {
    if (!start_newton(todo_.front(), std::move(state.at), &state.newton)) {
      throw parallel::Error(parallel::ExitCode::too_large,
                            "the plan of the checkpoint does not fit on this number of ranks; "
                            "restart on as many as wrote it");
    }
  } else if (state.keeps_support()) {
    // plan() tries again at the last potentials where this does not fit.
    plan_->search(state.newton.searched, epsilon_, options_.most_pairs);
  }
}

}  // namespace mensura::transport
