// SPDX-License-Identifier: BSD-3-Clause
#include "gp/posterior.hpp"

#include <algorithm>
#include <cmath>

#include "gp/lift.hpp"
#include "parallel/error.hpp"
#include "parallel/exact_sum.hpp"
#include "parallel/random.hpp"

namespace mensura::gp {

using linear::Eight;
using linear::EightVectors;

namespace {

constexpr std::size_t lanes = 8;
// The subspace need not be exact: any one gives an unbiased variance.
constexpr double range_tolerance = 1e-3;
// Eigenvalues of T below this share of the largest are rounding and the solves' tolerance.
constexpr double negligible = 1e-12;
// Draws of one point's numbers: rows of a state, far fewer than these.
constexpr std::uint64_t most_rows = 32;

double lane(const Eight& value, std::size_t l) {
  return reinterpret_cast<const double*>(&value)[l];
}

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
  return by_modes() ? 2 * mode_blocks() : blocks_of(targets_.total);
}

std::int64_t Posterior::sample_blocks() const {
  return blocks_of(spec_.samples);
}

std::int64_t Posterior::steps() const {
  return variance_steps() + sample_blocks();
}

void Posterior::advance(const std::function<void()>& poll) {
  const std::int64_t blocks = mode_blocks();
  if (done_ >= variance_steps()) {
    draw(done_ - variance_steps(), poll);
  } else if (!by_modes()) {
    exact(done_, poll);
  } else if (done_ < blocks) {
    find_range(done_, poll);
    if (done_ + 1 == blocks) linear::orthonormalise(comm_, range_);
  } else {
    find_modes(done_ - blocks, poll);
    if (done_ + 1 == 2 * blocks) make_basis();
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

void Posterior::find_range(std::int64_t block, const std::function<void()>& poll) {
  const parallel::Stream stream(seed_, "posterior", "range");
  std::vector<Eight> random;
  for (const ValueRow& value : value_rows_) {
    const auto first = static_cast<std::uint64_t>(2 * 8 * block + value.field);
    random.push_back(eight_from(
        [&](std::size_t l) { return stream.normal(pattern_.ids[value.point], first + 2 * l); }));
  }
  std::vector<Eight> rows = scaled_rows(random);
  report_.iterations.push_back(
      conditioner_.apply_posterior(rows, std::max(range_tolerance, tolerance_), poll).iterations);
  range_.push_back(scaled_values(rows));
}

void Posterior::find_modes(std::int64_t block, const std::function<void()>& poll) {
  const auto b = static_cast<std::size_t>(block);
  std::vector<Eight> rows = scaled_rows(range_[b]);
  report_.iterations.push_back(conditioner_.apply_posterior(rows, tolerance_, poll).iterations);
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

void Posterior::draw(std::int64_t block, const std::function<void()>& poll) {
  const parallel::Stream prior(seed_, "posterior", "prior"), noise(seed_, "posterior", "noise"),
      errors(seed_, "posterior", "errors of averages");
  const auto points = static_cast<std::size_t>(pattern_.own);
  std::vector<Eight> rows(static_cast<std::size_t>(layout_.own)), values(points),
      known(rows.size());
  const auto sample = [&](std::size_t l) { return static_cast<std::uint64_t>(8 * block) + l; };
  for (std::size_t p = 0; p < points; ++p) {
    const auto first = static_cast<std::size_t>(layout_.first[p]);
    const auto count = static_cast<std::size_t>(layout_.rows_of(p));
    parallel::require(count < most_rows, "a point has fewer rows than its random numbers");
    for (std::size_t r = 0; r < count; ++r) {
      rows[first + r] = eight_from(
          [&](std::size_t l) { return prior.normal(pattern_.ids[p], most_rows * sample(l) + r); });
    }
  }
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
      conditioner_.condition_all(values, beside, known, tolerance_, poll).iterations);
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
  report_.iterations.push_back(conditioner_.apply_posterior(rows, tolerance_, poll).iterations);
  const auto variances = linear::lane_products(comm_, weights, rows);
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
  std::vector<double> result(own);
  std::array<parallel::ExactSum, 3> sums;  // squared error, shares
  double largest = 0;
  for (std::size_t t = 0; t < own; ++t) {
    double told = by_modes() ? 0 : exact_[t], rest = 0;
    for (const std::vector<Eight>& block : modes_) {
      for (std::size_t l = 0; l < lanes; ++l) told += lane(block[t], l) * lane(block[t], l);
    }
    if (by_modes()) rest = squares_[t] / samples;
    result[t] = told + rest + targets_.local_variance[t];
    const double share = result[t] > 0 ? rest / result[t] : 0;
    const double error = std::sqrt(2 / samples) * share;
    sums[0].add(by_modes() ? error * error : 0);
    sums[1].add(share);
    sums[2].add(result[t] > 0 ? targets_.local_variance[t] / result[t] : 0);
    if (by_modes()) largest = std::max(largest, error);
  }
  parallel::reduce(comm_, sums);
  const auto total = static_cast<double>(std::max<std::int64_t>(1, targets_.total));
  report_.modes = rank_;
  report_.samples = by_modes() ? 8 * sample_blocks() : 0;
  report_.relative_error = std::sqrt(sums[0].value() / total);
  report_.largest_relative_error = comm_.max(largest);
  report_.rest = sums[1].value() / total;
  report_.local = sums[2].value() / total;
  return result;
}

}  // namespace mensura::gp
