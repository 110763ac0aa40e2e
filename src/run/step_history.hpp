// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

namespace mensura::run {

/// Seconds and progress of the steps of a run, thinned to a bounded number of entries: each is of
/// `stride` steps, a power of two, the last one perhaps of fewer. Local.
class StepHistory {
 public:
  static constexpr std::size_t most_entries = 1024;

  StepHistory() = default;
  /// As a checkpoint gives it: entries of `steps` steps; longer ones are thinned.
  StepHistory(std::int64_t steps, std::vector<double> seconds, std::vector<std::int64_t> done);

  /// One more step: how long it took, and the work done after it.
  void add(double seconds, std::int64_t done);

  std::size_t size() const noexcept { return seconds_.size(); }
  std::int64_t steps() const noexcept { return steps_; }
  std::int64_t stride() const noexcept { return stride_; }
  /// The number of an entry's last step, from one on.
  std::int64_t step(std::size_t entry) const noexcept;
  const std::vector<double>& seconds() const noexcept { return seconds_; }  ///< sum of its steps
  const std::vector<std::int64_t>& done() const noexcept { return done_; }  ///< after its last step

 private:
  void thin();
  std::int64_t steps_ = 0, stride_ = 1;
  std::vector<double> seconds_;
  std::vector<std::int64_t> done_;
};

}  // namespace mensura::run
