// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

namespace mensura::transport {

/// One regularisation on one level of the hierarchy.
struct Stage {
  /// L1 error of a marginal that all stages but the last end with.
  static constexpr double loose_tolerance = 1e-4;
  std::size_t level = 0;  ///< 0 is the finest
  double epsilon = 0, tolerance = 0;
};

/// Local. From coarse to fine: the coarsest level comes down from `first` by quarters, every level
/// visits two and one times its unit (the cost of a move by one spacing), the finest goes down to
/// `last` by halves (reference/transport 1.1, transport_robust 1). `units`: one per level, 0 where
/// a level has no size.
std::deque<Stage> plan_stages(const std::vector<double>& units, double first, double last,
                              double tolerance);

}  // namespace mensura::transport
