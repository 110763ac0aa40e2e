// SPDX-License-Identifier: BSD-3-Clause
#include "gp/random_points.hpp"

#include <algorithm>
#include <cmath>

#include "parallel/error.hpp"

namespace mensura::gp {

RandomPoints::RandomPoints(const Domain& domain, std::uint64_t seed)
    : domain_(domain),
      dimension_(dimension_of(domain)),
      box_(bounding_box(domain)),
      tolerance_(boundary_tolerance(domain)),
      pieces_(boundary_pieces(domain)),
      measure_before_{0},
      interior_(seed, "gp interior", ""),
      boundary_(seed, "gp boundary", "") {
  for (const auto& piece : pieces_) {
    measure_before_.push_back(measure_before_.back() + measure_of(piece));
  }
}

Coordinates RandomPoints::proposal(std::uint64_t index, std::uint64_t attempt) const {
  Coordinates draw{};
  for (std::size_t i = 0; i < static_cast<std::size_t>(dimension_); ++i) {
    draw[i] = interior_.uniform(index, 4 * attempt + i);
  }
  if (const auto* annulus = std::get_if<Annulus>(&domain_.shape)) {
    const double d = dimension_;
    const double inner = std::pow(annulus->inner / annulus->outer, d);
    const double radius = annulus->outer * std::pow(inner + draw[0] * (1 - inner), 1 / d);
    Coordinates centre{};
    std::copy(annulus->centre.begin(), annulus->centre.end(), centre.begin());
    if (dimension_ == 3) return point_on(Sphere{centre, radius}, draw[1], draw[2]);
    return point_on(Circle{centre, radius}, draw[1], 0);
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(dimension_); ++i) {
    const double upper = box_[static_cast<std::size_t>(dimension_) + i];
    draw[i] = box_[i] + draw[i] * (upper - box_[i]);
  }
  return draw;
}

Coordinates RandomPoints::interior_point(std::uint64_t index) const {
  constexpr std::uint64_t most_attempts = 100000;  // a domain that small is all tolerance
  for (std::uint64_t attempt = 0; attempt < most_attempts; ++attempt) {
    const auto point = proposal(index, attempt);
    if (boundary_depth(domain_, point.data()) > tolerance_) return point;
  }
  throw parallel::Error(parallel::ExitCode::usage, "domain: no point was found inside the " +
                                                       describe(domain_) + "; it is too thin");
}

Coordinates RandomPoints::boundary_point(std::uint64_t index) const {
  if (dimension_ == 1) return point_on(pieces_[index], 0, 0);
  const double at = boundary_.uniform(index, 0) * measure_before_.back();
  const auto next = std::upper_bound(measure_before_.begin() + 1, measure_before_.end() - 1, at);
  const auto piece = static_cast<std::size_t>(next - (measure_before_.begin() + 1));
  return point_on(pieces_[piece], boundary_.uniform(index, 1), boundary_.uniform(index, 2));
}

}  // namespace mensura::gp
