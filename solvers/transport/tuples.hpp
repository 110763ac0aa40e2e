// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/answer.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// Collective. Draws `count` independent samples (x_1 .. x_K) of the plan on a tree into
/// answer.tuples, as input positions in the order of answer.nodes. `edges`: of the tree, ends
/// numbered likewise. The first node is drawn from its marginal, then neighbour after neighbour
/// from the rows of the edges' plans; the numbers depend on the seed and the sample's index alone.
/// False, and nothing drawn, where an edge has no plan. Memory O((count + entries) / ranks).
bool draw_tuples(const parallel::Communicator& comm, const std::vector<EdgeSpec>& edges,
                 std::uint64_t seed, std::int64_t count, Answer& answer);

}  // namespace mensura::transport
