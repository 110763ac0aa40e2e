// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <mpi.h>

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "parallel/error.hpp"

namespace mensura::parallel {

/// What this process has sent through this layer since start (run.json, `communication`).
struct Traffic {
  std::int64_t messages =
      0;  ///< point-to-point messages, and one per non-empty destination of a dense exchange
  std::int64_t bytes = 0;       ///< payload bytes of those messages
  std::int64_t reductions = 0;  ///< reductions, broadcasts, gathers and barriers
};
Traffic& traffic() noexcept;

/// Owner of a duplicated MPI communicator. Move-only. Construction, split and destruction are
/// collective. MPI errors on it are fatal for the job with the documented exit code (never silently
/// returned).
class Communicator {
 public:
  static Communicator duplicate(MPI_Comm parent);  ///< Collective on `parent`.
  static Communicator world() { return duplicate(MPI_COMM_WORLD); }
  Communicator(Communicator&& other) noexcept;
  Communicator& operator=(Communicator&& other) noexcept;
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;
  /// Frees the communicator, except while an exception unwinds this rank or after MPI_Finalize
  /// (free is collective).
  ~Communicator();

  MPI_Comm handle() const noexcept { return handle_; }
  int rank() const noexcept { return rank_; }
  int size() const noexcept { return size_; }
  bool is_root() const noexcept { return rank_ == 0; }

  /// Collective. Ranks of one `colour` (>= 0) form a communicator, ordered by (key, rank).
  Communicator split(int colour, int key) const;
  void barrier() const;  ///< Collective.

  // Collective reductions over all ranks; every rank gets the result. Element-wise for spans (in
  // place; the same length on every rank). Integer results are exact and rank-independent; floating
  // sums are deliberately absent (use ExactSum). The extrema of NaN are unspecified: check before.
  std::int64_t sum(std::int64_t value) const;
  std::int64_t min(std::int64_t value) const;
  std::int64_t max(std::int64_t value) const;
  double min(double value) const;
  double max(double value) const;
  void sum(std::span<std::int64_t> values) const;
  void min(std::span<double> values) const;
  void max(std::span<double> values) const;
  std::int64_t exclusive_scan(std::int64_t value) const;  ///< Sum over lower ranks. Collective.

  /// Collective. Replaces `bytes` on all ranks by those of `root`, in chunks, any length.
  void broadcast(std::string& bytes, int root = 0) const;
  template <class T>
    requires std::is_trivially_copyable_v<T>
  void broadcast(std::span<T> values, int root = 0) const {
    broadcast_bytes(values.data(), static_cast<std::int64_t>(values.size_bytes()), root);
  }

  /// Collective. The `count` values of every rank, concatenated in rank order, on every rank.
  /// O(size * count) memory: for small per-rank records only (boxes, counts, timings), never for
  /// points.
  template <class T>
    requires std::is_trivially_copyable_v<T>
  std::vector<T> all_gather(std::span<const T> values) const {
    std::vector<T> result(values.size() * static_cast<std::size_t>(size_));
    all_gather_bytes(values.data(), static_cast<std::int64_t>(values.size_bytes()), result.data());
    return result;
  }

 private:
  explicit Communicator(MPI_Comm owned);
  void broadcast_bytes(void* data, std::int64_t bytes, int root) const;
  void all_gather_bytes(const void* data, std::int64_t bytes, void* result) const;
  void release() noexcept;
  MPI_Comm handle_ = MPI_COMM_NULL;
  int rank_ = 0;
  int size_ = 1;
  int unwinding_at_birth_ = 0;  ///< exceptions in flight when this owner was made
};

/// Collective. Runs `action` on this rank (which must not communicate), catches any exception,
/// agrees over all ranks, and if any rank failed throws the *lowest failing rank's* Error (same
/// text and code) on every rank. std::bad_alloc and std::length_error become ExitCode::too_large;
/// other exceptions ExitCode::internal. Costs one integer reduction when nothing failed.
void agree(const Communicator& comm, const std::function<void()>& action);

/// Local. Checks the return code of an MPI call; a failure prints it and aborts the job with
/// ExitCode::internal.
void check_mpi(int code, const char* call);

}  // namespace mensura::parallel
