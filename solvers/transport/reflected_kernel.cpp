// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "transport/grid_kernel.hpp"

namespace mensura::transport {

namespace {

// The part of the box along one axis; pixels are centred at the grid's positions.
struct Interval {
  double lower = 0, length = 1;
};

Interval interval(const output::RegularGrid& grid, std::size_t axis) {
  return {grid.origin[axis] - grid.spacing[axis] / 2,
          static_cast<double>(grid.shape[axis]) * grid.spacing[axis]};
}

std::vector<Interval> common_box(const output::RegularGrid& x, const output::RegularGrid& y) {
  parallel::require(x.shape.size() == y.shape.size(), "grids of one dimension");
  std::vector<Interval> box;
  for (std::size_t axis = 0; axis < x.shape.size(); ++axis) {
    const Interval a = interval(x, axis), b = interval(y, axis);
    // Spacings are quotients of lengths: equal boxes agree to rounding.
    if (std::abs(a.lower - b.lower) + std::abs(a.length - b.length) > 1e-9 * a.length) {
      throw parallel::Error(parallel::ExitCode::input_data,
                            "the reflected kernel needs two grids over one box, but along axis " +
                                std::to_string(axis) + " one begins at " + std::to_string(a.lower) +
                                " with length " + std::to_string(a.length) + ", the other at " +
                                std::to_string(b.lower) + " with length " +
                                std::to_string(b.length) + "; resize the images to one shape");
    }
    box.push_back(a);
  }
  return box;
}

// Logarithm of the density of reflected Brownian motion at time variance from x to y, against the
// uniform probability on the interval.
double logarithm(const Interval& wall, double x, double y, double variance) {
  const double a = x - wall.lower, b = y - wall.lower, period = 2 * wall.length;
  // The reference's three images on either side, and more for wide kernels.
  const int images = std::max(3, static_cast<int>(std::sqrt(80 * variance) / period) + 1);
  const double nearest = a - b;  // no image is nearer: both points lie in the box
  double sum = 0;
  const auto add = [&](double z) {
    // A difference of squares as a product: no cancellation where the kernel is narrow.
    const double exponent = -(z - nearest) * (z + nearest) / (2 * variance);
    if (exponent > -745) sum += std::exp(exponent);
  };
  for (int m = -images; m <= images; ++m) {
    add(a - b + m * period);
    add(a + b + m * period);
  }
  return -nearest * nearest / (2 * variance) + std::log(sum) + std::log(wall.length) -
         0.5 * std::log(2 * std::numbers::pi * variance);
}

}  // namespace

std::unique_ptr<Kernel> make_reflected_kernel(const parallel::Communicator& comm, const Cloud& x,
                                              const output::RegularGrid& x_grid, const Cloud& y,
                                              const output::RegularGrid& y_grid, double weight) {
  const std::vector<Interval> box = common_box(x_grid, y_grid);
  return make_grid_kernel(
      comm, x, x_grid, y, y_grid,
      [box, weight](std::size_t axis, double from, double to, double epsilon) {
        return logarithm(box[axis], from, to, epsilon / (2 * weight));
      },
      "reflected");
}

}  // namespace mensura::transport
