// SPDX-License-Identifier: BSD-3-Clause
// The inside of HyperSearch.
#pragma once

#include <Eigen/Core>
#include <functional>
#include <vector>

#include "gp/hyper_search.hpp"

namespace mensura::gp {

/// Slopes and curvatures of the cost, -value, at a point by central differences along n independent
/// directions (columns): 2 n + n (n - 1) points beside the point itself. Where a neighbour cannot
/// be evaluated slopes are one-sided, or zero. Asking for a value that is not known yet ends the
/// replay by an exception of the function.
struct LocalModel {
  using Function = std::function<const HyperEvaluation&(const std::vector<double>&)>;
  LocalModel(const Function& function, const std::vector<double>& at,
             const Eigen::MatrixXd& directions);
  Eigen::VectorXd gradient;
  Eigen::MatrixXd hessian;
  Eigen::VectorXd scale_slope;  ///< first differences of the companion log_scale
  Eigen::MatrixXd directions;
};

/// Directions along the axes of the ellipsoid that the Hessian describes, half a standard deviation
/// long, as far as that is not much too short or too long for differences.
Eigen::MatrixXd directions_of(const Eigen::MatrixXd& hessian);

/// Whether differences along these directions suit the Hessian: the function changes along them
/// enough to be seen, and not so much that it is no quadratic.
bool suits(const Eigen::MatrixXd& directions, const Eigen::MatrixXd& hessian);

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
