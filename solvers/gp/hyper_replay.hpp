// SPDX-License-Identifier: BSD-3-Clause
// The inside of HyperSearch.
#pragma once

#include <Eigen/Core>
#include <functional>
#include <vector>

#include "gp/hyper_search.hpp"

namespace mensura::gp {

/// Differences of a function that is known at some points only: asking for another one ends the
/// replay by an exception of the function.
class Differences {
 public:
  using Function = std::function<const HyperEvaluation&(const std::vector<double>&)>;
  Differences(Function function, std::vector<double> steps)
      : function_(std::move(function)), steps_(std::move(steps)) {}

  /// -value, and its first and second central differences (one-sided or zero next to points where
  /// the function cannot be evaluated). `log_scale`: the first differences of the companion.
  double cost(const std::vector<double>& at) const { return -function_(at).value; }
  Eigen::VectorXd gradient(const std::vector<double>& at) const;
  Eigen::MatrixXd hessian(const std::vector<double>& at) const;
  Eigen::VectorXd scale_slope(const std::vector<double>& at) const;
  const std::vector<double>& steps() const noexcept { return steps_; }

 private:
  const HyperEvaluation& shifted(const std::vector<double>& at, std::size_t i, double sign,
                                 std::size_t j, double other) const;
  Function function_;
  std::vector<double> steps_;
};

/// -1, 1: the parameter is at that bound and the gradient of the cost holds it there; 0: free.
std::vector<int> held_bounds(const HyperSearchSpec& spec, const std::vector<double>& at,
                             const Eigen::VectorXd& gradient);

/// The Hessian's rows and columns of free parameters.
Eigen::MatrixXd free_part(const Eigen::MatrixXd& hessian, const std::vector<int>& bound);

/// What a Newton step in the free parameters would gain, curvatures taken positive.
double newton_gain(const Eigen::VectorXd& gradient, const Eigen::MatrixXd& hessian,
                   const std::vector<int>& bound);

/// Inverse of the free part, 0 elsewhere; NaN in free rows and columns when it is not positive
/// definite.
Eigen::MatrixXd covariance_of(const Eigen::MatrixXd& hessian, const std::vector<int>& bound);

/// Where the profile of a parameter is evaluated, in ascending order of the parameter, inside the
/// bounds; the optimum is among the points.
std::vector<std::vector<double>> profile_points(const HyperSearchSpec& spec,
                                                const std::vector<double>& at,
                                                const Eigen::MatrixXd& covariance,
                                                const Eigen::VectorXd& gradient, int bound,
                                                std::size_t parameter);

/// To the grid of points.
double on_grid(double value);

}  // namespace mensura::gp
