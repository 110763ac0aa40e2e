// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "gp/field.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

namespace {

constexpr double pi = std::numbers::pi;

// u = -N / D with D = integral of e^S over y and N that of sin(pi (x - y)) e^S, where
// S(y) = -cos(pi (x - y)) / (2 pi nu) - y^2 / (4 nu t)  (Cole 1951; y = sqrt(4 nu t) eta gives the
// Gauss-Hermite form). e^S is entire and falls off like a Gaussian, so the trapezoidal rule
// converges faster than any power of its step for every nu and t (Trefethen, Weideman 2014), while
// Gauss-Hermite nodes miss the mass at large eta once the shock has formed (t > 1 / pi).
class Integrals {
 public:
  Integrals(double x, double t, double viscosity) : x_(x), t_(t), viscosity_(viscosity) {
    // Beyond `reach`, S is at least 80 below its value at y = 0, whatever the cosine does.
    reach_ = std::sqrt(4 * viscosity * t * (80 + 1 / (pi * viscosity)));
    // The narrowest peak that S can have.
    const double width = 1 / std::sqrt(pi / (2 * viscosity) + 1 / (2 * viscosity * t));
    step_ = reach_ / std::ceil(reach_ / width);
    top_ = -std::numeric_limits<double>::infinity();
    for (std::int64_t i = -count(); i <= count(); ++i) {
      top_ = std::max(top_, exponent(static_cast<double>(i) * step_));
    }
    for (std::int64_t i = -count(); i <= count(); ++i) add(static_cast<double>(i) * step_);
  }
  // Adds the midpoints.
  void refine() {
    const std::int64_t n = count();
    for (std::int64_t i = -n; i < n; ++i) add((static_cast<double>(i) + 0.5) * step_);
    step_ /= 2;
  }
  double value() const { return -sine_sum_ / sum_; }

 private:
  std::int64_t count() const { return std::llround(reach_ / step_); }
  double exponent(double y) const {
    return -std::cos(pi * (x_ - y)) / (2 * pi * viscosity_) - y * y / (4 * viscosity_ * t_);
  }
  // top_ keeps e^S in range: the largest S at the first nodes, within a few units of the maximum.
  void add(double y) {
    const double weight = std::exp(exponent(y) - top_);
    sum_ += weight;
    sine_sum_ += weight * std::sin(pi * (x_ - y));
  }

  double x_, t_, viscosity_;
  double reach_ = 0, step_ = 0, top_ = 0;
  double sum_ = 0, sine_sum_ = 0;
};

}  // namespace

double cole_hopf(double x, double t, double viscosity) {
  parallel::require(viscosity > 0 && t >= 0, "Cole-Hopf needs a viscosity > 0 and t >= 0");
  if (t == 0) return -std::sin(pi * x);
  Integrals integrals(x, t, viscosity);
  double value = integrals.value();
  // |u| <= 1. Errors square with every halving: when two results agree to 1e-10, the finer one is
  // at the level of rounding. Two halvings suffice; the limit guards against NaN.
  for (int halving = 0; halving < 12; ++halving) {
    const double coarse = value;
    integrals.refine();
    value = integrals.value();
    if (std::abs(value - coarse) <= 1e-10) return value;
  }
  throw parallel::Error(parallel::ExitCode::numerical,
                        "the Cole-Hopf integral does not converge; is the viscosity finite?");
}

}  // namespace mensura::gp
