// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "parallel/communicator.hpp"
#include "transport/answer.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// One part's answer on its way into the whole's.
struct PartAnswer {
  std::vector<std::size_t> nodes;  ///< of the part's nodes in the whole problem
  int leader = 0;                  ///< first rank of the part's group
  const Answer* answer = nullptr;  ///< on the ranks of the group
};

/// Collective. Costs and bounds add up, errors are the largest; a node that several parts share has
/// the sum of its potentials, and how far their plans' marginals are apart is reported (the plan of
/// the whole exists only where they agree). Plans have their rows at the edges' `from` of the whole
/// problem.
Answer merge_answers(const parallel::Communicator& comm, const Problem& problem,
                     const std::vector<PartAnswer>& parts);

/// Collective. The same plan with rows and columns exchanged.
PlanAnswer transposed(const parallel::Communicator& comm, const PlanAnswer& plan,
                      std::int64_t columns);

}  // namespace mensura::transport
