// SPDX-License-Identifier: BSD-3-Clause
#include "gp/evidence.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

namespace mensura::gp {

Evidence evidence_of(std::int64_t points, double quadratic, const LogDeterminant& determinant,
                     double scale) {
  const auto n = static_cast<double>(points);
  Evidence evidence;
  evidence.scale = scale;
  evidence.quadratic = quadratic / scale;
  evidence.log_determinant = determinant.value + n * std::log(scale);
  evidence.value =
      -0.5 * (evidence.quadratic + evidence.log_determinant + n * std::log(2 * std::numbers::pi));
  evidence.standard_error = 0.5 * determinant.standard_error;
  return evidence;
}

Measurements without_data(const Pattern& pattern, const RowLayout& layout,
                          Measurements measurements) {
  measurements.noise.resize(static_cast<std::size_t>(pattern.own), 0.0);
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
    if (pattern.kind(p) != PointKind::data) continue;
    const auto first = static_cast<std::size_t>(layout.first[p]);
    std::fill_n(&measurements.lift[first], layout.rows_of(p), 0.0);
    measurements.value[p] = 0;
    measurements.noise[p] = 1;
  }
  return measurements;
}

output::Value::Object describe(const Evidence& evidence) {
  output::Value::Object entry;
  entry.emplace_back("name", "log_evidence");
  entry.emplace_back("value", evidence.value);
  entry.emplace_back("standard_error", evidence.standard_error);
  entry.emplace_back("units", "nats");
  entry.emplace_back("scale", evidence.scale);
  entry.emplace_back("quadratic", evidence.quadratic);
  entry.emplace_back("log_determinant", evidence.log_determinant);
  if (!std::isfinite(evidence.value)) {
    entry.emplace_back("status", "all data are zero: no scale of the prior is most likely");
  }
  return entry;
}

}  // namespace mensura::gp
