// SPDX-License-Identifier: BSD-3-Clause
#include "run/restart.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>
#include <sstream>

#include "input/common.hpp"
#include "input/identity.hpp"
#include "parallel/error.hpp"

namespace mensura::run {
namespace {

using parallel::Error;
using parallel::ExitCode;

[[noreturn]] void refuse_other_problem(const std::string& what, const std::string& resolved_then,
                                       const std::string& resolved_now) {
  std::string keys;
  for (const auto& key :
       input::differing_keys(resolved_then, resolved_now, input::restart_free_keys())) {
    keys += "\n  " + key;
  }
  throw Error(ExitCode::usage,
              fmt::format("{} belongs to another problem; these keys differ:{}\nRestore them, or "
                          "start anew in another folder (--output DIR without --restart)",
                          what, keys));
}

// Warns of keys that say how to solve and differ.
void check_same_problem(const Identity& identity, RestartPlan& plan) {
  const output::CheckpointReader& checkpoint = *plan.checkpoint;
  const std::string& path = plan.path;
  const std::string driver = checkpoint.text("run/driver");
  if (driver != identity.driver) {
    throw Error(ExitCode::usage, fmt::format("checkpoint '{}' was written by mensura-{}, this is "
                                             "mensura-{}",
                                             path, driver, identity.driver));
  }
  if (checkpoint.text("run/problem_hash") == identity.problem_hash) return;
  const std::string then = checkpoint.text("run/resolved");
  auto free = input::restart_free_keys();
  const auto changed = input::differing_keys(then, identity.resolved, free);
  free.insert(free.end(), identity.restart_keys.begin(), identity.restart_keys.end());
  if (changed.empty() || !input::differing_keys(then, identity.resolved, free).empty()) {
    refuse_other_problem(fmt::format("checkpoint '{}'", path), then, identity.resolved);
  }
  plan.warnings.push_back(
      fmt::format("the steps of checkpoint '{}' were made with other values of:"
                  " {}",
                  path, fmt::join(changed, ", ")));
}

// True when `path` is FOLDER/checkpoint/STEP; decided on rank 0, whose file system counts.
bool lies_in(const parallel::Communicator& comm, const std::string& path,
             const std::string& folder) {
  namespace fs = std::filesystem;
  std::array<int, 1> inside{0};
  parallel::agree(comm, [&] {
    if (!comm.is_root()) return;
    const auto step = fs::weakly_canonical(fs::path(path) / "");
    const auto home = fs::weakly_canonical(fs::path(folder) / "checkpoint" / "");
    const auto relative = step.lexically_relative(home);
    inside[0] = !relative.empty() && *relative.begin() != ".." ? 1 : 0;
  });
  comm.broadcast(std::span<int>(inside));
  return inside[0] != 0;
}

// A finished run is only finished for the data it read.
void refuse_changed_inputs(const parallel::Communicator& comm, const std::string& folder,
                           const Identity& identity, const EarlierRun& earlier) {
  parallel::agree(comm, [&] {
    if (!comm.is_root() || earlier.inputs == identity.inputs) return;
    const auto [now, then] = std::mismatch(identity.inputs.begin(), identity.inputs.end(),
                                           earlier.inputs.begin(), earlier.inputs.end());
    throw Error(
        ExitCode::usage,
        fmt::format("the run in '{}' is finished, but its input files changed since: {} was "
                    "{}. Start anew in another folder (--output DIR), or overwrite this one "
                    "(--set output.overwrite=true, without --restart)",
                    folder, now == identity.inputs.end() ? "no file" : *now,
                    then == earlier.inputs.end() ? "not recorded" : *then));
  });
}

RestartPlan plan_auto(const parallel::Communicator& comm, const std::string& folder, bool overwrite,
                      const Identity& identity, const EarlierRun& earlier) {
  RestartPlan plan;
  plan.use = FolderUse::reuse;
  if (earlier.present && earlier.exit == 0) {
    plan.finished = earlier.problem_hash == identity.problem_hash;
    if (plan.finished) {
      refuse_changed_inputs(comm, folder, identity, earlier);
      return plan;
    }
    if (!overwrite) {
      refuse_other_problem(fmt::format("the finished run in '{}'", folder), earlier.resolved,
                           identity.resolved);
    }
    plan.notes.push_back(
        fmt::format("the finished run in '{}' is of another problem and is overwritten, as "
                    "output.overwrite asks",
                    folder));
    return plan;
  }
  plan.path = output::newest_verified_checkpoint(comm, folder + "/checkpoint", plan.warnings);
  if (plan.path.empty()) {
    plan.notes.push_back(fmt::format("no sound checkpoint in '{}': starting anew", folder));
    return plan;
  }
  plan.checkpoint = std::make_unique<output::CheckpointReader>(comm, plan.path);
  check_same_problem(identity, plan);
  plan.use = FolderUse::resume;
  plan.restarts = earlier.restarts + 1;
  return plan;
}

}  // namespace

void save_state(output::CheckpointWriter& checkpoint, const Identity& identity,
                const LoopState& state) {
  const std::array<std::int64_t, 2> counts{state.steps, state.restarts};
  const std::array<double, 1> seconds{state.seconds};
  checkpoint.replicated("run/driver", identity.driver);
  checkpoint.replicated("run/problem_hash", identity.problem_hash);
  checkpoint.replicated("run/resolved", identity.resolved);
  checkpoint.replicated("run/counts", std::span<const std::int64_t>(counts));
  checkpoint.replicated("run/seconds", std::span<const double>(seconds));
  checkpoint.replicated("run/step_seconds", std::span<const double>(state.history.seconds()));
  checkpoint.replicated("run/step_done", std::span<const std::int64_t>(state.history.done()));
  std::string warnings;
  for (const auto& warning : state.warnings) warnings += warning + '\0';
  checkpoint.replicated("run/warnings", warnings);
}

LoopState load_state(const output::CheckpointReader& checkpoint) {
  LoopState state;
  const auto counts = checkpoint.integers("run/counts");
  const auto seconds = checkpoint.reals("run/seconds");
  parallel::require(counts.size() == 2 && seconds.size() == 1,
                    "run/counts and run/seconds of a checkpoint have their fixed lengths");
  state.steps = counts[0];
  state.restarts = counts[1];
  state.seconds = seconds[0];
  state.history = {state.steps, checkpoint.reals("run/step_seconds"),
                   checkpoint.integers("run/step_done")};
  std::istringstream warnings(checkpoint.text("run/warnings"));
  for (std::string warning; std::getline(warnings, warning, '\0');) {
    state.warnings.push_back(warning);
  }
  return state;
}

RestartPlan plan_restart(const parallel::Communicator& comm, const std::string& restart,
                         const std::string& folder, bool overwrite, const Identity& identity,
                         const EarlierRun& earlier) {
  if (restart == "auto") return plan_auto(comm, folder, overwrite, identity, earlier);
  RestartPlan plan;
  plan.use = overwrite ? FolderUse::overwrite : FolderUse::fresh;
  if (restart.empty()) return plan;
  plan.path = restart;
  plan.checkpoint = std::make_unique<output::CheckpointReader>(comm, restart);
  check_same_problem(identity, plan);
  if (lies_in(comm, restart, folder)) plan.use = FolderUse::resume;
  return plan;
}

}  // namespace mensura::run
