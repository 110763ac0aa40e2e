// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::transport {

/// A weighted point set on the line (or in coordinates for `sliced`), any distribution over ranks.
/// All functions here throw on all ranks: Error{input_data} for positions or masses that are not
/// finite, masses that are not positive, no points at all, and total masses that differ by more
/// than 1e-12 of the larger; Error{numerical} when a cost overflows. Below 1e-12 the difference is
/// spread over the lighter measure in proportion to its masses. Masses are cumulated in integers of
/// 2^-125 of the (rounded up) total, so that sums are exact; a smaller mass counts as one unit.
struct Weighted {
  std::span<const double> positions;  ///< own; for sliced row-major own x dimension
  std::span<const double> mass;       ///< own, > 0; total masses agree (1e-12 relative)
};

/// Collective. Exact optimal transport between two measures on the line for the cost |x - y|^p,
/// p >= 1: the comonotone coupling, by distributed sorts and a merge of the two distribution
/// functions on every rank's share of the merged jumps. Returns the cost (not its root). Memory
/// O(n/P); independent of the number of ranks, bitwise, and of the points' distribution over ranks.
/// Reference transport 3.6.
double line_cost(const parallel::Communicator& comm, const Weighted& a, const Weighted& b,
                 double power);

/// The comonotone coupling as its points see it. Arrays: own points, in the caller's order. Points
/// at the same position have the same values.
struct LineMap {
  double cost = 0;  ///< primal value, bitwise that of line_cost
  double dual = 0;  ///< of the potentials; equals the cost up to rounding, on either side of it
  std::vector<double> map_a;        ///< barycentric projection of a's points onto b
  std::vector<double> map_b;        ///< and of b's points onto a
  std::vector<double> potential_a;  ///< f with f(x) + g(y) <= |x - y|^p, equal on the coupling
  std::vector<double> potential_b;  ///< g; both up to rounding; f = 0 at the median mass of a
};

/// Collective. The coupling of line_cost with its optimal dual potentials: along the merged order
/// f(x') - f(x) = c(x', y) - c(x, y) where the first measure steps and the same for g where the
/// second does, in exact sums of accurate differences. Feasible because the cost is of Monge type.
/// Errors, memory and independence of ranks as line_cost.
LineMap line_map(const parallel::Communicator& comm, const Weighted& a, const Weighted& b,
                 double power);

/// Mass between an own point of the first measure and a point of the second, which is counted
/// through the ranks.
struct LineEntry {
  std::int64_t row, column;
  double mass;
};

/// Collective. The entries of line_map's coupling, at most n + m - 1 over all ranks, rows ascending
/// and each in the order of the second measure: of points at one position the one with the lower
/// number comes first. Errors and memory as line_cost; independent of the number of ranks where the
/// points' numbers are.
std::vector<LineEntry> line_plan(const parallel::Communicator& comm, const Weighted& a,
                                 const Weighted& b);

/// Collective. The same cost on a circle of the given period with d(x, y)^p, p >= 1, for positions
/// anywhere on the line. The minimum over the shift t of one distribution function against the
/// other is convex and piecewise linear in t (Delon, Salomon, Sobolevski 2010): a safeguarded
/// search with exact slopes on both sides, until the lower bound by the end tangents meets the
/// value to rounding. One merge O(n/P) per step, 10 to 30 of them. p = 1 is the same search (its
/// minimum is the weighted median of the difference of the distribution functions).
double circle_cost(const parallel::Communicator& comm, const Weighted& a, const Weighted& b,
                   double period, double power);

/// Sliced squared 2-Wasserstein distance with an error bar over the directions.
struct Sliced {
  double value = 0;           ///< with control variates (Gaussians fitted to the projections)
  double standard_error = 0;  ///< of it
  double plain = 0, plain_standard_error = 0;  ///< the simple average
  std::int64_t directions = 0;
};

/// Collective. Average over random directions (counter-based, by seed and number of the direction)
/// of the line's squared cost between projections, with the control variates of reference transport
/// 3.6 (lower and upper Gaussian proxies, exact means, both coefficients by least squares on the
/// same directions; the error bar takes each direction's residual as if it had been left out of the
/// fit: honest from 16 directions on). `directions` >= 10; points of dimension d >= 2. All ranks
/// share each direction: independent of the number of ranks, bitwise. Masses as in Weighted; for
/// total mass m the value is m times that of probability measures. `poll` (may be empty) is called
/// once per direction.
Sliced sliced_cost(const parallel::Communicator& comm, const Weighted& a, const Weighted& b,
                   int dimension, std::int64_t directions, std::uint64_t seed,
                   const std::function<void()>& poll);

}  // namespace mensura::transport
