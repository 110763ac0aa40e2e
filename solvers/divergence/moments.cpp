// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/moments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

// A pivot below this share of its variance is rounding noise: the coordinate is a combination of
// earlier ones.
constexpr double rank_threshold = 1e-10;

// Lower Cholesky factor in fixed order; empty when the covariance is rank deficient.
std::vector<double> cholesky(std::size_t d, const std::vector<double>& covariance) {
  std::vector<double> l(d * d, 0.0);
  for (std::size_t i = 0; i < d; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      double rest = covariance[i * d + j];
      for (std::size_t k = 0; k < j; ++k) rest -= l[i * d + k] * l[j * d + k];
      if (i != j) {
        l[i * d + j] = rest / l[j * d + j];
      } else if (rest > rank_threshold * covariance[i * d + i]) {
        l[i * d + i] = std::sqrt(rest);
      } else {
        return {};
      }
    }
  }
  return l;
}

}  // namespace

MeanSums::MeanSums(int dimension) : sums_(static_cast<std::size_t>(dimension)) {}

void MeanSums::add(std::span<const double> point) noexcept {
  for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i].add(point[i]);
}

std::vector<double> MeanSums::mean(std::int64_t count) const {
  std::vector<double> result;
  for (const auto& sum : sums_) result.push_back(sum.value() / static_cast<double>(count));
  return result;
}

ScatterSums::ScatterSums(std::vector<double> mean)
    : mean_(std::move(mean)),
      centred_(mean_.size()),
      sums_(mean_.size() * (mean_.size() + 1) / 2) {}

void ScatterSums::add(std::span<const double> point) noexcept {
  std::size_t entry = 0;
  for (std::size_t i = 0; i < mean_.size(); ++i) {
    centred_[i] = point[i] - mean_[i];
    for (std::size_t j = 0; j <= i; ++j) sums_[entry++].add(centred_[i] * centred_[j]);
  }
}

Moments ScatterSums::moments(std::int64_t count) const {
  if (count < 2) {
    throw parallel::Error(parallel::ExitCode::input_data,
                          fmt::format("a covariance needs at least two points, found {}", count));
  }
  const std::size_t d = mean_.size();
  Moments m;
  m.dimension = static_cast<int>(d);
  m.count = count;
  m.mean = mean_;
  m.covariance.resize(d * d);
  std::size_t entry = 0;
  for (std::size_t i = 0; i < d; ++i) {
    for (std::size_t j = 0; j <= i; ++j) {
      const double value = sums_[entry++].value() / static_cast<double>(count - 1);
      m.covariance[i * d + j] = m.covariance[j * d + i] = value;
    }
  }
  return m;
}

Whitening::Whitening(const Moments& pooled) : dimension_(pooled.dimension) {
  const auto d = static_cast<std::size_t>(dimension_);
  factor_ = cholesky(d, pooled.covariance);
  if (!factor_.empty()) return;
  factor_.assign(d * d, 0.0);
  int constant = 0;
  for (std::size_t i = 0; i < d; ++i) {
    const double deviation = std::sqrt(pooled.covariance[i * d + i]);
    factor_[i * d + i] = deviation > 0 ? deviation : 1.0;
    constant += deviation > 0 ? 0 : 1;
  }
  warning_ = fmt::format(
      "whitening: the pooled covariance has no full rank ({} of {} coordinates constant{}); every "
      "coordinate is divided by its own standard deviation instead",
      constant, dimension_, constant > 0 ? "" : ", others are linear combinations");
}

void Whitening::apply(std::span<double> points) const noexcept {
  const auto d = static_cast<std::size_t>(dimension_);
  for (std::size_t begin = 0; begin + d <= points.size(); begin += d) {
    double* const x = points.data() + begin;
    for (std::size_t i = 0; i < d; ++i) {
      double rest = x[i];
      for (std::size_t j = 0; j < i; ++j) rest -= factor_[i * d + j] * x[j];
      x[i] = rest / factor_[i * d + i];
    }
  }
}

}  // namespace mensura::divergence
