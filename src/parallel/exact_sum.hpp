// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>

#include "parallel/communicator.hpp"

namespace mensura::parallel {

/// Exact sum of any number of doubles, in any order, on any number of ranks: a small
/// superaccumulator (R. Neal, "Fast exact summation using small and large superaccumulators", 2015:
/// 64-bit limbs 32 bits apart), rounded once, to nearest even, by value(). Equal multisets of terms
/// give bitwise equal values. NaN and infinities are remembered and win over the finite part. The
/// sum of nothing, and of zeros of either sign, is +0. A finite sum beyond the range is infinite.
class ExactSum {
 public:
  /// Bit 0 of limb 0 weighs 2^-1074 and bit 0 of limb i 2^(32 i - 1074). Doubles end in limb 65;
  /// the rest takes the carries of up to 2^63 terms and the sign.
  static constexpr int limbs = 68;
  /// The complete state as integers: the limbs, then the counts of NaN, +Inf and -Inf, then zero.
  /// Element-wise sums of words() of up to 2^30 accumulators are words of their sum.
  using Words = std::array<std::int64_t, limbs + 4>;

  void add(double term) noexcept;
  void add(const ExactSum& other) noexcept;
  double value() const noexcept;
  Words words() const noexcept;  ///< canonical (carries propagated): equal sums give equal words
  static ExactSum from_words(const Words& words) noexcept;

 private:
  /// A term changes a limb by less than 2^53, so 2^9 of them on top of a limb below 2^32 stay far
  /// inside 64 bits (2^10 would do; the rest is for add(ExactSum)).
  static constexpr std::int64_t max_pending = 512;
  void propagate() noexcept;
  void add_special(std::uint64_t bits) noexcept;
  std::array<std::int64_t, limbs> limbs_{};
  std::int64_t pending_ = 0;  ///< adds since the last carry propagation
  std::int64_t not_a_numbers_ = 0, plus_infinities_ = 0, minus_infinities_ = 0;
};

/// Collective. Every accumulator becomes the exact sum over all ranks. One integer reduction.
void reduce(const Communicator& comm, std::span<ExactSum> sums);

/// Collective. The exact sum over all ranks of their terms, and that of the products a[i] b[i]
/// (rounded one by one).
double exact_total(const Communicator& comm, std::span<const double> terms);
double exact_dot(const Communicator& comm, std::span<const double> a, std::span<const double> b);

inline void ExactSum::add(double term) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(term);
  const auto exponent = static_cast<unsigned>(bits >> 52U) & 0x7ffU;
  if (exponent == 0x7ffU) [[unlikely]] {
    add_special(bits);
    return;
  }
  const std::uint64_t normal = exponent != 0 ? 1U : 0U;  // subnormals have no hidden bit
  const std::uint64_t mantissa = (bits & 0xfffffffffffffULL) | (normal << 52U);
  const auto position = exponent - static_cast<unsigned>(normal);  // weight 2^(position - 1074)
  const auto limb = static_cast<std::size_t>(position >> 5U);
  const auto shift = position & 31U;
  const auto low = static_cast<std::int64_t>((mantissa << shift) & 0xffffffffULL);
  const auto high = static_cast<std::int64_t>(mantissa >> (32U - shift));
  const auto sign = static_cast<std::int64_t>(bits) >> 63U;  // 0 or -1; (x ^ sign) - sign is +-x
  limbs_[limb] += (low ^ sign) - sign;
  limbs_[limb + 1] += (high ^ sign) - sign;
  if (++pending_ == max_pending) [[unlikely]]
    propagate();
}

}  // namespace mensura::parallel
