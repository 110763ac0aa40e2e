// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mensura::gp {

/// Radial families: Matern nu = p + 1/2 for p = 1 ... 5, and exp(-r^2 / (2 l^2)).
enum class Family { matern_3_2, matern_5_2, matern_7_2, matern_9_2, matern_11_2, gaussian };

/// The deck's words, in the order of Family.
const std::vector<std::string>& family_names();

/// A correlation g(|z|) with z_i = (x_i - y_i) / length_i over the given axes: equal to one at
/// z = 0.
struct RadialFactor {
  Family family = Family::matern_7_2;
  std::vector<double> length{1.0};  ///< > 0; one for all axes, or one per axis of the problem
  std::vector<int> axes{};          ///< axes it depends on; empty: all
};

/// weight times the product of its factors.
struct KernelTerm {
  double weight = 1.0;  ///< > 0
  std::vector<RadialFactor> factors;
};

/// A prior covariance: the sum of its terms.
struct Kernel {
  std::vector<KernelTerm> terms;
};

/// The prior of the unknown fields: of u and, in inverse problems, of a second field, independent
/// of u. Functionals of both are summed: k(a, b) = first on the weights of u + second on the
/// others.
struct Prior {
  // A kernel alone is the prior of problems with one unknown.
  Prior(Kernel of_u, std::optional<Kernel> of_second = std::nullopt)
      : first(std::move(of_u)), second(std::move(of_second)) {}
  Kernel first;
  std::optional<Kernel> second;
};

/// Local. Throws Error{usage} naming term and factor (counted from zero) unless there is at least
/// one term, every term has a factor and a weight > 0, lengths are > 0 and fit the dimension, axes
/// exist, and every axis is seen by some factor.
void check(const Kernel& kernel, int dimension);

/// Local. k(x, x).
double prior_variance(const Kernel& kernel);

/// p of Matern p + 1/2; 0 for the Gaussian.
int half_order(Family family);
/// Local. Whether a factor sees an axis, and its length there.
bool depends_on(const RadialFactor& factor, int axis);
double length_on(const RadialFactor& factor, int axis);

/// What mean_square_derivatives says of a kernel with derivatives of all orders.
constexpr int smooth = 1000;

/// Local. How many derivatives in every direction the process has in mean square: floor of the
/// smallest p over the factors (Matern p + 1/2 has p; Gaussian: `smooth`), so that functionals of
/// order m are allowed when m <= mean_square_derivatives. Matern 3/2 has one: no Laplacian.
int mean_square_derivatives(const Kernel& kernel);

/// Local. The length scale of every axis (the shortest over all factors that see the axis), for the
/// geometry of ordering and pattern. `dimension` entries. Throws Error{usage} for an axis that no
/// factor sees.
std::vector<double> axis_lengths(const Kernel& kernel, int dimension);
/// Local. The same over all fields.
std::vector<double> axis_lengths(const Prior& prior, int dimension);

/// Local. "matern_7_2(0.3)" for log and record.
std::string describe(const Kernel& kernel);

}  // namespace mensura::gp
