// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/cloud.hpp"
#include "transport/marginal.hpp"

namespace mensura::transport {

/// All measures of a problem at one resolution.
struct Layer {
  std::vector<Cloud> clouds;
  double spacing = 0;  ///< size of the cells; level 0: of the points themselves
};

/// Both measures of a pair at one resolution.
struct Level {
  Cloud x, y;
  double spacing = 0;  ///< size of the cells; level 0: of the points themselves
};

/// Collective. The spacing of a point set: the smallest spacing of a grid; of a cloud the mean
/// distance to the nearest other location (0 where all points coincide).
double spacing_of(const parallel::Communicator& comm, const Marginal& marginal, const Cloud& cloud,
                  const std::function<void()>& poll);

/// Collective. The diagonal of the box around the clouds.
double diameter_of(const parallel::Communicator& comm, std::span<const Cloud* const> clouds);
double diameter_of(const parallel::Communicator& comm, const Cloud& x, const Cloud& y);

/// Collective. Level 0 and coarser and coarser ones: the points of a cell of size 2^l spacing, the
/// cells anchored at `anchor`, become one at their centre of mass. Ends when all clouds have at
/// most `coarsest` points, or where cells merge nothing any more or everything at once. Bitwise
/// independent of the number of ranks.
std::vector<Layer> make_layers(const parallel::Communicator& comm, std::vector<Cloud> clouds,
                               double spacing, const std::vector<double>& anchor,
                               std::int64_t coarsest);
std::vector<Level> make_hierarchy(const parallel::Communicator& comm, Cloud x, Cloud y,
                                  double spacing, const std::vector<double>& anchor,
                                  std::int64_t coarsest);

}  // namespace mensura::transport
