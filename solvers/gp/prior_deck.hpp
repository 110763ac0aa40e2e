// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>

#include "gp/kernel.hpp"
#include "input/diagnostics.hpp"
#include "input/node.hpp"
#include "input/schema.hpp"

namespace mensura::gp {

/// The section `prior`.
const input::Table& prior_table();

/// Local. Every number of the prior's lengths with the node that it is in.
void each_length(const input::Node& prior,
                 const std::function<void(const input::Node& node, double length)>& action);

/// Local. The kernel of a checked deck, without and with the variance that multiplies it (1 where
/// there is none).
Kernel kernel_from(const input::Node& prior);
Kernel scaled_kernel_from(const input::Node& prior);

/// Checks across keys: every factor smooth enough for the equation; lengths and axes that fit the
/// dimension of the problem, and no axis that the prior does not see.
void check_smoothness(const input::Node& here, const input::Node& root,
                      input::Diagnostics& diagnostics);
void check_lengths(const input::Node& here, const input::Node& root,
                   input::Diagnostics& diagnostics);
void check_axes(const input::Node& here, const input::Node& root, input::Diagnostics& diagnostics);

}  // namespace mensura::gp
