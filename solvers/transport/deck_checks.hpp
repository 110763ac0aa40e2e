// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <vector>

#include "input/schema.hpp"

namespace mensura::transport {

/// Checks across the sections of a transport deck: names, dimensions that the deck knows, and which
/// method can do what.
std::vector<input::Check> deck_checks();

}  // namespace mensura::transport
