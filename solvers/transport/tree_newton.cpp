// SPDX-License-Identifier: BSD-3-Clause
#include "transport/tree_newton.hpp"

#include <algorithm>
#include <cmath>

#include "parallel/exact_sum.hpp"

namespace mensura::transport {

namespace {

// Constants of reference/transport_robust 4.
// In a step: a free marginal's logarithm or, where steps fail, a potential moves by so many eps; a
// point's mass in the plan grows, by the linear model, by so much.
constexpr double most_move = 20;
constexpr double most_growth = 2;
constexpr double first_kappa = 0.01, least_kappa = 1e-3;
constexpr double most_shift = 1;
constexpr double first_floor = 1e-7, least_floor = 1e-9;  // of the shift
constexpr double decrease = 1e-4;                         // sufficient increase of the objective
constexpr double resolved = 1e-13;      // relative change that the objective can show
constexpr double least_damping = 1e-3;  // relative to the first trial
constexpr double short_damping = 0x1p-4;
constexpr int most_solves = 4;  // per step, with larger and larger shifts
constexpr int rescue_sweeps = 10;
// Points that lack mass to so little, relative to it, and so many sweeps to feed them. All of them
// together may lack the last: more than rounding, less than any tolerance.
constexpr int most_feeding = 100;
constexpr double negligible = 1e-12;
constexpr double too_much = 2;      // error that sweeps mend better than steps
constexpr double found_here = 0.1;  // drift since the search
constexpr double carries = 1e-14;   // of the largest marginal: points that steps must respect
// So many steps that do not halve the error must raise the objective by so many times eps times the
// mass in the wrong place: masses on a long way do, at up to `most_move` eps in a step.
constexpr std::int64_t patience = 12;
constexpr double worth = 10;
// A free node's marginal must stand in for its exact one: outer solves need not be better.
constexpr double loosest = 0.1, tightest = 1e-4;
// Preconditioners of many solves may leave out more than those of one: a smaller share where a
// Laplacian then takes many iterations.
constexpr double first_share = 1e-3, next_share = 1e-2;
// Of the Laplacians' solves: better after line searches that failed (measured: nothing is gained
// below 1e-4 on connected plans), and no better than they reach.
constexpr double first_accuracy = 1e-5, least_accuracy = 1e-12, next_accuracy = 1e-3;

}  // namespace

bool Standstill::reached(double now, double value, double unit) {
  if (now < error / 2) {
    error = now;
    objective = value;
    steps = 0;
    return false;
  }
  if (++steps < patience) return false;
  if (!(value - objective > worth * unit * error)) return true;
  objective = value;
  steps = 0;
  return false;
}

TreeNewton::TreeNewton(TreePlans& plans, TreeMessages& full, NodePotentials start,
                       const Options& options)
    : plans_(plans),
      full_(full),
      at_(std::move(start)),
      options_(options),
      kappa_(first_kappa),
      floor_(first_floor),
      least_share_(first_share),
      accuracy_(first_accuracy) {}

double TreeNewton::rho(std::size_t node) const {
  const auto& all = plans_.options().rho;
  return all.empty() ? std::numeric_limits<double>::infinity() : all[node];
}

// Are there points of some mass that the plan of all pairs gives next to none, so that no pair of
// theirs would be in the supports, or does it give far too much elsewhere?
bool TreeNewton::starved() const {
  const double little = std::exp(-SparsePlan::log_threshold);
  parallel::ExactSum lacking;
  for (std::size_t k = 0; k < at_.size(); ++k) {
    if (plans_.tree().free(k)) continue;
    const std::vector<double> sums = full_.marginal(k, at_);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const double target = target_mass(plans_.clouds()[k]->mass[i], at_[k][i], rho(k));
      if (sums[i] < little * target) lacking.add(target);
    }
  }
  parallel::reduce(plans_.comm(), std::span(&lacking, 1));
  return lacking.value() > negligible * options_.mass ||
         full_.error(at_) > too_much * options_.mass;
}

// Supports are found where nobody starves. What is not in them is lost to steps and to their
// sweeps: a few sweeps over all pairs raise such points by whatever it takes.
bool TreeNewton::search(const std::function<void()>& poll) {
  for (int s = 0;; ++s) {
    full_.gather(at_, poll);
    full_.spread(at_, poll);
    if (s == most_feeding || !starved()) break;
    full_.sweep(at_, 1, poll);
    ++report_.sweeps;
  }
  ++report_.searches;
  if (!plans_.search(at_, full_, options_.most_pairs)) return false;
  report_.plan_per_row = std::max(report_.plan_per_row, plans_.fattest_row());
  return true;
}

bool TreeNewton::begin(const std::function<void()>& poll) {
  // One exact sweep over all pairs, so that no point of a fixed node is starved.
  full_.gather(at_, poll);
  full_.sweep(at_, 1, poll);
  if (!search(poll)) return false;
  plans_.sweep(at_, options_.warm_sweeps);
  report_.sweeps += 1 + options_.warm_sweeps;
  if (plans_.drift(at_) > SparsePlan::margin) {
    if (!search(poll)) return false;
    plans_.sweep(at_, options_.warm_sweeps);
    report_.sweeps += options_.warm_sweeps;
  }
  state_ = evaluate(at_);
  note();
  return true;
}

bool TreeNewton::resume(const Memory& memory, const std::function<void()>& poll) {
  full_.gather(memory.searched, poll);
  full_.spread(memory.searched, poll);
  if (!plans_.search(memory.searched, full_, options_.most_pairs)) return false;
  report_ = memory.report;
  kappa_ = memory.kappa;
  floor_ = memory.floor;
  least_share_ = memory.least_share;
  accuracy_ = memory.accuracy;
  standstill_ = memory.standstill;
  state_ = evaluate(at_);
  return true;
}

TreeNewton::State TreeNewton::evaluate(const NodePotentials& at) {
  const Tree& tree = plans_.tree();
  plans_.evaluate(at);
  State state;
  state.residuals.resize(tree.nodes());
  std::vector<parallel::ExactSum> errors(tree.nodes());
  parallel::ExactSum mass;
  for (std::size_t k = 0; k < tree.nodes(); ++k) {
    const std::span<const double> sums = plans_.sums(tree.links(k).front().edge, k);
    if (k == tree.root()) {
      for (const double value : sums) mass.add(value);
    }
    if (tree.free(k)) continue;
    state.residuals[k].resize(sums.size());
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const double miss = target_mass(plans_.clouds()[k]->mass[i], at[k][i], rho(k)) - sums[i];
      state.residuals[k][i] = miss;
      errors[k].add(std::abs(miss));
    }
  }
  errors.push_back(mass);
  parallel::reduce(plans_.comm(), errors);
  for (std::size_t k = 0; k < tree.nodes(); ++k) {
    const double error = errors[k].value() / options_.mass;
    state.error += error;
    state.largest = error <= state.largest ? state.largest : error;
  }
  if (std::isnan(state.error)) state.largest = state.error;
  state.objective = tree_objective(plans_.comm(), tree, plans_.clouds(), plans_.options(), at,
                                   errors.back().value());
  return state;
}

void TreeNewton::note() {
  report_.error_l1 = state_.largest;
  report_.dual_objective = state_.objective;
}

// What a point lacks, but for no more than a linear model can tell: where the plan has hardly begun
// to reach it, the sweeps raise it in the log domain.
NodePotentials TreeNewton::bounded(NodePotentials residuals) const {
  for (std::size_t k = 0; k < residuals.size(); ++k) {
    if (residuals[k].empty()) continue;
    const std::span<const double> sums = plans_.sums(plans_.tree().links(k).front().edge, k);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      residuals[k][i] = std::min(residuals[k][i], most_growth * sums[i]);
    }
  }
  return residuals;
}

TreeNewton::Way TreeNewton::direction() {
  const Tree& tree = plans_.tree();
  NodePotentials extra(tree.nodes());
  for (std::size_t k = 0; k < tree.nodes(); ++k) {
    if (tree.free(k) || std::isinf(rho(k))) continue;
    for (std::size_t i = 0; i < at_[k].size(); ++i) {
      extra[k].push_back(plans_.options().epsilon / rho(k) *
                         target_mass(plans_.clouds()[k]->mass[i], at_[k][i], rho(k)));
    }
  }
  const NodePotentials wanted = bounded(state_.residuals);
  Way way;
  for (int attempt = 0; attempt < most_solves; ++attempt) {
    TreeDirection::Options options;
    options.shift = std::max(floor_, kappa_ * std::min(state_.error, 1.0));
    options.least_share = least_share_;
    options.accuracy = accuracy_;
    options.tolerance = std::max(tightest, std::min(loosest, state_.error));
    TreeDirection solver(plans_, extra, options);
    NodePotentials means;
    way.solved = way.good = solver.solve(wanted, way.change, means);
    report_.cg.push_back(solver.iterations());
    report_.inner = std::max(report_.inner, solver.inner());
    report_.laplacian_per_row = std::max(report_.laplacian_per_row, solver.entries_per_row());
    if (solver.inner() > LaplacianSolver::many_iterations) least_share_ *= next_share;
    if (way.good) {
      parallel::ExactSum slope;
      double top = 0, most = 0;
      for (std::size_t k = 0; k < tree.nodes(); ++k) {
        if (tree.free(k)) {
          for (const double mass : plans_.sums(tree.links(k).front().edge, k)) {
            top = std::max(top, mass);
          }
          continue;
        }
        for (std::size_t i = 0; i < at_[k].size(); ++i) {
          slope.add(state_.residuals[k][i] * way.change[k][i]);
        }
      }
      top = plans_.comm().max(top);
      for (std::size_t k = 0; k < tree.nodes(); ++k) {
        if (!tree.free(k)) continue;
        const std::span<const double> sums = plans_.sums(tree.links(k).front().edge, k);
        for (std::size_t i = 0; i < sums.size(); ++i) {
          if (sums[i] > carries * top) most = std::max(most, std::abs(means[k][i]));
        }
      }
      way.largest = plans_.comm().max(most);
      parallel::reduce(plans_.comm(), std::span(&slope, 1));
      way.slope = plans_.options().epsilon * slope.value();
      way.good = way.slope > 0 && std::isfinite(way.largest);
    } else {
      ++report_.linear_failures;
      accuracy_ = std::min(accuracy_ / next_accuracy, first_accuracy);
    }
    if (way.good && way.largest <= most_move) break;
    kappa_ = std::max(10 * kappa_, 1e-9 / state_.error);
  }
  return way;
}

// Where there is next to no mass the systems are solved to nothing but noise, which must not hold
// all points back. False when no way up is left.
bool TreeNewton::bound(Way& way) const {
  parallel::ExactSum slope;
  for (std::size_t k = 0; k < way.change.size(); ++k) {
    if (plans_.tree().free(k)) continue;
    for (std::size_t i = 0; i < way.change[k].size(); ++i) {
      double& change = way.change[k][i];
      change = std::clamp(change, -most_move, most_move);
      slope.add(state_.residuals[k][i] * change);
    }
  }
  parallel::reduce(plans_.comm(), std::span(&slope, 1));
  way.slope = plans_.options().epsilon * slope.value();
  return way.slope > 0;
}

bool TreeNewton::line_search(const Way& way, double most, double least, double& damping) {
  const double first = way.largest > most_move ? most_move / way.largest : 1.0;
  for (damping = most * first; damping > least * first; damping /= 2) {
    NodePotentials trial = at_;
    const double scale = damping * plans_.options().epsilon;
    for (std::size_t k = 0; k < trial.size(); ++k) {
      for (std::size_t i = 0; i < trial[k].size(); ++i) trial[k][i] += scale * way.change[k][i];
    }
    State state = evaluate(trial);
    if (!std::isfinite(state.objective)) continue;
    const double gain = damping * way.slope;
    const bool rises = state.objective >= state_.objective + decrease * gain &&
                       gain > resolved * std::abs(state_.objective);
    if (!rises && !(state.error < 0.9 * state_.error)) continue;
    at_ = std::move(trial);
    state_ = std::move(state);
    return true;
  }
  return false;
}

// The supports know the tolerance is met: do all pairs, or are they missed only by what is below
// the threshold of supports that were found here? True when they do; otherwise the supports have
// been found again.
bool TreeNewton::settle(const std::function<void()>& poll) {
  full_.gather(at_, poll);
  full_.spread(at_, poll);
  const double error = full_.error(at_) / options_.mass;
  if (error < options_.tolerance || plans_.drift(at_) < found_here) {
    report_.error_l1 = state_.largest;
    converged_ = true;
    return true;
  }
  ++report_.searches;
  if (!plans_.search(at_, full_, options_.most_pairs)) return true;
  state_ = evaluate(at_);
  note();
  return false;
}

// After a step: sweeps, and where the potentials have drifted the supports anew. These may hold
// pairs that have come to weigh more than the step gained. Sweeps over all pairs know them; where
// they do not mend it, the step is taken back for some of them. False when the plans no longer fit.
bool TreeNewton::follow(const NodePotentials& before, const State& old, int sweeps,
                        const std::function<void()>& poll) {
  const NodePotentials stepped = at_;
  plans_.sweep(at_, sweeps);
  report_.sweeps += sweeps;
  const bool drifted = plans_.drift(at_) > SparsePlan::margin;
  if (drifted && !search(poll)) return false;
  state_ = evaluate(at_);
  const auto lost = [&] {
    const double loss = old.objective - state_.objective;
    return !(loss <= resolved * std::abs(old.objective)) && !(state_.error < old.error);
  };
  if (!drifted || !lost()) return true;
  if (!sweep_all(stepped, sweeps, poll)) return false;
  if (!lost()) return true;
  kappa_ *= 100;
  return sweep_all(before, rescue_sweeps, poll);
}

// False when the plans no longer fit.
bool TreeNewton::sweep_all(const NodePotentials& from, int sweeps,
                           const std::function<void()>& poll) {
  at_ = from;
  full_.gather(at_, poll);
  for (int s = 0; s < sweeps; ++s) full_.sweep(at_, 1, poll);
  report_.sweeps += sweeps;
  if (!search(poll)) return false;
  state_ = evaluate(at_);
  return true;
}

bool TreeNewton::step(const std::function<void()>& poll) {
  if (state_.largest < options_.tolerance && settle(poll)) return true;
  if (report_.steps >= options_.max_steps || !std::isfinite(state_.error) ||
      stagnation_.reached(state_.largest) ||
      standstill_.reached(state_.error, state_.objective,
                          plans_.options().epsilon * options_.mass)) {
    return true;
  }
  ++report_.steps;
  const NodePotentials before = at_;
  const State old = state_;
  const Way way = direction();
  double damping = 0;
  bool good = way.good && line_search(way, 1, short_damping, damping);
  if (way.good && !good) {
    Way bounded = way;
    good = (bound(bounded) && line_search(bounded, 1, least_damping, damping)) ||
           line_search(way, short_damping, least_damping, damping);
  }
  if (!good && way.solved) {
    floor_ = std::max(floor_ / 100, least_floor);
    accuracy_ = std::max(accuracy_ * next_accuracy, least_accuracy);
  }
  if (!good || damping < 0.2) {
    kappa_ *= 10;
  } else if (damping == 1) {
    kappa_ = std::max(kappa_ / 10, least_kappa);
  }
  if (!good) plans_.evaluate(at_);  // the trials have left their messages
  if (!good || state_.largest >= options_.tolerance) {
    if (!follow(before, old, good ? 1 : rescue_sweeps, poll)) return true;
  }
  // A shift of the whole diagonal leaves nothing of Newton's method.
  kappa_ = std::min(kappa_, most_shift / std::min(state_.error, 1.0));
  note();
  return false;
}

}  // namespace mensura::transport
