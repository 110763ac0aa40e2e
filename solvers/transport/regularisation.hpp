// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <span>

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

}  // namespace mensura::transport
