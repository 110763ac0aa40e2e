// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace mensura::output {
class CheckpointReader;
class CheckpointWriter;
class Record;
}  // namespace mensura::output

namespace mensura::run {

class Timers;

struct Progress {
  std::int64_t done = 0;
  std::int64_t total = 1;
  std::string line;  ///< numbers worth watching
};

/// What the run loop lends to a job for the length of one advance().
struct Context {
  Timers& timers;  ///< phases of this run
  /// Collective. Call at least every 10 s inside long inner loops, at the same places on all ranks.
  /// Prints progress lines and notes signals. While the job is setting up, a stop that is asked for
  /// or a time limit that has passed leaves advance() from here, by an exception that reaches all
  /// ranks alike; otherwise the run stops at the next safe point.
  std::function<void()> poll;
  std::function<void(const std::string&)>
      log;  ///< one line in log.txt and on the terminal (rank 0; call anywhere)
  std::function<void(const std::string&)>
      warn;  ///< the same, and listed under `warnings` in run.json
};

/// The one contract between a solver and the batch world. All members but finished() and progress()
/// are collective. Construction is cheap; reading, partition and other set-up happen in advance()
/// steps.
class Job {
 public:
  virtual ~Job() = default;
  virtual bool finished() const = 0;
  virtual void advance(Context& context) = 0;  ///< the work between two safe points
  virtual Progress progress() const = 0;
  /// All state by global index, the history of the record and the fingerprints of the input data
  /// included; names that begin with `run/` are the loop's.
  virtual void save(output::CheckpointWriter& checkpoint) const = 0;
  /// Called before the first advance(). State is by global index, never by rank.
  virtual void load(const output::CheckpointReader& checkpoint) = 0;
  /// Also called after advance() threw, for what is known so far, when has_state() is true.
  virtual void record(output::Record& record) const = 0;
  /// Collective. Called when advance() threw not_converged or numerical: back to the end of the
  /// last step that was done, of which record() then tells and save() writes. False: there is none.
  virtual bool recover() { return false; }
  /// True when save() has something worth writing (set-up alone is not).
  virtual bool has_state() const { return true; }
  /// True while advance() only makes what a restart makes again: such a step need not be finished
  /// before the run stops. The same on all ranks; an interrupted job is destroyed and never saved.
  virtual bool setting_up() const { return false; }
  /// False turns a finished run into exit 4 (tolerances not met; results are written and marked,
  /// and the state is saved for a restart with other keys of Driver::restart_keys).
  virtual bool converged() const { return true; }
  /// Upper estimate of the checkpoint's size in bytes over all ranks, for the space check.
  virtual std::int64_t checkpoint_bytes() const { return 1 << 20; }
};

}  // namespace mensura::run
