// SPDX-License-Identifier: BSD-3-Clause
#include "run/progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "input/common.hpp"

namespace mensura::run {

std::string progress_text(const Progress& progress, double elapsed, double left) {
  const auto total = std::max<std::int64_t>(progress.total, 1);
  const double part = static_cast<double>(progress.done) / static_cast<double>(total);
  std::string text = fmt::format("{:3.0f} %  {}/{}  {} elapsed", std::floor(100 * part),
                                 progress.done, total, input::format_duration(std::round(elapsed)));
  if (left >= 0) text += fmt::format(", {} left", input::format_duration(std::round(left)));
  if (!progress.line.empty()) text += "  " + progress.line;
  return text;
}

void ProgressMeter::update(const Progress& progress, double elapsed) {
  const auto total = std::max<std::int64_t>(progress.total, 1);
  const auto twentieth = static_cast<std::int64_t>(
      std::floor(20 * static_cast<double>(progress.done) / static_cast<double>(total)));
  if (!started_) {
    started_ = true;
    first_done_ = progress.done;
    first_elapsed_ = last_line_ = elapsed;
    last_twentieth_ = twentieth;
    return;
  }
  const bool due = twentieth > last_twentieth_ || elapsed - last_line_ >= 30;
  const bool live = log_.style() == ProgressStyle::live && elapsed - last_live_ >= 0.5;
  if (!due && !live) return;
  // The rate of this segment alone: an earlier one may have run on other ranks.
  const auto done_here = static_cast<double>(progress.done - first_done_);
  const auto to_do = static_cast<double>(total - progress.done);
  const double left = done_here > 0 ? to_do * (elapsed - first_elapsed_) / done_here : -1;
  log_.progress(progress_text(progress, elapsed, left), due);
  last_live_ = elapsed;
  if (due) {
    last_twentieth_ = twentieth;
    last_line_ = elapsed;
  }
}

}  // namespace mensura::run
