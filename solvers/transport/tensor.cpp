// SPDX-License-Identifier: BSD-3-Clause
#include "transport/tensor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "parallel/exact_sum.hpp"
#include "transport/tensor_hessian.hpp"

namespace mensura::transport {

namespace {

using parallel::Error;
using parallel::ExitCode;

// Regularisations fall by this factor; all but the last are solved to the loose tolerance.
constexpr double fall = 4, loose_tolerance = 1e-3;
// Or until they have taken so many sweeps.
constexpr std::int64_t loose_sweeps = 200;
// A Newton step changes no exponent by more than this, in the first trial of so many.
constexpr double longest_step = 4;
constexpr int most_halvings = 12;
// Entries that the sweeps between two safe points may visit.
constexpr double entries_between_stops = 2e9;
// Errors below so many units of the resolution may not fall any further, and do not when they have
// not halved for so many Newton steps.
constexpr double most_units = 100;
constexpr std::int64_t most_idle = 4;

double sum_of(const std::vector<double>& values) {
  parallel::ExactSum sum;
  for (const double value : values) sum.add(value);
  return sum.value();
}

double scalar(const NodeFields& a, const NodeFields& b) {
  parallel::ExactSum sum;
  for (std::size_t k = 0; k < a.size(); ++k) {
    for (std::size_t x = 0; x < a[k].size(); ++x) sum.add(a[k][x] * b[k][x]);
  }
  return sum.value();
}

void check_masses(const NodeFields& masses, const TensorOptions& options) {
  parallel::require(masses.size() >= 2 && masses.size() <= 5, "two to five nodes");
  double entries = 1;
  std::int64_t points = 0;
  for (std::size_t k = 0; k < masses.size(); ++k) {
    for (std::size_t x = 0; x < masses[k].size(); ++x) {
      if (masses[k][x] > 0 && std::isfinite(masses[k][x])) continue;
      throw Error(ExitCode::input_data,
                  fmt::format("{} has mass {}: masses must be positive and finite; leave points "
                              "without mass out",
                              options.point(k, x), masses[k][x]));
    }
    const double total = sum_of(masses[k]);
    if (std::abs(total - 1) > 1e-9) {
      throw Error(ExitCode::input_data,
                  fmt::format("the masses of {} sum to {:.12g}: normalise all marginals to one",
                              options.node(k), total));
    }
    entries *= static_cast<double>(masses[k].size());
    points += static_cast<std::int64_t>(masses[k].size());
  }
  if (points > TensorSolver::most_points) {
    throw Error(ExitCode::too_large,
                fmt::format("{} points are more than the {} that the dense solver takes: take "
                            "fewer points per node, or a graph without cycles, which has solvers "
                            "for millions",
                            points, TensorSolver::most_points));
  }
  if (entries > static_cast<double>(TensorSolver::largest_tensor)) {
    throw Error(
        ExitCode::too_large,
        fmt::format("the tensor of {} nodes has {:.3g} entries, more than {:.3g}: take "
                    "fewer points per node (coarser grids), or a graph without cycles, "
                    "whose cost grows with the square of the points only",
                    masses.size(), entries, static_cast<double>(TensorSolver::largest_tensor)));
  }
}

void check_edge(const NodeFields& masses, const DenseEdge& edge, const TensorOptions& options) {
  parallel::require(edge.from < masses.size() && edge.to < masses.size() && edge.from != edge.to,
                    "an edge has two different nodes");
  const std::size_t n = masses[edge.from].size(), m = masses[edge.to].size();
  parallel::require(edge.cost.size() == n * m, "an edge has the cost of all pairs");
  if (!(edge.weight >= 0) || !std::isfinite(edge.weight)) {
    throw Error(ExitCode::input_data,
                fmt::format("the edge between {} and {} has weight {}: "
                            "weights are finite and not negative",
                            options.node(edge.from), options.node(edge.to), edge.weight));
  }
  std::vector<char> paired(n + m, 0);
  for (std::size_t i = 0; i < edge.cost.size(); ++i) {
    const double c = edge.cost[i];
    if (std::isnan(c) || c == -std::numeric_limits<double>::infinity()) {
      throw Error(ExitCode::input_data,
                  fmt::format("the cost of {} with {} is {}: costs are numbers, or +infinity for "
                              "forbidden pairs",
                              options.point(edge.from, i / m), options.point(edge.to, i % m), c));
    }
    if (std::isfinite(c)) paired[i / m] = paired[n + i % m] = 1;
  }
  const auto alone = static_cast<std::size_t>(std::ranges::find(paired, 0) - paired.begin());
  if (alone == paired.size() || edge.weight == 0) return;
  const bool first = alone < n;
  throw Error(
      ExitCode::input_data,
      fmt::format("{} may not be paired with any point of {}: every cost is infinite, there "
                  "is no plan",
                  first ? options.point(edge.from, alone) : options.point(edge.to, alone - n),
                  options.node(first ? edge.to : edge.from)));
}

NodeFields checked(const parallel::Communicator& comm, NodeFields masses,
                   std::span<const DenseEdge> edges, const TensorOptions& options) {
  parallel::agree(comm, [&] {
    check_masses(masses, options);
    for (const DenseEdge& edge : edges) check_edge(masses, edge, options);
  });
  for (auto& node : masses) {
    const double total = sum_of(node);
    for (double& mass : node) mass /= total;
  }
  return masses;
}

// From the range of the costs down to the last one.
std::vector<double> falling(std::span<const DenseEdge> edges, const TensorOptions& options) {
  double range = 0;
  for (const DenseEdge& edge : edges) {
    double low = std::numeric_limits<double>::infinity(), high = -low;
    for (const double c : edge.cost) {
      if (!std::isfinite(c)) continue;
      low = std::min(low, c);
      high = std::max(high, c);
    }
    if (high > low) range += edge.weight * (high - low);
  }
  std::vector<double> result{options.epsilon};
  const double first = options.first_epsilon > 0 ? options.first_epsilon : range;
  if (!std::isfinite(first)) {
    throw Error(ExitCode::input_data, "the costs of the tensor are too large for doubles");
  }
  while (result.back() * fall <= first) result.push_back(result.back() * fall);
  std::ranges::reverse(result);
  return result;
}

}  // namespace

std::string TensorOptions::node(std::size_t k) const {
  return names.empty() ? fmt::format("node {}", k) : fmt::format("'{}'", names[k]);
}

std::string TensorOptions::point(std::size_t k, std::size_t i) const {
  return fmt::format("point {} of {}", ids.empty() ? i : ids[k][i], node(k));
}

TensorSolver::TensorSolver(const parallel::Communicator& comm, NodeFields masses,
                           std::span<const DenseEdge> edges, const TensorOptions& options)
    : comm_(comm),
      options_(options),
      masses_(checked(comm, std::move(masses), edges, options)),
      slices_(comm, masses_, edges),
      epsilons_(falling(edges, options)) {
  parallel::require(options.epsilon > 0 && options.max_sweeps >= 1 && options.tolerance >= 0 &&
                        options.warm_sweeps >= 1,
                    "a regularisation, sweeps and a tolerance");
  for (const auto& mass : masses_) at_.emplace_back(mass.size(), 0.0);
}

// Relative change of the plan's entries by one unit in the last place of every potential.
double TensorSolver::resolution() const {
  double sum = 0;
  for (const auto& node : at_) {
    double most = 0;
    for (const double value : node) most = std::max(most, std::abs(value));
    sum += most;
  }
  return std::numeric_limits<double>::epsilon() * sum / epsilons_[stage_];
}

// The largest L1 error of the nodes of `rest`.
double TensorSolver::missed(const TensorSlices::Rest& rest) const {
  double largest = 0;
  for (std::size_t k = 0; k <= rest.last; ++k) {
    const auto exact = slices_.balanced(rest, k, at_, epsilons_[stage_]);
    double sum = 0;
    for (std::size_t x = 0; x < exact.size(); ++x) {
      sum += masses_[k][x] * std::abs(std::expm1((at_[k][x] - exact[x]) / epsilons_[stage_]));
    }
    largest = std::max(largest, sum);
  }
  return largest;
}

// The exact potential of a node, all others given. Returns the plan's mass before.
double TensorSolver::update(const TensorSlices::Rest& rest, std::size_t node) {
  const double epsilon = epsilons_[stage_];
  std::vector<double> exact = slices_.balanced(rest, node, at_, epsilon);
  double mass = 0;
  for (std::size_t x = 0; x < exact.size(); ++x) {
    if (!std::isfinite(exact[x])) {
      throw Error(
          ExitCode::numerical,
          fmt::format("the potential of {} is {} at regularisation {:.3g}: its entries are all "
                      "forbidden, or the costs are out of range",
                      options_.point(node, x), exact[x], epsilon));
    }
    mass += masses_[node][x] * std::exp((at_[node][x] - exact[x]) / epsilon);
  }
  at_[node] = std::move(exact);
  return mass;
}

// `rest` holds the sums over the last node.
void TensorSolver::sweep(const TensorSlices::Rest& rest, const std::function<void()>& poll) {
  for (std::size_t k = 0; k <= rest.last; ++k) update(rest, k);
  if (!two_nodes()) {
    update(slices_.sums(slices_.inner(), at_, epsilons_[stage_], poll), slices_.innermost());
  }
  ++sweeps_;
  dual_ = scalar(at_, masses_);  // the plan's mass is one
}

// sum_k <phi_k, m_k> - eps (sum P - 1).
double TensorSolver::dual(const NodeFields& phi, const std::function<void()>& poll) const {
  const double epsilon = epsilons_[stage_];
  const auto exact =
      slices_.balanced(slices_.sums(slices_.innermost(), phi, epsilon, poll), 0, phi, epsilon);
  double mass = 0;
  for (std::size_t x = 0; x < exact.size(); ++x) {
    mass += masses_[0][x] * std::exp((phi[0][x] - exact[x]) / epsilon);
  }
  return scalar(phi, masses_) - epsilon * (mass - 1);
}

// One step of Newton's method, as far as the dual rises; false when it does not.
bool TensorSolver::newton(const std::function<void()>& poll) {
  const double epsilon = epsilons_[stage_];
  const TensorHessian hessian(comm_, slices_, at_, epsilon, poll);
  if (!hessian.positive()) return false;
  NodeFields right = masses_;
  for (std::size_t k = 0; k < right.size(); ++k) {
    for (std::size_t x = 0; x < right[k].size(); ++x) right[k][x] -= hessian.marginals()[k][x];
  }
  double missed = 0, longest = 0;
  const NodeFields d = hessian.solve(right, missed);
  for (const auto& node : d) {
    const auto [low, high] = std::ranges::minmax(node);
    longest += (high - low) / 2;  // constants that cancel aside
  }
  const double slope = epsilon * scalar(d, right), before = dual(at_, poll);
  double factor = std::min(1.0, longest_step / longest);
  for (int trial = 0; trial < most_halvings; ++trial, factor /= 2) {
    NodeFields there = at_;
    for (std::size_t k = 0; k < there.size(); ++k) {
      for (std::size_t x = 0; x < there[k].size(); ++x) there[k][x] += factor * epsilon * d[k][x];
    }
    const double rise = dual(there, poll) - before;
    // Rises of the order of the rounding tell nothing; close to the optimum steps are good.
    const bool unseen = factor * slope <= 1e-12 * (1 + std::abs(before));
    if (!(rise >= 1e-4 * factor * slope) && !(unseen && std::isfinite(rise))) continue;
    at_ = std::move(there);
    ++newton_;
    return true;
  }
  return false;
}

// A sweep, after a look at what was achieved and a Newton step where one is due; true when the
// stage is over instead.
bool TensorSolver::step(const std::function<void()>& poll) {
  const double tolerance =
      last_stage() ? options_.tolerance : std::max(loose_tolerance, options_.tolerance);
  const std::int64_t limit =
      last_stage() ? options_.max_sweeps : std::min(options_.max_sweeps, loose_sweeps);
  auto rest = slices_.sums(slices_.innermost(), at_, epsilons_[stage_], poll);
  if (sweeps_ > 0) {
    // A sweep's last node is exact.
    const double measured = missed(rest), rounding = resolution();
    const double now = std::max(measured, rounding);
    if (newton_ == 0 && sweeps_ > 1 && error_ > 0) rate_ = now / error_;
    error_ = now;
    converged_ = error_ <= tolerance;
    idle_ = now < least_ / 2 || newton_ == 0 ? 0 : idle_ + 1;
    if (idle_ == 0) least_ = now;
    const bool resolved = measured <= most_units * rounding && idle_ >= most_idle;
    if (converged_ || resolved || sweeps_ >= limit) return true;
    if (sweeps_ >= options_.warm_sweeps && newton(poll)) {
      rest = slices_.sums(slices_.innermost(), at_, epsilons_[stage_], poll);
    }
  }
  sweep(rest, poll);
  return false;
}

void TensorSolver::advance(const std::function<void()>& poll) {
  if (finished()) return;
  double entries = 1;
  for (const auto& mass : masses_) entries *= static_cast<double>(mass.size());
  const auto block = static_cast<int>(std::clamp(entries_between_stops / entries, 10.0, 1000.0));
  const auto start = std::chrono::steady_clock::now();
  bool over = false;
  for (int i = 0; i < block && !over; ++i) over = step(poll);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  seconds_ += spent.count();
  if (over) finish_stage();
}

void TensorSolver::finish_stage() {
  StageReport entry;
  entry.points = static_cast<std::int64_t>(masses_[0].size());
  entry.regularisation = epsilons_[stage_];
  entry.method = newton_ > 0 ? "newton" : "sinkhorn";
  entry.newton = newton_;
  entry.sinkhorn = sweeps_;
  entry.error_l1 = error_;
  entry.dual_objective = dual_;
  entry.sweep_rate = rate_;
  entry.seconds = seconds_;
  history_.push_back(entry);
  past_.push_back(at_);
  ++stage_;
  sweeps_ = newton_ = idle_ = 0;
  rate_ = 1;
  seconds_ = 0;
}

TensorSolver::State TensorSolver::state() const {
  return {static_cast<std::int64_t>(stage_),
          sweeps_,
          newton_,
          idle_,
          at_,
          dual_,
          error_,
          rate_,
          least_,
          seconds_,
          converged_,
          history_,
          past_};
}

void TensorSolver::resume(State state) {
  parallel::require(state.stage >= 0 && state.stage <= static_cast<std::int64_t>(epsilons_.size()),
                    "the stage is one of this problem");
  parallel::require(static_cast<std::int64_t>(state.past.size()) == state.stage,
                    "every finished stage has its potentials");
  parallel::require(state.potentials.size() == masses_.size(), "every node has its potential");
  for (std::size_t k = 0; k < masses_.size(); ++k) {
    parallel::require(state.potentials[k].size() == masses_[k].size(), "one number per point");
  }
  stage_ = static_cast<std::size_t>(state.stage);
  sweeps_ = state.sweeps;
  at_ = std::move(state.potentials);
  newton_ = state.newton;
  dual_ = state.dual;
  error_ = state.error;
  seconds_ = state.seconds;
  rate_ = state.rate;
  idle_ = state.idle;
  least_ = state.least;
  history_ = std::move(state.history);
  past_ = std::move(state.past);
  converged_ = state.converged;
}

}  // namespace mensura::transport
