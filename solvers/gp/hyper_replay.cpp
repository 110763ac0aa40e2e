// SPDX-License-Identifier: BSD-3-Clause
#include "gp/hyper_replay.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/LU>
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

// Length of differences in logarithms of parameters, and the change along one, in deviations, that
// is borne at an optimum (half a deviation is aimed at).
constexpr double least_step = 0x1p-10, largest_step = 0x1p-3, most_change = 1.5;

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

LocalModel::LocalModel(const Function& function, const std::vector<double>& at,
                       const Eigen::MatrixXd& along)
    : directions(along.unaryExpr(&on_grid)) {
  const Eigen::Index n = directions.cols();
  const auto neighbour = [&](const Eigen::VectorXd& way) -> const HyperEvaluation& {
    std::vector<double> there(at);
    for (std::size_t i = 0; i < at.size(); ++i) there[i] += way[index(i)];
    return function(there);
  };
  const double here = -function(at).value;
  Eigen::VectorXd slope(n), scale(n), sum(n);
  Eigen::MatrixXd second(n, n);
  for (Eigen::Index k = 0; k < n; ++k) {
    const HyperEvaluation& next = neighbour(directions.col(k));
    const HyperEvaluation& last = neighbour(-directions.col(k));
    const double after = -next.value, before = -last.value;
    slope[k] = (after - before) / 2;
    if (!std::isfinite(after)) slope[k] = here - before;
    if (!std::isfinite(before)) slope[k] = after - here;
    scale[k] = (next.log_scale - last.log_scale) / 2;
    sum[k] = after + before;
    second(k, k) = sum[k] - 2 * here;
    if (!std::isfinite(second(k, k))) second(k, k) = directions.col(k).squaredNorm();
  }
  for (Eigen::Index k = 0; k < n; ++k) {  // two points more for every pair
    for (Eigen::Index l = 0; l < k; ++l) {
      const Eigen::VectorXd both = directions.col(k) + directions.col(l);
      const double pair = -neighbour(both).value - neighbour(-both).value;
      const double mixed = (pair + 2 * here - sum[k] - sum[l]) / 2;
      second(k, l) = second(l, k) = std::isfinite(mixed) ? mixed : 0;
    }
  }
  const auto known = [](double value) { return std::isfinite(value) ? value : 0.0; };
  const Eigen::PartialPivLU<Eigen::MatrixXd> solver(directions.transpose());
  gradient = solver.solve(slope.unaryExpr(known));
  scale_slope = solver.solve(scale.unaryExpr(known));
  const Eigen::MatrixXd half = solver.solve(second);
  const Eigen::MatrixXd both = solver.solve(half.transpose());
  hessian = (both + both.transpose()) / 2;
}

Eigen::MatrixXd directions_of(const Eigen::MatrixXd& hessian) {
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(hessian);
  Eigen::MatrixXd directions = solver.eigenvectors();
  for (Eigen::Index k = 0; k < directions.cols(); ++k) {
    const double half = 0.5 / std::sqrt(std::abs(solver.eigenvalues()[k]));
    directions.col(k) *= std::clamp(half, least_step, largest_step);
  }
  return directions;
}

bool suits(const Eigen::MatrixXd& directions, const Eigen::MatrixXd& hessian) {
  const Eigen::MatrixXd wanted = directions_of(hessian);
  for (Eigen::Index k = 0; k < directions.cols(); ++k) {
    // In deviations of half a unit, and those of what is wanted in the present directions.
    const double change = std::sqrt(std::abs(directions.col(k).dot(hessian * directions.col(k))));
    const Eigen::VectorXd inside = directions.partialPivLu().solve(wanted.col(k));
    if (change > most_change || inside.cwiseAbs().maxCoeff() > most_change / 0.5) return false;
  }
  return true;
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
