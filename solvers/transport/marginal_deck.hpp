// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "input/node.hpp"
#include "input/schema.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// The keys of one entry of `marginals`.
input::Table marginal_table();

/// Local. What one entry of `marginals` says.
MarginalSpec marginal_from(const std::string& name, const input::Node& node);

/// Local. Number of axes of a density's grid; 0 for a file, whose header says it.
int dimension_of(const input::Node& marginal);

}  // namespace mensura::transport
