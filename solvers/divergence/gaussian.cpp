// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/gaussian.hpp"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/Dense>
#include <cmath>

#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;
using Square = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

struct Fitted {
  VectorXd mean;
  MatrixXd covariance, inverse;
  double log_determinant = 0;
  double count = 0;
};

// Cholesky with a pivot test: a pivot that is rounding noise means a singular covariance.
Fitted fitted(const Moments& m, const std::string& name) {
  const auto d = static_cast<Index>(m.dimension);
  Fitted f;
  f.count = static_cast<double>(m.count);
  f.mean = Eigen::Map<const VectorXd>(m.mean.data(), d);
  f.covariance = Eigen::Map<const Square>(m.covariance.data(), d, d);
  const Eigen::LLT<MatrixXd> llt(f.covariance);
  bool regular = m.count > m.dimension && llt.info() == Eigen::Success;
  for (Index i = 0; regular && i < d; ++i) {
    const double pivot = llt.matrixLLT()(i, i);
    regular = pivot * pivot > 1e-10 * f.covariance(i, i);
    f.log_determinant += 2 * std::log(pivot);
  }
  if (!regular) {
    throw parallel::Error(
        parallel::ExitCode::numerical,
        fmt::format("method gaussian: the covariance of set '{}' ({} points, dimension {}) is "
                    "singular; remove constant or collinear columns or use one_step",
                    name, m.count, m.dimension));
  }
  f.inverse = llt.solve(MatrixXd::Identity(d, d));
  return f;
}

// A divergence of two Gaussians with its gradient in (m1, S1, m2, S2) and its first-order bias.
struct Expansion {
  double value = 0, bias = 0;
  VectorXd g1, g2;
  MatrixXd h1, h2;
};

// E[tr(B dS B dS)] for the sample covariance dS of `dof` degrees of freedom around S (Wishart):
// with t = B S, (tr(t)^2 + tr(t t))/dof.
double squared_trace(const MatrixXd& b, const Fitted& f) {
  const MatrixXd t = b * f.covariance;
  return (t.trace() * t.trace() + (t * t).trace()) / (f.count - 1);
}

// E[u' dS B dS u] = (u'S B S u + tr(B S) u'S u)/dof.
double squared_form(const VectorXd& u, const MatrixXd& b, const Fitted& f) {
  const VectorXd su = f.covariance * u;
  return (su.dot(b * su) + (b * f.covariance).trace() * u.dot(su)) / (f.count - 1);
}

double log_determinant_bias(const Fitted& f) {
  const auto d = static_cast<double>(f.mean.size());
  return -0.5 * (d * d + d) / (f.count - 1);
}

// KL = (tr(A S1) + dm'A dm - d + ln|S2| - ln|S1|)/2 with A = S2^-1.
Expansion kl(const Fitted& p, const Fitted& q) {
  const VectorXd dm = p.mean - q.mean;
  const MatrixXd& a = q.inverse;
  const VectorXd u = a * dm;
  const double d = static_cast<double>(dm.size());
  Expansion e;
  e.value =
      0.5 * ((a * p.covariance).trace() + dm.dot(u) - d + q.log_determinant - p.log_determinant);
  e.g1 = u;
  e.g2 = -u;
  e.h1 = 0.5 * (a - p.inverse);
  e.h2 = 0.5 * (a - a * p.covariance * a - u * u.transpose());
  // Second order of S2^-1 is A dS A dS A, hence tr(A dS A dS A S1) = E[dS A dS] against A S1 A, and
  // the same against u u'.
  const double trace = (a * p.covariance).trace();
  const double curved = (trace + d * trace) / (q.count - 1);
  const double means = (a * p.covariance).trace() / p.count + d / q.count;
  e.bias = 0.5 * (curved + squared_form(u, a, q) + means + log_determinant_bias(q) -
                  log_determinant_bias(p));
  return e;
}

// Renyi = a dm'C^-1 dm/2 - (ln|C| - (1-a) ln|S1| - a ln|S2|)/(2(a-1)), C = (1-a) S1 + a S2.
Expansion renyi(const Fitted& p, const Fitted& q, double a) {
  const VectorXd dm = p.mean - q.mean;
  const MatrixXd c = (1 - a) * p.covariance + a * q.covariance;
  const Eigen::LLT<MatrixXd> llt(c);
  const MatrixXd ci = llt.solve(MatrixXd::Identity(c.rows(), c.cols()));
  const double log_c = 2 * llt.matrixLLT().diagonal().array().log().sum();
  const VectorXd u = ci * dm;
  Expansion e;
  e.value = 0.5 * a * dm.dot(u) -
            (log_c - (1 - a) * p.log_determinant - a * q.log_determinant) / (2 * (a - 1));
  e.g1 = a * u;
  e.g2 = -e.g1;
  const MatrixXd in_c = -0.5 * a * u * u.transpose() - ci / (2 * (a - 1));
  e.h1 = (1 - a) * in_c - 0.5 * p.inverse;
  e.h2 = a * in_c + a / (2 * (a - 1)) * q.inverse;
  const double means =
      (ci * p.covariance).trace() / p.count + (ci * q.covariance).trace() / q.count;
  const double forms = (1 - a) * (1 - a) * squared_form(u, ci, p) + a * a * squared_form(u, ci, q);
  const double log_c_bias =
      -0.5 * ((1 - a) * (1 - a) * squared_trace(ci, p) + a * a * squared_trace(ci, q));
  e.bias = 0.5 * a * (means + forms) -
           (log_c_bias - (1 - a) * log_determinant_bias(p) - a * log_determinant_bias(q)) /
               (2 * (a - 1));
  return e;
}

Expansion expansion(Quantity quantity, double order, const Fitted& p, const Fitted& q) {
  if (is_function_of_j(quantity)) return renyi(p, q, effective_order(quantity, order));
  Expansion e = kl(p, q);
  if (quantity == Quantity::jeffreys) {
    const Expansion back = kl(q, p);
    e.value += back.value;
    e.bias += back.bias;
    e.g1 += back.g2;
    e.g2 += back.g1;
    e.h1 += back.h2;
    e.h2 += back.h1;
  }
  return e;
}

// A function F of the Renyi divergence: value, first and second derivative.
struct Chain {
  double value, slope, curvature;
};

Chain chain(Quantity quantity, double order, double renyi_value) {
  const double a = effective_order(quantity, order);
  const double j = std::exp((a - 1) * renyi_value);
  switch (quantity) {
    case Quantity::alpha:
      return {std::expm1((a - 1) * renyi_value) / (a * (a - 1)), j / a, (a - 1) * j / a};
    case Quantity::tsallis:
      return {std::expm1((a - 1) * renyi_value) / (a - 1), j, (a - 1) * j};
    case Quantity::hellinger:
      return {-std::expm1((a - 1) * renyi_value), (1 - a) * j, -(1 - a) * (1 - a) * j};
    case Quantity::bhattacharyya:
      return {(1 - a) * renyi_value, 1 - a, 0};
    default:
      return {renyi_value, 1, 0};
  }
}

}  // namespace

GaussianFit::GaussianFit(Quantity quantity, double order, const Moments& p, const Moments& q,
                         const std::string& name_p, const std::string& name_q)
    : quantity_(quantity), order_(order), n_p_(p.count), n_q_(q.count) {
  check_order(quantity, order);
  if (quantity == Quantity::js) {
    throw parallel::Error(parallel::ExitCode::usage,
                          "method gaussian has no closed form for js; use one_step or nnr");
  }
  const Fitted fp = fitted(p, name_p);
  const Fitted fq = fitted(q, name_q);
  const Expansion e = expansion(quantity, order, fp, fq);
  const Chain c = chain(quantity, order, e.value);
  value_ = c.value;
  bias_ = c.slope * e.bias;
  // The variance of the inner divergence is se^2/slope^2, so the second-order part of the bias is
  // curvature/2 times that.
  curvature_ = c.slope != 0 ? 0.5 * c.curvature / (c.slope * c.slope) : 0.0;
  const auto gradient = [&](const Fitted& f, const VectorXd& g, const MatrixXd& h) {
    const Square scaled = c.slope * h;
    const VectorXd linear = c.slope * g;
    Gradient result;
    result.mean.assign(f.mean.begin(), f.mean.end());
    result.linear.assign(linear.begin(), linear.end());
    result.quadratic.assign(scaled.data(), scaled.data() + scaled.size());
    // The sample mean of (x-m)(x-m)' is S (n-1)/n: with it the influence sums to zero.
    result.constant = (scaled * f.covariance).trace() * (f.count - 1) / f.count;
    return result;
  };
  p_ = gradient(fp, e.g1, e.h1);
  q_ = gradient(fq, e.g2, e.h2);
}

double GaussianFit::Gradient::at(std::span<const double> x) const noexcept {
  const std::size_t d = mean.size();
  double total = -constant;
  for (std::size_t i = 0; i < d; ++i) {
    const double zi = x[i] - mean[i];
    double row = linear[i];
    for (std::size_t j = 0; j < d; ++j) row += quadratic[i * d + j] * (x[j] - mean[j]);
    total += zi * row;
  }
  return total;
}

double GaussianFit::influence_p(std::span<const double> x) const noexcept {
  return p_.at(x);
}
double GaussianFit::influence_q(std::span<const double> x) const noexcept {
  return q_.at(x);
}

Estimate GaussianFit::estimate(double squares_p, double squares_q, double confidence) const {
  const auto n = static_cast<double>(n_p_);
  const auto m = static_cast<double>(n_q_);
  const double variance = squares_p / (n * n) + squares_q / (m * m);
  Estimate result = blank_estimate(quantity_, order_);
  finish(result, value_, std::sqrt(variance), std::abs(bias_ + curvature_ * variance), confidence);
  return result;
}

}  // namespace mensura::divergence
