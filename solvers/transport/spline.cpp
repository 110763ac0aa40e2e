// SPDX-License-Identifier: BSD-3-Clause
#include "transport/spline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

#include "parallel/exact_sum.hpp"
#include "transport/regularisation.hpp"
#include "transport/spline_edge.hpp"

namespace mensura::transport {

namespace {

using parallel::Error;
using parallel::ExactSum;
using parallel::ExitCode;

// Regularisations fall by this factor; all but the last are solved to the loose tolerance or for so
// many sweeps.
constexpr double fall = 4, loose_tolerance = 1e-2;
constexpr std::int64_t loose_sweeps = 40;
// Pairs of phase space that the sweeps between two safe points may visit.
constexpr double pairs_between_stops = 2e10;
// Errors below so many units of the resolution do not fall any further.
constexpr double most_units = 4;

// The phase space of one end of an edge: every position with all velocities, transformed by
// (sqrt(12) (x + half v), step v), half being half of the step with a sign.
Cloud phase_space(const Cloud& positions, std::span<const double> mass,
                  std::span<const double> velocities, double step, double half) {
  const auto d = static_cast<std::size_t>(positions.dimension);
  const std::size_t count = velocities.size() / d;
  Cloud result;
  result.dimension = 2 * positions.dimension;
  result.total = positions.total * static_cast<std::int64_t>(count);
  result.first = positions.first * static_cast<std::int64_t>(count);
  result.coordinates.reserve(2 * positions.own() * count * d);
  for (std::size_t i = 0; i < positions.own(); ++i) {
    for (std::size_t j = 0; j < count; ++j) {
      const double *x = &positions.coordinates[i * d], *v = &velocities[j * d];
      for (std::size_t a = 0; a < d; ++a) {
        result.coordinates.push_back(std::sqrt(12.0) * (x[a] + half * v[a]));
      }
      for (std::size_t a = 0; a < d; ++a) result.coordinates.push_back(step * v[a]);
      result.mass.push_back(mass[i] / static_cast<double>(count));
      result.log_mass.push_back(std::log(result.mass.back()));
      result.ids.push_back(static_cast<std::uint64_t>(result.first) + i * count + j);
    }
  }
  return result;
}

void check(std::span<const Cloud> positions, const SplineOptions& options) {
  const std::size_t n = options.times.size();
  parallel::require(n >= 2 && positions.size() == n, "two times or more, a cloud for each");
  for (std::size_t k = 1; k < n; ++k) {
    parallel::require(options.times[k] > options.times[k - 1], "times ascend");
    parallel::require(positions[k].dimension == positions[0].dimension, "one dimension");
  }
  const auto d = static_cast<std::size_t>(positions[0].dimension);
  const VelocityGrid& grid = options.velocities;
  parallel::require(grid.lower.size() == d && grid.upper.size() == d && grid.count.size() == d,
                    "velocities have an interval and a count per axis");
  for (std::size_t a = 0; a < d; ++a) {
    parallel::require(grid.lower[a] < grid.upper[a] && grid.count[a] >= 2,
                      "an interval of velocities has two ends");
  }
  parallel::require(options.epsilon > 0 && options.max_sweeps >= 1 && options.tolerance >= 0,
                    "a regularisation, sweeps and a tolerance");
}

}  // namespace

std::int64_t VelocityGrid::total() const {
  std::int64_t result = 1;
  for (const std::int64_t n : count) result *= n;
  return result;
}

std::vector<double> VelocityGrid::at(std::int64_t index) const {
  std::vector<double> result(count.size());
  for (std::size_t a = count.size(); a-- > 0; index /= count[a]) {
    const auto i = static_cast<double>(index % count[a]), last = static_cast<double>(count[a] - 1);
    result[a] = (lower[a] * (last - i) + upper[a] * i) / last;
  }
  return result;
}

SplineSolver::SplineSolver(const parallel::Communicator& comm, std::span<const Cloud> positions,
                           const SplineOptions& options)
    : comm_(comm), options_(options), relaxation_(options.over_relax) {
  check(positions, options);
  for (std::size_t k = 0; k < times(); ++k) {
    const double sum = parallel::exact_total(comm, positions[k].mass);
    if (!(std::abs(sum - 1) <= 1e-9)) {
      throw Error(ExitCode::input_data,
                  fmt::format("the masses of marginal {} sum to {:.12g}: normalise all marginals "
                              "to one",
                              k, sum));
    }
    ids_.push_back(positions[k].ids);
    positions_.push_back(positions[k].coordinates);
    masses_.push_back(positions[k].mass);
    for (double& mass : masses_.back()) mass /= sum;
    at_.emplace_back(masses_.back().size(), 0.0);
  }
  for (std::int64_t j = 0; j < options.velocities.total(); ++j) {
    const std::vector<double> v = options.velocities.at(j);
    grid_.insert(grid_.end(), v.begin(), v.end());
  }
  add_edges(positions);
}

// The chain's kernels, and the regularisations from the largest cost of an edge downwards.
void SplineSolver::add_edges(std::span<const Cloud> positions) {
  double most = 0;
  for (std::size_t k = 0; k + 1 < times(); ++k) {
    const double step = options_.times[k + 1] - options_.times[k];
    Cloud from, to;
    parallel::agree(comm_, [&] {
      from = phase_space(positions[k], masses_[k], grid_, step, step / 2);
      to = phase_space(positions[k + 1], masses_[k + 1], grid_, step, -step / 2);
    });
    edges_.push_back(std::make_unique<Edge>(std::move(from), std::move(to), step, comm_));
    const Edge& edge = *edges_.back();
    const Box x = box_around(comm_, {&edge.from}), y = box_around(comm_, {&edge.to});
    const double largest =
        edge.cost.most(x.centre().data(), x.half().data(), y.centre().data(), y.half().data());
    const auto name = [&](std::size_t time) {
      return options_.names.empty() ? std::to_string(time) : options_.names[time];
    };
    check_resolution(options_.epsilon, largest, edge_text(name(k), name(k + 1)),
                     fmt::format(", or take times that are more than {:.3g} apart", step));
    most = std::max(most, largest);
  }
  epsilons_ = {options_.epsilon};
  const double first = options_.first_epsilon > 0 ? options_.first_epsilon : most / 4;
  while (epsilons_.back() * fall <= first) epsilons_.push_back(epsilons_.back() * fall);
  std::ranges::reverse(epsilons_);
}

SplineSolver::~SplineSolver() = default;

// phi(x) minus a message, on phase space: what an edge takes for the potential of its end.
std::vector<double> SplineSolver::lifted(std::size_t time, std::span<const double> message) const {
  const std::size_t count = static_cast<std::size_t>(options_.velocities.total());
  std::vector<double> result(message.size());
  for (std::size_t i = 0; i < result.size(); ++i) result[i] = at_[time][i / count] - message[i];
  return result;
}

// What comes to every time from the later ones: -eps log of sums over them.
SplineSolver::Messages SplineSolver::backward(double epsilon,
                                              const std::function<void()>& poll) const {
  Messages result(times());
  result.back().assign(at_.back().size() * static_cast<std::size_t>(options_.velocities.total()),
                       0.0);
  for (std::size_t k = edges_.size(); k-- > 0;) {
    result[k].resize(edges_[k]->from.own());
    edges_[k]->kernel->soft_rows(epsilon, lifted(k + 1, result[k + 1]), result[k], poll);
  }
  return result;
}

std::vector<double> SplineSolver::forward(std::size_t edge, double epsilon,
                                          std::span<const double> before,
                                          const std::function<void()>& poll) const {
  std::vector<double> result(edges_[edge]->to.own());
  edges_[edge]->kernel->soft_columns(epsilon, lifted(edge, before), result, poll);
  return result;
}

// The potential of every position for which its marginal is exact:
// -eps log of the mean over the velocities of exp(-(before + after) / eps).
std::vector<double> SplineSolver::exact(std::size_t time, double epsilon,
                                        std::span<const double> before,
                                        std::span<const double> after) const {
  const std::size_t count = static_cast<std::size_t>(options_.velocities.total());
  std::vector<double> result(at_[time].size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    double least = std::numeric_limits<double>::infinity(), sum = 0;
    for (std::size_t j = i * count; j < (i + 1) * count; ++j) {
      least = std::min(least, before[j] + after[j]);
    }
    for (std::size_t j = i * count; j < (i + 1) * count; ++j) {
      sum += std::exp((least - before[j] - after[j]) / epsilon);
    }
    result[i] = least - epsilon * std::log(sum / static_cast<double>(count));
  }
  const bool good = std::ranges::all_of(result, [](double v) { return std::isfinite(v); });
  parallel::agree(comm_, [&] {
    if (good) return;
    throw Error(ExitCode::numerical,
                fmt::format("potentials of the spline are no longer finite numbers at marginal {}, "
                            "regularisation {:.3g}; take a larger regularisation, or check the "
                            "scale of positions, velocities and times",
                            time, epsilon));
  });
  return result;
}

// The plan's mass at one time, and the L1 error of its marginal.
SplineSolver::Step SplineSolver::measure(std::size_t time, double epsilon,
                                         std::span<const double> exact) const {
  ExactSum sums[2];
  for (std::size_t i = 0; i < exact.size(); ++i) {
    const double share = std::exp((at_[time][i] - exact[i]) / epsilon);
    sums[0].add(masses_[time][i] * share);
    sums[1].add(masses_[time][i] * std::abs(share - 1));
  }
  parallel::reduce(comm_, sums);
  return {sums[0].value(), sums[1].value()};
}

// sum_k <phi_k, mu_k>.
double SplineSolver::value() const {
  ExactSum sum;
  for (std::size_t k = 0; k < times(); ++k) {
    for (std::size_t i = 0; i < at_[k].size(); ++i) sum.add(at_[k][i] * masses_[k][i]);
  }
  parallel::reduce(comm_, {&sum, 1});
  return sum.value();
}

// Relative change of the plan's entries by one unit in the last place of every potential.
double SplineSolver::resolution() const {
  double sum = 0;
  for (const auto& node : at_) {
    double most = 0;
    for (const double value : node) most = std::max(most, std::abs(value));
    sum += comm_.max(most);
  }
  return std::numeric_limits<double>::epsilon() * sum / epsilons_[stage_];
}

// One sweep down the chain. Its errors are those of the marginals just before their update, that
// is of potentials half of which are new: at a fixed point the same as those of the old ones. True
// when the stage is over.
bool SplineSolver::sweep(const std::function<void()>& poll) {
  const double epsilon = epsilons_[stage_];
  const bool last = stage_ + 1 == epsilons_.size();
  const double tolerance =
      last ? options_.tolerance : std::max(loose_tolerance, options_.tolerance);
  const std::int64_t limit = last ? options_.max_sweeps : loose_sweeps;
  const double factor = sweeps_ + 1 >= limit ? relaxation_.plain() : relaxation_.next();
  const Messages after = backward(epsilon, poll);
  std::vector<double> before(after[0].size(), 0.0);
  double measured = 0, mass = 1;
  for (std::size_t k = 0; k < times(); ++k) {
    const std::vector<double> target = exact(k, epsilon, before, after[k]);
    measured = std::max(measured, measure(k, epsilon, target).error);
    for (std::size_t i = 0; i < target.size(); ++i) {
      const double way = target[i] - at_[k][i];
      at_[k][i] = factor == 1 ? target[i] : at_[k][i] + safe(factor, way, epsilon) * way;
    }
    mass = measure(k, epsilon, target).mass;
    if (k + 1 < times()) before = forward(k, epsilon, before, poll);
  }
  ++sweeps_;
  const double rounding = resolution(), previous = dual_;
  error_ = std::max(measured, rounding);
  dual_ = value() - epsilon * (mass - 1);
  const bool small = measured <= std::max(tolerance, most_units * rounding);
  const bool over = small && relaxation_.last() == 1;
  converged_ = over && error_ <= tolerance;
  if (over || sweeps_ >= limit) return true;
  observe(measured);
  if (small) relaxation_.finish();
  if (sweeps_ > 1 && relaxation_.falls(previous, dual_)) relaxation_.drop();
  return false;
}

// Young's relation is for two blocks: with more of them the factor that it asks for may be too
// large. A factor that makes the errors fall slower than the one before is taken back.
void SplineSolver::observe(double error) {
  const double known = relaxation_.rate();
  relaxation_.observe(error);
  const double rate = relaxation_.rate();
  if (rate == known) return;  // nothing has settled
  if (relaxation_.last() > 1 && std::log(rate) > 0.8 * std::log(pace_)) {
    relaxation_.drop();
    pace_ = 1;
  } else {
    pace_ = relaxation_.last() > 1 ? std::min(pace_, rate) : rate;
  }
}

void SplineSolver::advance(const std::function<void()>& poll) {
  if (finished()) return;
  double pairs = 0;
  for (const auto& edge : edges_) {
    pairs += 2 * static_cast<double>(edge->from.total) * static_cast<double>(edge->to.total);
  }
  const auto block = static_cast<int>(std::clamp(pairs_between_stops / pairs, 2.0, 1000.0));
  const auto start = std::chrono::steady_clock::now();
  bool over = false;
  for (int i = 0; i < block && !over; ++i) over = sweep(poll);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  seconds_ += spent.count();
  if (over) finish_stage();
}

void SplineSolver::finish_stage() {
  StageReport entry;
  entry.points = edges_[0]->from.total;
  entry.regularisation = epsilons_[stage_];
  entry.method = "sinkhorn";
  entry.sinkhorn = sweeps_;
  entry.error_l1 = error_;
  entry.dual_objective = dual_;
  entry.sweep_rate = relaxation_.rate();
  entry.seconds = seconds_;
  history_.push_back(entry);
  ++stage_;
  sweeps_ = 0;
  seconds_ = 0;
  relaxation_ = OverRelaxation(options_.over_relax);
  pace_ = 1;
}

// Means first, then variances about them. Shares of the velocities add up to one at the exact
// potential.
SplineVelocities SplineSolver::velocities(std::size_t time, std::span<const double> exact,
                                          std::span<const double> before,
                                          std::span<const double> after) const {
  const std::size_t d = options_.velocities.count.size(), count = grid_.size() / d;
  SplineVelocities result;
  result.mean.resize(at_[time].size() * d);
  result.variance.resize(result.mean.size());
  for (std::size_t i = 0; i < at_[time].size(); ++i) {
    double *mean = &result.mean[i * d], *variance = &result.variance[i * d];
    for (const bool second : {false, true}) {
      for (std::size_t j = 0; j < count; ++j) {
        const double cost = before[i * count + j] + after[i * count + j];
        const double share = std::exp((exact[i] - cost) / epsilon()) / static_cast<double>(count);
        for (std::size_t a = 0; a < d; ++a) {
          const double v = grid_[j * d + a], off = v - mean[a];
          (second ? variance : mean)[a] += share * (second ? off * off : v);
        }
      }
    }
  }
  return result;
}

SplineSolver::Result SplineSolver::result(const std::function<void()>& poll) const {
  const Messages after = backward(epsilon(), poll);
  std::vector<double> before(after[0].size(), 0.0);
  Result result;
  ExactSum regularised;
  for (std::size_t k = 0; k < times(); ++k) {
    const std::vector<double> target = exact(k, epsilon(), before, after[k]);
    result.errors.push_back(measure(k, epsilon(), target).error);
    result.velocities.push_back(velocities(k, target, before, after[k]));
    std::vector<double> mass(target.size());
    for (std::size_t i = 0; i < mass.size(); ++i) {
      mass[i] = masses_[k][i] * std::exp((at_[k][i] - target[i]) / epsilon());
      regularised.add(mass[i] * at_[k][i]);  // P log(P / R) = P (sum phi - c) / eps
    }
    result.marginals.push_back(std::move(mass));
    if (k + 1 == times()) break;
    result.linear += edges_[k]->kernel->linear_cost(epsilon(), lifted(k, before),
                                                    lifted(k + 1, after[k + 1]), poll);
    before = forward(k, epsilon(), before, poll);
  }
  parallel::reduce(comm_, {&regularised, 1});
  result.regularised = regularised.value();
  return result;
}

SplineSolver::State SplineSolver::state() const {
  return {static_cast<std::int64_t>(stage_),
          sweeps_,
          at_,
          dual_,
          error_,
          seconds_,
          pace_,
          relaxation_.numbers(),
          converged_,
          history_};
}

void SplineSolver::resume(State state) {
  parallel::require(state.stage >= 0 && state.stage <= static_cast<std::int64_t>(epsilons_.size()),
                    "the stage is one of this problem");
  parallel::agree(comm_, [&] {
    parallel::require(state.potentials.size() == times(), "every time has its potential");
    for (std::size_t k = 0; k < times(); ++k) {
      parallel::require(state.potentials[k].size() == at_[k].size(), "one number per position");
    }
  });
  stage_ = static_cast<std::size_t>(state.stage);
  sweeps_ = state.sweeps;
  at_ = std::move(state.potentials);
  dual_ = state.dual;
  error_ = state.error;
  seconds_ = state.seconds;
  pace_ = state.pace;
  relaxation_.restore(state.relaxation);
  converged_ = state.converged;
  history_ = std::move(state.history);
}

}  // namespace mensura::transport
