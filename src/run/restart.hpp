// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "output/checkpoint.hpp"
#include "parallel/communicator.hpp"
#include "run/folder.hpp"
#include "run/step_history.hpp"

namespace mensura::run {

/// What makes two runs the same problem.
struct Identity {
  std::string driver;
  std::string problem_hash;
  std::string resolved;                     ///< text of the resolved deck
  std::vector<std::string> inputs{};        ///< input files with size and time; rank 0 only
  std::vector<std::string> restart_keys{};  ///< Driver::restart_keys
};

/// What the loop carries over a restart, beside the job's own state.
struct LoopState {
  std::int64_t steps = 0;
  double seconds = 0;          ///< wall time of all segments so far
  double earlier_seconds = 0;  ///< of these, before this segment
  std::int64_t restarts = 0;
  StepHistory history;
  std::vector<std::string> warnings;  ///< of all segments so far
};

/// Collective. Writes both under `run/` of a checkpoint.
void save_state(output::CheckpointWriter& checkpoint, const Identity& identity,
                const LoopState& state);
/// Collective.
LoopState load_state(const output::CheckpointReader& checkpoint);

/// How a run begins.
struct RestartPlan {
  bool finished = false;  ///< the same problem is solved already; nothing to do
  FolderUse use = FolderUse::fresh;
  std::unique_ptr<output::CheckpointReader> checkpoint{};  ///< none: anew
  std::string path{};                                      ///< of the checkpoint
  std::int64_t restarts = 0;  ///< at least; a segment killed before its first checkpoint counts too
  std::vector<std::string> notes{};     ///< for the log
  std::vector<std::string> warnings{};  ///< checkpoints passed over and why; changed restart keys
};

/// Collective; changes nothing. `restart` is empty, "auto" or the path of a checkpoint. Throws
/// Error{usage} naming the keys when the checkpoint (or a finished run) is of another problem,
/// Error{input_data} when the named checkpoint is damaged.
RestartPlan plan_restart(const parallel::Communicator& comm, const std::string& restart,
                         const std::string& folder, bool overwrite, const Identity& identity,
                         const EarlierRun& earlier);

}  // namespace mensura::run
