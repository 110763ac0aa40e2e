// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <vector>

namespace mensura::run {

/// What the user asked for (design: "Command line and exit codes"; README).
struct CommandLine {
  enum class Action { run, dry_run, print_defaults, help, version };
  Action action = Action::run;
  std::string deck;
  std::vector<std::string> overrides;  ///< of --set, and --output and --wall as their keys
  std::string restart;                 ///< empty, "auto" or the path of a checkpoint
  std::string wall;                    ///< of --wall, as given
  std::string progress = "auto";       ///< auto, plain or never
  std::vector<std::string> petsc;      ///< what followed `--`
};

/// Local; the same on all ranks. Throws Error{usage} with a suggestion for a misspelt option.
CommandLine parse_command_line(int argc, const char* const* argv, const std::string& program);

/// Usage and options, without the keys of the deck.
std::string command_line_help(const std::string& program);

}  // namespace mensura::run
