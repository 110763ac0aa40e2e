// SPDX-License-Identifier: BSD-3-Clause
#include "transport/cost.hpp"

#include <algorithm>
#include <cmath>

#include "parallel/error.hpp"

namespace mensura::transport {

namespace {

// Least and largest distance of two intervals.
double least_distance(double a_lower, double a_upper, double b_lower, double b_upper) {
  return std::max({0.0, b_lower - a_upper, a_lower - b_upper});
}
double most_distance(double a_lower, double a_upper, double b_lower, double b_upper) {
  return std::max(a_upper - b_lower, b_upper - a_lower);
}

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
  parallel::require(kind_ != CostKind::matrix, "a cost matrix has no geometry");
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

namespace {

// The cost of a vector of distances along the axes.
double of_distances(const Cost& cost, double squares, double sum) {
  switch (cost.kind()) {
    case CostKind::l1:
      return cost.weight() * sum;
    case CostKind::power:
      return cost.weight() * std::pow(squares, cost.power() / 2);
    default:
      return cost.weight() * squares;
  }
}

}  // namespace

double Cost::least(const double* x_lower, const double* x_upper, const double* y_lower,
                   const double* y_upper) const noexcept {
  double squares = 0, sum = 0;
  for (int j = 0; j < dimension_; ++j) {
    double d = least_distance(x_lower[j], x_upper[j], y_lower[j], y_upper[j]);
    if (kind_ == CostKind::periodic) {
      // The differences fill an interval; the nearest multiple of the period decides.
      const double period = period_[static_cast<std::size_t>(j)];
      const double low = y_lower[j] - x_upper[j], high = y_upper[j] - x_lower[j];
      const double below = std::floor(high / period) * period;
      d = below >= low ? 0 : std::min(low - below, below + period - high);
    }
    squares += d * d;
    sum += d;
  }
  return of_distances(*this, squares, sum);
}

double Cost::most(const double* x_lower, const double* x_upper, const double* y_lower,
                  const double* y_upper) const noexcept {
  double squares = 0, sum = 0;
  for (int j = 0; j < dimension_; ++j) {
    double d = most_distance(x_lower[j], x_upper[j], y_lower[j], y_upper[j]);
    if (kind_ == CostKind::periodic) d = std::min(d, period_[static_cast<std::size_t>(j)] / 2);
    squares += d * d;
    sum += d;
  }
  return of_distances(*this, squares, sum);
}

}  // namespace mensura::transport
