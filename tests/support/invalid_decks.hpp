// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <string>

#include "input/deck.hpp"
#include "input/schema.hpp"

namespace mensura::test {

/// Reads every *.yaml in `folder` with the schema and compares the whole error text with what the
/// deck itself expects, in comments, one per error and sorted by position:
///
///     # expect: 3:1: confidnce: found an unknown key; ...
///     # expect: --set run.seed=-1: run.seed: found '-1'; ...
///     # set: run.seed=-1
///
/// `set` is an override. A deck that is accepted, or one without `expect`, fails. Returns the
/// number of decks. Local.
int check_invalid_decks(const std::string& folder, const input::Schema& schema);

/// A deck that users copy must be accepted, `read` must take it, and its resolved form must resolve
/// to itself. The files that it names need not exist. Local.
void expect_valid_deck(const std::string& path, const input::Schema& schema,
                       const std::function<void(const input::Deck&)>& read,
                       const input::Variables& variables = {});

/// The same for every *.yaml in `folder`; returns their number. Local.
int expect_valid_decks(const std::string& folder, const input::Schema& schema,
                       const std::function<void(const input::Deck&)>& read,
                       const input::Variables& variables = {});

}  // namespace mensura::test
