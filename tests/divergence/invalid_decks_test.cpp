// SPDX-License-Identifier: BSD-3-Clause
// Every deck in tests/invalid/divergence must be refused with exactly the text it expects.
#include "support/invalid_decks.hpp"

#include <gtest/gtest.h>

#include "divergence/deck.hpp"

namespace mensura::divergence {
namespace {

TEST(InvalidDecks, AreRefusedWithTheirMessages) {
  input::check_schema(schema());
  EXPECT_GE(test::check_invalid_decks(INVALID_DECKS, schema()), 40);
}

}  // namespace
}  // namespace mensura::divergence
