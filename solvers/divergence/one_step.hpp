// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "divergence/estimate.hpp"
#include "divergence/histograms.hpp"
#include "divergence/interval.hpp"
#include "divergence/tables.hpp"

namespace mensura::divergence {

/// The default list of neighbour counts.
inline const std::vector<int> default_neighbours = {8, 12, 16, 24, 32, 48, 64};

/// Local. The default estimator: one-step count ratio with exact binomial de-biasing,
/// saturation-corrected profile and model-averaged extrapolation. `histograms` complete (reduced
/// over ranks) with N and M centres; `dimension` is that of the space, `intrinsic` the value of
/// intrinsic_dimension(). Every rank computes the same bits. Flags: L lower bound only (P has mass
/// where Q has no points; the upper end of the interval is NaN), S saturated counts, E mostly
/// extrapolated, H intrinsic dimension above 10 (constrained least squares instead of the
/// extrapolation). Throws Error{usage} when a set has fewer than two points or the order is not in
/// (0, 1).
Estimate one_step(Quantity quantity, double order, const CountHistograms& histograms, int dimension,
                  int intrinsic, double confidence = 0.95);

/// Local. Moments of the pass for one quantity.
struct CountMoments {
  std::vector<double> plain;             ///< D(k) without saturation correction
  std::vector<double> plain_covariance;  ///< of plain, K x K row-major
  Profile corrected;
};
CountMoments moments(const CountTables& tables, const CountHistograms& histograms);

/// Local. The profile in divergence units: renyi and bhattacharyya by the logarithm and the delta
/// method.
Profile profile(Quantity quantity, double order, const CountHistograms& histograms);

/// Local. Balance of the ratio at the largest k; both are 0 in expectation: z1 = mean_Y r - 1, z2 =
/// mean_X 1/r - 1.
struct Balance {
  double z1 = 0, z2 = 0;
};
Balance balance(const CountHistograms& histograms);

}  // namespace mensura::divergence
