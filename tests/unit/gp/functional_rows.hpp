// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "gp/covariance.hpp"

namespace mensura::test {

using Point = std::array<double, 3>;

/// The weights of one row.
struct Functional {
  double value = 0, laplacian = 0;
  std::array<double, 3> gradient{};
  std::array<double, 6> hessian{};
};

inline std::size_t hessian_entries(int dimension) {
  return static_cast<std::size_t>(dimension * (dimension + 1) / 2);
}

inline void add_point(gp::Rows& rows, int dimension, const Point& x,
                      const std::vector<Functional>& functionals) {
  rows.dimension = dimension;
  const auto d = static_cast<std::size_t>(dimension);
  for (std::size_t axis = 0; axis < d; ++axis) rows.coordinate[axis].push_back(x[axis]);
  for (const Functional& f : functionals) {
    rows.point.push_back(static_cast<std::int32_t>(rows.points()) - 1);
    rows.value.push_back(f.value);
    rows.laplacian.push_back(f.laplacian);
    for (std::size_t axis = 0; axis < d; ++axis) rows.gradient[axis].push_back(f.gradient[axis]);
    for (std::size_t e = 0; e < hessian_entries(dimension); ++e) {
      rows.hessian[e].push_back(f.hessian[e]);
    }
  }
}

inline gp::Rows single(int dimension, const Point& x, const Functional& f) {
  gp::Rows rows;
  add_point(rows, dimension, x, {f});
  return rows;
}

/// k(f at x, g at y).
inline double entry(gp::Covariance& covariance, const Point& x, const Functional& f, const Point& y,
                    const Functional& g) {
  std::array<double, 8> block{};
  const int d = covariance.dimension();
  covariance.cross(single(d, x, f), single(d, y, g), block.data(), 8);
  return block[0];
}

/// Value, every first derivative, and from `order` 2 on the Laplacian, every second derivative.
inline std::vector<Functional> elementary(int dimension, int order) {
  std::vector<Functional> all(1);
  all[0].value = 1;
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(dimension) && order >= 1; ++axis) {
    all.emplace_back().gradient[axis] = 1;
  }
  if (order < 2) return all;
  all.emplace_back().laplacian = 1;
  for (std::size_t e = 0; e < hessian_entries(dimension); ++e) all.emplace_back().hessian[e] = 1;
  return all;
}

/// All weights at once.
inline Functional mixed(int dimension, int order, std::mt19937_64& generator) {
  std::normal_distribution<double> normal;
  Functional f;
  f.value = normal(generator);
  for (std::size_t axis = 0; axis < static_cast<std::size_t>(dimension); ++axis) {
    f.gradient[axis] = normal(generator);
  }
  if (order < 2) return f;
  f.laplacian = normal(generator);
  for (std::size_t e = 0; e < hessian_entries(dimension); ++e) f.hessian[e] = normal(generator);
  return f;
}

inline gp::Kernel radial(gp::Family family, double length) {
  return {{{1.0, {{family, {length}, {}}}}}};
}

inline constexpr std::array<gp::Family, 6> families{gp::Family::matern_3_2,  gp::Family::matern_5_2,
                                                    gp::Family::matern_7_2,  gp::Family::matern_9_2,
                                                    gp::Family::matern_11_2, gp::Family::gaussian};

/// Highest order of functionals a family allows here.
inline int order_of(gp::Family family) {
  return family == gp::Family::matern_3_2 ? 1 : 2;
}

}  // namespace mensura::test
