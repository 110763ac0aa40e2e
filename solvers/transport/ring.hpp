// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::transport {

/// What a rank does with a block that came by; it may call `progress` (local, cheap) to keep the
/// messages moving, and nothing else may throw but a collective poll.
using Visit =
    std::function<void(std::span<const double> block, const std::function<void()>& progress)>;

/// Collective. Every rank's block visits every rank, the own one first, while the next one is on
/// its way from the right neighbour: two blocks of memory per rank. `lengths` are those of all
/// ranks' blocks; `block` is this rank's and holds another one afterwards. Messages are counted in
/// parallel::traffic().
void travel(const parallel::Communicator& comm, std::vector<double>& block,
            std::span<const std::int64_t> lengths, const Visit& visit);

}  // namespace mensura::transport
