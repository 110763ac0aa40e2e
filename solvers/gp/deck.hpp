// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "gp/problem.hpp"
#include "input/deck.hpp"
#include "input/schema.hpp"

namespace mensura::gp {

/// The option tables of mensura-gp decks: the only source of their parsing and reference.
const input::Schema& schema();

/// Local. The plain problem of a checked deck.
Problem problem_from(const input::Deck& deck);

}  // namespace mensura::gp
