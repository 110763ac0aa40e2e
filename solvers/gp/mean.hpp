// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gp/kernel.hpp"
#include "gp/pattern.hpp"
#include "gp/rows.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// Collective. Posterior mean of u at any points: each is appended to the order as a pure value and
/// conditioned on the state of its nearest points, all their rows (reference gp_pde 3.2 (i)); at a
/// point of the cloud the state itself. The neighbours are exact and rank-independent.
/// `coordinates`: row-major, this rank's block [r m / P, (r + 1) m / P) of the `total` points.
/// `axis_scale`: powers of two that make the axes comparable. `state`: own rows. Returns the mean
/// for the same block. Throws Error{numerical} on all ranks when a neighbourhood's covariance is
/// not positive definite.
std::vector<double> local_mean(const parallel::Communicator& comm, const Pattern& pattern,
                               const RowLayout& layout, const RowWeights& weights,
                               const Prior& prior, double nugget,
                               std::span<const double> axis_scale, std::span<const double> state,
                               std::span<const double> coordinates, std::int64_t total,
                               const std::function<void()>& poll);

}  // namespace mensura::gp
