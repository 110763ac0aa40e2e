// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/dimension.hpp"

#include <algorithm>
#include <array>
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
  // Both branches are selections, so that the compiler can vectorise the loop over lanes.
  const bool subnormal = x < std::numeric_limits<double>::min();
  const std::int64_t shift = subnormal ? -54 : 0;
  x *= subnormal ? 0x1p54 : 1.0;
  const auto bits = std::bit_cast<std::uint64_t>(x);
  const auto exponent = static_cast<std::int64_t>(bits >> 52U) - 1023 + shift;
  const double mantissa =
      std::bit_cast<double>((bits & 0x000fffffffffffffULL) | 0x3ff0000000000000ULL);
  return {mantissa, exponent};
}

// Sum of logarithms as one logarithm per 512 numbers: mantissas are multiplied (below
// 2^512 no overflow), exponents added as integers. Number i belongs to lane i mod 8 whatever the
// instruction set, so the rounding is fixed.
struct LogSum {
  double logarithms;  // of the mantissas
  std::int64_t exponents;
};

LogSum log_sum(std::span<const double> values) noexcept {
  constexpr std::size_t lanes = 8;
  double logarithms = 0;
  std::int64_t exponents = 0;
  while (!values.empty()) {
    const auto block = values.first(std::min<std::size_t>(values.size(), 512));
    values = values.subspan(block.size());
    std::array<double, lanes> product;
    std::array<std::int64_t, lanes> exponent{};
    product.fill(1.0);
    const std::size_t whole = block.size() - block.size() % lanes;
    for (std::size_t i = 0; i < whole; i += lanes) {
      const double* const x = block.data() + i;
      for (std::size_t lane = 0; lane < lanes; ++lane) product[lane] *= split(x[lane]).mantissa;
      for (std::size_t lane = 0; lane < lanes; ++lane) exponent[lane] += split(x[lane]).exponent;
    }
    for (std::size_t i = whole; i < block.size(); ++i) {
      const Split part = split(block[i]);
      product[i - whole] *= part.mantissa;
      exponent[i - whole] += part.exponent;
    }
    double total = 1;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      total *= product[lane];
      exponents += exponent[lane];
    }
    logarithms += std::log(total);
  }
  return {logarithms, exponents};
}

}  // namespace

double dimension_term(std::span<const double> squared_distances) noexcept {
  const auto first = std::find_if(squared_distances.begin(), squared_distances.end(),
                                  [](double d2) { return d2 > 0; });
  const auto m = squared_distances.end() - first;
  if (m < 3) return std::numeric_limits<double>::quiet_NaN();
  const LogSum sum = log_sum(squared_distances.last(static_cast<std::size_t>(m)));
  const Split last = split(squared_distances.back());
  const auto count = static_cast<double>(m);
  constexpr double log_two = 0.693147180559945309417232;
  const double doubled = (count * std::log(last.mantissa) - sum.logarithms) +
                         static_cast<double>(m * last.exponent - sum.exponents) * log_two;
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
