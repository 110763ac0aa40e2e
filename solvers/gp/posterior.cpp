// SPDX-License-Identifier: BSD-3-Clause
#include "gp/posterior.hpp"

#include <algorithm>
#include <cmath>

#include "gp/lift.hpp"
#include "linear/lane_sums.hpp"
#include "parallel/error.hpp"
#include "parallel/exact_sum.hpp"
#include "parallel/random.hpp"

namespace mensura::gp {

using linear::Eight;
using linear::EightVectors;

namespace {

constexpr std::size_t lanes = 8;
// Relative accuracies (conditioner.hpp). Two unknowns may know very different shares of their
// priors' deviations, and what is small beside one must be small beside the other: with 0.02
// variances of a pressure came out too large by factors.
constexpr double mode_accuracy = 0.02, mode_accuracy_of_two = 1e-4, form_accuracy = 1e-4;
// Error of samples at a row, relative to the posterior's deviation and at most that of the prior's.
constexpr double sample_accuracy = 0.02;
// Eigenvalues of T below this share of the largest are rounding and the solves' tolerance.
constexpr double negligible = 1e-12;
// Squared lengths below this share of the largest are left out of the subspace.
constexpr double least_direction = 1e-10;
// Targets with less than this share of the mean variance count as known (on the boundary, say):
// relative errors are over the others.
constexpr double known_share = 1e-3;
// Draws of one point's numbers: rows of a state, far fewer than these.
constexpr std::uint64_t most_rows = 32;

std::int64_t blocks_of(std::int64_t count) {
  return (count + 7) / 8;
}

// Eight numbers from `one(l)`.
template <class One>
Eight eight_from(const One& one) {
  alignas(64) std::array<double, lanes> numbers;
  for (std::size_t l = 0; l < lanes; ++l) numbers[l] = one(l);
  return linear::load(numbers.data());
}

}  // namespace

Posterior::Posterior(const parallel::Communicator& comm, const PosteriorSpec& spec,
                     std::uint64_t seed, double tolerance, const Pattern& pattern,
                     const RowLayout& layout, std::span<const double> lift,
                     std::span<const double> noise, Conditioner& conditioner,
                     std::vector<ValueRow> value_rows, Targets targets)
    : comm_(comm),
      spec_(spec),
      seed_(seed),
      tolerance_(tolerance),
      pattern_(pattern),
      layout_(layout),
      lift_(lift),
      noise_(noise),
      conditioner_(conditioner),
      value_rows_(std::move(value_rows)),
      targets_(std::move(targets)) {
  value_total_ = comm.sum(static_cast<std::int64_t>(value_rows_.size()));
  const auto own = static_cast<std::size_t>(targets_.own);
  const auto modes = static_cast<std::size_t>(8 * mode_blocks());
  squares_.assign(own, 0.0);
  exact_.assign(by_modes() ? 0 : own, 0.0);
  coupling_.assign(modes * modes, 0.0);
}

std::int64_t Posterior::mode_blocks() const {
  return by_modes() ? blocks_of(spec_.modes) : 0;
}

std::int64_t Posterior::variance_steps() const {
  if (!by_modes()) return blocks_of(targets_.total);
  return mode_blocks() > 0 ? 1 + mode_blocks() : 0;
}

// None where nothing would come of them.
std::int64_t Posterior::sample_blocks() const {
  return by_modes() || spec_.write_samples ? blocks_of(spec_.samples) : 0;
}

std::int64_t Posterior::steps() const {
  return variance_steps() + sample_blocks();
}

void Posterior::advance(const std::function<void()>& poll) {
  if (done_ >= variance_steps()) {
    draw(done_ - variance_steps(), poll);
  } else if (!by_modes()) {
    exact(done_, poll);
  } else if (done_ == 0) {
    find_range(poll);
  } else {
    find_modes(done_ - 1, poll);
    if (done_ == mode_blocks()) make_basis();
  }
  ++done_;
}

// The value rows of a state, in the prior's deviations, and the way back.
std::vector<Eight> Posterior::scaled_values(std::span<const Eight> rows) const {
  std::vector<Eight> values;
  values.reserve(value_rows_.size());
  for (const ValueRow& value : value_rows_) {
    values.push_back((1 / value.deviation) * rows[static_cast<std::size_t>(value.row)]);
  }
  return values;
}

std::vector<Eight> Posterior::scaled_rows(std::span<const Eight> values) const {
  std::vector<Eight> rows(static_cast<std::size_t>(layout_.own), linear::all(0));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const ValueRow& value = value_rows_[i];
    rows[static_cast<std::size_t>(value.row)] = (1 / value.deviation) * values[i];
  }
  return rows;
}

// Smooth vectors: the prior's spectrum falls faster than the posterior's, and any subspace will do.
// Draws of the prior are made orthogonal before Theta sharpens them, so that their span, and with
// it the variance, does not feel how ranks round.
void Posterior::find_range(const std::function<void()>& poll) {
  const parallel::Stream stream(seed_, "posterior", "range");
  const auto refine = [&](const auto& rows_of) {
    linear::EightVectors next;
    for (std::int64_t block = 0; block < mode_blocks(); ++block) {
      next.push_back(scaled_values(rows_of(block)));
      poll();
    }
    range_ = std::move(next);
    linear::orthonormalise(comm_, range_, least_direction);
  };
  refine([&](std::int64_t block) {
    std::vector<Eight> rows = normal_rows(stream, block);
    conditioner_.draw_prior(rows, poll);
    return rows;
  });
  refine([&](std::int64_t block) {
    std::vector<Eight> rows = scaled_rows(range_[static_cast<std::size_t>(block)]);
    conditioner_.apply_prior(rows, poll);
    return rows;
  });
}

void Posterior::find_modes(std::int64_t block, const std::function<void()>& poll) {
  const auto b = static_cast<std::size_t>(block);
  std::vector<Eight> rows = scaled_rows(range_[b]);
  const double spread = std::sqrt(static_cast<double>(value_total_));
  const bool two = comm_.max(static_cast<std::int64_t>(std::ranges::any_of(
                       value_rows_, [](const ValueRow& row) { return row.field == 1; }))) > 0;
  report_.iterations.push_back(
      conditioner_
          .apply_posterior(rows, image_to(two ? mode_accuracy_of_two : mode_accuracy, spread), poll)
          .iterations);
  modes_.push_back(targets_.values(rows));
  const auto column = linear::inner_products(comm_, range_, {scaled_values(rows)});
  const std::size_t n = lanes * range_.size();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t l = 0; l < lanes; ++l)
      coupling_[i * n + lanes * b + l] = column[i * lanes + l];
  }
}

// T = V L V': the modes become Y V L^-1/2, whose squares add up to the variance in the subspace.
void Posterior::make_basis() {
  const std::size_t n = lanes * range_.size();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const double mean = 0.5 * (coupling_[i * n + j] + coupling_[j * n + i]);
      coupling_[i * n + j] = coupling_[j * n + i] = mean;
    }
  }
  const linear::Spectrum spectrum = linear::symmetric_eigen(comm_, n, coupling_);
  turn_.assign(n * n, 0.0);
  rank_ = 0;
  for (std::size_t j = 0; j < n && spectrum.values[j] > negligible * spectrum.values[0]; ++j) {
    ++rank_;
    for (std::size_t i = 0; i < n; ++i) {
      turn_[i * n + j] = spectrum.vectors[i * n + j] / std::sqrt(spectrum.values[j]);
    }
  }
  linear::combine(modes_, turn_);
}

// Collective. Of a sample's solve, whose solution has an energy of about one per measurement: no
// more than the deck's, and enough for what the posterior leaves at the targets, as far as known.
double Posterior::sample_tolerance() const {
  parallel::ExactSum sum;
  for (std::size_t t = 0; t < static_cast<std::size_t>(targets_.own); ++t) {
    sum.add(told(t));
  }
  parallel::reduce(comm_, std::span(&sum, 1));
  const double left = sum.value() / static_cast<double>(std::max<std::int64_t>(1, targets_.total));
  if (!(left > 0)) return tolerance_;
  const auto measurements = pattern_.counts[0] + pattern_.counts[1] + pattern_.counts[2];
  return std::min(tolerance_,
                  sample_accuracy * std::sqrt(left / static_cast<double>(measurements)));
}

// Independent standard normal numbers of the own rows for a block of eight vectors.
std::vector<Eight> Posterior::normal_rows(const parallel::Stream& stream,
                                          std::int64_t block) const {
  std::vector<Eight> rows(static_cast<std::size_t>(layout_.own));
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_.own); ++p) {
    const auto first = static_cast<std::size_t>(layout_.first[p]);
    const auto count = static_cast<std::size_t>(layout_.rows_of(p));
    parallel::require(count < most_rows, "a point has fewer rows than its random numbers");
    for (std::size_t r = 0; r < count; ++r) {
      rows[first + r] = eight_from([&](std::size_t l) {
        const std::uint64_t vector = static_cast<std::uint64_t>(8 * block) + l;
        return stream.normal(pattern_.ids[p], most_rows * vector + r);
      });
    }
  }
  return rows;
}

void Posterior::draw(std::int64_t block, const std::function<void()>& poll) {
  const parallel::Stream noise(seed_, "posterior", "noise"), errors(seed_, "posterior", "averages");
  const auto sample = [&](std::size_t l) { return static_cast<std::uint64_t>(8 * block) + l; };
  const auto points = static_cast<std::size_t>(pattern_.own);
  std::vector<Eight> rows = normal_rows({seed_, "posterior", "prior"}, block);
  std::vector<Eight> values(points), known(rows.size());
  conditioner_.draw_prior(rows, poll);
  restrict_to_points(layout_, lift_, rows.data(), points, values.data());
  for (std::size_t p = 0; p < noise_.size(); ++p) {
    if (noise_[p] == 0) continue;
    const double deviation = std::sqrt(noise_[p]);
    values[p] = values[p] + eight_from([&](std::size_t l) {
                  return deviation * noise.normal(pattern_.ids[p], sample(l));
                });
  }
  auto beside = conditioner_.measure_beside(rows);
  for (std::size_t i = 0; i < beside.size(); ++i) {
    const double deviation = std::sqrt(conditioner_.noise_beside()[i]);
    beside[i] = beside[i] +
                eight_from([&](std::size_t l) { return deviation * errors.normal(i, sample(l)); });
  }
  report_.iterations.push_back(
      conditioner_.condition_all(values, beside, known, sample_tolerance(), poll).iterations);
  for (std::size_t r = 0; r < rows.size(); ++r) rows[r] = rows[r] - known[r];
  std::vector<Eight> found = targets_.values(rows);
  if (by_modes()) regress(rows, found);
  if (spec_.write_samples) samples_.push_back(std::move(found));
}

// Adds the squares of what the subspace does not tell of eight samples.
void Posterior::regress(std::span<const Eight> rows, std::span<const Eight> values) {
  const std::size_t n = lanes * range_.size();
  std::vector<Eight> weights(n, linear::all(0));
  if (n > 0) {
    const auto along = linear::inner_products(comm_, range_, {scaled_values(rows)});
    for (std::size_t i = 0; i < n; ++i) {
      const Eight coordinate = eight_from([&](std::size_t l) { return along[i * lanes + l]; });
      for (std::size_t j = 0; j < n; ++j) {
        weights[j] = weights[j] + turn_[i * n + j] * coordinate;
      }
    }
  }
  for (std::size_t t = 0; t < values.size(); ++t) {
    Eight rest = values[t];
    for (std::size_t j = 0; j < n; ++j) {
      rest = rest - lane(modes_[j / lanes][t], j % lanes) * weights[j];
    }
    for (std::size_t l = 0; l < lanes; ++l) squares_[t] += lane(rest, l) * lane(rest, l);
  }
}

void Posterior::exact(std::int64_t block, const std::function<void()>& poll) {
  std::vector<Eight> one(static_cast<std::size_t>(targets_.own), linear::all(0));
  const std::int64_t begin = 8 * block - targets_.first;
  for (std::int64_t l = 0; l < 8; ++l) {
    if (begin + l < 0 || begin + l >= targets_.own) continue;
    one[static_cast<std::size_t>(begin + l)] = eight_from(
        [&](std::size_t lane) { return lane == static_cast<std::size_t>(l) ? 1.0 : 0.0; });
  }
  const std::vector<Eight> weights = targets_.transposed(one);
  std::vector<Eight> rows = weights;
  report_.iterations.push_back(
      conditioner_.apply_posterior(rows, form_to(form_accuracy), poll).iterations);
  const auto variances = linear::dot(comm_, weights, rows);
  for (std::int64_t l = 0; l < 8; ++l) {
    if (begin + l < 0 || begin + l >= targets_.own) continue;
    exact_[static_cast<std::size_t>(begin + l)] =
        std::max(0.0, variances[static_cast<std::size_t>(l)]);
  }
}

std::vector<double> Posterior::variance() {
  parallel::require(finished(), "posterior: a variance is asked for when all steps are done");
  const auto own = static_cast<std::size_t>(targets_.own);
  const auto samples = static_cast<double>(8 * sample_blocks());
  std::vector<double> result(own), rest(own);
  for (std::size_t t = 0; t < own; ++t) {
    if (by_modes()) rest[t] = squares_[t] / samples;
    result[t] = told(t) + rest[t] + targets_.local_variance[t];
  }
  report_.modes = rank_;
  report_.samples = by_modes() ? 8 * sample_blocks() : 0;
  report_.fields.clear();
  for (std::size_t f = 0; f < targets_.fields; ++f) {
    report_.fields.push_back(assess(result, rest, f));
  }
  return result;
}

// What the modes or the exact forms tell of a target.
double Posterior::told(std::size_t target) const {
  double sum = by_modes() ? 0 : exact_[target];
  for (const std::vector<Eight>& block : modes_) {
    for (std::size_t l = 0; l < lanes; ++l) sum += lane(block[target], l) * lane(block[target], l);
  }
  return sum;
}

// Collective. Over the targets of a field of which something is unknown.
VarianceReport Posterior::assess(std::span<const double> variance, std::span<const double> rest,
                                 std::size_t field) const {
  parallel::ExactSum whole;
  for (std::size_t t = field; t < variance.size(); t += targets_.fields) whole.add(variance[t]);
  parallel::reduce(comm_, std::span(&whole, 1));
  const double all = static_cast<double>(targets_.total) / static_cast<double>(targets_.fields);
  const double least = known_share * whole.value() / std::max(1.0, all);
  std::array<parallel::ExactSum, 4> sums;  // targets, squared errors, shares
  double largest = 0;
  for (std::size_t t = field; t < variance.size(); t += targets_.fields) {
    if (!(variance[t] > least)) continue;
    const double share = rest[t] / variance[t];
    const double error =
        by_modes() ? std::sqrt(2 / static_cast<double>(8 * sample_blocks())) * share : 0;
    largest = std::max(largest, error);
    sums[0].add(1);
    sums[1].add(error * error);
    sums[2].add(share);
    sums[3].add(targets_.local_variance[t] / variance[t]);
  }
  parallel::reduce(comm_, sums);
  const double count = std::max(1.0, sums[0].value());
  return {.relative_error = std::sqrt(sums[1].value() / count),
          .largest_relative_error = comm_.max(largest),
          .rest = sums[2].value() / count,
          .local = sums[3].value() / count};
}

}  // namespace mensura::gp
