// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "divergence/estimate.hpp"
#include "divergence/moments.hpp"
#include "parallel/exact_sum.hpp"

namespace mensura::divergence {

/// Closed forms between the Gaussians fitted to two samples. kl, jeffreys and all functions of J_a,
/// 0 < a < 1.
class GaussianFit {
 public:
  /// Local. Throws Error{numerical} naming the set when a covariance is singular, Error{usage} for
  /// js or a wrong order.
  GaussianFit(Quantity quantity, double order, const Moments& p, const Moments& q,
              const std::string& name_p = "p", const std::string& name_q = "q");
  double value() const noexcept { return value_; }
  /// Local. Influence of one point x of P (of Q) on the value: gradient in the moments times the
  /// point's deviation from them, g'(x-m) + (x-m)'G(x-m) - tr(G S). Has mean zero over the sample.
  double influence_p(std::span<const double> x) const noexcept;
  double influence_q(std::span<const double> x) const noexcept;
  /// Local. `squares_p`, `squares_q`: sums of influence^2 over all points of P and Q (reduced over
  /// ranks). se^2 = squares_p/N^2 + squares_q/M^2. The bias bar is the first-order bias of the
  /// plug-in value under the Gaussian model (half the curvature times the covariance of the
  /// moments).
  Estimate estimate(double squares_p, double squares_q, double confidence = 0.95) const;

 private:
  struct Gradient {
    std::vector<double> mean, linear, quadratic;  ///< m, g, G (d x d)
    double constant = 0;                          ///< tr(G S)
    double at(std::span<const double> x) const noexcept;
  };
  Quantity quantity_;
  double order_;
  std::int64_t n_p_, n_q_;
  double value_ = 0, bias_ = 0, curvature_ = 0;
  Gradient p_, q_;
};

}  // namespace mensura::divergence
