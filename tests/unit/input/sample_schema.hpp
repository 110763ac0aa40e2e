// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "input/schema.hpp"

namespace mensura::input::test {

/// A schema that uses every kind of option once: the decks of these tests are written against it.
Schema sample_schema();

/// A deck that is valid for it and sets most keys.
const char* sample_deck();

}  // namespace mensura::input::test
