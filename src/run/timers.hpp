// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parallel/communicator.hpp"
#include "run/memory.hpp"

namespace mensura::run {

/// Time and memory of one phase over all ranks.
struct PhaseSummary {
  std::string name;
  double min_seconds = 0, mean_seconds = 0, max_seconds = 0;
  /// Growth of the process's largest resident size while the phase ran.
  double min_bytes = 0, mean_bytes = 0, max_bytes = 0;
};

/// Where the time of a run goes. A nested phase interrupts the outer one, so that the phases add up
/// to the whole; what no phase covers is "other". Local and cheap (two clock calls and one
/// getrusage per phase); not for threads.
class Timers {
 public:
  Timers();
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  /// Ends its phase when it goes out of scope.
  class Phase {
   public:
    ~Phase() { timers_.end(); }
    Phase(const Phase&) = delete;
    Phase& operator=(const Phase&) = delete;

   private:
    friend class Timers;
    explicit Phase(Timers& timers) : timers_(timers) {}
    Timers& timers_;
  };

  /// Enters the phase `name`; the same name again adds to the same phase.
  ///     const auto phase = context.timers.phase("search");
  [[nodiscard]] Phase phase(std::string_view name);

  /// Collective. All phases of all ranks (ranks need not have entered the same ones), "other" last.
  std::vector<PhaseSummary> summary(const parallel::Communicator& comm);

  MemoryWatch& memory() noexcept { return memory_; }

 private:
  struct Entry {
    std::string name;
    std::int64_t nanoseconds = 0;
    std::int64_t bytes = 0;
  };
  void end();
  void charge();  ///< books time and memory since the last switch to the phase on top
  std::size_t find(std::string_view name);

  std::vector<Entry> entries_;
  std::vector<std::size_t> stack_;
  std::chrono::steady_clock::time_point switched_;
  std::int64_t resident_ = 0;
  MemoryWatch memory_;
};

/// The summary as lines of a table for the log.
std::vector<std::string> phase_table(const std::vector<PhaseSummary>& phases);

}  // namespace mensura::run
