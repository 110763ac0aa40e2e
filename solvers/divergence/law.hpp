// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <variant>
#include <vector>

namespace mensura::divergence {

// Plain descriptions of the named laws of a deck. All but the full-covariance Gaussian and the
// mixture are products over coordinates; a vector of length 1 is broadcast to the dimension of the
// law.

/// Scalar (1 value), diagonal (d values) or full (`full`, d x d row-major) covariance.
struct Covariance {
  std::vector<double> values = {1.0};
  bool full = false;
};
struct Gaussian {
  std::vector<double> mean = {0.0};
  Covariance covariance;
};
/// Gaussian with scalar or diagonal covariance restricted to the box [lower, upper] (infinite ends
/// allowed).
struct TruncatedGaussian {
  std::vector<double> mean = {0.0};
  Covariance covariance;
  std::vector<double> lower, upper;
};
struct Uniform {
  std::vector<double> lower = {0.0}, upper = {1.0};
};
struct Beta {
  std::vector<double> alpha, beta;
};
struct Exponential {
  std::vector<double> rate = {1.0};
};
/// location + scale * t with `dof` degrees of freedom, independent coordinates.
struct StudentT {
  std::vector<double> dof, location = {0.0}, scale = {1.0};
};
struct Law;
/// Weights are positive and need not sum to one.
struct Mixture {
  std::vector<double> weights;
  std::vector<Law> components;
};
struct Law {
  std::variant<Gaussian, TruncatedGaussian, Uniform, Beta, Exponential, StudentT, Mixture> form;
  int dimension = 0;  ///< 0: deduced from the longest vector
};

/// The deck's name of the law: gaussian, truncated_gaussian, uniform, beta, exponential, student_t,
/// mixture.
std::string name_of(const Law& law);

/// Local. The dimension of the law (declared, or the longest vector). Throws Error{usage}.
int dimension_of(const Law& law);

/// Local. Checks every parameter and returns the law with all vectors broadcast to the dimension,
/// covariances of Gaussians diagonal (d values) or full, mixture weights summing to one. Throws
/// Error{usage} that names the parameter, the value and what is allowed.
Law validate(const Law& law);

/// True when both describe the same law with the same numbers (after validation).
bool same(const Law& a, const Law& b);

}  // namespace mensura::divergence
