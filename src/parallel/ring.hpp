// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <mpi.h>

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::parallel {

/// Packets of numbers that travel round all ranks, each rank working on the one it holds while that
/// goes on to the next rank and another comes in. After as many passes as there are ranks every
/// packet is home again. Memory for two of the largest packets. One ring at a time on a
/// communicator, which must outlive it.
class Ring {
 public:
  /// Local. `sizes`: how many numbers the packet of every rank has, the same on all ranks.
  Ring(const Communicator& comm, std::vector<std::int64_t> sizes);
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  /// Completes a pass in flight; while an exception unwinds this rank it leaves the buffers to MPI
  /// instead, since the others may never come.
  ~Ring();

  int origin() const noexcept { return origin_; }  ///< whose packet this rank holds
  /// The packet at hand, on a cache line: at first this rank's own, to be filled. Not to be changed
  /// between begin_pass() and end_pass().
  std::span<double> held() noexcept;

  /// Every rank calls both equally often. Between them other collectives may run.
  void begin_pass();  ///< Local. Starts to send the held packet and to receive the next one.
  void end_pass();    ///< Waits for both; the next packet is then held.

 private:
  struct Free {
    void operator()(double* memory) const noexcept;
  };
  using Buffer = std::unique_ptr<double[], Free>;
  static Buffer allocate(std::int64_t numbers);
  std::int64_t size_of(int rank) const { return sizes_[static_cast<std::size_t>(rank)]; }
  int before(int rank) const noexcept { return (rank + comm_.size() - 1) % comm_.size(); }

  const Communicator& comm_;
  std::vector<std::int64_t> sizes_;
  int origin_;
  Buffer held_, coming_;
  std::vector<MPI_Request> requests_;
  int unwinding_at_birth_;
};

}  // namespace mensura::parallel
