// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "parallel/communicator.hpp"

namespace mensura::parallel {

/// Ends this rank when another rank of the job is gone and the launcher did not end the job.
///
/// A killed rank normally ends the whole job through its launcher, with the launcher's exit code.
/// It does not under `srun` without --kill-on-bad-exit, or when a rank left by exit() while others
/// wait in a collective, or when a rank is stopped or its node is lost; the rest would then wait
/// until the time limit. The watchdog is a ring of TCP connections, rank r with r + 1, each served
/// by a thread of its own that sleeps and sends a heartbeat now and then, so that computing ranks,
/// however long they compute, are never taken for dead. The system closes the connections of a
/// process that ends, whatever its end: a connection closed for `grace` without a goodbye, or open
/// but without heartbeat for `silence`, means that the neighbour is gone. Then a notice goes round
/// the ring and every rank acts. (So a debugger that halts one rank for longer ends the job: debug
/// without a watchdog.) Time during which this process itself is suspended does not count.
/// No MPI call is made by the thread, except for the final abort.
class Watchdog {
 public:
  using Milliseconds = std::chrono::milliseconds;
  struct Settings {
    Milliseconds heartbeat{2000};
    Milliseconds grace{10000};  ///< lets the launcher end the job first, with its own code
    Milliseconds silence{30000};
    /// Called once, on the watchdog's thread, with a text that names the rank that is gone. The
    /// default is abort_job with ExitCode::rank_lost.
    std::function<void(const std::string&)> act;
  };

  /// Collective. The communicator must outlive the watchdog. A connection that the network refuses
  /// is done without; see missing_links().
  explicit Watchdog(const Communicator& comm) : Watchdog(comm, Settings()) {}
  Watchdog(const Communicator& comm, Settings settings);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  /// Collective (a barrier, still watched), except while an exception unwinds this rank: then the
  /// neighbours are left to notice, and act unless they end their own watchdog within `grace`.
  ~Watchdog();

  /// How many of the ring's connections could not be made, over all ranks. When it is not zero, a
  /// dead rank on another node may go unnoticed by this watchdog.
  int missing_links() const noexcept { return missing_links_; }

 private:
  class Ring;
  const Communicator& comm_;
  std::unique_ptr<Ring> ring_;
  int missing_links_ = 0;
  int unwinding_at_birth_ = 0;
};

}  // namespace mensura::parallel
