// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gp/interpolation.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// Collective. Posterior mean of a functional at any points from the state (own rows), by an
/// Interpolation whose weights are held for a piece of the points at a time. `targets`: row-major,
/// any number per rank. Returns the mean there. Throws as the Interpolation.
std::vector<double> local_mean(const parallel::Communicator& comm, const StateRows& space,
                               std::span<const double> state, std::span<const double> targets,
                               const Functional& functional, const std::function<void()>& poll);

/// Local. How many of its points a rank with so many collocation points takes at a time.
std::int64_t mean_targets_at_once(std::int64_t points);

}  // namespace mensura::gp
