// SPDX-License-Identifier: BSD-3-Clause
#include "gp/boundary_pieces.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "parallel/error.hpp"

namespace mensura::gp {

namespace {

constexpr double pi = std::numbers::pi;

Coordinates coordinates_of(const std::vector<double>& values) {
  Coordinates result{};
  std::copy(values.begin(), values.end(), result.begin());
  return result;
}

Piece round_piece(const std::vector<double>& centre, double radius) {
  if (centre.size() == 3) return Sphere{coordinates_of(centre), radius};
  return Circle{coordinates_of(centre), radius};
}

double length_of(const Segment& segment) {
  double sum = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    sum += (segment.b[i] - segment.a[i]) * (segment.b[i] - segment.a[i]);
  }
  return std::sqrt(sum);
}

// Exact at both ends and along axes.
Coordinates between(const Segment& segment, double t) {
  Coordinates point{};
  for (std::size_t i = 0; i < 3; ++i) {
    point[i] = segment.a[i] + t * (segment.b[i] - segment.a[i]);
  }
  return point;
}

Coordinates on_circle(const Circle& circle, double turn) {
  const double angle = 2 * pi * turn;
  return {circle.centre[0] + circle.radius * std::cos(angle),
          circle.centre[1] + circle.radius * std::sin(angle), 0};
}

// Height above the equatorial plane is uniform in area (Archimedes).
Coordinates on_sphere(const Sphere& sphere, double height, double turn) {
  const double ring = std::sqrt(std::max(0.0, (1 - height) * (1 + height)));
  const double angle = 2 * pi * turn;
  return {sphere.centre[0] + sphere.radius * ring * std::cos(angle),
          sphere.centre[1] + sphere.radius * ring * std::sin(angle),
          sphere.centre[2] + sphere.radius * height};
}

struct Outer {
  std::vector<Piece> operator()(const Disk& disk) const {
    return {round_piece(disk.centre, disk.radius)};
  }
  std::vector<Piece> operator()(const Annulus& annulus) const {
    return {round_piece(annulus.centre, annulus.outer), round_piece(annulus.centre, annulus.inner)};
  }
  std::vector<Piece> operator()(const LShape& shape) const {
    const auto corners = corners_of(shape);
    std::vector<Piece> pieces;
    for (std::size_t i = 0; i < corners.size(); ++i) {
      const auto& [ax, ay] = corners[i];
      const auto& [bx, by] = corners[(i + 1) % corners.size()];
      pieces.push_back(Segment{{ax, ay, 0}, {bx, by, 0}});
    }
    return pieces;
  }
  std::vector<Piece> operator()(const Box& box) const {
    const auto lower = coordinates_of(box.lower);
    const auto upper = coordinates_of(box.upper);
    if (box.lower.size() == 1) return {Segment{lower, lower}, Segment{upper, upper}};
    if (box.lower.size() == 2) {
      const Coordinates right{upper[0], lower[1], 0};
      const Coordinates left{lower[0], upper[1], 0};
      return {Segment{lower, right}, Segment{right, upper}, Segment{upper, left},
              Segment{left, lower}};
    }
    std::vector<Piece> faces;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      for (const auto& side : {lower, upper}) {
        Face face{lower, upper, static_cast<int>(axis)};
        face.lower[axis] = face.upper[axis] = side[axis];
        faces.push_back(face);
      }
    }
    return faces;
  }
};

struct Measure {
  double operator()(const Segment& segment) const {
    const double length = length_of(segment);
    return length > 0 ? length : 1;
  }
  double operator()(const Circle& circle) const { return 2 * pi * circle.radius; }
  double operator()(const Sphere& sphere) const { return 4 * pi * sphere.radius * sphere.radius; }
  double operator()(const Face& face) const {
    double area = 1;
    for (std::size_t i = 0; i < 3; ++i) {
      if (static_cast<int>(i) != face.across) area *= face.upper[i] - face.lower[i];
    }
    return area;
  }
};

struct PointOn {
  double first, second;
  Coordinates operator()(const Segment& segment) const { return between(segment, first); }
  Coordinates operator()(const Circle& circle) const { return on_circle(circle, first); }
  Coordinates operator()(const Sphere& sphere) const {
    return on_sphere(sphere, 2 * first - 1, second);
  }
  Coordinates operator()(const Face& face) const {
    Coordinates point = face.lower;
    double parameter = first;
    for (std::size_t i = 0; i < 3; ++i) {
      if (static_cast<int>(i) == face.across) continue;
      point[i] += parameter * (face.upper[i] - face.lower[i]);
      parameter = second;
    }
    return point;
  }
};

struct LatticePoint {
  double index, size;
  Coordinates operator()(const Segment& segment) const { return between(segment, index / size); }
  Coordinates operator()(const Circle& circle) const { return on_circle(circle, index / size); }
  Coordinates operator()(const Sphere& sphere) const {
    const double turns = index / std::numbers::phi;
    return on_sphere(sphere, 1 - (2 * index + 1) / size, turns - std::floor(turns));
  }
  Coordinates operator()(const Face& /*face*/) const {
    parallel::require(false, "the faces of a box have no lattice of their own");
    return {};
  }
};

}  // namespace

std::vector<Piece> hole_pieces(const Domain& domain) {
  std::vector<Piece> pieces;
  for (const auto& hole : domain.holes) pieces.push_back(round_piece(hole.centre, hole.radius));
  return pieces;
}

std::vector<Piece> boundary_pieces(const Domain& domain) {
  auto pieces = std::visit(Outer{}, domain.shape);
  const auto holes = hole_pieces(domain);
  pieces.insert(pieces.end(), holes.begin(), holes.end());
  return pieces;
}

double measure_of(const Piece& piece) {
  return std::visit(Measure{}, piece);
}

Coordinates point_on(const Piece& piece, double first, double second) {
  return std::visit(PointOn{first, second}, piece);
}

std::int64_t lattice_size(const Piece& piece, double spacing) {
  const bool surface = std::holds_alternative<Sphere>(piece);
  const bool curved = surface || std::holds_alternative<Circle>(piece);
  // However coarse the grid, a circle keeps a hexagon and a sphere an icosahedron's corners.
  const double least = surface ? 12 : (curved ? 6 : 1);
  const double cell = surface ? spacing * spacing : spacing;
  return std::llround(std::clamp(measure_of(piece) / cell, least, 0x1p62));
}

Coordinates lattice_point(const Piece& piece, std::int64_t index, std::int64_t size) {
  return std::visit(LatticePoint{static_cast<double>(index), static_cast<double>(size)}, piece);
}

}  // namespace mensura::gp
