// SPDX-License-Identifier: BSD-3-Clause
#include "transport/sinkhorn.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "parallel/exact_sum.hpp"
#include "transport/over_relaxation.hpp"

namespace mensura::transport {

namespace {

using parallel::ExactSum;

// One marginal's part of the problem: what its exact update is, how far it is missed, what it adds
// to the dual objective.
class Side {
 public:
  Side(const parallel::Communicator& comm, const Cloud& cloud, const SinkhornOptions& options)
      : comm_(comm),
        cloud_(cloud),
        options_(options),
        whole_(parallel::exact_total(comm, cloud.mass)) {
    parallel::agree(comm, [&] { updated_.resize(cloud.own()); });
  }
  double mass() const { return whole_; }

  /// Where the kernel puts the balanced update.
  std::span<double> balanced() { return updated_; }

  /// Collective. From the balanced update: the error of `potential` and the plan's mass; afterwards
  /// `potential` has moved to the exact update, `factor` times as far. `level` is the multiplier of
  /// the total mass (partial transport), which moves, too.
  struct Step {
    double error = 0, mass = 0, value = 0;
  };
  Step update(std::span<double> potential, double factor, double& level);

  /// Collective. The error alone.
  double error(std::span<const double> potential, double level);

 private:
  double exact(double balanced, double level) const;
  double missed(double potential, double balanced, double target) const;
  double value_of(double potential) const;
  double advanced(double potential, double target, double factor) const;
  double level_of_mass(double start) const;
  void check(std::span<const double> values, const char* what) const;

  const parallel::Communicator& comm_;
  const Cloud& cloud_;
  const SinkhornOptions& options_;
  double whole_;
  std::vector<double> updated_;
};

// The maximiser of the dual objective for one point; the balanced update fits its row exactly.
double Side::exact(double balanced, double level) const {
  const double rho = options_.strength;
  switch (options_.relaxation) {
    case Relaxation::kullback_leibler:
      return rho / (rho + options_.epsilon) * balanced;
    case Relaxation::total_variation:
      return std::clamp(balanced, -rho, rho);
    case Relaxation::partial:
      return std::min(0.0, balanced - level);
    default:
      return balanced;
  }
}

// |P1 - what it should be| relative to the point's mass.
double Side::missed(double potential, double balanced, double target) const {
  const double plan = std::exp((potential - balanced) / options_.epsilon);
  if (options_.relaxation == Relaxation::none) return std::abs(plan - 1);
  if (options_.relaxation == Relaxation::kullback_leibler) {
    return std::abs(plan - std::exp(-potential / options_.strength));
  }
  return std::abs(plan - std::exp((target - balanced) / options_.epsilon));
}

// The marginal's term of the dual objective per mass (reference transport_robust 3 for KL). Total
// variation and partial transport bound the potential instead.
double Side::value_of(double potential) const {
  if (options_.relaxation != Relaxation::kullback_leibler) return potential;
  return -options_.strength * std::expm1(-potential / options_.strength);
}

void Side::check(std::span<const double> values, const char* what) const {
  const bool good = std::ranges::all_of(values, [](double v) { return std::isfinite(v); });
  parallel::agree(comm_, [&] {
    if (good) return;
    throw parallel::Error(parallel::ExitCode::numerical,
                          std::string("Sinkhorn's ") + what +
                              " are no longer finite numbers at regularisation " +
                              std::to_string(options_.epsilon) +
                              "; take a larger regularisation, or check the scale of the cost");
  });
}

// The level t for which sum m min(1, exp((t - balanced) / eps)) is the mass to be transported: the
// sum rises with t from 0 to all mass. Newton's method on its logarithm, kept inside a bracket.
double Side::level_of_mass(double start) const {
  const double eps = options_.epsilon, wanted = options_.strength;
  double top = -std::numeric_limits<double>::infinity(), least = -top;
  for (const double b : updated_) {
    top = std::max(top, b);
    least = std::min(least, b);
  }
  const auto mass_and_slope = [&](double level) {
    std::array<ExactSum, 2> sums;
    for (std::size_t i = 0; i < updated_.size(); ++i) {
      const double share = cloud_.mass[i] * std::exp(std::min(0.0, level - updated_[i]) / eps);
      sums[0].add(share);
      if (level < updated_[i]) sums[1].add(share);
    }
    parallel::reduce(comm_, sums);
    return std::array{sums[0].value(), sums[1].value() / eps};
  };
  double high = comm_.max(top);
  if (wanted >= whole_) return high;
  double low = comm_.min(least) + eps * std::log(wanted / whole_);
  double level = start > low && start < high ? start : high;
  constexpr int most_steps = 200;  // bisection alone reaches rounding in far fewer
  for (int step = 0; step < most_steps; ++step) {
    const auto [mass, slope] = mass_and_slope(level);
    (mass > wanted ? high : low) = level;
    if (std::abs(mass - wanted) <= 2e-15 * wanted || !(low < high)) break;  // rounding
    const double next = level + std::log(wanted / mass) * mass / slope;
    const double previous = level;
    level = next > low && next < high ? next : (low + high) / 2;
    if (level == previous) break;
  }
  return level;
}

// `factor` times the way to the target, as far as that is safe.
double Side::advanced(double potential, double target, double factor) const {
  if (factor == 1) return target;
  const double way = target - potential;
  return potential + safe(factor, way, options_.epsilon) * way;
}

Side::Step Side::update(std::span<double> potential, double factor, double& level) {
  check(updated_, "updates");
  const bool partial = options_.relaxation == Relaxation::partial;
  const double old_level = level;
  if (partial) level = level_of_mass(level);
  std::array<ExactSum, 3> sums;
  for (std::size_t i = 0; i < updated_.size(); ++i) {
    const double balanced = updated_[i], mass = cloud_.mass[i];
    const double target = exact(balanced, level);
    sums[0].add(mass * missed(potential[i] + (partial ? old_level : 0), balanced,
                              target + (partial ? level : 0)));
    double moved = advanced(potential[i], target, factor);
    if (options_.relaxation == Relaxation::total_variation) {
      moved = std::clamp(moved, -options_.strength, options_.strength);
    }
    potential[i] = moved;
    sums[1].add(mass * std::exp((moved + (partial ? level : 0) - balanced) / options_.epsilon));
    sums[2].add(mass * value_of(moved));
  }
  parallel::reduce(comm_, sums);
  return {sums[0].value(), sums[1].value(), sums[2].value()};
}

double Side::error(std::span<const double> potential, double level) {
  check(updated_, "updates");
  const bool partial = options_.relaxation == Relaxation::partial;
  const double new_level = partial ? level_of_mass(level) : 0, old_level = partial ? level : 0;
  ExactSum sum;
  for (std::size_t i = 0; i < updated_.size(); ++i) {
    const double target = exact(updated_[i], new_level) + new_level;
    sum.add(cloud_.mass[i] * missed(potential[i] + old_level, updated_[i], target));
  }
  parallel::reduce(comm_, {&sum, 1});
  return sum.value();
}

void shift(std::span<double> values, double by) {
  for (double& value : values) value += by;
}

// The largest start potential stands for the multiplier of the total mass.
double level_in(const parallel::Communicator& comm, std::span<const double> f) {
  const double own = f.empty() ? std::numeric_limits<double>::lowest() : std::ranges::max(f);
  return comm.max(own);
}

void check_options(const SinkhornOptions& options) {
  parallel::require(options.epsilon > 0 && options.max_sweeps >= 1 && options.tolerance >= 0,
                    "Sinkhorn has a regularisation, sweeps and a tolerance");
  parallel::require(options.relaxation == Relaxation::none || options.strength > 0,
                    "a relaxed problem has its strength");
}

}  // namespace

SinkhornReport sinkhorn(const parallel::Communicator& comm, const Kernel& kernel, const Cloud& x,
                        const Cloud& y, const SinkhornOptions& options, std::span<double> f,
                        std::span<double> g, const std::function<void()>& poll) {
  check_options(options);
  const bool partial = options.relaxation == Relaxation::partial;
  Side rows(comm, x, options), columns(comm, y, options);
  SinkhornReport report;
  OverRelaxation relaxation(options.over_relax && !partial);
  const double reference = rows.mass() * columns.mass();
  double level = 0, column_error = 0, previous_dual = -std::numeric_limits<double>::infinity();
  if (partial) {
    level = level_in(comm, f);
    shift(f, -level);
  }
  // The error of the rows is that after the sweep before: it is known when the next one begins.
  for (;;) {
    kernel.soft_rows(options.epsilon, g, rows.balanced(), poll);
    if (report.sweeps > 0) {
      report.error_l1 = std::max(rows.error(f, level), column_error);
      report.errors.push_back(report.error_l1);
      const bool small = report.error_l1 <= options.tolerance;
      report.converged = small && relaxation.last() == 1;
      if (report.converged || report.sweeps >= options.max_sweeps) break;
      relaxation.observe(report.error_l1);
      if (small) relaxation.finish();  // one plain sweep makes the columns exact again
    }
    const bool last = report.sweeps + 1 >= options.max_sweeps;
    const double factor = last ? relaxation.plain() : relaxation.next();
    const Side::Step row = rows.update(f, factor, level);
    kernel.soft_columns(options.epsilon, f, columns.balanced(), poll);
    const Side::Step column = columns.update(g, factor, level);
    ++report.sweeps;
    report.over_relaxation = std::max(report.over_relaxation, factor);
    report.dual_objective = row.value + column.value - options.epsilon * (column.mass - reference);
    if (partial) report.dual_objective += level * options.strength;
    if (relaxation.falls(previous_dual, report.dual_objective)) relaxation.drop();
    previous_dual = report.dual_objective;
    // The columns after their update miss by what over-relaxation goes too far.
    column_error = factor == 1 ? 0 : columns.error(g, level);
  }
  if (partial) shift(f, level);
  report.rate = relaxation.rate();
  return report;
}

SinkhornReport sinkhorn_symmetric(const parallel::Communicator& comm, const Kernel& kernel,
                                  const Cloud& x, const SinkhornOptions& options,
                                  std::span<double> f, const std::function<void()>& poll) {
  check_options(options);
  parallel::require(options.relaxation != Relaxation::partial,
                    "partial transport of a measure with itself is not a symmetric problem");
  Side side(comm, x, options);
  SinkhornReport report;
  std::vector<double> before;
  parallel::agree(comm, [&] { before.resize(f.size()); });
  double level = 0;
  for (;;) {
    kernel.soft_rows(options.epsilon, f, side.balanced(), poll);
    std::ranges::copy(f, before.begin());
    const Side::Step step = side.update(f, 0.5, level);
    report.error_l1 = step.error;
    if (report.sweeps > 0) {
      report.rate = step.error / std::max(report.errors.empty() ? step.error : report.errors.back(),
                                          std::numeric_limits<double>::min());
      report.errors.push_back(step.error);
    }
    report.converged = step.error <= options.tolerance;
    if (report.converged || report.sweeps >= options.max_sweeps) break;
    ++report.sweeps;
  }
  // What was measured is returned.
  std::ranges::copy(before, f.begin());
  kernel.soft_rows(options.epsilon, f, side.balanced(), poll);
  const Side::Step last = side.update(before, 0, level);
  report.dual_objective =
      2 * last.value - options.epsilon * (last.mass - side.mass() * side.mass());
  return report;
}

}  // namespace mensura::transport
