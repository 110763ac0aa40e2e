// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/closed_forms.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Dense>
#include <algorithm>
#include <boost/math/quadrature/gauss_kronrod.hpp>
#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <limits>
#include <numbers>

namespace mensura::divergence {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

const double log_root_two_pi = 0.5 * std::log(2 * std::numbers::pi);

VectorXd vector_of(const std::vector<double>& v) {
  return Eigen::Map<const VectorXd>(v.data(), static_cast<Index>(v.size()));
}

MatrixXd matrix_of(const Gaussian& g) {
  const auto d = static_cast<Index>(g.mean.size());
  if (!g.covariance.full) return vector_of(g.covariance.values).asDiagonal();
  return Eigen::Map<const MatrixXd>(g.covariance.values.data(), d, d);  // symmetric: order is free
}

double log_determinant(const Eigen::LLT<MatrixXd>& llt) {
  return 2 * llt.matrixLLT().diagonal().array().log().sum();
}

// A standard normal restricted to [a, b], seen from its most likely point t0: weight exp(-(t^2 -
// t0^2)/2) as a function of u = |t - t0|, so that nothing cancels far in a tail.
class Restricted {
 public:
  Restricted(double a, double b) : t0_(std::clamp(0.0, a, b)), a_(a), b_(b) {
    log_weight_ = std::log(integral([](double) { return 1.0; }));
  }
  // log P(a < T < b) for an unrestricted T.
  double log_mass() const { return log_weight_ - 0.5 * t0_ * t0_ - log_root_two_pi; }
  // log of the restricted density at t.
  double log_density(double t) const { return -0.5 * (t - t0_) * (t + t0_) - log_weight_; }
  // Expectation of f(T).
  template <class Function>
  double expectation(const Function& f) const {
    return integral(f) * std::exp(-log_weight_);
  }

 private:
  template <class Function>
  double integral(const Function& f) const {
    // Beyond this distance the weight is below exp(-70).
    const double reach = 140 / (std::sqrt(t0_ * t0_ + 140) + std::abs(t0_));
    double total = 0;
    const auto weighted = [&](double u) { return f(t0_ + u) * std::exp(-0.5 * u * (2 * t0_ + u)); };
    using Rule = boost::math::quadrature::gauss_kronrod<double, 61>;
    const double right = std::min(b_ - t0_, reach);
    const double left = std::max(a_ - t0_, -reach);
    if (right > 0) total += Rule::integrate(weighted, 0.0, right, 12, 1e-14);
    if (left < 0) total += Rule::integrate(weighted, left, 0.0, 12, 1e-14);
    return total;
  }
  double t0_, a_, b_, log_weight_ = 0;
};

struct Coordinate {
  double mean, deviation, lower, upper;
  Restricted standard() const { return {(lower - mean) / deviation, (upper - mean) / deviation}; }
};

Coordinate coordinate(const TruncatedGaussian& g, std::size_t i) {
  return {g.mean[i], std::sqrt(g.covariance.values[i]), g.lower[i], g.upper[i]};
}

double log_beta(double a, double b) {
  return boost::math::lgamma(a) + boost::math::lgamma(b) - boost::math::lgamma(a + b);
}

// Logarithm of the volume of the intersection relative to the volume of `box`.
double log_share(const Uniform& box, const Uniform& other) {
  double total = 0;
  for (std::size_t i = 0; i < box.lower.size(); ++i) {
    const double common =
        std::min(box.upper[i], other.upper[i]) - std::max(box.lower[i], other.lower[i]);
    if (!(common > 0)) return -std::numeric_limits<double>::infinity();
    total += std::log(common / (box.upper[i] - box.lower[i]));
  }
  return total;
}

double log_volume(const Uniform& box) {
  double total = 0;
  for (std::size_t i = 0; i < box.lower.size(); ++i) total += std::log(box.upper[i] - box.lower[i]);
  return total;
}

// E over the box of -log q for a Gaussian q.
double cross_entropy(const Uniform& p, const Gaussian& q) {
  const Eigen::LLT<MatrixXd> llt(matrix_of(q));
  const VectorXd lower = vector_of(p.lower);
  const VectorXd upper = vector_of(p.upper);
  const VectorXd centre = 0.5 * (lower + upper) - vector_of(q.mean);
  const VectorXd variance = (upper - lower).array().square() / 12;
  const auto d = static_cast<Index>(centre.size());
  const MatrixXd inverse = llt.solve(MatrixXd::Identity(d, d));
  const double square = centre.dot(inverse * centre) + inverse.diagonal().dot(variance);
  return 0.5 * (log_determinant(llt) + square) + static_cast<double>(d) * log_root_two_pi;
}

}  // namespace

double kl(const Gaussian& p, const Gaussian& q) {
  const MatrixXd s1 = matrix_of(p);
  const Eigen::LLT<MatrixXd> l1(s1);
  const Eigen::LLT<MatrixXd> l2(matrix_of(q));
  const VectorXd dm = vector_of(p.mean) - vector_of(q.mean);
  const auto d = static_cast<double>(dm.size());
  return 0.5 * (l2.solve(s1).trace() + dm.dot(l2.solve(dm)) - d + log_determinant(l2) -
                log_determinant(l1));
}

double log_j(const Gaussian& p, const Gaussian& q, double a) {
  const MatrixXd s1 = matrix_of(p);
  const MatrixXd s2 = matrix_of(q);
  const Eigen::LLT<MatrixXd> mixed((1 - a) * s1 + a * s2);
  const VectorXd dm = vector_of(p.mean) - vector_of(q.mean);
  const double log_ratio = log_determinant(mixed) -
                           (1 - a) * log_determinant(Eigen::LLT<MatrixXd>(s1)) -
                           a * log_determinant(Eigen::LLT<MatrixXd>(s2));
  return 0.5 * a * (a - 1) * dm.dot(mixed.solve(dm)) - 0.5 * log_ratio;
}

double kl(const TruncatedGaussian& p, const TruncatedGaussian& q) {
  double total = 0;
  for (std::size_t i = 0; i < p.mean.size(); ++i) {
    const Coordinate cp = coordinate(p, i);
    const Coordinate cq = coordinate(q, i);
    const Restricted tp = cp.standard();
    const Restricted tq = cq.standard();
    // log p - log q is a quadratic in t; its expectation is taken as one integral, since the
    // textbook differences of error functions lose all digits far in a tail and for wide Gaussians.
    const double mean = tp.expectation([&](double t) {
      const double in_q = (cp.mean + cp.deviation * t - cq.mean) / cq.deviation;
      return tp.log_density(t) - tq.log_density(in_q);
    });
    total += mean + std::log(cq.deviation / cp.deviation);
  }
  return total;
}

double log_j(const TruncatedGaussian& p, const TruncatedGaussian& q, double a) {
  double total = 0;
  for (std::size_t i = 0; i < p.mean.size(); ++i) {
    const Coordinate cp = coordinate(p, i);
    const Coordinate cq = coordinate(q, i);
    const double wp = a / (cp.deviation * cp.deviation);
    const double wq = (1 - a) / (cq.deviation * cq.deviation);
    const double precision = wp + wq;
    const double gap = cp.mean - cq.mean;
    // p^a q^(1-a) is a Gaussian of this mean and deviation times exp(-wp wq gap^2/(2 precision)).
    const Coordinate mixed{(wp * cp.mean + wq * cq.mean) / precision, 1 / std::sqrt(precision),
                           cp.lower, cp.upper};
    total += mixed.standard().log_mass() + std::log(mixed.deviation) -
             0.5 * wp * wq * gap * gap / precision -
             a * (std::log(cp.deviation) + cp.standard().log_mass()) -
             (1 - a) * (std::log(cq.deviation) + cq.standard().log_mass());
  }
  return total;
}

double kl(const Beta& p, const Beta& q) {
  using boost::math::digamma;
  double total = 0;
  for (std::size_t i = 0; i < p.alpha.size(); ++i) {
    const double a = p.alpha[i], b = p.beta[i], c = q.alpha[i], e = q.beta[i];
    total += log_beta(c, e) - log_beta(a, b) + (a - c) * digamma(a) + (b - e) * digamma(b) +
             (c - a + e - b) * digamma(a + b);
  }
  return total;
}

double log_j(const Beta& p, const Beta& q, double t) {
  double total = 0;
  for (std::size_t i = 0; i < p.alpha.size(); ++i) {
    const double a = p.alpha[i], b = p.beta[i], c = q.alpha[i], e = q.beta[i];
    total += log_beta(t * a + (1 - t) * c, t * b + (1 - t) * e) - t * log_beta(a, b) -
             (1 - t) * log_beta(c, e);
  }
  return total;
}

double kl(const Exponential& p, const Exponential& q) {
  double total = 0;
  for (std::size_t i = 0; i < p.rate.size(); ++i) {
    total += std::log(p.rate[i] / q.rate[i]) + q.rate[i] / p.rate[i] - 1;
  }
  return total;
}

double log_j(const Exponential& p, const Exponential& q, double a) {
  double total = 0;
  for (std::size_t i = 0; i < p.rate.size(); ++i) {
    total += a * std::log(p.rate[i]) + (1 - a) * std::log(q.rate[i]) -
             std::log(a * p.rate[i] + (1 - a) * q.rate[i]);
  }
  return total;
}

double kl(const Uniform& p, const Uniform& q) {
  return -log_share(q, p);
}

double log_j(const Uniform& p, const Uniform& q, double a) {
  const double share = log_share(p, q);
  if (std::isinf(share)) return share;
  return a * share + (1 - a) * log_share(q, p);
}

double js(const Uniform& p, const Uniform& q) {
  const double log_two = std::log(2.0);
  const double in_p = std::exp(log_share(p, q));  // share of p's mass on the intersection
  const double in_q = std::exp(log_share(q, p));
  const double log_r = log_volume(q) - log_volume(p);  // log p/q on the intersection
  const double on_p = (1 - in_p) * log_two + in_p * (log_two - std::log1p(std::exp(-log_r)));
  const double on_q = (1 - in_q) * log_two + in_q * (log_two - std::log1p(std::exp(log_r)));
  return 0.5 * (on_p + on_q);
}

double kl(const Uniform& p, const Gaussian& q) {
  return cross_entropy(p, q) - log_volume(p);
}

double kl(const Uniform& p, const TruncatedGaussian& q) {
  double total = kl(p, Gaussian{q.mean, q.covariance});
  for (std::size_t i = 0; i < q.mean.size(); ++i) {
    total += coordinate(q, i).standard().log_mass();
  }
  return total;
}

}  // namespace mensura::divergence
