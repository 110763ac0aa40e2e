// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "divergence/law.hpp"
#include "input/node.hpp"
#include "input/schema.hpp"

namespace mensura::divergence {

/// The table under `generate`: a law, its parameters, `count`, `seed`, `dimension`.
input::Table generated_table();

/// Local. The validated law of a `generate` section. Throws Error{usage} (the table's own check has
/// reported it with its place before).
Law law_from(const input::Node& node);

}  // namespace mensura::divergence
