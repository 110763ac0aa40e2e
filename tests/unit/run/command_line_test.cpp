// SPDX-License-Identifier: BSD-3-Clause
#include "run/command_line.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "parallel/error.hpp"

namespace {

using namespace mensura;
using Action = run::CommandLine::Action;
using Words = std::vector<std::string>;

run::CommandLine parse(const Words& words) {
  std::vector<const char*> argv{"mensura-test"};
  for (const auto& word : words) argv.push_back(word.c_str());
  return run::parse_command_line(static_cast<int>(argv.size()), argv.data(), "mensura-test");
}

std::string refusal(const Words& words) {
  try {
    parse(words);
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::usage);
    return error.what();
  }
  ADD_FAILURE() << "accepted";
  return "";
}

TEST(CommandLine, AllOptionsInAnyOrder) {
  const auto line =
      parse({"--set", "a.b=1", "deck.yaml", "--restart", "auto", "--set=c=[1, 2]", "--output",
             "o'ut", "--wall", "01:00:00", "--progress", "never", "--", "-ksp_view", "--set", "x"});
  EXPECT_EQ(line.action, Action::run);
  EXPECT_EQ(line.deck, "deck.yaml");
  EXPECT_EQ(line.restart, "auto");
  EXPECT_EQ(line.progress, "never");
  EXPECT_EQ(line.wall, "01:00:00");
  EXPECT_EQ(line.petsc, (Words{"-ksp_view", "--set", "x"}));
  // --output and --wall come last, so that they win over a --set of the same key.
  EXPECT_EQ(line.overrides,
            (Words{"a.b=1", "c=[1, 2]", "output.folder='o''ut'", "run.wall_time='01:00:00'"}));
}

TEST(CommandLine, SetTakesOneValueAndLeavesTheDeckAlone) {
  const auto line = parse({"--set", "a=1", "deck.yaml"});
  EXPECT_EQ(line.overrides, Words{"a=1"});
  EXPECT_EQ(line.deck, "deck.yaml");
}

TEST(CommandLine, Actions) {
  EXPECT_EQ(parse({"--help"}).action, Action::help);
  EXPECT_EQ(parse({"-h"}).action, Action::help);
  EXPECT_EQ(parse({"--version"}).action, Action::version);
  EXPECT_EQ(parse({"--print-defaults"}).action, Action::print_defaults);
  EXPECT_EQ(parse({"--dry-run", "deck.yaml"}).action, Action::dry_run);
}

TEST(CommandLine, RefusalsSayWhatToDo) {
  EXPECT_NE(refusal({"--dryrun", "d"}).find("did you mean '--dry-run'"), std::string::npos);
  EXPECT_NE(refusal({"--ouput=x", "d"}).find("did you mean '--output'"), std::string::npos);
  EXPECT_NE(refusal({"-ksp_view", "d"}).find("after `--`"), std::string::npos);
  EXPECT_NE(refusal({"a.yaml", "b.yaml"}).find("'b.yaml'"), std::string::npos);
  EXPECT_NE(refusal({}).find("no deck"), std::string::npos);
  EXPECT_NE(refusal({"--dry-run"}).find("no deck"), std::string::npos);
  EXPECT_NE(refusal({"d", "--wall", "5"}).find("hh:mm:ss"), std::string::npos);
  EXPECT_NE(refusal({"d", "--set", "novalue"}).find("key.path=value"), std::string::npos);
  EXPECT_NE(refusal({"d", "--progress", "nver"}).find("did you mean 'never'"), std::string::npos);
  EXPECT_NE(refusal({"d", "--restart"}).find("--help"), std::string::npos);
  EXPECT_NE(refusal({"d", "--output", ""}).find("empty"), std::string::npos);
}

TEST(CommandLine, HelpNamesEveryPublicOption) {
  const std::string help = run::command_line_help("mensura-test");
  for (const char* option : {"--dry-run", "--print-defaults", "--help", "--version", "--set",
                             "--restart", "--output", "--wall", "--progress"}) {
    EXPECT_NE(help.find(option), std::string::npos) << option;
  }
}

}  // namespace
