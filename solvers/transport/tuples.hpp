// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/answer.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// Collective. `count` independent samples (x_1 .. x_K) of the plan on a tree, as input positions,
/// count x nodes: this rank's block of the samples. The first node is drawn from its marginal, then
/// neighbour after neighbour from the rows of the edges' plans; the numbers depend on the seed and
/// the sample's index alone. Throws Error{internal} on all ranks where an edge has no plan. Memory
/// O((count + entries) / ranks).
std::vector<std::int64_t> sample_tuples(const parallel::Communicator& comm, const Problem& problem,
                                        const Answer& answer, std::int64_t count);

}  // namespace mensura::transport
