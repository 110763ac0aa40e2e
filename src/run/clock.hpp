// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <limits>
#include <optional>
#include <string>

#include "parallel/communicator.hpp"

namespace mensura::run {

/// When a run must be over.
struct TimeLimit {
  double seconds = std::numeric_limits<double>::infinity();  ///< on the run's clock
  std::string source;                                        ///< who set it, for the log
};

/// The wall clock of one process, started with the program. Only rank 0's clock decides; the loop
/// sends its reading to all ranks.
class Clock {
 public:
  Clock() : start_(std::chrono::steady_clock::now()) {}
  double elapsed() const;
  const TimeLimit& limit() const noexcept { return limit_; }

  void set_limit(const TimeLimit& limit) { limit_ = limit; }

  /// True when another step like the slowest so far might not leave time for a checkpoint:
  /// elapsed + 1.5 slowest + checkpoint > limit (all in seconds).
  bool must_stop(double elapsed, double slowest_step, double checkpoint) const noexcept;

 private:
  std::chrono::steady_clock::time_point start_;
  TimeLimit limit_;
};

/// Local. Seconds until Slurm ends the present job; empty outside of Slurm or when it does not say.
/// May ask `scontrol`: call it on one rank.
std::optional<double> slurm_seconds_left();

/// Collective. Sets the earlier of `asked` (seconds on the run's clock) and the end of the Slurm
/// job, if this is one, on all ranks; rank 0 knows.
void share_limit(const parallel::Communicator& comm, Clock& clock, const TimeLimit& asked);

}  // namespace mensura::run
