// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "gp/conditioner.hpp"
#include "output/record.hpp"

namespace mensura::gp {

/// The log density of the measurements y under their prior, N(0, scale S' Theta S + R): of a
/// nonlinear equation, of its linearisation at the mean (Laplace's method).
struct Evidence {
  double value = 0;           ///< -(quadratic + log_determinant + points log 2 pi) / 2, in nats
  double standard_error = 0;  ///< of the value: half of that of the determinant; 0: exact
  double scale = 1;           ///< of the prior
  double quadratic = 0;       ///< y' (scale S' Theta S + R)^-1 y
  double log_determinant = 0;
};

/// Local. From a solve under a prior of unit scale with the noise R / scale: `quadratic` and
/// `determinant` are those of S' Theta S + R / scale.
Evidence evidence_of(std::int64_t points, double quadratic, const LogDeterminant& determinant,
                     double scale);

/// Local. The measurements without the data: data points measure nothing, with errors of variance
/// 1, so that they add nothing to the quadratic and the determinant.
Measurements without_data(const Pattern& pattern, const RowLayout& layout,
                          Measurements measurements);

/// Local. The scale at which the evidence of exact measurements is largest.
inline double best_scale(std::int64_t points, double quadratic) {
  return quadratic / static_cast<double>(points);
}

/// Local. The entry `log_evidence` of the results.
output::Value::Object describe(const Evidence& evidence);

}  // namespace mensura::gp
