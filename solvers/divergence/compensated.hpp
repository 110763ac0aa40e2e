// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cmath>

namespace mensura::divergence {

/// Neumaier's compensated sum, for sums over tables in a fixed order: short, deterministic,
/// accurate to the last bits.
class CompensatedSum {
 public:
  void add(double term) noexcept {
    const double next = sum_ + term;
    correction_ += std::abs(sum_) >= std::abs(term) ? (sum_ - next) + term : (term - next) + sum_;
    sum_ = next;
  }
  double value() const noexcept { return sum_ + correction_; }

 private:
  double sum_ = 0;
  double correction_ = 0;
};

}  // namespace mensura::divergence
