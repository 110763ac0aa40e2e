// SPDX-License-Identifier: BSD-3-Clause
#include "gp/updated_conditioner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gp/pieces_of_work.hpp"
#include "linear/dense.hpp"
#include "linear/lane_sums.hpp"
#include "output/memory.hpp"

namespace mensura::gp {

using linear::Eight;

namespace {

constexpr std::size_t lanes = 8;
// Of an entry of S at least, relative to the diagonal.
constexpr double accuracy = 1e-3;
// Steps of the refinement, and what one must leave of the square of the one before.
constexpr int most_steps = 20;
constexpr double least_gain = 0.25;
// Steps of which the square is this small may end for rounding.
constexpr double rounding = 1e-16;

std::size_t round_up(std::size_t n) {
  return (n + lanes - 1) / lanes * lanes;
}

}  // namespace

double UpdatedConditioner::bytes(std::int64_t rows, std::int64_t averages, int ranks) {
  const auto n = static_cast<double>(averages);
  return 8 * n * (static_cast<double>(rows) / ranks + n);
}

UpdatedConditioner::UpdatedConditioner(const parallel::Communicator& comm, const RowLayout& layout,
                                       std::unique_ptr<Conditioner> base,
                                       std::shared_ptr<Averages> averages, double tolerance,
                                       double deviation)
    : comm_(comm),
      rows_(static_cast<std::size_t>(layout.own)),
      base_(std::move(base)),
      averages_(std::move(averages)),
      tolerance_(tolerance),
      deviation_(deviation),
      stride_(round_up(averages_->count())) {
  output::check_memory(
      comm, static_cast<std::int64_t>(bytes(layout.own, static_cast<std::int64_t>(stride_), 1)),
      fmt::format("conditioning on {} averages (one vector of all {} state rows for each)",
                  averages_->count(), layout.total));
  parallel::agree(comm, [&] {
    columns_.assign(stride_ / lanes, std::vector<Eight>(rows_));
    schur_.resize(averages_->count() * stride_);
  });
}

SolveReport UpdatedConditioner::condition(const Measurements& measurements, double distance,
                                          std::span<double> state,
                                          const std::function<void()>& poll) {
  SolveReport report = base_->condition(measurements, distance, state, poll);
  const bool fresh = !known_;
  current_ = false;
  if (fresh) update(poll);
  const std::vector<double> before(state.begin(), state.end());
  if (!correct(report, before, state, poll)) {
    // S is that of functionals that have moved too far.
    if (!fresh) update(poll);
    if (fresh || !correct(report, before, state, poll)) {
      throw parallel::Error(parallel::ExitCode::not_converged,
                            "the averages of `data` were not met: the linear solves are not "
                            "accurate enough for their noise; lower solve.tolerance, raise "
                            "factor.radius or data.noise");
    }
  }
  return report;
}

// Collective. state = before + C G' w with (G C G' + R2) w = y2 - G before, by iterative refinement
// with the S that is known: each step takes a linear solve of the accuracy of the base's own, so
// that the equation holds as well as before. False when the steps do not shrink.
bool UpdatedConditioner::correct(SolveReport& report, std::span<const double> before,
                                 std::span<double> state, const std::function<void()>& poll) {
  const std::size_t n = averages_->count();
  const std::vector<double> gap = averages_->apply(before);
  const double relative = report.complete ? tolerance_ : std::max(tolerance_, report.residual);
  // An error of a response comes back through S^-1, by the prior over the noise at most.
  const double contracting =
      accuracy * std::sqrt(*std::ranges::min_element(averages_->noise())) / deviation_;
  std::vector<double> weights(n, 0.0), rest(n), step(n);
  std::ranges::copy(before, state.begin());
  double first = 0, last = 0;
  for (int steps = 0; steps < most_steps; ++steps) {
    const std::vector<double> found = averages_->apply(std::span<const double>(state));
    for (std::size_t i = 0; i < n; ++i) {
      rest[i] = averages_->values()[i] - found[i] - averages_->noise()[i] * weights[i];
    }
    step = rest;
    solve(step);
    double size = 0;  // of the step, in the norm of S
    for (std::size_t i = 0; i < n; ++i) size += rest[i] * step[i];
    if (steps == 0) first = size;
    if (!(size >= 0)) return false;
    if (size <= relative * relative * first) {
      last = 0;
      break;
    }
    if (steps > 0 && size > least_gain * last) break;
    last = size;
    for (std::size_t i = 0; i < n; ++i) weights[i] += step[i];
    report.iterations += add_response(step, std::min(relative, contracting), state, poll);
  }
  if (last > rounding * first) return false;
  for (std::size_t i = 0; i < n; ++i) {
    report.quadratic += (averages_->values()[i] - gap[i]) * weights[i];
  }
  return true;
}

// Collective. state += C G' weights, to a relative accuracy. Returns iterations.
std::int64_t UpdatedConditioner::add_response(std::span<const double> weights, double relative,
                                              std::span<double> state,
                                              const std::function<void()>& poll) {
  std::vector<Eight> rows(rows_);
  averages_->transposed(weights, rows);
  const AllowedError allowed = [=](double left) { return relative * relative * left; };
  const auto report = base_->apply_posterior(rows, allowed, poll);
  for (std::size_t r = 0; r < rows_; ++r) state[r] += lane(rows[r], 0);
  return report.iterations;
}

// Collective. C G' and S of the measurements that the base has.
void UpdatedConditioner::update(const std::function<void()>& poll) {
  const std::size_t n = averages_->count();
  known_ = current_ = false;
  iterations_ = 0;
  const double least = *std::ranges::min_element(averages_->noise());
  const AllowedError allowed = [&](double left) {
    const double error = std::min(accuracy * (left + least) / deviation_, tolerance_ * deviation_);
    return error * error;
  };
  for (std::size_t block = 0; block < columns_.size(); ++block) {
    std::vector<Eight>& column = columns_[block];
    averages_->transposed(lanes * block, column);
    iterations_ += base_->apply_posterior(column, allowed, poll).iterations;
    const auto values = averages_->apply(std::span<const Eight>(column));
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t l = 0; l < lanes; ++l) {
        schur_[i * stride_ + lanes * block + l] = lane(values[i], l);
      }
    }
    poll();
  }
  double apart = 0, largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i; j < n; ++j) {
      double &upper = schur_[i * stride_ + j], &lower = schur_[j * stride_ + i];
      apart = std::max(apart, std::abs(upper - lower));
      upper = lower = (upper + lower) / 2;
    }
    largest = std::max(largest, schur_[i * stride_ + i]);
    schur_[i * stride_ + i] += averages_->noise()[i];
  }
  asymmetry_ = largest > 0 ? apart / largest : 0;
  factor(poll);
  known_ = current_ = true;
}

void UpdatedConditioner::factor(const std::function<void()>& poll) {
  const std::size_t n = averages_->count();
  SpreadPolls polls(comm_, std::pow(static_cast<double>(n), 3) / 3, poll);
  const std::size_t good = linear::cholesky_in_pieces(n, schur_.data(), stride_,
                                                      [&](double flops) { polls.did(flops); });
  polls.finish();
  parallel::agree(comm_, [&] {
    if (good == n) return;
    throw parallel::Error(
        parallel::ExitCode::numerical,
        fmt::format("the covariance of the {} averages is not positive definite (number {}): the "
                    "error of the linear solves, {:.1e} of its largest entry, is above the noise; "
                    "lower solve.tolerance or raise data.noise",
                    n, good, asymmetry_));
  });
}

// vectors := S^-1 vectors, one after another.
void UpdatedConditioner::solve(std::span<double> vectors) const {
  const std::size_t n = averages_->count(), count = vectors.size() / n;
  linear::solve_upper_transposed(n, schur_.data(), stride_, count, vectors.data(), n);
  linear::solve_upper(n, schur_.data(), stride_, count, vectors.data(), n);
}

// S^-1 times eight vectors of averages, one after another.
std::vector<double> UpdatedConditioner::weights_of(std::span<const Eight> beside) const {
  const std::size_t n = beside.size();
  std::vector<double> vectors(lanes * n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t l = 0; l < lanes; ++l) vectors[l * n + i] = lane(beside[i], l);
  }
  solve(vectors);
  return vectors;
}

// rows += sign C G' weights.
void UpdatedConditioner::add(std::span<const double> weights, double sign,
                             std::span<Eight> rows) const {
  const std::size_t n = averages_->count();
  std::vector<Eight> across(n);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t l = 0; l < lanes; ++l) {
      reinterpret_cast<double*>(&across[i])[l] = sign * weights[l * n + i];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    const std::vector<Eight>& column = columns_[i / lanes];
    for (std::size_t r = 0; r < rows_; ++r) {
      rows[r] = fused(linear::all(lane(column[r], i % lanes)), across[i], rows[r]);
    }
  }
}

LogDeterminant UpdatedConditioner::log_determinant(const std::function<void()>& poll) {
  if (!current_) update(poll);
  LogDeterminant sum = base_->log_determinant(poll);
  for (std::size_t i = 0; i < averages_->count(); ++i) {
    sum.value += 2 * std::log(schur_[i * stride_ + i]);
  }
  return sum;
}

void UpdatedConditioner::remember(const ConditionerMemory& memory) {
  base_->remember(memory);
  known_ = current_ = false;
}

void UpdatedConditioner::adopt(const Measurements& measurements,
                               const std::function<void()>& poll) {
  base_->adopt(measurements, poll);
  update(poll);
}

void UpdatedConditioner::draw_prior(std::span<Eight> rows, const std::function<void()>& poll) {
  base_->draw_prior(rows, poll);
}

void UpdatedConditioner::apply_prior(std::span<Eight> rows, const std::function<void()>& poll) {
  base_->apply_prior(rows, poll);
}

std::vector<Eight> UpdatedConditioner::measure_beside(std::span<const Eight> rows) {
  return averages_->apply(rows);
}

linear::BlockReport UpdatedConditioner::condition_block(std::span<const Eight> values,
                                                        std::span<Eight> rows, double tolerance,
                                                        const std::function<void()>& poll) {
  return condition_all(values, std::vector<Eight>(averages_->count(), linear::all(0)), rows,
                       tolerance, poll);
}

linear::BlockReport UpdatedConditioner::condition_all(std::span<const Eight> values,
                                                      std::span<const Eight> beside,
                                                      std::span<Eight> rows, double tolerance,
                                                      const std::function<void()>& poll) {
  if (!current_) update(poll);
  const auto report = base_->condition_block(values, rows, tolerance, poll);
  auto gap = averages_->apply(std::span<const Eight>(rows));
  for (std::size_t i = 0; i < gap.size(); ++i) gap[i] = beside[i] - gap[i];
  add(weights_of(gap), 1, rows);
  return report;
}

linear::BlockReport UpdatedConditioner::apply_posterior(std::span<Eight> rows,
                                                        const AllowedError& allowed,
                                                        const std::function<void()>& poll) {
  if (!current_) update(poll);
  const auto report = base_->apply_posterior(rows, allowed, poll);
  add(weights_of(averages_->apply(std::span<const Eight>(rows))), -1, rows);
  return report;
}

void UpdatedConditioner::record(output::Value& entry) const {
  base_->record(entry);
  entry["averages"] = static_cast<std::int64_t>(averages_->count());
  entry["averages_asymmetry"] = asymmetry_;
}

}  // namespace mensura::gp
