// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::parallel {

/// Collective. The names of the nodes this communicator runs on, each once, sorted.
std::vector<std::string> host_names(const Communicator& comm);

}  // namespace mensura::parallel
