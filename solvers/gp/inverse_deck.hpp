// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>

#include "gp/problem.hpp"
#include "input/diagnostics.hpp"
#include "input/node.hpp"
#include "input/schema.hpp"

namespace mensura::gp {

/// The section `inverse`.
const input::Table& inverse_table();

/// Local. What the second unknown is called in records, results and data entries; empty without the
/// section. Of a deck whose equation is checked.
std::string second_name(const input::Node& root);

/// Local. The inverse problem of a checked deck, from its root.
std::optional<InverseSpec> inverse_from(const input::Node& root);

/// Checks across keys: the section goes with the equation; the coefficient that is looked for is
/// not given; there are data, and of fields that there are.
void check_inverse(const input::Node& here, const input::Node& root,
                   input::Diagnostics& diagnostics);
void check_unknown(const input::Node& here, const input::Node& root,
                   input::Diagnostics& diagnostics);
void check_data_fields(const input::Node& here, const input::Node& root,
                       input::Diagnostics& diagnostics);

}  // namespace mensura::gp
