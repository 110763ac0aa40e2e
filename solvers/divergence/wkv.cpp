// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/wkv.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <boost/math/special_functions/trigamma.hpp>
#include <cmath>

#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

// What one side says: l = d log(distance to the other set/distance to the own set) estimates the
// log-ratio of the own density to the other, up to a constant.
struct SideView {
  double points, log_mean, log_square, log_mean_2k, inverse, inverse_square, cross;
};

SideView view(std::span<const parallel::ExactSum> sums, std::int64_t count) {
  const auto n = static_cast<double>(count);
  return {n,
          sums[0].value() / n,
          sums[1].value() / n,
          sums[2].value() / n,
          sums[3].value() / n,
          sums[4].value() / n,
          sums[5].value() / n};
}

double log_variance(const SideView& s) {
  return std::max(0.0, s.log_square - s.log_mean * s.log_mean);
}

// With c (other/own)^-d the unbiased ratio of the other density to the own one: given the density,
// own^d is Gamma(k) and 1/other^d inverse Gamma(k), so that E[e^-l] = r k/(k-1) and E[e^-2l] = r^2
// k(k+1)/((k-1)(k-2)) in units where the densities absorb the counts. The noise of fixed k is
// thereby taken out of the second moment.
struct RatioMoments {
  double scale, mean, second;
};

RatioMoments ratio_moments(const SideView& s, double eta, int k) {
  const double kd = k;
  RatioMoments m{};
  m.scale = (kd - 1) / kd * eta;
  m.mean = m.scale * s.inverse;
  m.second = m.scale * m.scale * s.inverse_square * (kd * (kd - 2)) / ((kd - 1) * (kd + 1));
  return m;
}

// Variance of the mean of the ratio; with the log-ratio (Jeffreys) the two terms of one centre are
// correlated.
double ratio_variance(const RatioMoments& m) {
  return std::max(0.0, m.second - m.mean * m.mean);
}

double covariance(const SideView& s, const RatioMoments& m) {
  return m.scale * (s.cross - s.log_mean * s.inverse);
}

// Centres that lie close together share their k-th neighbours, so the noise of the log-distances
// (variance psi'(k) each) does not average out as for independent terms. The share 0.6 was measured
// by simulation (dimension 1 to 3, k = 3 to 10: 0.3 to 0.7, se/sd without it 0.77 to 0.98). In
// Jeffreys' sum the two directions see the same neighbours with opposite signs and it cancels.
double shared_noise(int k, double n_p, double n_q) {
  return 0.6 * boost::math::trigamma(static_cast<double>(k)) * (1 / n_p + 1 / n_q);
}

std::string coincidence_text(std::int64_t points, int k) {
  return fmt::format(
      "{} points have a coincident {}-th neighbour (distance zero): the distance form is undefined "
      "for repeated data, use method one_step",
      points, k);
}

}  // namespace

WkvSums::WkvSums(int k, int dimension) : k_(k), dimension_(dimension) {
  if (k < 3 || k > 2048) {
    throw parallel::Error(parallel::ExitCode::usage,
                          fmt::format("neighbours {}: wkv takes 3 to 2048 (its error bar has no "
                                      "finite second moment below 3)",
                                      k));
  }
}

void WkvSums::add(Side side, double own_k2, double other_k2, double own_2k2, double other_2k2,
                  std::int64_t multiplicity) noexcept {
  const auto s = static_cast<std::size_t>(side);
  counts_[s] += multiplicity;
  if (!(own_k2 > 0) || !(other_k2 > 0)) {
    counts_[2 + s] += multiplicity;
    return;
  }
  // The difference of two logarithms stays finite where the quotient of two squared distances would
  // not.
  const double half_d = 0.5 * dimension_;
  const double l = half_d * (std::log(other_k2) - std::log(own_k2));
  const double l2 = half_d * (std::log(other_2k2) - std::log(own_2k2));
  const double inverse = std::exp(-l);
  const auto copies = static_cast<double>(multiplicity);
  parallel::ExactSum* const sum = sums_.data() + s * per_side;
  sum[0].add(copies * l);
  sum[1].add(copies * (l * l));
  sum[2].add(copies * l2);
  sum[3].add(copies * inverse);
  sum[4].add(copies * (inverse * inverse));
  sum[5].add(copies * (l * inverse));
}

WkvSums WkvSums::swapped() const {
  WkvSums result(k_, dimension_);
  for (std::size_t i = 0; i < per_side; ++i) {
    result.sums_[i] = sums_[per_side + i];
    result.sums_[per_side + i] = sums_[i];
  }
  result.counts_ = {counts_[1], counts_[0], counts_[3], counts_[2]};
  return result;
}

Estimate WkvSums::estimate(Quantity quantity, double confidence) const {
  if (quantity != Quantity::kl && quantity != Quantity::jeffreys) {
    throw parallel::Error(
        parallel::ExitCode::usage,
        fmt::format("method wkv estimates kl and jeffreys, not {}; use one_step or nnr",
                    name_of(quantity)));
  }
  if (counts_[0] < 2 || counts_[1] < 2) {
    throw parallel::Error(parallel::ExitCode::usage, "wkv needs at least two points in each set");
  }
  const bool both = quantity == Quantity::jeffreys;
  Estimate result = blank_estimate(quantity, 0);
  result.neighbours = {k_};
  result.weights = {1.0};
  const std::int64_t coincident = counts_[2] + (both ? counts_[3] : 0);
  if (coincident > 0) {
    result.status = coincidence_text(coincident, k_);
    return result;
  }
  const SideView x = view(std::span(sums_).first(per_side), counts_[0]);
  const SideView y = view(std::span(sums_).subspan(per_side), counts_[1] - counts_[3]);
  const double to_q = std::log(y.points / (x.points - 1));
  const double to_p = std::log(x.points / (y.points - 1));
  double value = x.log_mean + to_q;
  double coarse = x.log_mean_2k + to_q;
  // Influence of KL(P||Q): log r on X, -r on Y; Jeffreys adds -1/r on X and -log r on Y.
  const RatioMoments r_on_y = ratio_moments(y, (y.points - 1) / x.points, k_);
  double variance = log_variance(x) / x.points + ratio_variance(r_on_y) / y.points;
  if (!both) variance += shared_noise(k_, x.points, y.points);
  if (both) {
    const RatioMoments r_on_x = ratio_moments(x, (x.points - 1) / y.points, k_);
    value += y.log_mean + to_p;
    coarse += y.log_mean_2k + to_p;
    variance += log_variance(y) / y.points + ratio_variance(r_on_x) / x.points -
                2 * covariance(x, r_on_x) / x.points - 2 * covariance(y, r_on_y) / y.points;
  }
  if (counts_[3] > 0 && !both) {
    result.status = "standard error unknown: " + coincidence_text(counts_[3], k_);
    variance = Estimate::unknown;
  }
  const double error = std::isnan(variance) ? variance : std::sqrt(std::max(0.0, variance));
  finish(result, value, error, std::abs(value - coarse), confidence);
  return result;
}

}  // namespace mensura::divergence
