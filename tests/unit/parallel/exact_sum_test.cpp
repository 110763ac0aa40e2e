// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/exact_sum.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <boost/multiprecision/cpp_int.hpp>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <random>
#include <vector>

namespace mensura::parallel {
namespace {

using Integer = boost::multiprecision::cpp_int;
constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double tiny = std::numeric_limits<double>::denorm_min();
constexpr double largest = std::numeric_limits<double>::max();

std::uint64_t bits(double x) {
  return std::bit_cast<std::uint64_t>(x);
}

// x 2^1074, an integer for every finite double.
Integer scaled(double x) {
  int exponent = 0;
  const double fraction = std::frexp(x, &exponent);
  const auto mantissa = static_cast<std::int64_t>(std::ldexp(fraction, 53));
  const int shift = exponent - 53 + 1074;
  return shift >= 0 ? Integer(mantissa) << shift : Integer(mantissa / (std::int64_t{1} << -shift));
}

// Checks `result` against the definition of rounding to nearest even, in integer arithmetic.
void expect_nearest(const Integer& exact, double result) {
  const Integer overflow = (Integer(1) << 2098) - (Integer(1) << (970 + 1074));  // 2^1024 - ulp/2
  if (abs(exact) >= overflow) {
    EXPECT_EQ(result, exact > 0 ? infinity : -infinity);
    return;
  }
  if (!std::isfinite(result)) {
    ADD_FAILURE() << "a sum within the range became " << result;
    return;
  }
  const Integer error = abs(exact - scaled(result));
  for (const double towards : {infinity, -infinity}) {
    const double neighbour = std::nextafter(result, towards);
    if (!std::isfinite(neighbour)) continue;
    const Integer other = abs(exact - scaled(neighbour));
    EXPECT_TRUE(error < other || (error == other && bits(result) % 2 == 0)) << result;
  }
}

double summed(const std::vector<double>& terms) {
  ExactSum sum;
  for (const double term : terms) sum.add(term);
  return sum.value();
}

// Any finite bit pattern, or a few exponents only, so that carries and cancellation are frequent.
std::vector<double> random_terms(std::mt19937_64& draw, std::size_t count, bool narrow) {
  std::vector<double> terms;
  while (terms.size() < count) {
    std::uint64_t pattern = draw();
    if (narrow) pattern = (pattern & 0x80ffffffffffffffULL) | 0x3f00000000000000ULL;
    const auto term = std::bit_cast<double>(pattern);
    if (std::isfinite(term)) terms.push_back(term);
  }
  return terms;
}

TEST(ExactSum, CancelsExactly) {
  EXPECT_EQ(bits(summed({})), bits(0.0));
  EXPECT_EQ(bits(summed({-0.0, -0.0})), bits(0.0));
  EXPECT_EQ(summed({1e308, 1.0, -1e308}), 1.0);
  EXPECT_EQ(summed({1.0, 1e100, 1.0, -1e100}), 2.0);
  EXPECT_EQ(summed({largest, largest, largest, -largest, -largest, tiny, -largest}), tiny);
  EXPECT_EQ(summed({-largest, -largest, largest, largest, -tiny}), -tiny);
  EXPECT_EQ(bits(summed({0.1, -0.1})), bits(0.0));
}

TEST(ExactSum, RoundsHalfToEvenWithStickyBits) {
  const double ulp = 0x1p-52;
  EXPECT_EQ(summed({1.0, ulp / 2}), 1.0);                  // tie, down to even
  EXPECT_EQ(summed({1.0 + ulp, ulp / 2}), 1.0 + 2 * ulp);  // tie, up to even
  EXPECT_EQ(summed({1.0, ulp / 2, tiny}), 1.0 + ulp);      // above the tie by 2^-1074
  EXPECT_EQ(summed({1.0, ulp / 2, -tiny}), 1.0);           // below it
  EXPECT_EQ(summed({1.0 + ulp, ulp / 2, -tiny}), 1.0 + ulp);
  EXPECT_EQ(summed({-1.0, -ulp / 2, -tiny}), -1.0 - ulp);
  EXPECT_EQ(summed({-1.0, -ulp / 2, tiny}), -1.0);
  EXPECT_EQ(summed({2.0 - ulp, ulp / 2}), 2.0);  // carry into the exponent
  EXPECT_EQ(summed({0x1p53, 1.0}), 0x1p53);
  EXPECT_EQ(summed({0x1p53, 1.0, 0x1p-30}), 0x1p53 + 2);
}

TEST(ExactSum, SubnormalsAreExact) {
  const double least_normal = std::numeric_limits<double>::min();
  EXPECT_EQ(summed({tiny}), tiny);
  EXPECT_EQ(summed({tiny, tiny, tiny}), 3 * tiny);
  EXPECT_EQ(summed({least_normal, -tiny}), least_normal - tiny);
  EXPECT_EQ(summed({-least_normal, tiny}), tiny - least_normal);
  EXPECT_EQ(summed({least_normal - tiny, tiny}), least_normal);
}

TEST(ExactSum, OverflowAndSpecialValues) {
  const double half_ulp = 0x1p970;  // of the largest double
  EXPECT_EQ(summed({largest, half_ulp}), infinity);
  EXPECT_EQ(summed({largest, half_ulp, -tiny}), largest);
  EXPECT_EQ(summed({-largest, -half_ulp}), -infinity);
  EXPECT_EQ(summed({largest, largest}), infinity);
  EXPECT_EQ(summed({1.0, infinity}), infinity);
  EXPECT_EQ(summed({-infinity, largest}), -infinity);
  EXPECT_TRUE(std::isnan(summed({infinity, -infinity})));
  EXPECT_TRUE(std::isnan(summed({1.0, std::nan("")})));
}

TEST(ExactSum, AgreesWithIntegerArithmetic) {
  std::mt19937_64 draw(1);
  for (int trial = 0; trial < 400; ++trial) {
    const bool narrow = trial % 2 == 0;
    const auto terms = random_terms(draw, 1 + draw() % 40, narrow);
    Integer exact = 0;
    for (const double term : terms) exact += scaled(term);
    expect_nearest(exact, summed(terms));
  }
}

TEST(ExactSum, AgreesWithIntegerArithmeticNearTies) {
  std::mt19937_64 draw(2);
  for (int trial = 0; trial < 400; ++trial) {  // x + half an ulp of x + at most a little
    const int exponent = static_cast<int>(draw() % 1900) - 950;
    const double x =
        std::ldexp(static_cast<double>((draw() >> 12U) | (1ULL << 52U)), exponent - 52);
    const double half = std::ldexp(0.5, exponent - 52);
    const double little = trial % 3 == 0 ? 0.0 : std::ldexp(trial % 3 == 1 ? 1.0 : -1.0, -1074);
    const double sign = trial % 2 == 0 ? 1.0 : -1.0;
    const Integer exact = scaled(sign * x) + scaled(sign * half) + scaled(little);
    expect_nearest(exact, summed({sign * x, little, sign * half}));
  }
}

TEST(ExactSum, EqualSumsHaveEqualWords) {
  std::mt19937_64 draw(3);
  auto terms = random_terms(draw, 3000, false);
  ExactSum reference;
  for (const double term : terms) reference.add(term);
  for (int trial = 0; trial < 5; ++trial) {
    std::shuffle(terms.begin(), terms.end(), draw);
    std::vector<ExactSum> parts(1 + draw() % 9);
    for (const double term : terms) parts[draw() % parts.size()].add(term);
    ExactSum whole;
    for (const auto& part : parts) whole.add(part);
    EXPECT_EQ(whole.words(), reference.words());
    EXPECT_EQ(bits(whole.value()), bits(reference.value()));
  }
  ExactSum detour = reference;  // another carry history of the same sum
  for (int i = 0; i < 5000; ++i) detour.add(largest);
  for (int i = 0; i < 5000; ++i) detour.add(-largest);
  EXPECT_EQ(detour.words(), reference.words());
}

TEST(ExactSum, CarriesSurviveManyTermsOfOneSign) {
  ExactSum sum;  // all mantissa bits set: the fastest way to fill a limb
  const double term = 2.0 - 0x1p-52;
  constexpr int count = 3'000'000;
  for (int i = 0; i < count; ++i) sum.add(-term);
  EXPECT_EQ(sum.value(),
            -(static_cast<double>(count) * 2.0 - static_cast<double>(count) * 0x1p-52));
  ExactSum doubled;
  for (int i = 0; i < 60; ++i) {  // 2^60 of the largest double, and back
    doubled.add(i == 0 ? largest : 0.0);
    doubled.add(ExactSum(doubled));
  }
  EXPECT_EQ(doubled.value(), infinity);
  ExactSum negative = ExactSum::from_words([&] {
    auto words = doubled.words();
    for (auto& word : words) word = -word;
    return words;
  }());
  negative.add(doubled);
  negative.add(tiny);
  EXPECT_EQ(negative.value(), tiny);
}

TEST(ExactSum, WordsRoundTripAndAddUp) {
  std::mt19937_64 draw(4);
  ExactSum a;
  ExactSum b;
  for (const double term : random_terms(draw, 700, false)) a.add(term);
  for (const double term : random_terms(draw, 700, false)) b.add(term);
  b.add(infinity);
  EXPECT_EQ(ExactSum::from_words(a.words()).words(), a.words());
  auto words = a.words();
  const auto other = b.words();
  for (std::size_t i = 0; i < words.size(); ++i) words[i] += other[i];
  ExactSum both = a;
  both.add(b);
  EXPECT_EQ(ExactSum::from_words(words).words(), both.words());
  EXPECT_EQ(both.value(), infinity);
}

// 10^6 terms with cancellation; the expected bits come from the serial sum on every rank.
TEST(ExactSum, AMillionTermsOnAnyNumberOfRanks) {
  const auto world = Communicator::world();
  std::mt19937_64 draw(5);
  const auto terms = random_terms(draw, 1'000'000, false);
  std::vector<ExactSum> sums(2);
  ExactSum reference;
  for (std::size_t i = 0; i < terms.size(); ++i) {
    reference.add(terms[i]);
    const bool mine =
        i % static_cast<std::size_t>(world.size()) == static_cast<std::size_t>(world.rank());
    if (mine) sums[0].add(terms[i]);
  }
  sums[1].add(world.is_root() ? 1e300 : 0.1);
  const auto before = traffic().reductions;
  reduce(world, sums);
  EXPECT_EQ(traffic().reductions - before, 1);
  EXPECT_EQ(sums[0].words(), reference.words());
  EXPECT_EQ(bits(sums[0].value()), bits(reference.value()));
  EXPECT_EQ(sums[1].value(), 1e300);
  // The same digits on every machine and rank count.
  EXPECT_EQ(world.min(sums[0].value()), world.max(sums[0].value()));
}

TEST(ExactSum, PrintsItsSpeed) {
  std::mt19937_64 draw(6);
  const auto terms = random_terms(draw, 1 << 14, true);
  ExactSum sum;
  const auto start = std::chrono::steady_clock::now();
  for (int repeat = 0; repeat < 100; ++repeat) {
    for (const double term : terms) sum.add(term);
  }
  const std::chrono::duration<double, std::nano> elapsed = std::chrono::steady_clock::now() - start;
  std::printf("ExactSum::add %.2f ns\n",
              elapsed.count() / (100.0 * static_cast<double>(terms.size())));
  ExactSum once;
  ExactSum hundredfold;
  for (const double term : terms) once.add(term);
  for (int repeat = 0; repeat < 100; ++repeat) hundredfold.add(once);
  EXPECT_EQ(sum.words(), hundredfold.words());
}

}  // namespace
}  // namespace mensura::parallel
