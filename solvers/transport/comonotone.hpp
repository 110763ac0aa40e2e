// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/line.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// Collective. Exact multi-marginal transport on the line: the minimum over all couplings of
///   E sum over edges of w |x_i - x_j|^p,  w >= 0, p >= 1,
/// any number of measures and any graph. The comonotone coupling x_k = Q_k(s), s uniform, is
/// optimal for every pair at once, so that the value is the sum of w int |Q_i - Q_j|^p over the
/// edges (reference/transport 3.6): one sort per measure and one merge per edge. Errors, memory and
/// independence of the ranks as in line.hpp; Error{internal} for edges that do not fit.
double comonotone_cost(const parallel::Communicator& comm, std::span<const Weighted> measures,
                       std::span<const EdgeSpec> edges, double power);

/// Points of a measure on the line.
struct LineAtoms {
  std::vector<double> positions, mass;  ///< own; positions ascend through the ranks
};

/// Collective. The barycenter of measures on the line for the squared distance: its quantile
/// function is the average sum_k w_k Q_k, weights >= 0 and taken relative to their sum. At most
/// sum n_k - K + 1 points, of the measures' total mass, shared out over the ranks. Its cost sum_k
/// w_k W_2^2(mu_k, bar) is comonotone_cost with power 2 and the weights w_i w_j of all pairs
/// (Agueh, Carlier 2011). Errors, memory and independence of the ranks as in line.hpp;
/// Error{internal} for weights that are negative or all zero.
LineAtoms line_barycenter(const parallel::Communicator& comm, std::span<const Weighted> measures,
                          std::span<const double> weights);

}  // namespace mensura::transport
