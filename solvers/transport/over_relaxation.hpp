// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace mensura::transport {

/// The factor for one potential of a plan, `way` from its exact update. A point that lacks mass is
/// not over-relaxed beyond what raises its dual objective: with d = way / epsilon the gain of a
/// factor w, w d - exp(-d) (exp(w d) - 1), is positive for w <= 2 - 0.8 d (and for every w < 2
/// where d < 0).
double safe(double factor, double way, double epsilon) noexcept;

/// The factor of over-relaxed block ascent with two blocks, from the errors of its sweeps. With q
/// the error ratio of plain sweeps the best factor is w = 2 / (1 + sqrt(1 - q)), with ratio w - 1.
/// Below the best factor the ratio r of over-relaxed sweeps still tells q, by Young's relation
/// (r + w - 1)^2 = r w^2 q, so that a slow mode that appears late raises the factor. Local and the
/// same on all ranks when the errors are.
class OverRelaxation {
 public:
  explicit OverRelaxation(bool allowed) : allowed_(allowed) {}

  double next() { return last_ = finishing_ ? 1 : factor_; }  ///< of the next sweep
  double plain() { return last_ = 1; }
  double last() const noexcept { return last_; }  ///< of the sweep before
  double rate() const noexcept { return rate_; }  ///< last settled error ratio per sweep

  void observe(double error);  ///< after every sweep
  void finish() { finishing_ = true; }
  /// True when the objective has fallen by more than its rounding.
  bool falls(double before, double after) const noexcept;
  /// Back to plain sweeps; the next attempts stay below what failed.
  void drop();

  /// Everything, for a restart with the same `allowed`, and back.
  std::vector<double> numbers() const;
  void restore(std::span<const double> numbers);

 private:
  bool settled(double& ratio) const;
  void change(double factor);

  bool allowed_, finishing_ = false;
  double factor_ = 1, last_ = 1, rate_ = 1;
  double bound_ = 1.9999;       // no factor above it
  std::vector<double> errors_;  // since the factor changed
  std::size_t patience_ = 8;    // sweeps before the ratio can be trusted
};

}  // namespace mensura::transport
