// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "transport/kernel.hpp"

namespace mensura::transport {

/// The logarithm of a symmetric kernel's factor along one axis, between two coordinates.
using AxisKernel = std::function<double(std::size_t axis, double x, double y, double epsilon)>;

/// Collective. A kernel that is a product over the axes of two grids; the cost is - eps log of it.
/// One axis after the other, local in slabs along the slowest axis, which comes last after a
/// transposition (a single axis: blocks travel around the ranks). Grids and clouds must outlive it.
std::unique_ptr<Kernel> make_grid_kernel(const parallel::Communicator& comm, const Cloud& x,
                                         const output::RegularGrid& x_grid, const Cloud& y,
                                         const output::RegularGrid& y_grid, AxisKernel kernel,
                                         std::string name);

}  // namespace mensura::transport
