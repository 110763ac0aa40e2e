// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "parallel/communicator.hpp"
#include "run/clock.hpp"
#include "run/job.hpp"
#include "run/log.hpp"
#include "run/progress.hpp"
#include "run/restart.hpp"
#include "run/timers.hpp"

namespace mensura::run {

/// What the loop works with; all outlive it.
struct LoopTools {
  const parallel::Communicator& comm;
  const Clock& clock;  ///< with the same limit on all ranks
  Log& log;
  Timers& timers;
  const Identity& identity;
  std::string checkpoint_folder;
  double checkpoint_every = std::numeric_limits<double>::infinity();  ///< seconds
};

/// Why the loop ended without an error.
struct Ending {
  bool finished = true;
  std::string reason{};      ///< of a stop: "USR1", "wall-clock limit 00:30:00 (--wall)"
  std::string checkpoint{};  ///< what a restart will find, in words
};

/// The life of a job between start and end: steps, agreement of all ranks on signals and time at
/// the safe points between them, checkpoints, progress.
class Loop {
 public:
  Loop(Job& job, const LoopTools& tools);

  /// Collective. Takes up the state of an earlier segment; before run(). This is restart number
  /// `restarts` or, when the checkpoint has seen more, a later one.
  void restore(const output::CheckpointReader& checkpoint, std::int64_t restarts,
               bool in_this_folder);

  /// Collective. Runs the job until it is finished, a signal or the time limit stops it (after a
  /// checkpoint), or it throws. An exception leaves the last checkpoint as it was.
  Ending run();

  /// Collective. A checkpoint of the job as it is, unless its last step is saved already.
  void keep();

  const LoopState& state() const noexcept { return state_; }

 private:
  std::optional<Ending> step();
  std::optional<Ending> safe_point();
  Ending stop(const std::string& reason);
  void poll();
  std::string limit_text() const;
  double agree();  ///< merges what signals asked for on all ranks; returns rank 0's elapsed seconds
  void checkpoint();
  bool must_stop(double elapsed) const;

  Job& job_;
  LoopTools tools_;
  LoopState state_;
  ProgressMeter meter_;
  unsigned requests_ = 0;          ///< agreed, not yet served; the same on all ranks
  unsigned announced_ = 0;         ///< of these, already in the log
  double last_step_ = 0;           ///< seconds, of this rank
  double slowest_step_ = 0;        ///< seconds, over ranks, in this segment
  double checkpoint_seconds_ = 0;  ///< slowest checkpoint so far; 0: none yet
  double last_checkpoint_ = -1;    ///< rank 0's elapsed seconds, agreed; -1: no safe point yet
  std::int64_t saved_steps_ = -1;  ///< steps that the newest checkpoint holds
  std::int64_t steps_here_ = 0;
};

}  // namespace mensura::run
