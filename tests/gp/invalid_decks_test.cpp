// SPDX-License-Identifier: BSD-3-Clause
// Every deck in tests/invalid/gp must be refused with exactly the text it expects, and every deck
// that users copy must be accepted.
#include "support/invalid_decks.hpp"

#include <gtest/gtest.h>

#include "gp/deck.hpp"

namespace mensura::gp {
namespace {

TEST(InvalidDecks, AreRefusedWithTheirMessages) {
  input::check_schema(schema());
  EXPECT_GE(test::check_invalid_decks(INVALID_DECKS, schema()), 100);
}

TEST(DecksToCopy, AreValidAndSoAreTheirResolvedForms) {
  const auto read = [](const input::Deck& deck) { problem_from(deck); };
  test::expect_valid_deck(CLOUD, schema(), read);
  EXPECT_GE(test::expect_valid_decks(DECKS, schema(), read), 12);
}

}  // namespace
}  // namespace mensura::gp
