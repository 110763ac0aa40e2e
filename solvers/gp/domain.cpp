// SPDX-License-Identifier: BSD-3-Clause
#include "gp/domain.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <span>

#include "parallel/error.hpp"

namespace mensura::gp {

namespace {

using Point = std::span<const double>;

[[noreturn]] void fail(const std::string& text) {
  throw parallel::Error(parallel::ExitCode::usage, "domain: " + text);
}

double distance(Point a, const double* b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum);
}

double segment_distance(Point a, Point b, const double* p) {
  double along = 0;
  double length2 = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    along += (p[i] - a[i]) * (b[i] - a[i]);
    length2 += (b[i] - a[i]) * (b[i] - a[i]);
  }
  const double t = std::clamp(along / length2, 0.0, 1.0);
  std::array<double, 2> nearest{};
  for (std::size_t i = 0; i < a.size(); ++i) nearest[i] = t < 1 ? a[i] + t * (b[i] - a[i]) : b[i];
  return distance({nearest.data(), a.size()}, p);
}

double box_depth(Point lower, Point upper, const double* p) {
  double deepest = std::numeric_limits<double>::infinity();
  double outside2 = 0;
  for (std::size_t i = 0; i < lower.size(); ++i) {
    const double depth = std::min(p[i] - lower[i], upper[i] - p[i]);
    deepest = std::min(deepest, depth);
    if (depth < 0) outside2 += depth * depth;
  }
  return outside2 > 0 ? -std::sqrt(outside2) : deepest;
}

struct Depth {
  const double* p;
  double operator()(const Box& box) const { return box_depth(box.lower, box.upper, p); }
  double operator()(const Disk& disk) const { return disk.radius - distance(disk.centre, p); }
  double operator()(const Annulus& annulus) const {
    const double r = distance(annulus.centre, p);
    return std::min(annulus.outer - r, r - annulus.inner);
  }
  double operator()(const LShape& shape) const {
    const auto corners = corners_of(shape);
    double nearest = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < corners.size(); ++i) {
      const auto& next = corners[(i + 1) % corners.size()];
      nearest = std::min(nearest, segment_distance(corners[i], next, p));
    }
    const auto& notch = corners[3];
    const bool inside =
        box_depth(shape.lower, shape.upper, p) > 0 && !(p[0] >= notch[0] && p[1] >= notch[1]);
    return inside ? nearest : -nearest;
  }
};

struct Bounds {
  std::vector<double> operator()(const Box& box) const { return joined(box.lower, box.upper); }
  std::vector<double> operator()(const LShape& shape) const {
    return joined(shape.lower, shape.upper);
  }
  std::vector<double> operator()(const Disk& disk) const {
    return around(disk.centre, disk.radius);
  }
  std::vector<double> operator()(const Annulus& annulus) const {
    return around(annulus.centre, annulus.outer);
  }
  static std::vector<double> joined(std::vector<double> lower, const std::vector<double>& upper) {
    lower.insert(lower.end(), upper.begin(), upper.end());
    return lower;
  }
  static std::vector<double> around(const std::vector<double>& centre, double radius) {
    std::vector<double> lower, upper;
    for (const double c : centre) {
      lower.push_back(c - radius);
      upper.push_back(c + radius);
    }
    return joined(lower, upper);
  }
};

double ball_volume(std::size_t dimension, double radius) {
  constexpr std::array<double, 4> unit{1, 2, std::numbers::pi, 4 * std::numbers::pi / 3};
  return unit[dimension] * std::pow(radius, static_cast<double>(dimension));
}

double box_volume(Point lower, Point upper) {
  double product = 1;
  for (std::size_t i = 0; i < lower.size(); ++i) product *= upper[i] - lower[i];
  return product;
}

struct Volume {
  double operator()(const Box& box) const { return box_volume(box.lower, box.upper); }
  double operator()(const LShape& shape) const {
    return 0.75 * box_volume(shape.lower, shape.upper);
  }
  double operator()(const Disk& disk) const { return ball_volume(disk.centre.size(), disk.radius); }
  double operator()(const Annulus& annulus) const {
    return ball_volume(annulus.centre.size(), annulus.outer) -
           ball_volume(annulus.centre.size(), annulus.inner);
  }
};

std::string intervals(const std::vector<double>& lower, const std::vector<double>& upper) {
  std::string text;
  for (std::size_t i = 0; i < lower.size(); ++i) {
    text += fmt::format("{}[{}, {}]", i == 0 ? "" : " x ", lower[i], upper[i]);
  }
  return text;
}

struct Words {
  std::string operator()(const Box& box) const { return "box " + intervals(box.lower, box.upper); }
  std::string operator()(const LShape& shape) const {
    return "L-shape in " + intervals(shape.lower, shape.upper);
  }
  std::string operator()(const Disk& disk) const {
    return fmt::format("{} of radius {} around ({})", disk.centre.size() == 3 ? "ball" : "disk",
                       disk.radius, fmt::join(disk.centre, ", "));
  }
  std::string operator()(const Annulus& annulus) const {
    return fmt::format("{} of radii {} and {} around ({})",
                       annulus.centre.size() == 3 ? "spherical shell" : "annulus", annulus.inner,
                       annulus.outer, fmt::join(annulus.centre, ", "));
  }
};

void check_finite(Point values, const char* what) {
  for (const double value : values) {
    if (!std::isfinite(value))
      fail(fmt::format("{} is {}; a finite number is needed", what, value));
  }
}

void check_corners(const std::vector<double>& lower, const std::vector<double>& upper,
                   const char* shape) {
  if (lower.size() != upper.size()) {
    fail(fmt::format("the {} has {} numbers in lower, but {} in upper; one per axis is needed",
                     shape, lower.size(), upper.size()));
  }
  check_finite(lower, "a number in lower");
  check_finite(upper, "a number in upper");
  for (std::size_t i = 0; i < lower.size(); ++i) {
    if (lower[i] < upper[i] && std::isfinite(upper[i] - lower[i])) continue;
    fail(fmt::format("the {} is empty: on axis {} upper ({}) must be above lower ({})", shape,
                     "xyz"[std::min<std::size_t>(i, 2)], upper[i], lower[i]));
  }
}

void check_round(const std::vector<double>& centre, double radius, const char* what) {
  check_finite(centre, "a number in centre");
  if (std::isfinite(radius) && radius > 0) return;
  fail(fmt::format("{} is {}; it must be positive and finite", what, radius));
}

struct Check {
  void operator()(const Box& box) const {
    check_corners(box.lower, box.upper, "box");
    check_dimension(box.lower.size(), 1, "a box");
  }
  void operator()(const LShape& shape) const {
    check_corners(shape.lower, shape.upper, "L-shape");
    if (shape.lower.size() == 2) return;
    fail(fmt::format("an L-shape lies in the plane: two numbers in lower and upper, not {}",
                     shape.lower.size()));
  }
  void operator()(const Disk& disk) const {
    check_round(disk.centre, disk.radius, "the radius of the disk");
    check_dimension(disk.centre.size(), 2, "a disk (ball)");
  }
  void operator()(const Annulus& annulus) const {
    check_round(annulus.centre, annulus.outer, "the outer radius of the annulus");
    check_round(annulus.centre, annulus.inner, "the inner radius of the annulus");
    check_dimension(annulus.centre.size(), 2, "an annulus");
    if (annulus.inner < annulus.outer) return;
    fail(fmt::format("the annulus is empty: the inner radius ({}) must be below the outer one ({})",
                     annulus.inner, annulus.outer));
  }
  static void check_dimension(std::size_t dimension, std::size_t least, const char* shape) {
    if (dimension >= least && dimension <= 3) return;
    fail(fmt::format("{} has {} to 3 dimensions, not {}", shape, least, dimension));
  }
};

// Two closed balls need a gap, or the ball and the boundary do: at contact the set pinches off.
void check_holes(const Domain& domain) {
  const auto dimension = static_cast<std::size_t>(dimension_of(domain));
  const double gap = boundary_tolerance(domain);
  Domain shape = domain;
  shape.holes.clear();
  for (std::size_t i = 0; i < domain.holes.size(); ++i) {
    const auto& [centre, radius] = domain.holes[i];
    if (dimension == 1) fail("a hole would cut an interval in two; solve on each part by itself");
    if (centre.size() != dimension) {
      fail(fmt::format("the centre of hole {} has {} numbers; the domain has {} dimensions", i,
                       centre.size(), dimension));
    }
    check_round(centre, radius, "the radius of a hole");
    if (boundary_depth(shape, centre.data()) <= radius + gap) {
      fail(
          fmt::format("hole {} (radius {} around ({})) must lie inside the {} without touching "
                      "its boundary",
                      i, radius, fmt::join(centre, ", "), describe(shape)));
    }
    for (std::size_t j = 0; j < i; ++j) {
      if (distance(centre, domain.holes[j].centre.data()) > radius + domain.holes[j].radius + gap) {
        continue;
      }
      fail(fmt::format("holes {} and {} touch or overlap; keep them apart", j, i));
    }
  }
}

}  // namespace

std::array<std::array<double, 2>, 6> corners_of(const LShape& shape) {
  const double middle_x = shape.lower[0] + (shape.upper[0] - shape.lower[0]) / 2;
  const double middle_y = shape.lower[1] + (shape.upper[1] - shape.lower[1]) / 2;
  return {{{shape.lower[0], shape.lower[1]},
           {shape.upper[0], shape.lower[1]},
           {shape.upper[0], middle_y},
           {middle_x, middle_y},
           {middle_x, shape.upper[1]},
           {shape.lower[0], shape.upper[1]}}};
}

int dimension_of(const Domain& domain) {
  return static_cast<int>(bounding_box(domain).size() / 2);
}

double boundary_depth(const Domain& domain, const double* point) {
  double depth = std::visit(Depth{point}, domain.shape);
  for (const auto& hole : domain.holes) {
    depth = std::min(depth, distance(hole.centre, point) - hole.radius);
  }
  return depth;
}

double extent_of(const Domain& domain) {
  const auto box = bounding_box(domain);
  double extent = 0;
  for (std::size_t i = 0; i < box.size() / 2; ++i) {
    extent = std::max(extent, box[box.size() / 2 + i] - box[i]);
  }
  return extent;
}

double boundary_tolerance(const Domain& domain) {
  double largest = 0;
  for (const double end : bounding_box(domain)) largest = std::max(largest, std::abs(end));
  return std::max(1e-12 * extent_of(domain), 8 * std::numeric_limits<double>::epsilon() * largest);
}

double volume_of(const Domain& domain) {
  double volume = std::visit(Volume{}, domain.shape);
  for (const auto& hole : domain.holes) volume -= ball_volume(hole.centre.size(), hole.radius);
  return volume;
}

Place place_of(const Domain& domain, const double* point) {
  const double depth = boundary_depth(domain, point);
  if (std::abs(depth) <= boundary_tolerance(domain)) return Place::boundary;
  return depth > 0 ? Place::inside : Place::outside;
}

std::vector<double> bounding_box(const Domain& domain) {
  return std::visit(Bounds{}, domain.shape);
}

std::string describe(const Domain& domain) {
  const auto shape = std::visit(Words{}, domain.shape);
  if (domain.holes.empty()) return shape;
  const auto count = domain.holes.size();
  return fmt::format("{} with {} hole{}", shape, count, count == 1 ? "" : "s");
}

void check_domain(const Domain& domain) {
  std::visit(Check{}, domain.shape);
  check_holes(domain);
}

}  // namespace mensura::gp
