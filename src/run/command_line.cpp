// SPDX-License-Identifier: BSD-3-Clause
#include "run/command_line.hpp"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>

#include "input/common.hpp"
#include "input/diagnostics.hpp"
#include "parallel/error.hpp"

namespace mensura::run {
namespace {

using parallel::Error;
using parallel::ExitCode;

/// What CLI11 fills in.
struct Raw {
  CommandLine line;
  bool dry_run = false, print_defaults = false;
  bool help = false, version = false;
  std::optional<std::string> output, wall;
};

std::unique_ptr<CLI::App> make_app(Raw& raw, const std::string& program) {
  auto app = std::make_unique<CLI::App>("", program);
  app->set_help_flag();  // our own: it also lists the keys of the deck
  app->allow_extras();
  app->add_flag("--dry-run", raw.dry_run,
                "check the deck and the files it names, print the resolved deck and what a run "
                "needs; computes nothing");
  app->add_flag("--print-defaults", raw.print_defaults, "print a deck with all keys and defaults");
  app->add_flag("--help,-h", raw.help, "print this text");
  app->add_flag("--version", raw.version, "print versions and stop");
  app->add_option("--set", raw.line.overrides, "override a key of the deck; may be repeated")
      ->type_name("KEY.PATH=VALUE")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  app->add_option("--restart", raw.line.restart,
                  "continue: from the newest sound checkpoint of the output folder (auto; anew if "
                  "there is none), or from a checkpoint folder")
      ->type_name("auto|FILE");
  app->add_option("--output", raw.output, "output folder, instead of output.folder")
      ->type_name("DIR");
  app->add_option("--wall", raw.wall, "stop with a checkpoint before this time is over")
      ->type_name("HH:MM:SS");
  app->add_option("--progress", raw.line.progress, "progress lines on the terminal")
      ->type_name("auto|plain|never");
  app->add_option("deck", raw.line.deck, "the deck")->type_name("DECK.YAML");
  return app;
}

const std::vector<std::string> option_names = {
    "--dry-run", "--print-defaults", "--help", "--version", "--set",
    "--restart", "--output",         "--wall", "--progress"};

[[noreturn]] void refuse(const std::string& program, const std::string& text) {
  throw Error(ExitCode::usage, fmt::format("{}\nTry {} --help", text, program));
}

void refuse_extras(const std::string& program, const std::vector<std::string>& extras,
                   const std::string& deck) {
  if (extras.empty()) return;
  const std::string& word = extras.front();
  if (word.starts_with("--")) {
    const std::string name = word.substr(0, word.find('='));
    refuse(program,
           fmt::format("unknown option {}{}", name, input::suggestion(name, option_names)));
  }
  if (word.starts_with('-')) {
    refuse(program,
           fmt::format("unknown option {}; options of PETSc go after `--`, at the end", word));
  }
  refuse(program, fmt::format("one deck is expected, found '{}' and '{}'", deck, word));
}

void check_values(const std::string& program, const Raw& raw) {
  const auto& progress = raw.line.progress;
  if (progress != "auto" && progress != "plain" && progress != "never") {
    refuse(program, fmt::format("--progress {}: expected auto, plain or never{}", progress,
                                input::suggestion(progress, {"auto", "plain", "never"})));
  }
  if (raw.wall && !input::parse_duration(*raw.wall)) {
    refuse(program, fmt::format("--wall {}: expected a time as hh:mm:ss", *raw.wall));
  }
  for (const auto& one : raw.line.overrides) {
    if (one.find('=') == std::string::npos || one.front() == '=') {
      refuse(program, fmt::format("--set {}: expected key.path=value", one));
    }
  }
  if (raw.output && raw.output->empty()) refuse(program, "--output: the folder's name is empty");
}

// A name as YAML would read it back, whatever characters it has.
std::string yaml_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("''") : std::string(1, c);
  return result + "'";
}

CommandLine::Action action_of(const Raw& raw) {
  using Action = CommandLine::Action;
  if (raw.help) return Action::help;
  if (raw.version) return Action::version;
  if (raw.print_defaults) return Action::print_defaults;
  return raw.dry_run ? Action::dry_run : Action::run;
}

}  // namespace

CommandLine parse_command_line(int argc, const char* const* argv, const std::string& program) {
  Raw raw;
  const char* const* end = argv + argc;
  const char* const* dashes =
      std::find_if(argv + 1, end, [](const char* word) { return std::strcmp(word, "--") == 0; });
  if (dashes != end) raw.line.petsc.assign(dashes + 1, end);
  const auto app = make_app(raw, program);
  try {
    app->parse(static_cast<int>(dashes - argv), argv);
  } catch (const CLI::ParseError& error) {
    refuse(program, error.what());
  }
  refuse_extras(program, app->remaining(), raw.line.deck);
  check_values(program, raw);
  raw.line.action = action_of(raw);
  const bool needs_deck = raw.line.action == CommandLine::Action::run ||
                          raw.line.action == CommandLine::Action::dry_run;
  if (needs_deck && raw.line.deck.empty()) refuse(program, "no deck was given");
  if (raw.output) raw.line.overrides.push_back("output.folder=" + yaml_quoted(*raw.output));
  if (raw.wall) {
    raw.line.wall = *raw.wall;
    raw.line.overrides.push_back("run.wall_time=" + yaml_quoted(*raw.wall));
  }
  return raw.line;
}

std::string command_line_help(const std::string& program) {
  Raw raw;
  const auto app = make_app(raw, program);
  std::string text = fmt::format("Usage: {} [OPTIONS] DECK.YAML [-- PETSC OPTIONS]\n", program);
  const std::string body = app->help();
  const auto options = body.find("Options:");
  if (options != std::string::npos) text += "\n" + body.substr(options);
  return text;
}

}  // namespace mensura::run
