// SPDX-License-Identifier: BSD-3-Clause
// Every deck in tests/invalid/divergence must be refused with exactly the text in NAME.expected.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "divergence/deck.hpp"
#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

std::string read(const std::filesystem::path& file) {
  const std::ifstream stream(file);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

class InvalidDeck : public testing::TestWithParam<std::filesystem::path> {};

TEST_P(InvalidDeck, IsRefusedWithItsMessage) {
  const std::filesystem::path deck = GetParam();
  std::filesystem::path expected = deck;
  expected.replace_extension(".expected");
  std::string found = "the deck was accepted\n";
  try {
    input::parse_deck(deck.filename().string(), read(deck), schema());
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::usage);
    found = std::string(error.what()) + "\n";
  }
  // A maintainer who changes a message on purpose renews the files with this variable, and reads
  // them.
  if (std::getenv("MENSURA_UPDATE_EXPECTED") != nullptr) std::ofstream(expected) << found;
  EXPECT_EQ(found, read(expected));
}

std::vector<std::filesystem::path> decks() {
  std::vector<std::filesystem::path> result;
  for (const auto& entry : std::filesystem::directory_iterator(INVALID_DECKS)) {
    if (entry.path().extension() == ".yaml") result.push_back(entry.path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

INSTANTIATE_TEST_SUITE_P(Corpus, InvalidDeck, testing::ValuesIn(decks()),
                         [](const auto& deck) { return deck.param.stem().string(); });

TEST(InvalidDecks, AreMany) {
  EXPECT_GE(decks().size(), 40U);
}

}  // namespace
}  // namespace mensura::divergence
