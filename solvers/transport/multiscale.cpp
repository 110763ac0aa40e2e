// SPDX-License-Identifier: BSD-3-Clause
#include "transport/multiscale.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>

namespace mensura::transport {

namespace {

// Regularisations of a level in units of its squared spacing (transport_robust 1).
constexpr std::array<double, 5> coarsest_units{64, 16, 4, 2, 1};
constexpr std::array<double, 2> middle_units{2, 1};
// All stages but the last end here (L1 error of the larger marginal).
constexpr double loose_tolerance = 1e-4;
// Extrapolation in eps pays below a sixteenth of the squared spacing.
constexpr double extrapolated_unit = 1.0 / 16;
constexpr std::int64_t most_insertions = 6;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Multiscale::Multiscale(const parallel::Communicator& comm, std::vector<Level> levels,
                       const Cost& cost, const MultiscaleOptions& options)
    : comm_(comm), levels_(std::move(levels)), cost_(cost), options_(options) {
  plan_stages();
  current_level_ = levels_.size();
}

void Multiscale::plan_stages() {
  const auto add = [&](std::size_t level, double epsilon) {
    const double allowed = std::max(epsilon, options_.epsilon);
    if (!todo_.empty() && todo_.back().level == level && todo_.back().epsilon <= allowed) return;
    todo_.push_back({level, allowed, loose_tolerance, false});
  };
  for (std::size_t level = levels_.size(); level-- > 0;) {
    const double unit = cost_.weight() * levels_[level].spacing * levels_[level].spacing;
    const bool coarsest = level + 1 == levels_.size();
    if (coarsest) {
      for (const double m : coarsest_units) {
        if (level > 0 || m > 1) add(level, m * unit);
      }
    } else if (level > 0) {
      for (const double m : middle_units) add(level, m * unit);
    }
    if (level > 0) continue;
    double first = options_.epsilon;
    while (2 * first <= unit * (1 + 1e-12)) first *= 2;
    for (double epsilon = first; epsilon > options_.epsilon * (1 + 1e-12); epsilon /= 2) {
      add(0, epsilon);
    }
    add(0, options_.epsilon);
  }
  todo_.back().tolerance = options_.tolerance;
}

// Both potentials at the points of a finer level: f by a soft c-transform of the coarse g, then one
// exact sweep, so that no row and no column is starved.
Potentials Multiscale::prolonged(std::size_t from, std::size_t to, double epsilon,
                                 const std::function<void()>& poll) const {
  const Level& coarse = levels_[from];
  const Level& fine = levels_[to];
  Potentials result;
  const std::vector<double> f = soft_transform(comm_, fine.x, coarse.y, at_.g, epsilon_at_, cost_);
  poll();
  result.g = soft_transform(comm_, fine.y, fine.x, f, epsilon, cost_);
  poll();
  result.f = soft_transform(comm_, fine.x, fine.y, result.g, epsilon, cost_);
  return result;
}

Potentials Multiscale::predicted(double epsilon) const {
  const Level& here = levels_[current_level_];
  const double unit = cost_.weight() * here.spacing * here.spacing;
  if (past_.size() < 2 || epsilon > extrapolated_unit * unit * (1 + 1e-12)) return at_;
  const Past& before = past_[0];
  const Past& last = past_[1];
  const double t = (epsilon - last.epsilon) / (last.epsilon - before.epsilon);
  Potentials result = last.at;
  for (std::size_t i = 0; i < result.f.size(); ++i) {
    result.f[i] += t * (last.at.f[i] - before.at.f[i]);
  }
  for (std::size_t j = 0; j < result.g.size(); ++j) {
    result.g[j] += t * (last.at.g[j] - before.at.g[j]);
  }
  return result;
}

void Multiscale::start_stage(const std::function<void()>& poll) {
  const Stage stage = todo_.front();
  const Level& here = levels_[stage.level];
  Potentials start;
  if (current_level_ == levels_.size()) {  // the very first stage
    start.f.assign(here.x.own(), 0.0);
    start.g = soft_transform(comm_, here.y, here.x, start.f, stage.epsilon, cost_);
    start.f = soft_transform(comm_, here.x, here.y, start.g, stage.epsilon, cost_);
  } else if (current_level_ != stage.level) {
    start = prolonged(current_level_, stage.level, stage.epsilon, poll);
  } else {
    start = predicted(stage.epsilon);
  }
  if (current_level_ != stage.level) {
    newton_.reset();
    plan_ = std::make_unique<SparsePlan>(comm_, here.x, here.y, cost_);
    past_.clear();
    current_level_ = stage.level;
  }
  NewtonOptions options;
  options.epsilon = stage.epsilon;
  options.tolerance = stage.tolerance;
  options.rho = options_.rho;
  options.max_steps = options_.max_newton;
  options.most_pairs = options_.most_pairs;
  newton_ = std::make_unique<Newton>(*plan_, std::move(start), options);
  if (!newton_->begin()) {
    throw parallel::Error(parallel::ExitCode::too_large,
                          "the plan has too many entries on one rank: lower "
                          "regularisation.final, use more ranks, or method: sinkhorn");
  }
  begun_ = true;
}

void Multiscale::report(const Newton& newton) {
  const NewtonReport& from = newton.report();
  const Stage& stage = todo_.front();
  StageReport entry;
  entry.level = static_cast<int>(stage.level);
  entry.points = levels_[stage.level].x.total;
  entry.regularisation = stage.epsilon;
  entry.method = "newton";
  entry.newton = from.steps;
  entry.cg = from.cg;
  entry.sinkhorn = from.sweeps;
  entry.searches = from.searches;
  entry.plan_per_row = from.plan_per_row;
  entry.laplacian_per_row = from.laplacian_per_row;
  entry.error_l1 = from.error_l1;
  entry.dual_objective = from.dual_objective;
  entry.seconds = stage_seconds_;
  history_.push_back(std::move(entry));
}

// Takes the result, or puts a milder regularisation before the one that failed.
void Multiscale::finish_stage() {
  const Stage stage = todo_.front();
  report(*newton_);
  stage_seconds_ = 0;
  begun_ = false;
  const bool accepted = newton_->converged();
  const double last = past_.empty() ? 4 * stage.epsilon : past_.back().epsilon;
  if (!accepted && inserted_ < most_insertions && !past_.empty()) {
    ++inserted_;
    at_ = past_.back().at;
    todo_.push_front({stage.level, std::sqrt(last * stage.epsilon), loose_tolerance, true});
    return;
  }
  at_ = newton_->potentials();
  epsilon_at_ = stage.epsilon;
  converged_ = accepted;
  inserted_ = 0;
  past_.push_back({stage.epsilon, at_});
  if (past_.size() > 2) past_.erase(past_.begin());
  todo_.pop_front();
}

void Multiscale::advance(const std::function<void()>& poll) {
  const auto start = std::chrono::steady_clock::now();
  if (!begun_) {
    start_stage(poll);
    stage_seconds_ += seconds_since(start);
    return;
  }
  const bool finished = newton_->step();
  stage_seconds_ += seconds_since(start);
  if (finished) finish_stage();
}

}  // namespace mensura::transport
