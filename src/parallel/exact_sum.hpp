// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "parallel/communicator.hpp"

namespace mensura::parallel {

/// Exact sum of any number of doubles, in any order, on any number of ranks: a small
/// superaccumulator (R. Neal, "Fast exact summation using small and large superaccumulators", 2015:
/// 64-bit limbs 32 bits apart), rounded once, to nearest even, by value(). Equal multisets of terms
/// give bitwise equal values. NaN and infinities are remembered and win over the finite part.
class ExactSum {
 public:
  static constexpr int limbs = 68;
  /// The complete state as integers; sums of words of two accumulators (after normalise()) are a
  /// valid accumulator.
  using Words = std::array<std::int64_t, limbs + 4>;

  void add(double term) noexcept;
  void add(const ExactSum& other) noexcept;
  double value() const noexcept;
  Words words() const noexcept;  ///< canonical (carries propagated): equal sums give equal words
  static ExactSum from_words(const Words& words) noexcept;

 private:
  void propagate() noexcept;
  std::array<std::int64_t, limbs> limbs_{};
  std::int64_t pending_ = 0;  ///< adds since the last carry propagation
  std::int64_t not_a_numbers_ = 0, plus_infinities_ = 0, minus_infinities_ = 0;
};

/// Collective. Every accumulator becomes the exact sum over all ranks. One integer reduction.
void reduce(const Communicator& comm, std::span<ExactSum> sums);

}  // namespace mensura::parallel
