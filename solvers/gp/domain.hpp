// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace mensura::gp {

/// Open sets of R^d; coordinates have d entries each.
struct Box {
  std::vector<double> lower, upper;  ///< d = 1, 2, 3
};
struct Disk {
  std::vector<double> centre;  ///< d = 2 (disk) or 3 (ball)
  double radius = 1;
};
struct LShape {
  std::vector<double> lower, upper;  ///< d = 2: the box without its upper right quarter
};
struct Annulus {
  std::vector<double> centre;  ///< d = 2 (or 3: spherical shell)
  double inner = 0.5, outer = 1;
};
/// A closed ball cut out of the shape; must lie inside it and apart from the other holes.
struct Hole {
  std::vector<double> centre;
  double radius = 0.1;
};

/// A named shape with holes.
struct Domain {
  std::variant<Box, Disk, LShape, Annulus> shape{Box{{0, 0}, {1, 1}}};
  std::vector<Hole> holes{};
};

int dimension_of(const Domain& domain);
/// Distance from the boundary, positive inside and negative outside.
double boundary_depth(const Domain& domain, const double* point);
/// The longest side of the bounding box.
double extent_of(const Domain& domain);
/// Length, area or volume, without the holes.
double volume_of(const Domain& domain);
/// Within this distance a point counts as on the boundary: 1e-12 of the domain's extent, or a few
/// units in the last place of its coordinates where the domain lies far from the origin.
double boundary_tolerance(const Domain& domain);
/// The corners, counter-clockwise from the lower left one; the fourth is the re-entrant one.
std::array<std::array<double, 2>, 6> corners_of(const LShape& shape);

/// Where the point lies. On the boundary: within boundary_tolerance().
enum class Place { inside, boundary, outside };
Place place_of(const Domain& domain, const double* point);
/// The smallest box around the domain, row-major (lower, upper).
std::vector<double> bounding_box(const Domain& domain);
/// "box [0, 1] x [0, 1] with 2 holes", for log and messages.
std::string describe(const Domain& domain);
/// Throws Error{usage} for an empty or inconsistent domain (upper <= lower, inner >= outer, a hole
/// that touches the boundary or another hole, dimension above 3), in words.
void check_domain(const Domain& domain);

}  // namespace mensura::gp
