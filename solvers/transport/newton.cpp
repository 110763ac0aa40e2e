// SPDX-License-Identifier: BSD-3-Clause
#include "transport/newton.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include "parallel/exact_sum.hpp"
#include "transport/laplacian_solver.hpp"

namespace mensura::transport {

namespace {

// Constants of reference/transport_robust 1.
constexpr double most_move = 20;      // CAP: largest change of f + g in a step, in units of eps
constexpr double first_kappa = 0.01;  // the shift is kappa * min(error, 1) * diagonal
constexpr double least_kappa = 1e-3, most_kappa = 1e12;
constexpr double least_shift = 1e-12;
constexpr int most_solves = 4;          // per step, with larger and larger shifts
constexpr double decrease = 1e-4;       // sufficient increase of the dual objective
constexpr double resolved = 1e-13;      // relative change that the objective can show
constexpr double least_damping = 1e-3;  // relative to the first trial
constexpr int rescue_sweeps = 20;
// Where conjugate gradients take many iterations with a sparsified preconditioner, it keeps more.
constexpr double next_share = 1e-3;
// Errors below the second without progress over so many steps are taken for rounding.
constexpr std::int64_t patience = 12;
constexpr double rounding_error = 1e-8;
// A Newton step costs about as much as 100 to 200 sweeps; so many are always worth trying first.
constexpr double few_sweeps = 60;

// Sum of |terms|.
double size_of(const parallel::Communicator& comm, std::span<const double> terms) {
  parallel::ExactSum sum;
  for (const double term : terms) sum.add(std::abs(term));
  parallel::reduce(comm, std::span(&sum, 1));
  return sum.value();
}

// What a marginal's sum should be: its mass, less where a penalty lets the potential pay.
double target(double mass, double potential, double rho) {
  return std::isinf(rho) ? mass : mass * std::exp(-potential / rho);
}

}  // namespace

double dual_objective(const parallel::Communicator& comm, const SparsePlan& plan,
                      const Potentials& at, double epsilon, double rho) {
  const double mass = parallel::exact_total(comm, plan.row_sums());
  const auto side = [&](const Cloud& cloud, std::span<const double> potential) {
    std::vector<double> terms(cloud.own());
    for (std::size_t i = 0; i < terms.size(); ++i) {
      terms[i] = std::isinf(rho) ? cloud.mass[i] * potential[i]
                                 : -rho * cloud.mass[i] * std::expm1(-potential[i] / rho);
    }
    return parallel::exact_total(comm, terms);
  };
  return side(plan.x(), at.f) + side(plan.y(), at.g) - epsilon * mass;
}

Newton::Newton(SparsePlan& plan, Potentials start, const NewtonOptions& options)
    : plan_(plan),
      at_(std::move(start)),
      options_(options),
      kappa_(first_kappa),
      least_share_(LaplacianSolver::first_share) {
  mass_ = std::max(parallel::exact_total(plan.comm(), plan.x().mass),
                   parallel::exact_total(plan.comm(), plan.y().mass));
}

bool Newton::begin() {
  if (!search()) return false;
  sinkhorn(options_.warm_sweeps);
  if (plan_.drift(at_, options_.epsilon) > SparsePlan::margin) {
    if (!search()) return false;
    sinkhorn(options_.warm_sweeps);
  }
  state_ = evaluate(at_);
  sweep_to_the_end();
  note();
  return true;
}

// Measures the rate of the sweeps and goes on with them where few are left.
void Newton::sweep_to_the_end() {
  const double before = plan_.error_half_way(), after = state_.largest;
  if (!(before > 0) || !(after > 0) || !(after < before)) return;
  report_.sweep_rate = std::pow(after / before, 1.0 / (options_.warm_sweeps / 2));
  const double left = std::log(options_.tolerance / after) / std::log(report_.sweep_rate);
  if (!(left > 0) || left > few_sweeps) return;
  sinkhorn(static_cast<int>(std::ceil(left)) + 1);
  state_ = evaluate(at_);
}

bool Newton::resume(const Memory& memory) {
  if (!plan_.search(memory.searched, options_.epsilon, options_.most_pairs)) return false;
  report_ = memory.report;
  kappa_ = memory.kappa;
  least_share_ = memory.least_share;
  state_ = evaluate(at_);
  return true;
}

bool Newton::search() {
  ++report_.searches;
  if (!plan_.search(at_, options_.epsilon, options_.most_pairs)) return false;
  report_.plan_per_row = std::max(report_.plan_per_row, static_cast<double>(plan_.total()) /
                                                            static_cast<double>(plan_.x().total));
  return true;
}

void Newton::sinkhorn(int sweeps) {
  report_.sweeps += sweeps;
  plan_.sinkhorn(at_, options_.epsilon, options_.rho, sweeps);
}

Newton::State Newton::evaluate(const Potentials& at) {
  plan_.evaluate(at, options_.epsilon);
  State state;
  const auto residual = [&](const Cloud& cloud, std::span<const double> potential,
                            std::span<const double> sums) {
    std::vector<double> result(cloud.own());
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] = target(cloud.mass[i], potential[i], options_.rho) - sums[i];
    }
    return result;
  };
  state.row_residual = residual(plan_.x(), at.f, plan_.row_sums());
  state.column_residual = residual(plan_.y(), at.g, plan_.column_sums());
  const double rows = size_of(plan_.comm(), state.row_residual) / mass_;
  const double columns = size_of(plan_.comm(), state.column_residual) / mass_;
  state.error = rows + columns;
  state.largest = std::max(rows, columns);
  state.objective = dual_objective(plan_.comm(), plan_, at, options_.epsilon, options_.rho);
  return state;
}

void Newton::note() {
  report_.error_l1 = state_.largest;
  report_.dual_objective = state_.objective;
}

double Newton::share_to_drop() const {
  return LaplacianSolver::is_fat(plan_) ? least_share_ : 0;
}

bool Newton::solve(const Laplacian& laplacian, double shift, const std::vector<double>& rhs,
                   std::vector<double>& solution) {
  LaplacianSolver solver(laplacian, LaplacianSolver::Use::newton, shift, share_to_drop(),
                         std::max(1e-6, std::min(0.1, state_.error)));
  const bool good = solver.solve(rhs, solution);
  report_.cg.push_back(solver.iterations());
  report_.laplacian_per_row =
      std::max(report_.laplacian_per_row, static_cast<double>(laplacian.assembled_entries()) /
                                              static_cast<double>(laplacian.total()));
  report_.heavy_columns = std::max(report_.heavy_columns, laplacian.heavy());
  if (!good) {
    least_share_ = 0;
  } else if (solver.iterations() > LaplacianSolver::many_iterations) {
    least_share_ *= next_share;
  }
  return good;
}

// The value that so many entries of all ranks reach, as the count rule keeps them: bisection on the
// logarithm, to 1e-3.
double Newton::count_threshold() const {
  const auto wanted = static_cast<std::int64_t>(std::ceil(
      options_.kept_per_point * static_cast<double>(std::max(plan_.x().total, plan_.y().total))));
  if (plan_.total() <= wanted) return 0;
  double low = -750, high = 1;
  while (high - low > 1e-3) {
    const double middle = (low + high) / 2, threshold = std::exp(middle);
    std::int64_t above = 0;
    for (const double value : plan_.values()) above += value >= threshold;
    (plan_.comm().sum(above) >= wanted ? low : high) = middle;
  }
  return std::exp(low);
}

// The plan without what the deck's rule leaves out; none: all of it counts.
std::optional<SparsePlan> Newton::thinned() const {
  if (options_.hessian == Hessian::full) return std::nullopt;
  if (options_.hessian == Hessian::count) {
    const double threshold = count_threshold();
    return plan_.thinned([&](std::size_t, double value, double) { return value >= threshold; });
  }
  const double share = 0.01 * std::min(1.0, state_.error) * static_cast<double>(plan_.x().total) /
                       static_cast<double>(std::max<std::int64_t>(plan_.total(), 1));
  return plan_.thinned([&](std::size_t row, double value, double column) {
    return value >= share * plan_.row_sums()[row] || value >= share * column;
  });
}

// The Newton direction, with the shift raised until it is one that can be followed.
Newton::Direction Newton::direction() {
  // What the diagonals have beside the sums of the plan: a penalty's part, what was left out.
  const auto extra = [&](const Cloud& cloud, std::span<const double> potential,
                         std::span<const double> all, std::span<const double> kept) {
    std::vector<double> result;
    if (std::isinf(options_.rho) && kept.empty()) return result;
    result.resize(cloud.own(), 0.0);
    for (std::size_t i = 0; i < result.size(); ++i) {
      if (!kept.empty()) result[i] = std::max(0.0, all[i] - kept[i]);
      if (std::isinf(options_.rho)) continue;
      result[i] +=
          options_.epsilon / options_.rho * target(cloud.mass[i], potential[i], options_.rho);
    }
    return result;
  };
  const std::optional<SparsePlan> thin = thinned();
  const std::span<const double> none;
  const Laplacian laplacian(
      thin ? *thin : plan_,
      extra(plan_.x(), at_.f, plan_.row_sums(), thin ? thin->row_sums() : none),
      extra(plan_.y(), at_.g, plan_.column_sums(), thin ? thin->column_sums() : none));
  std::vector<double> rhs(static_cast<std::size_t>(laplacian.own())), solution;
  laplacian.right_hand_side(state_.row_residual, state_.column_residual, rhs);
  Direction result;
  result.f.resize(plan_.x().own());
  result.g.resize(plan_.y().own());
  for (int attempt = 0; attempt < most_solves; ++attempt) {
    const double shift = std::max(least_shift, kappa_ * std::min(state_.error, 1.0));
    const bool sparsified = share_to_drop() > 0;
    result.good = solve(laplacian, shift, rhs, solution);
    if (result.good) {
      laplacian.back(solution, state_.column_residual, result.f, result.g);
      result.slope =
          options_.epsilon * (parallel::exact_dot(plan_.comm(), state_.row_residual, result.f) +
                              parallel::exact_dot(plan_.comm(), state_.column_residual, result.g));
      result.largest = plan_.largest_change(result.f, result.g);
      result.good = result.slope > 0 && std::isfinite(result.largest);
    } else {
      ++report_.linear_failures;
      if (sparsified) continue;  // once more with all links, before the shift grows
    }
    if (result.good && result.largest <= most_move) break;
    kappa_ = std::max(10 * kappa_, 1e-9 / state_.error);
  }
  return result;
}

bool Newton::line_search(const Direction& direction, double& damping) {
  const double first = std::min(1.0, most_move / direction.largest);
  for (damping = first; damping > least_damping * first; damping /= 2) {
    Potentials trial = at_;
    const double scale = damping * options_.epsilon;
    for (std::size_t i = 0; i < trial.f.size(); ++i) trial.f[i] += scale * direction.f[i];
    for (std::size_t j = 0; j < trial.g.size(); ++j) trial.g[j] += scale * direction.g[j];
    State state = evaluate(trial);
    if (!std::isfinite(state.objective)) continue;
    const double gain = damping * direction.slope;
    const bool rises = state.objective >= state_.objective + decrease * gain &&
                       gain > resolved * std::abs(state_.objective);
    if (!rises && !(state.error < 0.9 * state_.error)) continue;
    at_ = std::move(trial);
    state_ = std::move(state);
    return true;
  }
  return false;
}

StageReport stage_of(const NewtonReport& report) {
  StageReport stage;
  stage.method = "newton";
  stage.newton = report.steps;
  stage.cg = report.cg;
  stage.inner = report.inner;
  stage.sinkhorn = report.sweeps;
  stage.searches = report.searches;
  stage.plan_per_row = report.plan_per_row;
  stage.laplacian_per_row = report.laplacian_per_row;
  stage.error_l1 = report.error_l1;
  stage.dual_objective = report.dual_objective;
  stage.sweep_rate = report.sweep_rate;
  return stage;
}

bool Stagnation::reached(double error) {
  if (error < least_ / 2) {
    least_ = error;
    steps_ = 0;
    return false;
  }
  return ++steps_ > patience && error < rounding_error;
}

bool Newton::step() {
  if (state_.largest < options_.tolerance) {
    if (plan_.drift(at_, options_.epsilon) > SparsePlan::margin) {
      if (!search()) return true;
      state_ = evaluate(at_);
      note();
    }
    if (state_.largest < options_.tolerance) {
      converged_ = true;
      return true;
    }
  }
  if (report_.steps >= options_.max_steps || !std::isfinite(state_.error) ||
      stagnation_.reached(state_.largest)) {
    return true;
  }
  ++report_.steps;
  const Potentials before = at_;
  const double objective = state_.objective, error = state_.error;
  const Direction way = direction();
  double damping = 0;
  const bool good = way.good && line_search(way, damping);
  if (!good || damping < 0.2) {
    kappa_ *= 10;
  } else if (damping == 1) {
    kappa_ = std::max(kappa_ / 10, least_kappa);
  }
  if (!good) sinkhorn(rescue_sweeps);
  if (!good || state_.largest >= options_.tolerance) sinkhorn(1);
  const bool drifted = plan_.drift(at_, options_.epsilon) > SparsePlan::margin;
  if (drifted && !search()) return true;
  state_ = evaluate(at_);
  // The line search knows the support of the step alone: pairs outside may have come to weigh more
  // than it gained.
  const double lost = objective - state_.objective;
  if (drifted && !(lost <= resolved * std::abs(objective)) && !(state_.error < error)) {
    at_ = before;
    kappa_ *= 100;
    if (!search()) return true;
    state_ = evaluate(at_);
  }
  kappa_ = std::min(kappa_, most_kappa);
  if (!std::isfinite(state_.error)) {
    // A step may have lifted pairs that were outside the support beyond the range of doubles.
    sinkhorn(rescue_sweeps);
    state_ = evaluate(at_);
  }
  note();
  return false;
}

}  // namespace mensura::transport
