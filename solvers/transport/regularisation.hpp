// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/cloud.hpp"
#include "transport/marginal.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// Collective. The points of a marginal, distributed by recursive bisection.
Cloud cloud_of(const parallel::Communicator& comm, const Marginal& marginal);

/// Collective. The finest of the marginals' spacings; where all are points on one spot each, the
/// diameter of these spots.
double common_spacing(const parallel::Communicator& comm,
                      std::span<const Marginal* const> marginals,
                      std::span<const Cloud* const> clouds, const std::function<void()>& poll);

/// Local. The last regularisation in units of the cost. Throws Error{input_data} where all points
/// coincide and the unit has no size.
double in_cost_units(const Problem& problem, std::span<const Marginal* const> marginals,
                     double spacing, double diameter);

/// Collective. The same with its spacing and diameter, for all marginals of a problem together.
double regularisation_of(const parallel::Communicator& comm, const Problem& problem,
                         std::span<const Marginal* const> marginals,
                         const std::function<void()>& poll);

/// Local. The first regularisation as the deck gives it, in units of the cost; `otherwise` where it
/// gives none. Throws Error{input_data} where that is no number.
double first_regularisation(const Problem& problem, double epsilon, double otherwise);

/// Regularisations below this share of the largest cost are rounding beside it.
inline constexpr double least_share = 1e-14;

/// Local. Throws Error{input_data} where the largest cost of an edge is not finite, or so large
/// that doubles do not resolve the regularisation beside it. `edge` names its marginals;
/// `otherwise` ends the advice: what else would do.
void check_resolution(double epsilon, double largest_cost, const std::string& edge,
                      const std::string& otherwise = {});
/// "marginals 'a' and 'b'".
std::string edge_text(const std::string& from, const std::string& to);

/// Collective. The same for every edge of a part of a graph, by the boxes around its marginals.
void check_resolution(const parallel::Communicator& comm, const Problem& problem,
                      const std::vector<Marginal>& marginals, double epsilon);

}  // namespace mensura::transport
