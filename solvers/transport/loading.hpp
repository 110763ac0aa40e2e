// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "run/job.hpp"
#include "transport/marginal.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// Collective. All given marginals of a problem, checked against each other's dimensions and
/// logged; free ones are empty.
std::vector<Marginal> load_marginals(const parallel::Communicator& comm, const Problem& problem,
                                     run::Context& context);

/// Local. Throws Error{usage} where a marginal is not the one of a checkpoint.
void check_fingerprints(std::span<const Marginal> marginals,
                        std::span<const std::int64_t> fingerprints);
std::vector<std::int64_t> fingerprints_of(std::span<const Marginal> marginals);

}  // namespace mensura::transport
