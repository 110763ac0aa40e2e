// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>

#include "parallel/communicator.hpp"
#include "transport/answer.hpp"
#include "transport/marginal.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// Collective. The methods without regularisation: line, circle, sliced. Throws Error{input_data}
/// on all ranks where they do not fit the marginals.
Answer exact_answer(const parallel::Communicator& comm, const Problem& problem, const Marginal& a,
                    const Marginal& b, const std::function<void()>& poll);

/// Local. p of |x - y|^p on the line.
double line_power(const CostSpec& cost);

/// Local. A given marginal that is met exactly.
NodeAnswer given_node(const Marginal& marginal);

/// Collective. The comonotone coupling of two marginals on the line, rows by the first.
PlanAnswer line_plan_answer(const parallel::Communicator& comm, const Marginal& a,
                            const Marginal& b);

}  // namespace mensura::transport
