// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/pace.hpp"

namespace mensura::transport {

/// An array of outer x along x inner numbers, row-major: lines run along the middle axis.
struct LineShape {
  std::size_t outer = 1, along = 1, inner = 1;
  std::size_t lines() const { return outer * inner; }
  std::size_t size() const { return outer * along * inner; }
};

/// The logarithm of a kernel between the positions `target` and `source` of one axis; -inf for
/// none.
using AxisLogarithm = std::function<double(std::size_t target, std::size_t source)>;

/// Sums along every line of an array of logarithms (-inf: nothing):
///   result(o, j, i) = log sum_k exp(values(o, k, i) + kernel(j, k)),  j < targets,
/// exact to rounding for all values. Collective for agreement on memory and for the polls: `pace`
/// hears of the same work on all ranks, which is that of `most_lines` lines. Where the kernel does
/// not fall below exp(-500), the lines are scaled by their largest values once and the sum is a
/// product of matrices; else every sum has its own largest exponent, and parts of the line that
/// cannot be noticed are passed over.
std::vector<double> line_sums(const parallel::Communicator& comm, std::span<const double> values,
                              const LineShape& shape, std::size_t targets,
                              const AxisLogarithm& kernel, std::size_t most_lines, Pace& pace);

}  // namespace mensura::transport
