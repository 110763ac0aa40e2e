// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "divergence/quantity.hpp"

namespace mensura::divergence {

/// An estimated divergence with its uncertainty, as it goes to the record. A NaN or infinite number
/// is written as null; `status` then says why.
struct Estimate {
  static constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  double value = unknown;           ///< raw: may be slightly negative, never clipped
  double standard_error = unknown;  ///< sampling noise, one standard deviation
  double bias_bar =
      unknown;  ///< size of the remaining bias, in the units of one standard deviation
  std::array<double, 2> interval = {
      unknown, unknown};        ///< value -+ z sqrt(se^2 + bar^2); unknown ends are NaN
  std::string status = "ok";    ///< plain words, "ok" when nothing is to be said
  std::string flags;            ///< one_step: letters of L, S, E, H (see one_step.hpp)
  std::string units;            ///< "nats" or "1"
  std::string convention;       ///< formula in one line
  std::vector<int> neighbours;  ///< the k used
  std::vector<double>
      weights;  ///< on the k-profile, sum 1 (one_step); {1} otherwise; empty for gaussian
  std::vector<double> profile;      ///< one_step: saturation-corrected value per k
  double unextrapolated = unknown;  ///< one_step: generalised least squares without extrapolation
  int intrinsic_dimension = 0;      ///< one_step: the dimension the extrapolation uses; 0 elsewhere
  std::int64_t saturated = 0;       ///< points whose neighbourhood holds no point of the other set
};

/// Two-sided normal quantile: 0.95 -> 1.95996... Throws Error{usage} unless 0 < confidence < 1.
double normal_quantile(double confidence);

/// Fills value, standard_error, bias_bar and interval; a non-finite number gets a status text.
void finish(Estimate& estimate, double value, double standard_error, double bias_bar,
            double confidence);

/// An Estimate with units and convention filled in.
Estimate blank_estimate(Quantity quantity, double order);

}  // namespace mensura::divergence
