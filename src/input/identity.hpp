// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "input/deck.hpp"

namespace mensura::input {

/// SHA-256 in lower-case hexadecimal. Local.
std::string sha256(std::string_view bytes);

/// Local. SHA-256 of the resolved keys and values, without the excluded key paths and all below
/// them. `*` in a path stands for any one name: "sets.*.file". The same for decks that mean the
/// same: order of keys, comments, spelling of numbers and defaults left out do not count.
std::string problem_hash(const Deck& deck, const std::vector<std::string>& excluded = {});

/// Local. Key paths whose values differ between two resolved decks ("quantities.0.order: 0.5 is now
/// 0.3"; absent ones are said to be absent), without the excluded ones. Throws Error{input_data}
/// when a text is not a resolved deck (a damaged checkpoint).
std::vector<std::string> differing_keys(const std::string& resolved_before,
                                        const std::string& resolved_now,
                                        const std::vector<std::string>& excluded = {});

}  // namespace mensura::input
