// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>

namespace mensura::run {

/// Local. Proportional set size of this process in bytes: pages shared by n processes count 1/n, so
/// that the sum over ranks is what the node really uses. Costs about a millisecond per gigabyte.
/// The resident size where the kernel offers no smaps_rollup; 0 where it offers neither.
std::int64_t pss_bytes();

/// Local. Largest resident size this process ever had, in bytes (kernel's own mark, one cheap
/// system call).
std::int64_t peak_resident_bytes();

/// Follows the memory of this process over a run without a background thread. Local.
class MemoryWatch {
 public:
  /// Call when libraries are initialised and no problem data exist yet.
  void set_baseline();
  /// Reads the proportional set size, at most every half second and never for more than 2 % of the
  /// time.
  void sample();
  std::int64_t baseline_pss() const noexcept { return baseline_pss_; }
  std::int64_t peak_pss() const noexcept { return peak_pss_; }
  /// Growth of the kernel's mark since the baseline: misses no peak, but counts shared pages fully.
  std::int64_t resident_growth() const;

 private:
  void read();
  std::int64_t baseline_pss_ = 0, peak_pss_ = 0, baseline_resident_ = 0;
  double next_ = 0;  ///< steady-clock seconds before which sample() does nothing
};

}  // namespace mensura::run
