// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

#include "input/deck.hpp"
#include "input/schema.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// The option tables of a transport deck.
const input::Schema& schema();

/// The word for it in the deck: "auto", "newton", ...
const std::string& name_of(Method method);

/// Local. What the deck says, after the schema's checks.
Problem problem_from(const input::Deck& deck);

}  // namespace mensura::transport
