// SPDX-License-Identifier: BSD-3-Clause
#include "run/step_history.hpp"

#include <algorithm>
#include <utility>

#include "parallel/error.hpp"

namespace mensura::run {

// The number of entries tells how many steps each has: with twice as many there would be half as
// many entries.
StepHistory::StepHistory(std::int64_t steps, std::vector<double> seconds,
                         std::vector<std::int64_t> done)
    : steps_(steps), seconds_(std::move(seconds)), done_(std::move(done)) {
  const auto entries = static_cast<std::int64_t>(seconds_.size());
  while (entries > 0 && (steps_ + stride_ - 1) / stride_ > entries) stride_ *= 2;
  parallel::require(done_.size() == seconds_.size() && (steps_ + stride_ - 1) / stride_ == entries,
                    "the history of the steps has the lengths that a run gives it");
  while (seconds_.size() > most_entries) thin();
}

void StepHistory::add(double seconds, std::int64_t done) {
  if (steps_ % stride_ == 0) {
    if (seconds_.size() == most_entries) thin();
    if (steps_ % stride_ == 0) {
      seconds_.push_back(0);
      done_.push_back(0);
    }
  }
  ++steps_;
  seconds_.back() += seconds;
  done_.back() = done;
}

std::int64_t StepHistory::step(std::size_t entry) const noexcept {
  return std::min(steps_, static_cast<std::int64_t>(entry + 1) * stride_);
}

// Neighbours become one.
void StepHistory::thin() {
  const std::size_t half = (seconds_.size() + 1) / 2;
  for (std::size_t i = 0; i < half; ++i) {
    const std::size_t second = std::min(2 * i + 1, seconds_.size() - 1);
    seconds_[i] = seconds_[2 * i] + (second > 2 * i ? seconds_[second] : 0);
    done_[i] = done_[second];
  }
  seconds_.resize(half);
  done_.resize(half);
  stride_ *= 2;
}

}  // namespace mensura::run
