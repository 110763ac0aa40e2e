// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "parallel/communicator.hpp"
#include "transport/line_measure.hpp"

namespace mensura::transport {

/// Collective. Throws Error{internal} unless 1 <= power < infinity.
void require_power(const parallel::Communicator& comm, double power);

/// Collective. Cost of the comonotone coupling in the caller's unit of mass.
double coupling_cost(const parallel::Communicator& comm, const OrderedPair& pair, double power);

}  // namespace mensura::transport
