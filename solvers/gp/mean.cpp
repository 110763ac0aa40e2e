// SPDX-License-Identifier: BSD-3-Clause
#include "gp/mean.hpp"

#include <algorithm>
#include <cstdint>

namespace mensura::gp {

std::int64_t mean_targets_at_once(std::int64_t points) {
  constexpr std::int64_t least = 1 << 14;
  return std::max(least, points / 4);
}

std::vector<double> local_mean(const parallel::Communicator& comm, const StateRows& space,
                               std::span<const double> state, std::span<const double> targets,
                               const Functional& functional, const std::function<void()>& poll) {
  const auto d = static_cast<std::size_t>(space.pattern.dimension);
  const auto count = targets.size() / d;
  const std::int64_t at_once = mean_targets_at_once(comm.min(space.pattern.own));
  const std::int64_t most = comm.max(static_cast<std::int64_t>(count));
  const auto pieces = static_cast<std::size_t>((most + at_once - 1) / at_once);
  std::vector<double> result;
  for (std::size_t piece = 0; piece < pieces; ++piece) {
    const std::size_t begin = count * piece / pieces, end = count * (piece + 1) / pieces;
    const Interpolation map(comm, space, targets.subspan(begin * d, (end - begin) * d), poll,
                            functional);
    const auto values = map.multiply(state);
    result.insert(result.end(), values.begin(), values.end());
  }
  return result;
}

}  // namespace mensura::gp
