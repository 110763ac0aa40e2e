// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>

#include "parallel/communicator.hpp"

namespace mensura::gp {

/// Collective. Calls action(i), which must not communicate, for i in [first, last) of this rank,
/// and `poll` between pieces of 2^18, as often on every rank. An exception on one rank is thrown on
/// all.
template <class Action>
void in_pieces(const parallel::Communicator& comm, std::int64_t first, std::int64_t last,
               const std::function<void()>& poll, Action action) {
  constexpr std::int64_t piece = std::int64_t{1} << 18U;
  const std::int64_t pieces = comm.max((last - first + piece - 1) / piece);
  for (std::int64_t p = 0; p < pieces; ++p) {
    const std::int64_t end = std::min(last, first + (p + 1) * piece);
    parallel::agree(comm, [&] {
      for (std::int64_t i = first + p * piece; i < end; ++i) action(i);
    });
    if (poll) poll();
  }
}

/// Spreads collective polls over work of which every rank has another amount, as often on every
/// rank: each time another n-th of its own work is done.
class SpreadPolls {
 public:
  /// Collective. `work`: what this rank will do, in flops; at least `least` polls in all, and one
  /// for every 4e9 flops of the busiest rank, seconds on a slow core.
  SpreadPolls(const parallel::Communicator& comm, double work, const std::function<void()>& poll,
              std::int64_t least = 1)
      : poll_(poll), work_(work) {
    constexpr double flops = 4e9;
    total_ = std::max(least, static_cast<std::int64_t>(std::ceil(comm.max(work) / flops)));
  }

  /// Collective with did() and finish() of the other ranks. Polls when due; the last poll is left
  /// for the end.
  void did(double more) {
    done_ += more;
    while (polls_ + 1 < total_ &&
           done_ * static_cast<double>(total_) >= static_cast<double>(polls_ + 1) * work_) {
      ++polls_;
      poll_();
    }
  }
  /// The polls that are left.
  void finish() {
    while (polls_ < total_) {
      ++polls_;
      poll_();
    }
  }

 private:
  const std::function<void()>& poll_;
  double work_, done_ = 0;
  std::int64_t total_ = 1, polls_ = 0;
};

}  // namespace mensura::gp
