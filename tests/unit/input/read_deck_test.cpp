// SPDX-License-Identifier: BSD-3-Clause
// Reading on several ranks: one file access, the same tree or the same error everywhere.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "input/deck.hpp"
#include "input/identity.hpp"
#include "parallel/communicator.hpp"
#include "sample_schema.hpp"

namespace mensura::input {
namespace {

using parallel::Communicator;
using parallel::ExitCode;

// A folder that only rank 0 fills and all ranks name alike.
class ReadDeck : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = std::to_string(::getpid());
    comm_.broadcast(name);
    folder_ = std::filesystem::temp_directory_path() / ("mensura_read_deck_" + name);
    if (comm_.is_root()) std::filesystem::create_directories(folder_);
    comm_.barrier();
  }
  void TearDown() override {
    comm_.barrier();
    if (comm_.is_root()) std::filesystem::remove_all(folder_);
  }
  std::string write(const std::string& name, const std::string& bytes) {
    if (comm_.is_root()) std::ofstream(folder_ / name, std::ios::binary) << bytes;
    comm_.barrier();
    return (folder_ / name).string();
  }
  // All ranks must throw the same text; `part` is contained in it.
  void expect_error(ExitCode code, const std::string& part, const std::function<void()>& action) {
    std::string text = "no error";
    ExitCode found = ExitCode::success;
    try {
      action();
    } catch (const parallel::Error& error) {
      text = error.what();
      found = error.code();
    }
    EXPECT_EQ(found, code);
    EXPECT_NE(text.find(part), std::string::npos) << text;
    std::string of_root = text;
    comm_.broadcast(of_root);
    EXPECT_EQ(text, of_root);
  }

  Communicator comm_ = Communicator::world();
  Schema schema_ = test::sample_schema();
  std::filesystem::path folder_;
};

TEST_F(ReadDeck, SameTreeOnAllRanks) {
  const std::string path = write("deck.yaml", test::sample_deck());
  // What only rank 0 says must count: path and overrides of the others are ignored.
  const Deck deck = comm_.is_root() ? read_deck(comm_, path, schema_, {"run.seed=9"})
                                    : read_deck(comm_, "nowhere", schema_, {"bad"});
  EXPECT_EQ(deck["run"]["seed"].integer(), 9);
  EXPECT_EQ(deck.sha256(), sha256(test::sample_deck()));
  EXPECT_EQ(deck.file(), path);
  EXPECT_EQ(deck["sets"]["p"]["file"].path(), folder_ / "data/p.h5");
  std::string resolved = deck.resolved_yaml();
  comm_.broadcast(resolved);
  EXPECT_EQ(deck.resolved_yaml(), resolved);
}

TEST_F(ReadDeck, EnvironmentOfRankZero) {
  ::setenv("MENSURA_TEST_PLACE", comm_.is_root() ? "/anywhere" : "/other", 1);
  const std::string path = write("deck.yaml",
                                 "sets: {p: {file: \"${MENSURA_TEST_PLACE}/a\", dataset: b}}\n"
                                 "quantities: [{name: kl, of: [p, p]}]\n");
  const Deck deck = read_deck(comm_, path, schema_, {"output.folder=${MENSURA_TEST_PLACE}/out"});
  EXPECT_EQ(deck["sets"]["p"]["file"].path(), "/anywhere/a");
  EXPECT_EQ(deck["output"]["folder"].path(), "/anywhere/out");
}

TEST_F(ReadDeck, UnreadableFiles) {
  const std::string missing = (folder_ / "nope.yaml").string();
  expect_error(ExitCode::usage, "deck '" + missing + "' does not exist",
               [&] { read_deck(comm_, missing, schema_); });
  expect_error(ExitCode::usage, "is a folder; name a file in it",
               [&] { read_deck(comm_, folder_.string(), schema_); });
  expect_error(ExitCode::usage, "has no name", [&] { read_deck(comm_, "", schema_); });
  std::string garbage;
  for (int i = 0; i < 4096; ++i) garbage += static_cast<char>((i * 197 + 131) % 256);
  const std::string binary = write("binary.yaml", garbage);
  expect_error(ExitCode::usage, "expected a YAML text file",
               [&] { read_deck(comm_, binary, schema_); });
  const std::string large = write("large.yaml", std::string((16 << 20) + 1, '#'));
  expect_error(ExitCode::usage, "is larger than 16 MiB", [&] { read_deck(comm_, large, schema_); });
}

TEST_F(ReadDeck, WrongDeck) {
  const std::string path = write("deck.yaml", "sets: 5\n");
  expect_error(ExitCode::usage, "2 errors in", [&] { read_deck(comm_, path, schema_); });
}

TEST_F(ReadDeck, MissingDataFiles) {
  write("here.h5", "data");
  if (comm_.is_root()) std::filesystem::create_directories(folder_ / "folder.h5");
  const std::string path = write("deck.yaml",
                                 "sets:\n  a: {file: here.h5, dataset: x}\n"
                                 "  b: {file: gone.h5, dataset: x}\n"
                                 "  c: {file: folder.h5, dataset: x}\n"
                                 "quantities: [{name: kl, of: [a, b]}]\n");
  const Deck deck = read_deck(comm_, path, schema_);
  const std::string gone = (folder_ / "gone.h5").string();
  const std::string folder = (folder_ / "folder.h5").string();
  const auto check = [&] { check_files(comm_, deck); };
  expect_error(ExitCode::input_data,
               path + ":3:13: sets.b.file: the file '" + gone + "' does not exist\n" + path +
                   ":4:13: sets.c.file: the file '" + folder + "' is a folder\n2 errors in " + path,
               check);
  const Deck good = read_deck(comm_, path, schema_, {"sets.b.file=here.h5", "sets.c.file=here.h5"});
  EXPECT_NO_THROW(check_files(comm_, good));
}

}  // namespace
}  // namespace mensura::input
