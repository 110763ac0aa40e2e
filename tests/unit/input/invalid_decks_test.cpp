// SPDX-License-Identifier: BSD-3-Clause
#include "support/invalid_decks.hpp"

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "sample_schema.hpp"

namespace mensura::test {
namespace {

TEST(InvalidDecks, Sample) {
  const std::string folder = std::string(MENSURA_INVALID_DECKS) + "/sample";
  EXPECT_EQ(check_invalid_decks(folder, input::test::sample_schema()), 2);
}

// The check of the check: a valid deck and a wrong expectation must fail it.
TEST(InvalidDecks, NoticesValidDecks) {
  static const auto folder = std::filesystem::temp_directory_path() / "mensura_invalid_decks";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "valid.yaml") << "# expect: 1:1: sets: found nothing\n"
                                       << input::test::sample_deck();
  EXPECT_NONFATAL_FAILURE(check_invalid_decks(folder.string(), input::test::sample_schema()),
                          "the deck was accepted");
  std::ofstream(folder / "valid.yaml") << "# expect: 1:1: something else\nsets: 5\n";
  EXPECT_NONFATAL_FAILURE(check_invalid_decks(folder.string(), input::test::sample_schema()),
                          "something else");
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace mensura::test
