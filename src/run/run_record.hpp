// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "output/record.hpp"
#include "parallel/communicator.hpp"
#include "run/restart.hpp"
#include "run/timers.hpp"

namespace mensura::run {

/// What run.json says about a run, beside what the job adds.
struct RunFacts {
  std::string deck_file;
  std::string deck_hash;  ///< SHA-256 of the deck's bytes
  std::uint64_t seed = 1;
  std::string started;        ///< UTC
  std::optional<int> exit{};  ///< none while the run goes on
  std::string status = "running";
  std::string error{};
  double wall_seconds = 0;  ///< of this segment, on rank 0
  std::vector<std::string> warnings{};
};

/// "2026-03-01T12:00:00Z"; local.
std::string utc_now();

/// Local. One entry per step, or for as many as StepHistory thins them to: the last one's number,
/// their seconds and the work done so far. The history of a job that keeps none of its own.
output::Value loop_history(const LoopState& loop);

/// Collective. The text of run.json: what the run knows, then the job's entries (results, history
/// and others).
std::string run_record(const parallel::Communicator& comm, const RunFacts& facts,
                       const Identity& identity, const LoopState& loop, Timers& timers,
                       const std::vector<PhaseSummary>& phases, const output::Record& job);

}  // namespace mensura::run
