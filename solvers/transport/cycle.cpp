// SPDX-License-Identifier: BSD-3-Clause
#include "transport/cycle.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "transport/cycle_implementation.hpp"

namespace mensura::transport {

namespace {

constexpr double close = 1e-3, settled = 1e-2;  // L1 errors
// Farther from the solution corrections bring hardly more than sweeps and are tried now and then
// only. (Measured on 200 nodes: 120 of them and 6800 sweeps without this, 80 and 700 with it; as
// many as before on 4 to 64 nodes.)
constexpr double far = 0.5;
constexpr std::int64_t sweeps_between_far = 10;
// Stages that end with more than so many times their tolerance are no start for others.
constexpr double hopeless = 10;
// Errors below so many units in the last place of the potentials that have not halved for so many
// sweeps are rounding.
constexpr double most_units = 10;
constexpr std::int64_t most_idle = 50;
// Of all nodes together: up to so many Newton's matrix is the Hessian itself.
constexpr std::int64_t few_points = 512;
constexpr double unknown = std::numeric_limits<double>::infinity();

double seconds_now() {
  using Clock = std::chrono::steady_clock;
  return std::chrono::duration<double>(Clock::now().time_since_epoch()).count();
}

}  // namespace

CycleSolver::Implementation::Implementation(const parallel::Communicator& communicator,
                                            CycleProblem cycle, CycleOptions settings)
    : comm(communicator),
      problem(std::move(cycle)),
      options(settings),
      data(make_cycle_data(communicator, problem)) {
  parallel::require(options.epsilon > 0 && options.tolerance >= 0 && options.max_sweeps >= 1 &&
                        options.stage_factor > 1,
                    "a cycle has a regularisation, a tolerance, sweeps and a factor above one");
  sweep = std::make_unique<CycleSweep>(comm, data);
  plan_stages();
}

// Wide kernels leave only the smoothest functions to the coarse space.
void CycleSolver::Implementation::make_coarse() {
  if (options.coarse_unknowns <= 0 || options.max_newton <= 0) return;
  constexpr double functions = 16;
  const double wanted = functions * static_cast<double>(data.count()) *
                        std::sqrt(data.largest_cost / 400 / sweep->epsilon());
  auto unknowns = static_cast<std::int64_t>(
      std::clamp(wanted, 1.0, static_cast<double>(options.coarse_unknowns)));
  std::int64_t points = 0;
  for (const CycleNode& node : data.nodes) points += static_cast<std::int64_t>(node.size);
  if (points <= std::min(few_points, options.coarse_unknowns)) unknowns = points;
  coarse = std::make_unique<CycleCoarse>(comm, data, unknowns, options.seed);
  std::vector<double> weights;
  for (const CycleNode& node : data.nodes) {
    weights.insert(weights.end(), node.mass.begin(), node.mass.end());
  }
  constexpr std::size_t depth = 8;
  anderson = std::make_unique<Anderson>(depth, std::move(weights));
  accelerated_error = unknown;
}

// By factors from the largest one, the last stage at the wanted one.
void CycleSolver::Implementation::plan_stages() {
  const double largest = options.first_epsilon > 0 ? options.first_epsilon : data.largest_cost / 4;
  for (double epsilon = options.epsilon;; epsilon *= options.stage_factor) {
    todo.push_front(epsilon);
    if (epsilon * options.stage_factor > largest) break;
  }
}

double CycleSolver::Implementation::objective(double plan_mass) const {
  double sum = 1 - plan_mass;
  for (std::size_t k = 0; k < data.count(); ++k) {
    const auto& u = sweep->potentials()[k];
    for (std::size_t i = 0; i < u.size(); ++i) sum += u[i] * data.nodes[k].mass[i];
  }
  return sum;
}

std::vector<std::vector<double>> CycleSolver::Implementation::given_order(
    const std::vector<std::vector<double>>& values, double factor) const {
  std::vector<std::vector<double>> result(values.size());
  for (std::size_t k = 0; k < values.size(); ++k) {
    result[k].resize(values[k].size());
    for (std::size_t i = 0; i < values[k].size(); ++i) {
      result[k][data.nodes[k].order[i]] = factor * values[k][i];
    }
  }
  return result;
}

std::vector<std::vector<double>> CycleSolver::Implementation::own_order(
    const std::vector<std::vector<double>>& values, double factor) const {
  std::vector<std::vector<double>> result(values.size());
  for (std::size_t k = 0; k < values.size(); ++k) {
    for (const std::size_t i : data.nodes[k].order) result[k].push_back(factor * values[k][i]);
  }
  return result;
}

// Potentials of the stages before, extended linearly in eps where two are known.
void CycleSolver::Implementation::start_stage(const std::function<void()>& poll) {
  const double next = todo.front(), now = sweep->epsilon();
  auto& u = sweep->potentials();
  if (last_epsilon > 0 && now > next) {  // else the stage is done again
    const double ahead = past_epsilon > 0 ? (now - next) / (past_epsilon - now) : 0;
    for (std::size_t k = 0; k < u.size(); ++k) {
      for (std::size_t i = 0; i < u[k].size(); ++i) {
        const double at = now * u[k][i];
        const double guess = past_epsilon > 0 ? at + ahead * (at - past[k][i]) : at;
        if (past_epsilon > 0) past[k][i] = at;
        u[k][i] = guess / next;
      }
    }
    if (past_epsilon == 0) {
      past = u;
      for (auto& values : past) {
        for (double& v : values) v *= next;
      }
    }
    past_epsilon = now;
  }
  sweep->set_epsilon(next);
  make_coarse();
  report = StageReport{};
  report.points = static_cast<std::int64_t>(data.nodes[0].size);
  report.regularisation = next;
  report.method = coarse ? "newton" : "sinkhorn";
  begun = true;
  fresh = false;
  idle = 0;
  least_error = unknown;
  sampled_error = 0;
  shift = 1;
  sweep->refresh(unknown, poll);
  sweep->forget_work();  // where nothing is known to be irrelevant tiles seem too large
  fresh = true;
}

// The residuals at the potentials; messages are those of a backward pass afterwards.
void CycleSolver::Implementation::measure(const std::function<void()>& poll) {
  const auto& logarithms = sweep->measure(poll);
  error = 0;
  mass = 0;
  for (std::size_t k = 0; k < data.count(); ++k) {
    double missed = 0, total = 0;
    for (std::size_t i = 0; i < logarithms[k].size(); ++i) {
      const double p = std::exp(logarithms[k][i]);
      missed += std::abs(p - data.nodes[k].mass[i]);
      total += p;
    }
    error = std::max(error, missed);
    if (k == 0) mass = total;
  }
  dual = objective(mass);
  report.error_l1 = error;
  report.dual_objective = dual * sweep->epsilon();
}

// A drawn matrix serves while the error falls by a factor.
void CycleSolver::Implementation::prepare_coarse(const std::function<void()>& poll) {
  const bool good_enough = sampled_error > 0 && sampled_error < close;
  if (coarse->exact() || sampled_error == 0 || (error < 0.3 * sampled_error && !good_enough)) {
    const auto stage = static_cast<std::int64_t>(history.size());
    // The plan hardly changes any more: trajectories drawn before count on.
    const bool more = !coarse->exact() && sampled_error > 0 && sampled_error < settled;
    coarse->sample(*sweep, stage * options.max_sweeps + report.sinkhorn, more, poll);
    sampled_error = error;
    factored = -1;
  }
  // No larger than what the residual could be wrong by.
  shift = std::min(shift, std::min(1.0, error));
  if (factored == shift || (!coarse->exact() && good_enough && factored >= 0 && factored <= close))
    return;
  coarse->factor(shift, poll);
  anderson->clear();
  factored = shift;
}

// `ratio` of the objective's gain to the slope is a half for a quadratic function and its own
// matrix: near one the step was too short, near zero too long.
void CycleSolver::Implementation::adapt_shift(double damping, double ratio) {
  const double least = coarse->exact() ? 1e-12 : 1e-8;
  if (damping < 1 || ratio < 0.2) {
    shift *= 4;
  } else if (ratio > 0.65) {
    shift = std::max(least, shift / 8);
  }
}

// Near the solution a step is a linear iteration, whose slow modes are extrapolated. `direction` is
// the last part of the step. False when that lowers the dual objective: nothing has changed then.
bool CycleSolver::Implementation::accelerate(const CycleSweep::Potentials& direction,
                                             const std::function<void()>& poll) {
  if (error > close || error > 2 * accelerated_error) {
    anderson->clear();
    accelerated_error = unknown;
    if (error > close) return false;
  }
  auto& u = sweep->potentials();
  std::vector<double> x, image;
  for (std::size_t k = 0; k < u.size(); ++k) {
    x.insert(x.end(), before[k].begin(), before[k].end());
    for (std::size_t i = 0; i < u[k].size(); ++i) image.push_back(u[k][i] + direction[k][i]);
  }
  const std::vector<double> next = anderson->next(x, image);
  double moved = 0;
  std::size_t at = 0;
  const CycleSweep::Potentials start = u;
  for (auto& values : u) {
    double change = 0;
    for (double& v : values) {
      change = std::max(change, std::abs(next[at] - v));
      v = next[at++];
    }
    moved += change;
  }
  accelerated_error = error;
  const double log_mass = sweep->refresh(moved, poll);
  const double gain = log_mass < 700 ? objective(std::exp(log_mass)) - dual : -unknown;
  if (gain > -1e-11 * (1 + std::abs(dual))) return true;
  anderson->clear();
  u = start;
  return false;
}

// A step on the coarse space that does not lower the dual objective; leaves backward messages.
void CycleSolver::Implementation::correct(const std::function<void()>& poll) {
  prepare_coarse(poll);
  const auto direction = coarse->solve(residual());
  double largest = 0;
  for (const auto& values : direction.values) {
    double change = 0;
    for (const double v : values) change = std::max(change, std::abs(v));
    largest += change;
  }
  auto& u = sweep->potentials();
  const CycleSweep::Potentials start = u;
  ++report.newton;
  if (!coarse->exact() && accelerate(direction.values, poll)) return;
  double damping = 1;
  constexpr int most_trials = 6;
  for (int trial = 0; trial < most_trials; ++trial, damping *= 0.3) {
    for (std::size_t k = 0; k < u.size(); ++k) {
      for (std::size_t i = 0; i < u[k].size(); ++i) {
        u[k][i] = start[k][i] + damping * direction.values[k][i];
      }
    }
    const double log_mass = sweep->refresh(damping * largest, poll);
    const double slope = damping * direction.slope;
    // Differences below the objective's rounding tell nothing.
    if (slope < 1e-11 * (1 + std::abs(dual))) return;
    const double gain = log_mass < 700 ? objective(std::exp(log_mass)) - dual : -unknown;
    if (gain < 1e-3 * slope) continue;
    return adapt_shift(damping, gain / slope);
  }
  u = start;
  sweep->refresh(0, poll);
  shift *= 16;
}

std::vector<std::vector<double>> CycleSolver::Implementation::residual() const {
  std::vector<std::vector<double>> result;
  for (std::size_t k = 0; k < data.count(); ++k) {
    auto& values = result.emplace_back(data.nodes[k].mass);
    const auto& logarithms = sweep->marginal_logarithms()[k];
    for (std::size_t i = 0; i < values.size(); ++i) values[i] -= std::exp(logarithms[i]);
  }
  return result;
}

void CycleSolver::Implementation::step(const std::function<void()>& poll) {
  if (!fresh) {
    sweep->refresh(unknown, poll);
    sweep->forget_work();
    fresh = true;
  }
  before = sweep->potentials();
  const double error_before = report.sinkhorn > 0 ? error : unknown;
  sweep->update(false, poll);
  ++report.sinkhorn;
  measure(poll);
  sweep->adapt_tile();
  if (error_before < unknown && error > 0) report.sweep_rate = error / error_before;
  if (error <= tolerance() || report.sinkhorn >= options.max_sweeps || rounded()) {
    return finish_stage();
  }
  // Sweeps that converge by themselves are left alone.
  const bool due = error < far || report.sinkhorn % sweeps_between_far == 0;
  if (coarse && due && report.newton < options.max_newton && error > 0.2 * error_before) {
    correct(poll);
  }
}

// The error is as small as doubles make it.
bool CycleSolver::Implementation::rounded() {
  idle = error < least_error / 2 ? 0 : idle + 1;
  if (idle == 0) least_error = error;
  if (idle < most_idle) return false;
  double units = 0;
  for (const auto& values : sweep->potentials()) {
    double most = 0;
    for (const double v : values) most = std::max(most, std::abs(v));
    units += most;
  }
  return error < most_units * std::numeric_limits<double>::epsilon() * units;
}

void CycleSolver::Implementation::finish_stage() {
  const bool good = error <= tolerance();
  const bool failed = report.sinkhorn >= options.max_sweeps && error > hopeless * tolerance();
  history.push_back(report);
  last_epsilon = todo.front();
  todo.pop_front();
  if (failed) todo.clear();
  begun = false;
  if (todo.empty()) converged = good;
}

CycleSolver::CycleSolver(const parallel::Communicator& comm, CycleProblem problem,
                         CycleOptions options)
    : self_(std::make_unique<Implementation>(comm, std::move(problem), options)) {}
CycleSolver::~CycleSolver() = default;

bool CycleSolver::finished() const noexcept {
  return self_->todo.empty();
}
bool CycleSolver::converged() const noexcept {
  return self_->converged;
}

void CycleSolver::advance(const std::function<void()>& poll) {
  if (finished()) return;
  const double start = seconds_now();
  const std::size_t stages = self_->history.size();
  if (self_->begun) {
    self_->step(poll);
  } else {
    self_->start_stage(poll);
  }
  const double seconds = seconds_now() - start;
  (self_->history.size() > stages ? self_->history.back() : self_->report).seconds += seconds;
}

CycleSolver::State CycleSolver::state() const {
  const Implementation& self = *self_;
  State state;
  state.todo.assign(self.todo.begin(), self.todo.end());
  state.begun = self.begun;
  state.converged = self.converged;
  state.epsilon = self.begun || self.last_epsilon > 0 ? self.sweep->epsilon() : 0;
  state.potentials = self.given_order(self.sweep->potentials(), 1);
  state.past_epsilon = self.past_epsilon;
  state.past = self.given_order(self.past, 1);
  state.shift = self.shift;
  state.history = self.history;
  if (self.begun) state.history.push_back(self.report);
  return state;
}

std::vector<double> CycleSolver::stages_from(double epsilon) const {
  constexpr double same = 1 + 1e-9;
  std::vector<double> result;
  for (const double stage : self_->todo) {
    if (stage <= epsilon * same) result.push_back(stage);
  }
  return result;
}

void CycleSolver::resume(State state) {
  Implementation& self = *self_;
  parallel::require(state.potentials.size() == self.data.count(), "the state is of this cycle");
  self.todo.assign(state.todo.begin(), state.todo.end());
  self.begun = state.begun;
  self.converged = state.converged;
  self.shift = state.shift;
  self.history = std::move(state.history);
  if (self.begun) {
    self.report = self.history.back();
    self.history.pop_back();
    self.error = self.report.error_l1;
  }
  self.past_epsilon = state.past_epsilon;
  self.past = self.own_order(state.past, 1);
  self.last_epsilon = self.history.empty() ? 0 : self.history.back().regularisation;
  self.fresh = false;
  if (!(state.epsilon > 0)) return;
  self.sweep->set_epsilon(state.epsilon);
  self.sweep->potentials() = self.own_order(state.potentials, 1);
  if (self.begun) self.make_coarse();  // without it there would be sweeps only
  if (finished()) {
    self.sweep->refresh(unknown, {});
    self.sweep->walk([](std::size_t, const Columns&) {}, {});
    self.measure({});
  }
}

double CycleSolver::error_l1() const noexcept {
  return self_->error;
}
double CycleSolver::epsilon() const noexcept {
  return self_->sweep->epsilon();
}
const std::vector<StageReport>& CycleSolver::history() const noexcept {
  return self_->history;
}
std::int64_t CycleSolver::sweeps() const noexcept {
  std::int64_t sum = self_->begun ? self_->report.sinkhorn : 0;
  for (const StageReport& stage : self_->history) sum += stage.sinkhorn;
  return sum;
}

}  // namespace mensura::transport
