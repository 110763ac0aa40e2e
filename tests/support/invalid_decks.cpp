// SPDX-License-Identifier: BSD-3-Clause
#include "support/invalid_decks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "input/deck.hpp"
#include "parallel/error.hpp"

namespace mensura::test {
namespace {

struct Expectation {
  std::string text;
  std::vector<std::string> overrides;
};

Expectation read_comments(const std::string& name, const std::string& bytes) {
  const std::string expect = "# expect: ";
  const std::string set = "# set: ";
  Expectation result;
  std::size_t number = 0;
  std::istringstream stream(bytes);
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with(set)) result.overrides.push_back(line.substr(set.size()));
    if (!line.starts_with(expect)) continue;
    const std::string message = line.substr(expect.size());
    result.text += (message.starts_with("--set") ? "" : name + ":") + message + "\n";
    ++number;
  }
  EXPECT_GT(number, 0U) << "the deck does not say what it expects";
  result.text += std::to_string(number) + (number == 1 ? " error" : " errors") + " in " + name;
  result.text += "; nothing was run";
  return result;
}

void check_deck(const std::filesystem::path& path, const input::Schema& schema) {
  const std::string name = path.filename().string();
  SCOPED_TRACE(name);
  std::ifstream stream(path, std::ios::binary);
  std::stringstream bytes;
  bytes << stream.rdbuf();
  const Expectation expected = read_comments(name, bytes.str());
  try {
    input::parse_deck(name, bytes.str(), schema, expected.overrides,
                      input::environment_of(bytes.str()));
    ADD_FAILURE() << "the deck was accepted";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.what(), expected.text);
    EXPECT_EQ(error.code(), parallel::ExitCode::usage);
  }
}

std::vector<std::filesystem::path> decks_in(const std::string& folder) {
  std::vector<std::filesystem::path> decks;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") decks.push_back(entry.path());
  }
  std::sort(decks.begin(), decks.end());
  return decks;
}

}  // namespace

int check_invalid_decks(const std::string& folder, const input::Schema& schema) {
  const auto decks = decks_in(folder);
  for (const auto& deck : decks) check_deck(deck, schema);
  return static_cast<int>(decks.size());
}

void expect_valid_deck(const std::string& path, const input::Schema& schema,
                       const std::function<void(const input::Deck&)>& read,
                       const input::Variables& variables) {
  SCOPED_TRACE(path);
  std::ifstream stream(path, std::ios::binary);
  std::stringstream bytes;
  bytes << stream.rdbuf();
  const auto deck = input::parse_deck("deck.yaml", bytes.str(), schema, {}, variables);
  EXPECT_NO_THROW(read(deck));
  const auto again = input::parse_deck("deck.yaml", deck.resolved_yaml(), schema);
  EXPECT_EQ(again.resolved_yaml(), deck.resolved_yaml());
}

int expect_valid_decks(const std::string& folder, const input::Schema& schema,
                       const std::function<void(const input::Deck&)>& read,
                       const input::Variables& variables) {
  const auto decks = decks_in(folder);
  for (const auto& deck : decks) expect_valid_deck(deck.string(), schema, read, variables);
  return static_cast<int>(decks.size());
}

}  // namespace mensura::test
