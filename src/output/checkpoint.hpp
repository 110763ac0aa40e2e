// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::output {

/// Writes one checkpoint folder `folder/STEP/` (nine digits; STEP.2 when a complete one of this
/// step exists, which is never overwritten): state.h5 with v110 bounds, every dataset chunked with
/// Fletcher-32; free space checked first; write, flush, close, fsync, reopen and verify (full read
/// against fingerprints taken from memory), then the marker file COMPLETE with a digest of
/// state.h5. All members are collective. Failures are Error{output} on all ranks: the half-written
/// folder is removed, the older checkpoints stay untouched, and the writer takes no more calls.
class CheckpointWriter {
 public:
  CheckpointWriter(const parallel::Communicator& comm, const std::string& folder, std::int64_t step,
                   std::int64_t expected_bytes);
  /// Removes a checkpoint that was not committed (collective; while an exception unwinds it is left
  /// as half-written, which nobody trusts and the next good checkpoint clears away).
  ~CheckpointWriter();
  CheckpointWriter(const CheckpointWriter&) = delete;
  CheckpointWriter& operator=(const CheckpointWriter&) = delete;

  // Replicated values: every rank passes the same; written once.
  void replicated(const std::string& name, std::span<const std::int64_t> values);
  void replicated(const std::string& name, std::span<const double> values);
  void replicated(const std::string& name, const std::string& text);
  // Distributed arrays: this rank holds global positions [first, first + values.size()) of `total`.
  void distributed(const std::string& name, std::span<const std::int64_t> values,
                   std::int64_t first, std::int64_t total);
  void distributed(const std::string& name, std::span<const double> values, std::int64_t first,
                   std::int64_t total);

  /// Close, fsync, reopen, verify, mark COMPLETE; then delete all but the two newest complete
  /// checkpoints up to this one (later ones belong to a branch that the run has left).
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Reads a verified checkpoint. All members are collective.
class CheckpointReader {
 public:
  /// Opens the checkpoint folder `path` (…/checkpoint/STEP); throws Error{input_data} when it is
  /// damaged or incomplete.
  CheckpointReader(const parallel::Communicator& comm, const std::string& path);
  ~CheckpointReader();
  bool has(const std::string& name) const;
  std::vector<std::int64_t> integers(const std::string& name) const;  ///< replicated
  std::vector<double> reals(const std::string& name) const;           ///< replicated
  std::string text(const std::string& name) const;                    ///< replicated
  std::int64_t extent(const std::string& name) const;
  std::vector<std::int64_t> integers(const std::string& name, std::int64_t first,
                                     std::int64_t count) const;
  std::vector<double> reals(const std::string& name, std::int64_t first, std::int64_t count) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Collective. The newest checkpoint under `folder` that verifies completely; empty path when there
/// is none. Each one that was passed over (half-written, damaged, foreign) is described in
/// `passed_over` for the log.
std::string newest_verified_checkpoint(const parallel::Communicator& comm,
                                       const std::string& folder,
                                       std::vector<std::string>& passed_over);

}  // namespace mensura::output
