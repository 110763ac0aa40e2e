// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

namespace mensura::divergence {

/// Saturation-corrected k-profile of a divergence in divergence units, with its covariance.
struct Profile {
  std::vector<int> neighbours;
  std::vector<double> value;       ///< C(k)
  std::vector<double> covariance;  ///< S, K x K row-major: of C(k), from the sum over points
  std::vector<double> ball_noise;  ///< v_k >= 0: variance of the labels inside the balls
  std::vector<double> saturation;  ///< sat_k: part of C(k) that is saturation correction
};

struct Extrapolation {
  double value = 0;
  double standard_error = 0;
  double bias_bar = 0;
  double unextrapolated = 0;    ///< generalised least squares without slope
  std::vector<double> weights;  ///< model-averaged weights on C(k), sum 1
  bool degenerate =
      false;  ///< no variance at all: value is C at the largest k, the bias bar unknown (NaN)
};

/// Local. Model-averaged extrapolation k -> 0: C(k) = D + b (k/K)^(4 g/dimension) + noise, g in
/// {1/4, 1/2, 0.7, 1}, half-Cauchy prior on b with three quarters of its mass below zero (the
/// one-step form is a lower bound). Throws Error{numerical} when the profile is not finite.
Extrapolation extrapolate(const Profile& profile, int dimension);

/// Position in `neighbours` of the k that measures saturation: the smallest k >= (largest k)/4 (16
/// of 64).
std::size_t saturation_index(const std::vector<int>& neighbours);

/// Local. The rule used beyond intrinsic dimension 10: generalised least squares on the plain
/// profile, once free and once constrained to sum w (k/K)^(4/dimension) = 0; the free one when they
/// differ by less than its standard error.
struct ConstrainedFit {
  double value = 0, standard_error = 0;
  std::vector<double> weights;
};
ConstrainedFit least_squares(const std::vector<int>& neighbours, const std::vector<double>& value,
                             const std::vector<double>& covariance, int dimension,
                             bool constrained);

}  // namespace mensura::divergence
