// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <span>
#include <vector>

namespace mensura::gp {

/// Nodes around a centre and weights whose sum is one: a rule for the mean over a region.
struct MeanRule {
  int dimension = 0;
  std::vector<double> nodes;    ///< row-major, relative to the centre
  std::vector<double> weights;  ///< one per node, > 0
  /// Points of the region farthest from the centre along axes or diagonals (row-major): when they
  /// lie in a convex domain, so does the region.
  std::vector<double> extremes;
};

/// Local. The mean over a box of these full widths: Gauss-Legendre points on every axis, as many as
/// functions that vary over `lengths` (per axis) need for about six digits.
MeanRule box_mean(std::span<const double> widths, std::span<const double> lengths);

/// Local. The mean over a ball (interval, disk) of this radius: Gauss-Legendre points in the
/// radius, times equally spaced angles and, in three dimensions, Gauss-Legendre points in the
/// cosine of the polar angle (Stroud 1971, chapter 2).
MeanRule ball_mean(int dimension, double radius, double length);

}  // namespace mensura::gp
