// SPDX-License-Identifier: BSD-3-Clause
// Every deck in tests/invalid/transport must be refused with exactly the text it expects, and every
// deck that users copy must be accepted.
#include "support/invalid_decks.hpp"

#include <gtest/gtest.h>

#include "transport/deck.hpp"

namespace mensura::transport {
namespace {

TEST(InvalidDecks, AreRefusedWithTheirMessages) {
  input::check_schema(schema());
  EXPECT_GE(test::check_invalid_decks(INVALID_DECKS, schema()), 80);
}

TEST(DecksToCopy, AreValidAndSoAreTheirResolvedForms) {
  const auto read = [](const input::Deck& deck) { problem_from(deck); };
  // The folder of the photographs need not exist: nothing is read.
  const input::Variables variables{{"MENSURA_DATA", "/data"}};
  EXPECT_GE(test::expect_valid_decks(DECKS, schema(), read, variables), 12);
}

}  // namespace
}  // namespace mensura::transport
