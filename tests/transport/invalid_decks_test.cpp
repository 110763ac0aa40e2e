// SPDX-License-Identifier: BSD-3-Clause
// Every deck in tests/invalid/transport must be refused with exactly the text it expects, and every
// deck that users copy must be accepted.
#include "support/invalid_decks.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "transport/deck.hpp"

namespace mensura::transport {
namespace {

TEST(InvalidDecks, AreRefusedWithTheirMessages) {
  input::check_schema(schema());
  EXPECT_GE(test::check_invalid_decks(INVALID_DECKS, schema()), 80);
}

void expect_valid(const std::filesystem::path& path) {
  SCOPED_TRACE(path.filename().string());
  std::ifstream stream(path, std::ios::binary);
  std::stringstream bytes;
  bytes << stream.rdbuf();
  // The folder of the photographs need not exist: nothing is read.
  const input::Variables variables{{"MENSURA_DATA", "/data"}};
  const auto deck = input::parse_deck("deck.yaml", bytes.str(), schema(), {}, variables);
  EXPECT_NO_THROW(problem_from(deck));
  const auto again = input::parse_deck("deck.yaml", deck.resolved_yaml(), schema());
  EXPECT_EQ(again.resolved_yaml(), deck.resolved_yaml());
}

TEST(DecksToCopy, AreValidAndSoAreTheirResolvedForms) {
  int number = 0;
  for (const auto& entry : std::filesystem::directory_iterator(DECKS)) {
    if (entry.path().extension() != ".yaml") continue;
    expect_valid(entry.path());
    ++number;
  }
  EXPECT_GE(number, 12);
}

}  // namespace
}  // namespace mensura::transport
