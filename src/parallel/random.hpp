// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace mensura::parallel {

/// A fixed 64-bit bijection (the finaliser of SplitMix64, Steele, Lea, Flood 2014) that knows
/// neither set nor order in the file: ties between equally distant points break by (mix(id), id),
/// and batches are mix(id) mod batches.
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31U);
}

/// Counter-based random numbers (Philox4x64-10, Salmon et al. 2011, Random123): key = (seed,
/// purpose, name), counter = (global index, draw). The same numbers on any number of ranks; streams
/// of different names are independent. Local.
class Stream {
 public:
  Stream(std::uint64_t seed, std::string_view purpose, std::string_view name);
  /// Four independent 64-bit words for this index and draw block.
  std::array<std::uint64_t, 4> words(std::uint64_t index, std::uint64_t block) const noexcept;
  /// Uniform on the open interval (0, 1): (j + 1/2) 2^-52 with j of 52 bits, so that both ends are
  /// out of reach by 2^-53. The draws 0, 1, 2, ... of one index are
  /// independent.
  double uniform(std::uint64_t index, std::uint64_t draw) const noexcept;
  /// Standard normal by Box-Muller; consumes uniforms 2 draw, 2 draw + 1.
  double normal(std::uint64_t index, std::uint64_t draw) const noexcept;

 private:
  std::array<std::uint64_t, 2> key_;
};

}  // namespace mensura::parallel
