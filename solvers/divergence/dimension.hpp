// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>

#include "parallel/exact_sum.hpp"

namespace mensura::divergence {

/// Local. One point's term of the k-nearest-neighbour maximum-likelihood dimension (Levina and
/// Bickel 2005): sum over positive distances of log(r_m/r_j)/(m - 2), m = number of positive
/// distances among the given squared distances (ascending). NaN when m < 3: the point says nothing.
double dimension_term(std::span<const double> squared_distances) noexcept;

/// Exact, order-free mean of the terms.
struct DimensionSums {
  parallel::ExactSum sum;
  std::int64_t points = 0;
  /// Local. `squared_distances` ascending, of the k nearest neighbours, self excluded;
  /// `multiplicity` equal points.
  void add(std::span<const double> squared_distances, std::int64_t multiplicity = 1) noexcept;
  /// 1/mean; NaN without points; +infinity when all terms are zero. Meaningful after the reduction
  /// over ranks.
  double estimate() const noexcept;
};

/// The dimension used by the extrapolation: d when the estimate is at least 0.6 d (it reads low in
/// high dimension: 13 at d = 16), else ceil(estimate/0.9 - 0.4), at least 1 and at most d. NaN
/// gives d.
int intrinsic_dimension(double estimate, int dimension) noexcept;

}  // namespace mensura::divergence
