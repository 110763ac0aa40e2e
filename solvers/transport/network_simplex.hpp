// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace mensura::transport {

/// A transport problem in whole numbers: no rounding inside the simplex method, so that it ends and
/// its answer is an optimum. A hub offers a detour from every row to every column at twice the
/// price `half_detour`: the problem is always feasible, and the potentials stay within that price
/// of the hub's.
struct WholeTransport {
  struct Arc {
    std::uint32_t row, column;
    std::int64_t cost;  ///< |cost| (rows + columns + 1) <= 2^60; half_detour likewise
  };
  std::vector<std::int64_t> supply, demand;  ///< > 0, of the same sum, at most 2^62
  std::vector<Arc> arcs;                     ///< ascending rows
  std::int64_t half_detour = 0;
};

/// cost - row_potential - column_potential >= 0 on every arc, = 0 where there is flow.
struct WholeSolution {
  std::vector<std::int64_t> flow;  ///< of every arc; at most rows + columns of them are not zero
  std::vector<std::int64_t> row_potential, column_potential;  ///< relative to the hub's
  std::int64_t detour = 0;                                    ///< flow that took the detour
};

/// Local. The primal network simplex method (LEMON's, block search; Kiraly and Kovacs 2012) on one
/// core. Throws std::bad_alloc, and Error{internal} for sums that differ.
WholeSolution network_simplex(const WholeTransport& problem);

/// Local. network_simplex() on a thread of its own, which knows no communicator: its rank can go on
/// to take part in collectives. Destroyed too early, it leaves the thread to its work.
class SimplexThread {
 public:
  explicit SimplexThread(WholeTransport problem);
  bool done() const;
  WholeSolution take();  ///< once done; rethrows what went wrong

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Local. Masses as whole numbers of sum `total`: the nearest ones with that sum (largest
/// remainders), but at least one each. Every mass changes by less than one unit, sum(mass) / total,
/// but for those below one.
std::vector<std::int64_t> whole_masses(const std::vector<double>& mass, std::int64_t total);

}  // namespace mensura::transport
