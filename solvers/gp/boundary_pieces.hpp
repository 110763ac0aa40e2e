// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <variant>
#include <vector>

#include "gp/domain.hpp"

namespace mensura::gp {

/// What boundaries are made of; coordinates beyond the dimension are zero.
using Coordinates = std::array<double, 3>;
/// From a to b; in one dimension (a = b) an end of the interval, of measure 1.
struct Segment {
  Coordinates a{}, b{};
};
/// A rectangle across axis `across`, between two opposite corners.
struct Face {
  Coordinates lower{}, upper{};
  int across = 0;
};
struct Circle {
  Coordinates centre{};
  double radius = 1;
};
struct Sphere {
  Coordinates centre{};
  double radius = 1;
};
using Piece = std::variant<Segment, Face, Circle, Sphere>;

/// Local. The whole boundary, holes included: the outer pieces first, then the holes in order.
std::vector<Piece> boundary_pieces(const Domain& domain);
/// Local. The pieces of the holes only.
std::vector<Piece> hole_pieces(const Domain& domain);

/// Local. Length or area; 1 for the end of an interval.
double measure_of(const Piece& piece);
/// Local. The point with parameters in (0, 1), uniform in length or area.
Coordinates point_on(const Piece& piece, double first, double second);

/// Local. Points at about the given spacing along one piece: segments without their last point (the
/// next one begins there), circles at equal angles, spheres by the Fibonacci lattice, whose points
/// all stand for the same area (Gonzalez, "Measurement of areas on a sphere using Fibonacci and
/// latitude-longitude lattices", 2010). Not for faces: they belong to boxes, whose boundary is a
/// part of the regular grid.
std::int64_t lattice_size(const Piece& piece, double spacing);
/// Local. 0 <= index < size = lattice_size(piece, spacing).
Coordinates lattice_point(const Piece& piece, std::int64_t index, std::int64_t size);

}  // namespace mensura::gp
