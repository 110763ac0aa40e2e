// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
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

}  // namespace mensura::gp
