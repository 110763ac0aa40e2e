// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/estimate.hpp"

#include <fmt/format.h>

#include <boost/math/special_functions/erf.hpp>
#include <cmath>

#include "parallel/error.hpp"

namespace mensura::divergence {

double normal_quantile(double confidence) {
  if (!(confidence > 0 && confidence < 1)) {
    throw parallel::Error(
        parallel::ExitCode::usage,
        fmt::format("confidence {}: it must lie strictly between 0 and 1", confidence));
  }
  return std::sqrt(2.0) * boost::math::erf_inv(confidence);
}

void finish(Estimate& estimate, double value, double standard_error, double bias_bar,
            double confidence) {
  const double half = normal_quantile(confidence) * std::hypot(standard_error, bias_bar);
  estimate.value = value;
  estimate.standard_error = standard_error;
  estimate.bias_bar = bias_bar;
  // hypot(inf, NaN) is inf: an interval is given only when all its parts are known.
  const bool known =
      std::isfinite(value) && std::isfinite(standard_error) && std::isfinite(bias_bar);
  estimate.interval = {known ? value - half : Estimate::unknown,
                       known ? value + half : Estimate::unknown};
  if (known || estimate.status != "ok") return;
  if (!std::isfinite(value)) {
    estimate.status = "value not finite: the samples cannot resolve this divergence";
  } else if (!std::isfinite(standard_error)) {
    estimate.status = "standard error not finite: no interval is given";
  } else {
    estimate.status = "bias bar not finite: no interval is given";
  }
}

Estimate blank_estimate(Quantity quantity, double order) {
  Estimate estimate;
  estimate.units = units_of(quantity);
  estimate.convention = convention_of(quantity, effective_order(quantity, order));
  return estimate;
}

}  // namespace mensura::divergence
