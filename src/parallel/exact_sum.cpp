// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/exact_sum.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace mensura::parallel {

namespace {

constexpr std::size_t top = ExactSum::limbs - 1;
using Limbs = std::array<std::int64_t, ExactSum::limbs>;

// Leaves every limb but the last in [0, 2^32); the last keeps the sign. This form is unique.
void normalise(Limbs& limbs) noexcept {
  std::int64_t carry = 0;
  for (std::size_t i = 0; i < top; ++i) {
    const std::int64_t limb = limbs[i] + carry;
    carry = limb >> 32U;  // arithmetic shift: rounds towards minus infinity
    limbs[i] = limb & 0xffffffffLL;
  }
  limbs[top] += carry;
}

// The nearest double, ties to even, of the positive number in normalised `limbs`.
double rounded(const Limbs& limbs) noexcept {
  int first = static_cast<int>(top);
  while (first >= 0 && limbs[static_cast<std::size_t>(first)] == 0) --first;
  if (first < 0) return 0.0;
  const auto limb = [&limbs](int i) {
    return i < 0 ? std::uint64_t{0}
                 : static_cast<std::uint64_t>(limbs[static_cast<std::size_t>(i)]);
  };
  // The three leading limbs hold between 65 and 96 significant bits; below them only "is there
  // anything" matters. The mantissa is the leading 53, or fewer when it would reach below bit 0.
  __extension__ using Wide = unsigned __int128;
  const Wide lead = (Wide{limb(first)} << 64U) | (limb(first - 1) << 32U) | limb(first - 2);
  bool sticky = false;
  for (int i = first - 3; i >= 0; --i) sticky = sticky || limb(i) != 0;
  const int width = 64 + static_cast<int>(std::bit_width(limb(first)));
  const auto dropped = static_cast<unsigned>(width - 53);
  auto mantissa = static_cast<std::uint64_t>(lead >> dropped);
  const Wide rest = lead & ((Wide{1} << dropped) - 1);
  const Wide half = Wide{1} << (dropped - 1);
  if (rest > half || (rest == half && (sticky || (mantissa & 1U) != 0))) ++mantissa;
  // With fewer than 53 bits above bit 0 `rest` is zero and this scaling is exact; beyond the range
  // ldexp returns infinity, as rounding to nearest demands.
  return std::ldexp(static_cast<double>(mantissa),
                    32 * (first - 2) + static_cast<int>(dropped) - 1074);
}

}  // namespace

void ExactSum::propagate() noexcept {
  normalise(limbs_);
  pending_ = 0;
}

void ExactSum::add_special(std::uint64_t bits) noexcept {
  if ((bits & 0xfffffffffffffULL) != 0) {
    ++not_a_numbers_;
  } else if ((bits >> 63U) != 0) {
    ++minus_infinities_;
  } else {
    ++plus_infinities_;
  }
}

void ExactSum::add(const ExactSum& other) noexcept {
  const Words terms = other.words();  // canonical: each limb below 2^32, less than one more term
  if (pending_ + 1 >= max_pending) propagate();
  for (std::size_t i = 0; i <= top; ++i) limbs_[i] += terms[i];
  ++pending_;
  not_a_numbers_ += terms[top + 1];
  plus_infinities_ += terms[top + 2];
  minus_infinities_ += terms[top + 3];
}

double ExactSum::value() const noexcept {
  if (not_a_numbers_ > 0 || (plus_infinities_ > 0 && minus_infinities_ > 0)) {
    return std::numeric_limits<double>::quiet_NaN();
  }
  if (plus_infinities_ > 0) return std::numeric_limits<double>::infinity();
  if (minus_infinities_ > 0) return -std::numeric_limits<double>::infinity();
  Limbs magnitude = limbs_;
  normalise(magnitude);
  const bool negative = magnitude[top] < 0;
  if (negative) {
    for (auto& limb : magnitude) limb = -limb;
    normalise(magnitude);
  }
  const double result = rounded(magnitude);
  return negative ? -result : result;
}

ExactSum::Words ExactSum::words() const noexcept {
  Limbs canonical = limbs_;
  if (pending_ > 0) normalise(canonical);
  Words result{};
  std::copy(canonical.begin(), canonical.end(), result.begin());
  result[top + 1] = not_a_numbers_;
  result[top + 2] = plus_infinities_;
  result[top + 3] = minus_infinities_;
  return result;
}

ExactSum ExactSum::from_words(const Words& words) noexcept {
  ExactSum sum;
  std::copy_n(words.begin(), limbs, sum.limbs_.begin());
  sum.propagate();
  sum.not_a_numbers_ = words[top + 1];
  sum.plus_infinities_ = words[top + 2];
  sum.minus_infinities_ = words[top + 3];
  return sum;
}

void reduce(const Communicator& comm, std::span<ExactSum> sums) {
  constexpr std::size_t width = ExactSum::limbs + 4;
  std::vector<std::int64_t> packed(sums.size() * width);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const auto words = sums[i].words();
    std::copy(words.begin(), words.end(), packed.begin() + static_cast<std::ptrdiff_t>(i * width));
  }
  comm.sum(packed);
  ExactSum::Words words{};
  for (std::size_t i = 0; i < sums.size(); ++i) {
    std::copy_n(packed.begin() + static_cast<std::ptrdiff_t>(i * width), width, words.begin());
    sums[i] = ExactSum::from_words(words);
  }
}

double exact_total(const Communicator& comm, std::span<const double> terms) {
  ExactSum sum;
  for (const double term : terms) sum.add(term);
  reduce(comm, {&sum, 1});
  return sum.value();
}

double exact_dot(const Communicator& comm, std::span<const double> a, std::span<const double> b) {
  require(a.size() == b.size(), "a product has as many terms on either side");
  ExactSum sum;
  for (std::size_t i = 0; i < a.size(); ++i) sum.add(a[i] * b[i]);
  reduce(comm, {&sum, 1});
  return sum.value();
}

}  // namespace mensura::parallel
