// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::transport {

/// A weighted point set on the line (or in coordinates for `sliced`), any distribution over ranks.
struct Weighted {
  std::span<const double> positions;  ///< own; for sliced row-major own x dimension
  std::span<const double> mass;       ///< own, > 0; total masses agree (1e-12 relative)
};

/// Collective. Exact optimal transport between two measures on the line for the cost |x - y|^p,
/// p >= 1: the comonotone coupling, by distributed sorts and a merge of the two distribution
/// functions on every rank's share of the merged jumps. Returns the cost (not its root). Memory
/// O(n/P); independent of the number of ranks, bitwise. Reference transport 3.6.
double line_cost(const parallel::Communicator& comm, const Weighted& a, const Weighted& b,
                 double power);

/// Collective. The same on a circle of the given period with the cost d(x, y)^p, p = 1 (weighted
/// median of the difference of the distribution functions) or p > 1 (convex in the shift of the
/// distribution function, bisection to rounding; for p = 2 exact per piece).
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
/// 3.6 (lower and upper Gaussian proxies, exact means, coefficients from the same directions).
/// `directions` >= 10; points of dimension d >= 2. Directions run over groups of ranks or all ranks
/// share each: independent of the number of ranks, bitwise.
Sliced sliced_cost(const parallel::Communicator& comm, const Weighted& a, const Weighted& b,
                   int dimension, std::int64_t directions, std::uint64_t seed,
                   const std::function<void()>& poll);

}  // namespace mensura::transport
