// SPDX-License-Identifier: BSD-3-Clause
#include "transport/over_relaxation.hpp"

#include <algorithm>
#include <cmath>

#include "parallel/error.hpp"

namespace mensura::transport {

double safe(double factor, double way, double epsilon) noexcept {
  if (factor <= 1 || way <= 0) return factor;
  return std::clamp(2 - 0.8 * way / epsilon, 1.0, factor);
}

// The mean ratios of the last two thirds of the errors since the factor changed, halved in time,
// agree: the slowest mode is alone.
bool OverRelaxation::settled(double& ratio) const {
  const std::size_t n = errors_.size();
  if (n < patience_) return false;
  const std::size_t half = n / 3;
  const double last = errors_[n - 1], middle = errors_[n - 1 - half],
               first = errors_[n - 1 - 2 * half];
  if (!(last > 0) || !(middle > 0) || !(first > 0)) return false;
  const auto steps = static_cast<double>(half);
  const double now = std::log(middle / last) / steps, before = std::log(first / middle) / steps;
  ratio = std::exp(-now);
  return now > 0 && std::abs(now - before) <= 0.1 * now;
}

void OverRelaxation::change(double factor) {
  factor_ = factor;
  errors_.clear();
  // Over-relaxed errors fall like k (w - 1)^k: the factor before the power has to die away.
  patience_ = std::max<std::size_t>(8, static_cast<std::size_t>(4 / (2 - factor)));
}

void OverRelaxation::observe(double error) {
  errors_.push_back(error);
  if (finishing_) {
    // The last plain sweep was not enough: go on as before.
    finishing_ = false;
    return;
  }
  double ratio = 1;
  if (!settled(ratio)) return;
  rate_ = ratio;
  if (!allowed_ || ratio < 0.3) return;  // plain sweeps are good enough
  double q = ratio;
  if (factor_ > 1) {
    // At the best factor, or above it, the ratio is w - 1 and says nothing.
    if (ratio < factor_ - 1 + 0.2 * (2 - factor_)) return;
    q = std::pow(ratio + factor_ - 1, 2) / (ratio * factor_ * factor_);
  }
  q = std::min(q, 1 - 1e-9);
  const double best = std::min(bound_, 2 / (1 + std::sqrt(1 - q)));
  if (best > factor_ + 0.1 * (2 - factor_)) change(best);
}

bool OverRelaxation::falls(double before, double after) const noexcept {
  return last_ > 1 && after < before - 1e-12 * (std::abs(before) + std::abs(after));
}

void OverRelaxation::drop() {
  bound_ = 1 + 0.8 * (factor_ - 1);
  change(1);
  patience_ = 16;
}

std::vector<double> OverRelaxation::numbers() const {
  std::vector<double> result{finishing_ ? 1.0 : 0.0,        factor_, last_, rate_, bound_,
                             static_cast<double>(patience_)};
  result.insert(result.end(), errors_.begin(), errors_.end());
  return result;
}

void OverRelaxation::restore(std::span<const double> numbers) {
  parallel::require(numbers.size() >= 6, "the numbers of an over-relaxation are complete");
  finishing_ = numbers[0] != 0;
  factor_ = numbers[1];
  last_ = numbers[2];
  rate_ = numbers[3];
  bound_ = numbers[4];
  patience_ = static_cast<std::size_t>(numbers[5]);
  errors_.assign(numbers.begin() + 6, numbers.end());
}

}  // namespace mensura::transport
