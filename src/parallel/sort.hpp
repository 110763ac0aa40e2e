// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::parallel {

/// An element of a distributed sort; ordered by (value, id). Values must not be NaN; -0 and +0 are
/// equal values, so that the id decides between them. Equal ids are allowed.
struct Keyed {
  double value;
  std::uint64_t id;
  auto operator<=>(const Keyed&) const = default;
};

/// Collective. Sorts the union of all ranks' elements; afterwards rank r of P holds exactly the
/// global positions [r n / P, (r+1) n / P), ascending, whatever the distribution before. Splitters
/// are exact order statistics, found by bisection on the bits of the key (no samples, no O(n)
/// memory on one rank): at most 130 rounds of two integer reductions of O(P) words, about log2 of
/// the number of distinct keys in practice. Memory O(local before + local after). Throws
/// Error{numerical} on all ranks when any value is NaN.
std::vector<Keyed> sort(const Communicator& comm, std::vector<Keyed> local);

}  // namespace mensura::parallel
