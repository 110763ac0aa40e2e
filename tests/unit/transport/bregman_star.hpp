// SPDX-License-Identifier: BSD-3-Clause
// Barycenters with one entropy per edge: problems and their answers as tests need them.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "dense.hpp"
#include "transport/bregman.hpp"

namespace mensura::test {

using output::RegularGrid;
using parallel::Communicator;
using transport::Bregman;
using transport::BregmanEdge;
using transport::BregmanOptions;
using transport::BregmanReport;
using transport::Cloud;
using transport::Cost;
using transport::Kernel;

inline constexpr double infinity = std::numeric_limits<double>::infinity();

inline PairCost squared(int d) {
  return [d](const double* x, const double* y) {
    Wide sum = 0;
    for (int a = 0; a < d; ++a) sum += (Wide(x[a]) - y[a]) * (Wide(x[a]) - y[a]);
    return sum;
  };
}

/// Measures and a centre with the kernels between them; grids: separable ones.
struct Star {
  Star(const Communicator& communicator, std::vector<Measure> measures, Measure middle,
       std::vector<double> edge_weights, const RegularGrid* grid = nullptr)
      : comm(communicator),
        leaves(std::move(measures)),
        centre(std::move(middle)),
        weights(std::move(edge_weights)),
        z(cloud_of(comm, centre)) {
    const Cost cost({}, 1, centre.dimension);
    const auto kernel = [&](const Cloud& rows) {
      return grid != nullptr ? make_separable_kernel(comm, rows, *grid, z, *grid, cost)
                             : make_blocked_kernel(comm, rows, z, cost);
    };
    for (const Measure& leaf : leaves) x.push_back(cloud_of(comm, leaf));
    for (const Cloud& cloud : x) kernels.push_back(kernel(cloud));
    own = kernel(z);
  }
  std::vector<BregmanEdge> edges() const {
    std::vector<BregmanEdge> result;
    for (std::size_t k = 0; k < x.size(); ++k) {
      result.push_back({&x[k], kernels[k].get(), weights[k]});
    }
    return result;
  }
  Bregman problem(const BregmanOptions& options, bool debiased = false) const {
    return {comm, edges(), z, debiased ? own.get() : nullptr, options};
  }
  std::vector<double> mass(const Bregman& solved) const {
    return everywhere(comm, z, centre, solved.mass());
  }

  const Communicator& comm;
  std::vector<Measure> leaves;
  Measure centre;
  std::vector<double> weights;
  Cloud z;
  std::vector<Cloud> x;
  std::vector<std::unique_ptr<Kernel>> kernels;
  std::unique_ptr<Kernel> own;
};

inline const BregmanReport& solve(Bregman& problem) {
  while (!problem.finished()) problem.advance({});
  return problem.report();
}

inline BregmanOptions options_of(double epsilon, double tolerance) {
  BregmanOptions options;
  options.epsilon = epsilon;
  options.tolerance = tolerance;
  return options;
}

inline RegularGrid line(double lower, double upper, std::int64_t count) {
  return {{count}, {lower}, {(upper - lower) / static_cast<double>(count - 1)}};
}

inline std::function<double(const std::vector<double>&)> normal(std::vector<double> mean,
                                                                double sd) {
  return [=](const std::vector<double>& x) {
    double square = 0;
    for (std::size_t a = 0; a < x.size(); ++a) square += (x[a] - mean[a]) * (x[a] - mean[a]);
    return std::exp(-square / (2 * sd * sd));
  };
}

inline double flat(const std::vector<double>& /*x*/) {
  return 1;
}

struct Moments {
  double mass = 0, mean = 0, variance = 0;
};
inline Moments moments(const Measure& points, const std::vector<double>& mass, std::size_t axis) {
  Moments result;
  for (const double m : mass) result.mass += m;
  for (std::size_t i = 0; i < mass.size(); ++i) result.mean += mass[i] * points[i][axis];
  for (std::size_t i = 0; i < mass.size(); ++i) {
    const double away = points[i][axis] - result.mean;
    result.variance += mass[i] * away * away;
  }
  return result;
}

inline Measure equal_masses(Measure points) {
  points.mass.assign(points.size(), 1.0 / static_cast<double>(points.size()));
  return points;
}

inline Star three_clouds(const Communicator& comm) {
  return {comm,
          {random_measure(2, 40, 1), random_measure(2, 30, 2), random_measure(2, 50, 3)},
          equal_masses(random_measure(2, 45, 4)),
          {0.5, 1.5, 1}};
}

}  // namespace mensura::test
