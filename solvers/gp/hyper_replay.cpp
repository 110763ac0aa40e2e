// SPDX-License-Identifier: BSD-3-Clause
#include "gp/hyper_replay.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace mensura::gp {

namespace {

// Fineness of the points: rounding of an optimiser's arithmetic, which may differ between
// processors, then names the same points.
constexpr double grid = 0x1p-30;

// Smallest curvature, relative to the largest, that a Newton step believes.
constexpr double least_curvature = 1e-6;

// Fall of the function, in nats, to which the profile of a parameter at its bound goes: that of
// three deviations.
constexpr double fall = 4.5;

Eigen::Index index(std::size_t i) {
  return static_cast<Eigen::Index>(i);
}

std::vector<Eigen::Index> free_parameters(const std::vector<int>& bound) {
  std::vector<Eigen::Index> free;
  for (std::size_t i = 0; i < bound.size(); ++i) {
    if (bound[i] == 0) free.push_back(index(i));
  }
  return free;
}

}  // namespace

double on_grid(double value) {
  return std::round(value / grid) * grid;
}

const HyperEvaluation& Differences::shifted(const std::vector<double>& at, std::size_t i,
                                            double sign, std::size_t j, double other) const {
  std::vector<double> there(at);
  there[i] += sign * steps_[i];
  there[j] += other * steps_[j];
  return function_(there);
}

Eigen::VectorXd Differences::gradient(const std::vector<double>& at) const {
  Eigen::VectorXd result(index(at.size()));
  const double here = cost(at);
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double after = -shifted(at, i, 1, i, 0).value, before = -shifted(at, i, -1, i, 0).value;
    double slope = (after - before) / (2 * steps_[i]);
    if (!std::isfinite(after)) slope = (here - before) / steps_[i];
    if (!std::isfinite(before)) slope = (after - here) / steps_[i];
    result[index(i)] = std::isfinite(slope) ? slope : 0;
  }
  return result;
}

Eigen::VectorXd Differences::scale_slope(const std::vector<double>& at) const {
  Eigen::VectorXd result(index(at.size()));
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double slope =
        (shifted(at, i, 1, i, 0).log_scale - shifted(at, i, -1, i, 0).log_scale) / (2 * steps_[i]);
    result[index(i)] = std::isfinite(slope) ? slope : 0;
  }
  return result;
}

// The mixed differences need two points more for every pair.
Eigen::MatrixXd Differences::hessian(const std::vector<double>& at) const {
  const std::size_t n = at.size();
  Eigen::MatrixXd result(index(n), index(n));
  const double here = cost(at);
  std::vector<double> sum(n);  // of the two neighbours
  for (std::size_t i = 0; i < n; ++i) {
    sum[i] = -shifted(at, i, 1, i, 0).value - shifted(at, i, -1, i, 0).value;
    const double second = (sum[i] - 2 * here) / (steps_[i] * steps_[i]);
    result(index(i), index(i)) = std::isfinite(second) ? second : 1;
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const double both = -shifted(at, i, 1, j, 1).value - shifted(at, i, -1, j, -1).value;
      const double mixed = (both + 2 * here - sum[i] - sum[j]) / (2 * steps_[i] * steps_[j]);
      result(index(i), index(j)) = result(index(j), index(i)) = std::isfinite(mixed) ? mixed : 0;
    }
  }
  return result;
}

std::vector<int> held_bounds(const HyperSearchSpec& spec, const std::vector<double>& at,
                             const Eigen::VectorXd& gradient) {
  std::vector<int> bound(at.size());
  for (std::size_t i = 0; i < at.size(); ++i) {
    if (at[i] <= spec.lower[i] + 2 * grid && gradient[index(i)] > 0) bound[i] = -1;
    if (at[i] >= spec.upper[i] - 2 * grid && gradient[index(i)] < 0) bound[i] = 1;
  }
  return bound;
}

Eigen::MatrixXd free_part(const Eigen::MatrixXd& hessian, const std::vector<int>& bound) {
  const auto free = free_parameters(bound);
  return hessian(free, free);
}

double newton_gain(const Eigen::VectorXd& gradient, const Eigen::MatrixXd& hessian,
                   const std::vector<int>& bound) {
  const auto free = free_parameters(bound);
  if (free.empty()) return 0;
  const Eigen::VectorXd slope = gradient(free);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(free_part(hessian, bound));
  const Eigen::VectorXd part = solver.eigenvectors().transpose() * slope;
  const double largest = solver.eigenvalues().cwiseAbs().maxCoeff();
  double gain = 0;
  for (Eigen::Index i = 0; i < part.size(); ++i) {
    const double curvature = std::max(std::abs(solver.eigenvalues()[i]), least_curvature * largest);
    gain += 0.5 * part[i] * part[i] / curvature;
  }
  return std::isnan(gain) ? 0 : gain;  // no slope and no curvature: nothing to gain
}

Eigen::MatrixXd covariance_of(const Eigen::MatrixXd& hessian, const std::vector<int>& bound) {
  const auto free = free_parameters(bound);
  Eigen::MatrixXd result = Eigen::MatrixXd::Zero(hessian.rows(), hessian.cols());
  if (free.empty()) return result;
  const Eigen::LLT<Eigen::MatrixXd> factor(free_part(hessian, bound));
  const auto n = static_cast<Eigen::Index>(free.size());
  if (factor.info() == Eigen::Success) {
    const Eigen::MatrixXd inverse = factor.solve(Eigen::MatrixXd::Identity(n, n));
    result(free, free) = inverse;
  } else {
    result(free, free).setConstant(std::numeric_limits<double>::quiet_NaN());
  }
  return result;
}

std::vector<std::vector<double>> profile_points(const HyperSearchSpec& spec,
                                                const std::vector<double>& at,
                                                const Eigen::MatrixXd& covariance,
                                                const Eigen::VectorXd& gradient, int bound,
                                                std::size_t parameter) {
  static constexpr std::array<double, 9> deviations = {-3,   -2.25, -1.5, -0.75, 0,
                                                       0.75, 1.5,   2.25, 3};
  const Eigen::Index i = index(parameter);
  const double variance = covariance(i, i);
  std::vector<std::vector<double>> points;
  for (const double t : deviations) {
    // Into the bounds from one of them, as far as the slope makes the function fall.
    if (bound != 0 && t * bound > 0) continue;
    std::vector<double> point(at);
    for (std::size_t j = 0; j < at.size(); ++j) {
      double move = 0;
      if (bound == 0 && variance > 0) move = t * covariance(index(j), i) / std::sqrt(variance);
      if (bound != 0 && j == parameter) move = t / 3 * fall / std::abs(gradient[i]);
      point[j] = on_grid(std::clamp(at[j] + move, spec.lower[j], spec.upper[j]));
    }
    if (points.empty() || points.back()[parameter] != point[parameter]) points.push_back(point);
  }
  return points;
}

}  // namespace mensura::gp
