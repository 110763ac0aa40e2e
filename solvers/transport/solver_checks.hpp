// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "input/schema.hpp"

namespace mensura::transport {

/// What single solvers of graphs ask of a deck: dense tensors, electrons, lines, cycles, splines.
std::vector<input::Check> solver_checks();

}  // namespace mensura::transport
