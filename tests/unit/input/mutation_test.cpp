// SPDX-License-Identifier: BSD-3-Clause
// Damaged decks: reading returns or throws Error{usage}; it never crashes and never throws anything
// else. A fixed seed, so that a failure can be repeated.
#include <gtest/gtest.h>

#include <random>
#include <string>

#include "input/deck.hpp"
#include "parallel/error.hpp"
#include "sample_schema.hpp"

namespace mensura::input {
namespace {

// Returns whether the deck was accepted; a text that resolves must also resolve again to itself.
bool read(const std::string& bytes, const Schema& schema) {
  try {
    const Deck deck = parse_deck("deck.yaml", bytes, schema);
    const std::string resolved = deck.resolved_yaml();
    EXPECT_EQ(parse_deck("deck.yaml", resolved, schema).resolved_yaml(), resolved) << bytes;
    return true;
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::usage) << error.what() << "\n" << bytes;
    EXPECT_FALSE(std::string(error.what()).empty());
    return false;
  }
}

std::string mutate(std::string bytes, std::mt19937_64& random) {
  static const std::string special = "{}[]:,&*#!|>'\"%@`-?\n\t \\\0~<=.0e";
  const auto number = 1 + random() % 4;
  for (std::uint64_t i = 0; i < number && !bytes.empty(); ++i) {
    const std::size_t at = random() % bytes.size();
    switch (random() % 6) {
      case 0:
        bytes[at] = static_cast<char>(random() % 256);
        break;
      case 1:
        bytes[at] = special[random() % special.size()];
        break;
      case 2:
        bytes.erase(at, 1 + random() % 20);
        break;
      case 3:
        bytes.insert(at, 1, special[random() % special.size()]);
        break;
      case 4:
        bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 60));
        break;
      default:
        bytes.resize(at + 1);
    }
  }
  return bytes;
}

TEST(Mutation, DamagedDecksAreReportedOrRead) {
  const Schema schema = test::sample_schema();
  const std::string deck = test::sample_deck();
  std::mt19937_64 random(20240229);
  int accepted = 0;
  for (int i = 0; i < 2000 && !testing::Test::HasFailure(); ++i) {
    accepted += read(mutate(deck, random), schema) ? 1 : 0;
  }
  // Both outcomes must occur, else the test sees only one path.
  EXPECT_GT(accepted, 40);
  EXPECT_LT(accepted, 1500);
}

TEST(Mutation, DamagedOverridesAreReportedOrRead) {
  const Schema schema = test::sample_schema();
  const std::string deck = test::sample_deck();
  const std::string whole = "quantities.1={name: renyi, order: 0.5, of: [p, q]}";
  std::mt19937_64 random(7);
  for (int i = 0; i < 300; ++i) {
    const std::string text = mutate(whole, random);
    try {
      parse_deck("deck.yaml", deck, schema, {text, "run.seed=3", text});
    } catch (const parallel::Error& error) {
      ASSERT_EQ(error.code(), parallel::ExitCode::usage) << error.what() << "\n" << text;
    }
  }
}

TEST(Mutation, LongAndDeepTexts) {
  const Schema schema = test::sample_schema();
  for (const char* piece :
       {"[",  "{",    "- ",     "? ", "a: {", "&a [",  "!!",    "*",     "'",  "\"\\", "|\n ",
        ": ", "- - ", "a: &b ", ",",  "#",    "%TAG ", "---\n", "...\n", "\n", "\\"}) {
    SCOPED_TRACE(piece);
    std::string text;
    while (text.size() < 50'000) text += piece;
    EXPECT_FALSE(read(text, schema));
    EXPECT_FALSE(read("sets: " + text, schema));
  }
  EXPECT_FALSE(read("length: " + std::string(200'000, '9'), schema));
  EXPECT_FALSE(read("length: 1e" + std::string(100'000, '9'), schema));
  EXPECT_FALSE(read("run: {seed: 1" + std::string(100'000, '0') + "}", schema));
}

}  // namespace
}  // namespace mensura::input
