// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cmath>

namespace mensura::transport {

/// |distance|^power, power >= 1.
inline double line_term(double distance, double power) {
  const double length = std::abs(distance);
  if (power == 1) return length;
  return power == 2 ? length * length : std::pow(length, power);
}

/// line_term(to) - line_term(from) where `step` = to - from is known better than by subtraction of
/// the two: accurate relative to itself, so that sums of many small steps keep their digits.
inline double line_rise(double from, double to, double step, double power) {
  if (power == 2) return step * (from + to);
  if ((from < 0) != (to < 0) || from == 0 || to == 0) {
    return line_term(to, power) - line_term(from, power);
  }
  const double outward = from < 0 ? -step : step;
  if (power == 1) return outward;
  const double larger = std::max(std::abs(from), std::abs(to));
  const double ratio = std::min(std::abs(step) / larger, 1.0);
  const double size = -std::pow(larger, power) * std::expm1(power * std::log1p(-ratio));
  return outward < 0 ? -size : size;
}

}  // namespace mensura::transport
