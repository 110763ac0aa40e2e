// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/dimension.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>

namespace mensura::divergence {
namespace {

// A positive double as mantissa in [1, 2) and exponent.
struct Split {
  double mantissa;
  std::int64_t exponent;
};

Split split(double x) noexcept {
  std::int64_t shift = 0;
  if (x < std::numeric_limits<double>::min()) {
    x *= 0x1p54;
    shift = -54;
  }
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const auto exponent = static_cast<std::int64_t>(bits >> 52U) - 1023 + shift;
  const double mantissa =
      std::bit_cast<double>((bits & 0x000fffffffffffffULL) | 0x3ff0000000000000ULL);
  return {mantissa, exponent};
}

}  // namespace

double dimension_term(std::span<const double> squared_distances) noexcept {
  const auto first = std::find_if(squared_distances.begin(), squared_distances.end(),
                                  [](double d2) { return d2 > 0; });
  const auto m = squared_distances.end() - first;
  if (m < 3) return std::numeric_limits<double>::quiet_NaN();
  // One logarithm for up to 512 distances: mantissas are multiplied, exponents added as integers.
  double product = 1;
  double logarithms = 0;
  std::int64_t exponents = 0;
  int factors = 0;
  for (auto d2 = first; d2 != squared_distances.end(); ++d2) {
    const Split part = split(*d2);
    product *= part.mantissa;
    exponents += part.exponent;
    if (++factors == 512) {
      logarithms += std::log(product);
      product = 1;
      factors = 0;
    }
  }
  logarithms += std::log(product);
  const Split last = split(squared_distances.back());
  const auto count = static_cast<double>(m);
  constexpr double log_two = 0.693147180559945309417232;
  const double doubled = (count * std::log(last.mantissa) - logarithms) +
                         static_cast<double>(m * last.exponent - exponents) * log_two;
  return std::max(0.0, 0.5 * doubled) / (count - 2);
}

void DimensionSums::add(std::span<const double> squared_distances,
                        std::int64_t multiplicity) noexcept {
  const double term = dimension_term(squared_distances);
  if (std::isnan(term)) return;
  sum.add(static_cast<double>(multiplicity) * term);
  points += multiplicity;
}

double DimensionSums::estimate() const noexcept {
  if (points == 0) return std::numeric_limits<double>::quiet_NaN();
  const double total = sum.value();
  if (total <= 0) return std::numeric_limits<double>::infinity();
  return static_cast<double>(points) / total;
}

int intrinsic_dimension(double estimate, int dimension) noexcept {
  if (std::isnan(estimate) || estimate >= 0.6 * dimension) return dimension;
  const int rounded = static_cast<int>(std::ceil(estimate / 0.9 - 0.4));
  return std::clamp(rounded, 1, dimension);
}

}  // namespace mensura::divergence
