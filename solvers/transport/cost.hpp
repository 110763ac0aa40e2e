// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "transport/problem.hpp"

namespace mensura::transport {

/// The cost of an edge between points, times the edge's weight. Local. (A cost matrix has no
/// geometry: only its kernel knows it.)
class Cost {
 public:
  /// `dimension` >= 1. Kinds other than `matrix`; periods only where the kind needs them.
  Cost(const CostSpec& spec, double weight, int dimension);

  CostKind kind() const noexcept { return kind_; }
  int dimension() const noexcept { return dimension_; }
  double weight() const noexcept { return weight_; }
  double power() const noexcept { return power_; }
  const std::vector<double>& period() const noexcept { return period_; }
  /// A sum over the axes of functions of x_i - y_i.
  bool separable() const noexcept { return kind_ != CostKind::power || power_ == 2; }

  /// Of a move by this distance along one axis (periods aside).
  double of_distance(double distance) const noexcept {
    return of_distances(distance * distance, distance);
  }
  double operator()(const double* x, const double* y) const noexcept;
  /// One axis of a separable cost: the part of c that x_axis - y_axis = difference gives.
  double along(int axis, double difference) const noexcept;
  /// Bounds of c over two boxes, given by centres and half widths (`dimension` numbers each).
  double least(const double* x, const double* x_half, const double* y,
               const double* y_half) const noexcept;
  double most(const double* x, const double* x_half, const double* y,
              const double* y_half) const noexcept;

 private:
  double of_distances(double squares, double sum) const noexcept;
  CostKind kind_;
  int dimension_;
  double weight_, power_;
  std::vector<double> period_;
};

}  // namespace mensura::transport
