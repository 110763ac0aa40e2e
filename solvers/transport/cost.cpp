// SPDX-License-Identifier: BSD-3-Clause
#include "transport/cost.hpp"

#include <algorithm>
#include <cmath>

#include "parallel/error.hpp"

namespace mensura::transport {

namespace {

// The distance of two points of a circle from their difference.
double wrapped(double difference, double period) {
  const double rest = std::fmod(std::abs(difference), period);
  return std::min(rest, period - rest);
}

}  // namespace

Cost::Cost(const CostSpec& spec, double weight, int dimension)
    : kind_(spec.kind),
      dimension_(dimension),
      weight_(weight),
      power_(spec.kind == CostKind::power ? spec.power : 2),
      period_(spec.period) {
  parallel::require(kind_ != CostKind::matrix && kind_ != CostKind::coulomb,
                    "a cost matrix has no geometry, and the repulsion no largest value");
  parallel::require(
      kind_ != CostKind::periodic || period_.size() == static_cast<std::size_t>(dimension),
      "one period per axis");
}

double Cost::along(int axis, double difference) const noexcept {
  switch (kind_) {
    case CostKind::l1:
      return weight_ * std::abs(difference);
    case CostKind::periodic: {
      const double d = wrapped(difference, period_[static_cast<std::size_t>(axis)]);
      return weight_ * d * d;
    }
    default:
      return weight_ * difference * difference;
  }
}

double Cost::operator()(const double* x, const double* y) const noexcept {
  double sum = 0;
  if (kind_ == CostKind::power) {
    for (int j = 0; j < dimension_; ++j) sum += (x[j] - y[j]) * (x[j] - y[j]);
    return weight_ * std::pow(sum, power_ / 2);
  }
  for (int j = 0; j < dimension_; ++j) sum += along(j, x[j] - y[j]);
  return sum;
}

// The cost of a vector of distances along the axes.
double Cost::of_distances(double squares, double sum) const noexcept {
  switch (kind_) {
    case CostKind::l1:
      return weight_ * sum;
    case CostKind::power:
      return weight_ * std::pow(squares, power_ / 2);
    default:
      return weight_ * squares;
  }
}

double Cost::least(const double* x, const double* x_half, const double* y,
                   const double* y_half) const noexcept {
  double squares = 0, sum = 0;
  for (std::size_t j = 0; j < static_cast<std::size_t>(dimension_); ++j) {
    const double reach = x_half[j] + y_half[j];
    double d = std::max(0.0, std::abs(x[j] - y[j]) - reach);
    if (kind_ == CostKind::periodic) d = std::max(0.0, wrapped(x[j] - y[j], period_[j]) - reach);
    squares += d * d;
    sum += d;
  }
  return of_distances(squares, sum);
}

double Cost::most(const double* x, const double* x_half, const double* y,
                  const double* y_half) const noexcept {
  double squares = 0, sum = 0;
  for (std::size_t j = 0; j < static_cast<std::size_t>(dimension_); ++j) {
    double d = std::abs(x[j] - y[j]) + x_half[j] + y_half[j];
    if (kind_ == CostKind::periodic) d = std::min(d, period_[j] / 2);
    squares += d * d;
    sum += d;
  }
  return of_distances(squares, sum);
}

}  // namespace mensura::transport
