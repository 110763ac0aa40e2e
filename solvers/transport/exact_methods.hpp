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

}  // namespace mensura::transport
