// SPDX-License-Identifier: BSD-3-Clause
// A transport problem solved along the hierarchy by Newton's method, with what tests ask of it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <vector>

#include "dense.hpp"
#include "parallel/random.hpp"
#include "transport/certificate.hpp"
#include "transport/multiscale.hpp"

namespace mensura::test {

using parallel::Communicator;
using parallel::Stream;
using transport::Certificate;
using transport::Cloud;
using transport::Cost;
using transport::CostSpec;
using transport::Multiscale;
using transport::MultiscaleOptions;
using transport::Potentials;
using transport::SparsePlan;
using transport::StageReport;

inline constexpr double infinity = std::numeric_limits<double>::infinity();

struct Task {
  Measure a, b;
  double spacing = 1, epsilon = 1, tolerance = 1e-12, weight = 1;
  CostSpec cost{};
  double rho = infinity;
  bool certified = true;
};

struct Solved {
  bool converged = false;
  std::vector<double> f, g;  ///< everywhere; balanced: f has weighted mean zero
  double value = 0;          ///< the dual objective
  std::vector<StageReport> history;
  Certificate certificate;
};

inline Solved solve(const Communicator& comm, const Task& task) {
  const int d = task.a.dimension;
  const Cost cost(task.cost, task.weight, d);
  Cloud x = cloud_of(comm, task.a), y = cloud_of(comm, task.b);
  const double diameter = diameter_of(comm, x, y);
  std::vector<double> anchor(static_cast<std::size_t>(d), infinity);
  for (const Measure* measure : {&task.a, &task.b}) {
    for (std::size_t i = 0; i < measure->coordinates.size(); ++i) {
      double& least = anchor[i % anchor.size()];
      least = std::min(least, measure->coordinates[i] - task.spacing / 2);
    }
  }
  MultiscaleOptions options;
  options.epsilon = task.epsilon;
  options.tolerance = task.tolerance;
  options.first_epsilon = task.weight * diameter * diameter / 8;
  if (std::isfinite(task.rho)) {
    options.relaxation = transport::Relaxation::kullback_leibler;
    options.strength = task.rho;
  }
  Multiscale solver(comm,
                    make_hierarchy(comm, std::move(x), std::move(y), task.spacing, anchor, 256),
                    &cost, {}, options);
  while (!solver.finished()) solver.advance([] {});
  Solved result;
  result.converged = solver.converged();
  result.history = solver.history();
  result.value = result.history.back().dual_objective;
  const Potentials& at = solver.potentials();
  result.f = everywhere(comm, solver.finest().x, task.a, at.f);
  result.g = everywhere(comm, solver.finest().y, task.b, at.g);
  if (std::isinf(task.rho)) {
    Wide mean = 0;
    for (std::size_t i = 0; i < result.f.size(); ++i) mean += Wide(task.a.mass[i]) * result.f[i];
    for (double& f : result.f) f -= static_cast<double>(mean);
    for (double& g : result.g) g += static_cast<double>(mean);
    if (task.certified) result.certificate = certify(*solver.plan(), at, cost);
  }
  return result;
}

inline double range_of(const std::vector<double>& v) {
  const auto [least, most] = std::minmax_element(v.begin(), v.end());
  return *most - *least;
}

inline double apart(const std::vector<double>& u, const std::vector<double>& v) {
  double most = 0;
  for (std::size_t i = 0; i < u.size(); ++i) most = std::max(most, std::abs(u[i] - v[i]));
  return most;
}

// L1 error of the larger marginal with all pairs of points, not the support's only.
inline double full_error(const Task& task, const Solved& solved) {
  const Cost cost(task.cost, task.weight, task.a.dimension);
  std::vector<double> rows(task.a.size(), 0.0), columns(task.b.size(), 0.0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < columns.size(); ++j) {
      const double p =
          task.a.mass[i] * task.b.mass[j] *
          std::exp((solved.f[i] + solved.g[j] - cost(task.a[i], task.b[j])) / task.epsilon);
      rows[i] += p;
      columns[j] += p;
    }
  }
  double row_error = 0, column_error = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) row_error += std::abs(rows[i] - task.a.mass[i]);
  for (std::size_t j = 0; j < columns.size(); ++j) {
    column_error += std::abs(columns[j] - task.b.mass[j]);
  }
  return std::max(row_error, column_error);
}

/// An image on the unit square, as a function.
using Density = std::function<double(double, double)>;

inline double hill(double x, double y, double u, double v, double width) {
  return std::exp(-((x - u) * (x - u) + (y - v) * (y - v)) / (2 * width * width));
}

// Bumps of a random place, width and height above a floor, as the smooth images of the reference.
inline double bumps(double x, double y, std::uint64_t seed) {
  const Stream stream(seed, "test", "bumps");
  double sum = 1e-2;
  for (std::uint64_t k = 0; k < 6; ++k) {
    sum += stream.uniform(k, 0) * hill(x, y, 0.15 + 0.7 * stream.uniform(k, 1),
                                       0.15 + 0.7 * stream.uniform(k, 2),
                                       0.05 + 0.1 * stream.uniform(k, 3));
  }
  return sum;
}

inline Measure image(const Density& density, std::int64_t n) {
  const double h = 1 / static_cast<double>(n);
  return grid_measure({{n, n}, {h / 2, h / 2}, {h, h}},
                      [&](const std::vector<double>& x) { return density(x[0], x[1]); });
}

}  // namespace mensura::test
