// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace mensura::transport {

/// A pair of points by their places in two lists.
struct PairArc {
  std::uint32_t row, column;
  double cost;
};

/// Local. The plan on a forest of pairs, from its leaves inwards: a leaf gives what it still has,
/// as far as the other end has room. Where the forest carries the two measures, that is the only
/// plan on it, right to the rounding of every single mass, and no entry is negative.
std::vector<double> plan_on_forest(std::span<const PairArc> forest,
                                   const std::vector<double>& row_mass,
                                   const std::vector<double>& column_mass);

}  // namespace mensura::transport
