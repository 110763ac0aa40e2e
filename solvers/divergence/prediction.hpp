// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "divergence/problem.hpp"
#include "parallel/communicator.hpp"
#include "run/application.hpp"

namespace mensura::divergence {

/// Collective. What a run will need, from the headers of its files: memory on this rank at the peak
/// of the largest pass, bytes sent, bytes of a checkpoint. Throws Error{input_data} when a file or
/// dataset is missing or two sets of a pair differ in dimension.
run::Prediction predict(const Problem& problem, const parallel::Communicator& comm);

}  // namespace mensura::divergence
