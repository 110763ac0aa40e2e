// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>

namespace mensura::transport {

/// Polls every few tenths of a second by estimates of the work: clocks differ between the ranks,
/// estimates from global numbers do not, and polls are collective.
class Pace {
 public:
  static constexpr double interval = 0.3;  ///< seconds
  explicit Pace(const std::function<void()>& poll) : poll_(poll) {}
  /// Collective. The same number of seconds on all ranks.
  void worked(double seconds) {
    since_ += seconds;
    if (since_ < interval || !poll_) return;
    since_ = 0;
    poll_();
  }

 private:
  const std::function<void()>& poll_;
  double since_ = 0;
};

}  // namespace mensura::transport
