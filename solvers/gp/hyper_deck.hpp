// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "gp/problem.hpp"
#include "input/node.hpp"
#include "input/schema.hpp"

namespace mensura::gp {

/// The section `hyper`.
const input::Table& hyper_table();

/// Local. What it asks for; nothing when it is absent.
std::optional<HyperSpec> hyper_from(const input::Node& root);

/// What is fitted must be there: noise with data, no time; a variance with exact data follows from
/// the lengths. Starts lie inside the bounds.
void check_hyper(const input::Node&, const input::Node& root, input::Diagnostics& diagnostics);
void check_hyper_bounds(const input::Node&, const input::Node& root,
                        input::Diagnostics& diagnostics);

}  // namespace mensura::gp
