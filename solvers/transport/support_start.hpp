// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "parallel/communicator.hpp"
#include "transport/marginal.hpp"

namespace mensura::transport {

/// Collective. A marginal of `count` points of equal mass that sum to `like`'s, in blocks of their
/// numbers: where a free support begins. Point i is drawn from the i-th of `count` parts of equal
/// mass into which `like`'s points fall in the order of the input (as many points as a cloud of
/// equal masses has: each one once), and moved at random, in the pixel on a grid, by a twentieth of
/// the mean distance between neighbours in a cloud, so that no two coincide. Depends on the seed
/// and the marginals alone, not on the ranks. Throws Error{input_data} where `like` is on one spot.
Marginal support_marginal(const parallel::Communicator& comm, const std::string& name,
                          const Marginal& like, std::int64_t count, std::uint64_t seed,
                          const std::function<void()>& poll);

}  // namespace mensura::transport
