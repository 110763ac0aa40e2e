// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/cloud.hpp"
#include "transport/marginal.hpp"

namespace mensura::transport {

/// Both measures at one resolution.
struct Level {
  Cloud x, y;
  double spacing = 0;  ///< size of the cells; level 0: of the points themselves
};

/// Collective. The spacing of a point set: the smallest spacing of a grid; of a cloud the mean
/// distance to the nearest other location (0 where all points coincide).
double spacing_of(const parallel::Communicator& comm, const Marginal& marginal, const Cloud& cloud,
                  const std::function<void()>& poll);

/// Collective. The diagonal of the box around both clouds.
double diameter_of(const parallel::Communicator& comm, const Cloud& x, const Cloud& y);

/// Collective. Level 0 and coarser and coarser ones: the points of a cell of size 2^l spacing, the
/// cells anchored at `anchor`, become one at their centre of mass. Ends when both sides have at
/// most `coarsest` points, or where cells merge nothing any more or everything at once. Bitwise
/// independent of the number of ranks.
std::vector<Level> make_hierarchy(const parallel::Communicator& comm, Cloud x, Cloud y,
                                  double spacing, const std::vector<double>& anchor,
                                  std::int64_t coarsest);

}  // namespace mensura::transport
