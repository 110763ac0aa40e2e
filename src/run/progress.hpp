// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

#include "run/job.hpp"
#include "run/log.hpp"

namespace mensura::run {

/// Decides when a progress line is due: every 5 % of the work or every 30 s, whichever is first
/// (on a live terminal also every half second, in place). Rank 0; local.
class ProgressMeter {
 public:
  explicit ProgressMeter(Log& log) : log_(log) {}
  /// `elapsed` in seconds on the run's clock.
  void update(const Progress& progress, double elapsed);

 private:
  Log& log_;
  bool started_ = false;
  std::int64_t first_done_ = 0;  ///< work done before this segment of the run
  double first_elapsed_ = 0;
  std::int64_t last_twentieth_ = 0;
  double last_line_ = 0;
  double last_live_ = 0;
};

/// "14/40 (35 %), 00:00:03 elapsed, 00:00:05 left: LINE". `left` < 0: unknown. Local.
std::string progress_text(const Progress& progress, double elapsed, double left);

}  // namespace mensura::run
