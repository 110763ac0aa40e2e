// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "gp/problem.hpp"
#include "input/diagnostics.hpp"
#include "input/node.hpp"
#include "input/schema.hpp"

namespace mensura::gp {

/// One entry of the section `data`.
const input::Table& data_table();

/// Local. The entries of a checked deck, by what they measure.
void read_data(const input::Node& data, Problem& problem);

/// Across keys: no measurements beside time steps; directions and boxes fit the dimension.
void check_data(const input::Node& here, const input::Node& root, input::Diagnostics& diagnostics);

}  // namespace mensura::gp
