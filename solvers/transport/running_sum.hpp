// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "linear/exponential.hpp"

namespace mensura::transport {

/// Eight sums of exponentials that cannot overflow: sum_i exp(e_i) = sum * exp(largest), and with
/// factors sum_i factor_i exp(e_i) = moment * exp(largest). Terms may be -inf.
struct RunningSum {
  linear::Eight largest = linear::all(-1e300);  // finite: differences with it never make a NaN
  linear::Eight sum = linear::all(0.0), moment = linear::all(0.0);

  /// `count` times eight exponents (aligned to 64 bytes) whose largest ones, lane by lane, are
  /// `top`; `factors` alike, read for Moment only.
  template <bool Moment>
  [[gnu::always_inline]] void add(const double* exponents, const double* factors, std::size_t count,
                                  const linear::Eight& top) {
    using namespace linear;
    const Eight before = largest;
    largest = larger(top, before);
    const Eight shrink = exponential(at_least(before - largest, -800));
    Eight new_sum = sum * shrink, new_moment = moment * shrink;
    for (std::size_t i = 0; i < count; ++i) {
      const Eight term = exponential(at_least(load(exponents + 8 * i) - largest, -800));
      new_sum = new_sum + term;
      if constexpr (Moment) new_moment = fused(load(factors + 8 * i), term, new_moment);
    }
    sum = new_sum;
    moment = new_moment;
  }
};

/// A pair (largest, sum) that stands for sum * exp(largest); pairs of parts of a sum add up.
struct ScaledSum {
  double largest = -1e300, sum = 0, moment = 0;

  void add(double other_largest, double other_sum, double other_moment = 0) {
    const double top = other_largest > largest ? other_largest : largest;
    const double mine = std::exp(largest - top), theirs = std::exp(other_largest - top);
    sum = sum * mine + other_sum * theirs;
    moment = moment * mine + other_moment * theirs;
    largest = top;
  }
  double logarithm() const { return largest + std::log(sum); }
};

/// What a sum of `terms` terms does not notice when it is smaller than the largest one by this
/// factor's logarithm: all such terms together stay below 1e-17 of it.
inline double negligible(std::int64_t terms) {
  return 40 + std::log(static_cast<double>(terms > 1 ? terms : 1));
}

}  // namespace mensura::transport
