// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>

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

}  // namespace mensura::test
