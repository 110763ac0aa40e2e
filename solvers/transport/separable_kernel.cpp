// SPDX-License-Identifier: BSD-3-Clause
#include "transport/grid_kernel.hpp"

namespace mensura::transport {

std::unique_ptr<Kernel> make_separable_kernel(const parallel::Communicator& comm, const Cloud& x,
                                              const output::RegularGrid& x_grid, const Cloud& y,
                                              const output::RegularGrid& y_grid, const Cost& cost) {
  parallel::require(cost.separable(), "the cost is a sum over the axes");
  parallel::require(x_grid.shape.size() == y_grid.shape.size(), "grids of one dimension");
  // A single axis has nothing to separate, and the blocked kernel passes over what is far away.
  if (x_grid.shape.size() == 1) return make_blocked_kernel(comm, x, y, cost);
  return make_grid_kernel(
      comm, x, x_grid, y, y_grid,
      [cost](std::size_t axis, double from, double to, double epsilon) {
        return -cost.along(static_cast<int>(axis), from - to) / epsilon;
      },
      "separable");
}

}  // namespace mensura::transport
