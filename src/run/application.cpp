// SPDX-License-Identifier: BSD-3-Clause
#include "run/application.hpp"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <optional>

#include "input/common.hpp"
#include "output/memory.hpp"
#include "parallel/environment.hpp"
#include "parallel/error.hpp"
#include "parallel/watchdog.hpp"
#include "run/batch_run.hpp"
#include "run/clock.hpp"
#include "run/command_line.hpp"
#include "run/log.hpp"
#include "run/rendezvous.hpp"
#include "run/signals.hpp"
#include "run/versions.hpp"

namespace mensura::run {
namespace {

using parallel::ExitCode;

void print(const parallel::Communicator& comm, const std::string& text) {
  if (!comm.is_root()) return;
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// Collective. Comments, so that the whole output of --dry-run is a deck again.
std::string prediction_text(const Prediction& mine, const parallel::Communicator& comm) {
  std::string text =
      fmt::format("# prediction for {} rank{}\n", comm.size(), comm.size() == 1 ? "" : "s");
  text += fmt::format("#   memory per rank  {} (largest), {} in all\n",
                      output::format_bytes(comm.max(mine.memory_bytes)),
                      output::format_bytes(comm.sum(mine.memory_bytes)));
  text += fmt::format("#   communication    {}\n", output::format_bytes(mine.communication_bytes));
  text += fmt::format("#   one checkpoint   {}\n", output::format_bytes(mine.checkpoint_bytes));
  for (const auto& line : mine.lines) text += fmt::format("#   {}\n", line);
  return text;
}

// Collective.
void dry_run(const Driver& driver, const input::Deck& deck, const parallel::Communicator& comm) {
  print(comm, deck.resolved_yaml());
  if (!driver.predict) return;
  const Prediction prediction = driver.predict(deck, comm);
  print(comm, prediction_text(prediction, comm));
  output::check_memory(comm, prediction.memory_bytes, prediction.name);
}

// Collective.
input::Deck checked_deck(const Driver& driver, const CommandLine& line,
                         const parallel::Communicator& comm) {
  input::Deck deck = input::read_deck(comm, line.deck, driver.schema, line.overrides);
  if (driver.check) {
    parallel::agree(comm, [&] {
      input::Diagnostics diagnostics(deck.file());
      driver.check(deck, diagnostics);
      diagnostics.finish();
    });
  }
  input::check_files(comm, deck);
  return deck;
}

// Collective.
ExitCode perform(const Driver& driver, const CommandLine& line, const Surroundings& around) {
  using Action = CommandLine::Action;
  const auto& comm = around.comm;
  const std::string program = "mensura-" + driver.name;
  switch (line.action) {
    case Action::help:
      print(comm, fmt::format("{}\n\n{}\n{}", driver.schema.help, command_line_help(program),
                              input::help_text(driver.schema)));
      return ExitCode::success;
    case Action::version:
      print(comm, version_text(program));
      return ExitCode::success;
    case Action::print_defaults:
      print(comm, input::print_defaults(driver.schema));
      return ExitCode::success;
    case Action::dry_run:
      dry_run(driver, checked_deck(driver, line, comm), comm);
      return ExitCode::success;
    case Action::run:
      break;
  }
  const input::Deck deck = checked_deck(driver, line, comm);
  BatchRun run(driver, line, deck, around);
  return run.execute();
}

// Collective: everything between MPI's start and end.
ExitCode guarded_main(int argc, char** argv, const Driver& driver, Clock& clock, bool launched) {
  const auto comm = parallel::Communicator::world();
  // A rank that is stopped or lost must not hold the others for 30 s, the abort included.
  parallel::Watchdog::Settings vigilance;
  vigilance.silence = std::chrono::seconds(22);
  const parallel::Watchdog watchdog(comm, vigilance);
  const Rendezvous rendezvous(comm);
  const std::string program = "mensura-" + driver.name;
  ExitCode code = ExitCode::success;
  std::optional<parallel::Error> mine;
  try {
    const CommandLine line = parse_command_line(argc, argv, program);
    code = perform(driver, line, {comm, rendezvous, clock, watchdog.missing_links(), launched});
  } catch (...) {
    mine = to_error(std::current_exception());
  }
  const auto error = rendezvous.meet(mine);
  if (!error) return code;
  if (comm.is_root()) fmt::print(stderr, "{}: {}\n", program, error->what());
  return error->code();
}

}  // namespace

int main(int argc, char** argv, const Driver& driver) {
  install_signal_handlers();
  Clock clock;
  const bool launched = under_launcher();
  try {
    parallel::Environment environment(argc, argv);
    return static_cast<int>(guarded_main(argc, argv, driver, clock, launched));
  } catch (...) {
    // Only what fails outside of any agreement comes here: MPI's own start, or no memory at all.
    const parallel::Error error = to_error(std::current_exception());
    parallel::abort_job(error.code(), error.what());
  }
}

}  // namespace mensura::run
