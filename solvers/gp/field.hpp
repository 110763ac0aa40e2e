// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gp/point_set.hpp"
#include "gp/problem.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// Points at which fields are wanted, on this rank.
struct FieldPoints {
  int dimension = 0;
  std::span<const double> coordinates;  ///< row-major
  std::span<const std::uint64_t> rows;  ///< for dataset fields: row of the dataset of each point
  std::int64_t total_rows = 0;          ///< rows that such a dataset must have
  double time = 0;
  /// Points from here on are ghosts, which other ranks count and name in messages.
  std::size_t own = std::numeric_limits<std::size_t>::max();
};

/// Collective. Values of the field at the points. Throws Error{input_data} on all ranks when a
/// value is not finite (formula, point and value are named; the first point in lexicographic order
/// wins, on any number of ranks), or a dataset has another number of rows or columns.
std::vector<double> evaluate(const parallel::Communicator& comm, const FieldSpec& field,
                             const FieldPoints& points);

/// Collective. Throws Error{input_data} on all ranks unless all `values` of the field at the points
/// are above zero: `reason` says why they must be, and the first point in lexicographic order and
/// the number of points are named.
void require_positive(const parallel::Communicator& comm, const FieldSpec& field,
                      const FieldPoints& points, std::span<const double> values,
                      const std::string& reason);

/// Collective. Gradient (points x dimension) of a field given as an expression, by central
/// differences of order eight with steps of about 1/4096 and 1/2048 of the extent of all points;
/// Error{input_data} on all ranks where the two disagree, or the slopes to both sides of a point,
/// by more than 1e-6 of the gradient's scale (a kink or a jump: then `diffusion_gradient` must be
/// given). The formula is evaluated up to 1/512 of the extent away from the points.
std::vector<double> evaluate_gradient(const parallel::Communicator& comm, const FieldSpec& field,
                                      const FieldPoints& points);

/// Local. The sine series and its derivatives at row-major points: u, and when asked for (non-empty
/// spans) gradient (n x d) and Laplacian.
void sine_series(const SineSeries& series, int dimension, std::span<const double> coordinates,
                 std::span<double> u, std::span<double> gradient, std::span<double> laplacian);

/// Local. Solution of u_t + u u_x = viscosity u_xx on [-1, 1], u(x, 0) = -sin(pi x), u(-1) = u(1) =
/// 0, by the Cole-Hopf integral to 1e-10. Its trapezoidal sum, refined until it stands, converges
/// for all viscosities and times; Gauss-Hermite nodes do not once the shock has formed. t > 0, or
/// t = 0 for the initial value.
double cole_hopf(double x, double t, double viscosity);

}  // namespace mensura::gp
