// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::parallel {

/// An element of a distributed sort; ordered by (value, id). Values must not be NaN.
struct Keyed {
  double value;
  std::uint64_t id;
  auto operator<=>(const Keyed&) const = default;
};

/// Collective. Sorts the union of all ranks' elements; afterwards rank r of P holds exactly the
/// global positions [r n / P, (r+1) n / P), ascending, whatever the distribution before. Splitters
/// are exact order statistics, found by bisection on the bits of the key (no samples, no O(n)
/// memory on one rank). Memory O(local before + local after).
std::vector<Keyed> sort(const Communicator& comm, std::vector<Keyed> local);

}  // namespace mensura::parallel
