// SPDX-License-Identifier: BSD-3-Clause
#include "transport/bregman.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "parallel/exact_sum.hpp"

namespace mensura::transport {

namespace {

using parallel::ExactSum;

// Collective. log sum mass exp(exponent) over what `each` hands to its argument, twice.
template <class Each>
double log_sum(const parallel::Communicator& comm, const Each& each) {
  double top = std::numeric_limits<double>::lowest();
  each([&](double /*mass*/, double exponent) { top = std::max(top, exponent); });
  top = comm.max(top);
  ExactSum sum;
  each([&](double mass, double exponent) { sum.add(mass * std::exp(exponent - top)); });
  parallel::reduce(comm, {&sum, 1});
  return top + std::log(sum.value());
}

// Larger regularisations only prepare the next one.
constexpr double loose_tolerance = 1e-2, stage_ratio = 4;
constexpr std::int64_t loose_sweeps = 200;

}  // namespace

Bregman::Bregman(const parallel::Communicator& comm, std::vector<BregmanEdge> edges,
                 const Cloud& centre, const Kernel* own, const BregmanOptions& options)
    : comm_(comm),
      centre_(centre),
      own_(own),
      options_(options),
      epsilon_(std::max(options.epsilon, options.first_epsilon)),
      relaxation_(options.over_relax && own == nullptr) {
  parallel::require(!edges.empty() && options.epsilon > 0 && options.tolerance >= 0 &&
                        options.max_sweeps >= 1 && options.sweeps_per_advance >= 1,
                    "a barycenter has measures, a regularisation, a tolerance and sweeps");
  parallel::require(options.rho > 0 && (own == nullptr || balanced()),
                    "the penalty has a strength, and a debiased barycenter has none");
  double weights = 0;
  for (const BregmanEdge& edge : edges) {
    parallel::require(edge.weight > 0, "weights are positive");
    weights += edge.weight;
  }
  parallel::agree(comm, [&] {
    for (const BregmanEdge& edge : edges) {
      const std::vector<double> on_leaf(edge.leaf->own(), 0.0), on_centre(centre.own(), 0.0);
      leaves_.push_back({edge.leaf, edge.kernel, edge.weight / weights, 0, on_leaf, on_leaf,
                         on_centre, on_centre});
    }
    density_.assign(centre.own(), 0.0);
    q_.assign(centre.own(), 0.0);
    if (own != nullptr) own_rows_.assign(centre.own(), 0.0);
  });
  centre_total_ = parallel::exact_total(comm, centre.mass);
  for (Leaf& leaf : leaves_) {
    leaf.total = parallel::exact_total(comm, leaf.cloud->mass);
    parallel::require(!balanced() || std::abs(leaf.total / leaves_.front().total - 1) < 1e-9,
                      "the measures have one mass in common");
  }
}

void Bregman::check(std::span<const double> values) const {
  const bool good = std::ranges::all_of(values, [](double v) { return std::isfinite(v); });
  parallel::agree(comm_, [&] {
    if (good) return;
    throw parallel::Error(
        parallel::ExitCode::numerical,
        fmt::format("potentials of the barycenter are no longer finite numbers after {} sweeps at "
                    "regularisation {:.3g}; take a larger regularisation, or check the scale of "
                    "the cost",
                    report_.sweeps, epsilon_));
  });
}

// What sweeps begin with is not stored in states.
void Bregman::begin(const std::function<void()>& poll) {
  begun_ = true;
  for (Leaf& leaf : leaves_) {
    leaf.kernel->soft_rows(epsilon_, leaf.g, leaf.rows, poll);
    check(leaf.rows);
  }
  if (own_ == nullptr) return;
  own_->soft_rows(epsilon_, q_, own_rows_, poll);
  check(own_rows_);
}

void Bregman::advance(const std::function<void()>& poll) {
  for (std::int64_t i = 0; i < options_.sweeps_per_advance && !finished_; ++i) {
    if (!begun_) begin(poll);
    sweep(poll);
  }
}

void Bregman::sweep(const std::function<void()>& poll) {
  const bool last = stage_sweeps_ + 1 >= options_.max_sweeps;
  const double factor = last ? relaxation_.plain() : relaxation_.next();
  if (own_ != nullptr && stage_sweeps_ > 0) {
    for (std::size_t z = 0; z < q_.size(); ++z) {
      q_[z] = (q_[z] + density_[z] + own_rows_[z]) / 2;
    }
  }
  for (Leaf& leaf : leaves_) {
    update_leaf(leaf, factor);
    leaf.kernel->soft_columns(epsilon_, leaf.f, leaf.columns, poll);
    check(leaf.columns);
  }
  update_centre(factor);
  fit_mass(factor);
  finish_sweep(factor, measure(factor, poll));
}

void Bregman::update_leaf(Leaf& leaf, double factor) const {
  const double damping = balanced() ? 1 : options_.rho / (options_.rho + epsilon_);
  for (std::size_t x = 0; x < leaf.f.size(); ++x) {
    const double target = damping * leaf.rows[x], way = target - leaf.f[x];
    leaf.f[x] = factor == 1 ? target : leaf.f[x] + safe(factor, way, epsilon_) * way;
  }
}

// Over-relaxed, the changes of the g_k at a point keep sum_k w_k g_k and are one factor times the
// ways to their targets: where the factor is safe for the longest way it is for all.
void Bregman::update_centre(double factor) {
  for (std::size_t z = 0; z < density_.size(); ++z) {
    double mean = 0;
    for (const Leaf& leaf : leaves_) mean += leaf.weight * leaf.columns[z];
    const double common = q_[z] - mean;
    density_[z] = common;
    double longest = 0;
    for (const Leaf& leaf : leaves_) {
      longest = std::max(longest, leaf.columns[z] + common - leaf.g[z]);
    }
    const double safe_factor = safe(factor, longest, epsilon_);
    for (Leaf& leaf : leaves_) {
      const double target = leaf.columns[z] + common;
      leaf.g[z] = factor == 1 ? target : leaf.g[z] + safe_factor * (target - leaf.g[z]);
    }
  }
}

// The best common constant s of all f maximises sum_k w_k [- rho e^(-s / rho) <m_k, e^(-f_k / rho)>
// - eps e^(s / eps) |P_k|], where without penalties s <m_k, 1> takes the first term's place. Sums
// are taken in the log domain: the first plans may be next to nothing.
void Bregman::fit_mass(double factor) {
  const double centre = log_sum(comm_, [&](const auto& use) {
    for (std::size_t z = 0; z < density_.size(); ++z) use(centre_.mass[z], density_[z] / epsilon_);
  });
  double plans = centre, wanted = std::log(leaves_.front().total);
  if (factor != 1) {  // else all columns are b
    plans = log_sum(comm_, [&](const auto& use) {
      for (const Leaf& leaf : leaves_) {
        for (std::size_t z = 0; z < leaf.g.size(); ++z) {
          use(leaf.weight * centre_.mass[z], (leaf.g[z] - leaf.columns[z]) / epsilon_);
        }
      }
    });
  }
  if (!balanced()) {
    wanted = log_sum(comm_, [&](const auto& use) {
      for (const Leaf& leaf : leaves_) {
        for (std::size_t x = 0; x < leaf.f.size(); ++x) {
          use(leaf.weight * leaf.cloud->mass[x], -leaf.f[x] / options_.rho);
        }
      }
    });
  }
  const double shift = (wanted - plans) / (1 / epsilon_ + 1 / options_.rho);
  check({&shift, 1});
  for (Leaf& leaf : leaves_) {
    for (double& f : leaf.f) f += shift;
    for (double& h : leaf.columns) h -= shift;
  }
  for (double& density : density_) density += shift;
  report_.mass = std::exp(centre + shift / epsilon_);
  report_.dual_objective = dual_objective(std::exp(plans + shift / epsilon_));
}

// `plans`: weighted mean of the plans' masses.
double Bregman::dual_objective(double plans) const {
  std::vector<ExactSum> sums(leaves_.size());
  for (std::size_t k = 0; k < leaves_.size(); ++k) {
    const Leaf& leaf = leaves_[k];
    for (std::size_t x = 0; x < leaf.f.size(); ++x) {
      const double f = leaf.f[x];
      const double value = balanced() ? f : -options_.rho * std::expm1(-f / options_.rho);
      sums[k].add(leaf.cloud->mass[x] * value);
    }
  }
  parallel::reduce(comm_, sums);
  double value = -epsilon_ * plans;
  for (std::size_t k = 0; k < leaves_.size(); ++k) {
    const Leaf& leaf = leaves_[k];
    value += leaf.weight * (sums[k].value() + epsilon_ * leaf.total * centre_total_);
  }
  return value;
}

double Bregman::leaf_error(const Leaf& leaf) const {
  ExactSum sum;
  for (std::size_t x = 0; x < leaf.f.size(); ++x) {
    const double plan = std::exp((leaf.f[x] - leaf.rows[x]) / epsilon_);
    const double wanted = balanced() ? 1 : std::exp(-leaf.f[x] / options_.rho);
    sum.add(leaf.cloud->mass[x] * std::abs(plan - wanted));
  }
  parallel::reduce(comm_, {&sum, 1});
  return sum.value();
}

double Bregman::spread(const Leaf& leaf) const {
  ExactSum sum;
  for (std::size_t z = 0; z < leaf.g.size(); ++z) {
    const double column = std::exp((leaf.g[z] - leaf.columns[z]) / epsilon_);
    sum.add(centre_.mass[z] * std::abs(column - std::exp(density_[z] / epsilon_)));
  }
  parallel::reduce(comm_, {&sum, 1});
  return sum.value();
}

// Of the plan from the centre to itself, whose part of the objective is added.
double Bregman::own_error() {
  ExactSum sums[2];
  for (std::size_t z = 0; z < q_.size(); ++z) {
    const double column = std::exp((q_[z] - own_rows_[z]) / epsilon_);
    sums[0].add(centre_.mass[z] * std::abs(column - std::exp(density_[z] / epsilon_)));
    sums[1].add(centre_.mass[z] * column);
  }
  parallel::reduce(comm_, sums);
  report_.dual_objective += epsilon_ / 2 * (sums[1].value() - centre_total_ * centre_total_);
  return sums[0].value();
}

// Collective. Relative change of the plans' entries by one unit in the last place of a potential.
double Bregman::resolution() const {
  double most = 0;
  for (const Leaf& leaf : leaves_) {
    for (const double f : leaf.f) most = std::max(most, std::abs(f));
  }
  return std::numeric_limits<double>::epsilon() * comm_.max(most) / epsilon_;
}

// The largest error of the marginals.
double Bregman::measure(double factor, const std::function<void()>& poll) {
  report_.leaf_errors.clear();
  double largest = 0;
  for (Leaf& leaf : leaves_) {
    leaf.kernel->soft_rows(epsilon_, leaf.g, leaf.rows, poll);
    check(leaf.rows);
    report_.leaf_errors.push_back(leaf_error(leaf));
    largest = std::max(largest, report_.leaf_errors.back());
    if (factor != 1) largest = std::max(largest, spread(leaf));
  }
  if (own_ != nullptr) {
    own_->soft_rows(epsilon_, q_, own_rows_, poll);
    check(own_rows_);
    report_.centre_error = own_error();
  }
  return largest;
}

void Bregman::finish_sweep(double factor, double measured) {
  const bool last_stage = epsilon_ == options_.epsilon;
  const double tolerance =
      last_stage ? options_.tolerance : loose_tolerance * leaves_.front().total;
  const double rounding = resolution();
  report_.error_l1 = std::max(measured, rounding);
  report_.errors.push_back(report_.error_l1);
  ++report_.sweeps;
  ++stage_sweeps_;
  report_.last_sweeps = last_stage ? stage_sweeps_ : 0;
  report_.over_relaxation = std::max(report_.over_relaxation, factor);
  if (relaxation_.falls(previous_dual_, report_.dual_objective)) relaxation_.drop();
  previous_dual_ = report_.dual_objective;
  // Errors that doubles do not resolve get no smaller.
  constexpr double units = 4;
  const double of_centre =
      last_stage && options_.centre_tolerance > 0 ? options_.centre_tolerance : tolerance;
  const bool small = report_.error_l1 <= tolerance && report_.centre_error <= of_centre;
  const bool done = small || (rounding > tolerance &&
                              std::max(measured, report_.centre_error) < units * rounding);
  if (!last_stage) {
    if (done || stage_sweeps_ >= loose_sweeps) next_stage();
    return;
  }
  report_.converged = small && factor == 1;
  finished_ = (done && factor == 1) || stage_sweeps_ >= options_.max_sweeps;
  if (finished_) return;
  relaxation_.observe(report_.error_l1);
  report_.rate = relaxation_.rate();
  if (done) relaxation_.finish();  // one plain sweep makes the centre exact again
}

void Bregman::next_stage() {
  epsilon_ = std::max(epsilon_ / stage_ratio, options_.epsilon);
  stage_sweeps_ = 0;
  relaxation_ = OverRelaxation(options_.over_relax && own_ == nullptr);
  previous_dual_ = -std::numeric_limits<double>::infinity();
  begun_ = false;
}

std::vector<double> Bregman::mass() const {
  std::vector<double> result(density_.size());
  for (std::size_t z = 0; z < result.size(); ++z) {
    result[z] = centre_.mass[z] * std::exp(density_[z] / epsilon_);
  }
  return result;
}

double Bregman::linear_cost(std::size_t edge, const std::function<void()>& poll) const {
  const Leaf& leaf = leaves_[edge];
  return leaf.kernel->linear_cost(epsilon_, leaf.f, leaf.g, poll);
}

Bregman::State Bregman::state() const {
  State state;
  for (const Leaf& leaf : leaves_) {
    state.f.push_back(leaf.f);
    state.g.push_back(leaf.g);
  }
  state.q = q_;
  state.density = density_;
  const BregmanReport& r = report_;
  state.numbers = {finished_ ? 1.0 : 0.0,
                   r.converged ? 1.0 : 0.0,
                   static_cast<double>(r.sweeps),
                   static_cast<double>(r.last_sweeps),
                   static_cast<double>(stage_sweeps_),
                   epsilon_,
                   r.error_l1,
                   r.centre_error,
                   r.rate,
                   r.over_relaxation,
                   r.dual_objective,
                   r.mass,
                   previous_dual_};
  const auto append = [&](const std::vector<double>& values) {
    state.numbers.insert(state.numbers.end(), values.begin(), values.end());
  };
  append(r.leaf_errors.empty() ? std::vector<double>(leaves_.size(), 0.0) : r.leaf_errors);
  append(r.errors);
  append(relaxation_.numbers());
  return state;
}

void Bregman::resume(State state) {
  for (std::size_t k = 0; k < leaves_.size(); ++k) {
    leaves_[k].f = std::move(state.f.at(k));
    leaves_[k].g = std::move(state.g.at(k));
  }
  q_ = std::move(state.q);
  density_ = std::move(state.density);
  std::size_t next = 0;
  const auto number = [&] {
    parallel::require(next < state.numbers.size(), "the state has the numbers that state() gave");
    return state.numbers[next++];
  };
  BregmanReport& r = report_;
  const bool ended = number() != 0;
  r.converged = number() != 0;
  r.sweeps = static_cast<std::int64_t>(number());
  r.last_sweeps = static_cast<std::int64_t>(number());
  stage_sweeps_ = static_cast<std::int64_t>(number());
  epsilon_ = number();
  for (double* value : {&r.error_l1, &r.centre_error, &r.rate, &r.over_relaxation,
                        &r.dual_objective, &r.mass, &previous_dual_}) {
    *value = number();
  }
  r.leaf_errors.resize(leaves_.size());
  for (double& error : r.leaf_errors) error = number();
  r.errors.resize(static_cast<std::size_t>(r.sweeps));
  for (double& error : r.errors) error = number();
  relaxation_.restore(std::span(state.numbers).subspan(next));
  finished_ = ended && (r.converged || stage_sweeps_ >= options_.max_sweeps);
  begun_ = false;
}

}  // namespace mensura::transport
