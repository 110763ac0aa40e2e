// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/random.hpp"

#include <Random123/philox.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <vector>

#include "parallel/exact_sum.hpp"

namespace mensura::parallel {
namespace {

using Words = std::array<std::uint64_t, 4>;

Words philox(const Words& counter, const std::array<std::uint64_t, 2>& key) {
  const r123::Philox4x64::ctr_type c = {{counter[0], counter[1], counter[2], counter[3]}};
  const r123::Philox4x64::key_type k = {{key[0], key[1]}};
  const auto r = r123::Philox4x64()(c, k);
  return {r[0], r[1], r[2], r[3]};
}

// Random123's own known answers (kat_vectors, philox4x64 with 10 rounds): zeros, ones, digits of
// pi.
TEST(Philox, KnownAnswers) {
  constexpr std::uint64_t ones = ~std::uint64_t{0};
  EXPECT_EQ(philox({0, 0, 0, 0}, {0, 0}), (Words{0x16554d9eca36314cULL, 0xdb20fe9d672d0fdcULL,
                                                 0xd7e772cee186176bULL, 0x7e68b68aec7ba23bULL}));
  EXPECT_EQ(philox({ones, ones, ones, ones}, {ones, ones}),
            (Words{0x87b092c3013fe90bULL, 0x438c3c67be8d0224ULL, 0x9cc7d7c69cd777b6ULL,
                   0xa09caebf594f0ba0ULL}));
  EXPECT_EQ(philox({0x243f6a8885a308d3ULL, 0x13198a2e03707344ULL, 0xa4093822299f31d0ULL,
                    0x082efa98ec4e6c89ULL},
                   {0x452821e638d01377ULL, 0xbe5466cf34e90c6cULL}),
            (Words{0xa528f45403e61d95ULL, 0x38c72dbd566e9788ULL, 0xa5a1610e72fd18b5ULL,
                   0x57bd43b5e52b7fe6ULL}));
}

// FNV-1a and the SplitMix64 finaliser written out once more, from their definitions.
std::uint64_t key_word(std::uint64_t state, const std::vector<unsigned char>& bytes) {
  for (const auto byte : bytes) state = (state ^ byte) * 1099511628211ULL;
  state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ULL;
  state = (state ^ (state >> 27)) * 0x94d049bb133111ebULL;
  return state ^ (state >> 31);
}

// The key derivation is part of what makes a run repeatable years later: it must not change.
TEST(Stream, KeyIsTheDocumentedHash) {
  const std::vector<unsigned char> bytes{7, 0, 0,   0,   0,   0, 0, 0, 3, 0, 0, 0, 0, 0,
                                         0, 0, 's', 'e', 't', 1, 0, 0, 0, 0, 0, 0, 0, 'q'};
  const std::array<std::uint64_t, 2> key{key_word(14695981039346656037ULL, bytes),
                                         key_word(0x9e3779b97f4a7c15ULL, bytes)};
  const Stream stream(7, "set", "q");
  EXPECT_EQ(stream.words(0, 0), philox({0, 0, 0, 0}, key));
  EXPECT_EQ(stream.words(12345678901ULL, 3), philox({12345678901ULL, 3, 0, 0}, key));
}

TEST(Stream, MixIsSplitMix64) {
  // First output of SplitMix64 with seed 0 is the finaliser of the golden gamma.
  static_assert(mix(0x9e3779b97f4a7c15ULL) == 0xe220a8397b1dcdafULL);
  static_assert(mix(0) == 0);
}

TEST(Stream, AccessOrderDoesNotMatter) {
  const Stream stream(1, "sample", "p");
  std::vector<double> forward;
  for (std::uint64_t i = 0; i < 100; ++i) {
    for (std::uint64_t d = 0; d < 7; ++d) forward.push_back(stream.normal(i, d));
  }
  const Stream again(1, "sample", "p");
  for (std::uint64_t i = 100; i-- > 0;) {
    for (std::uint64_t d = 7; d-- > 0;) EXPECT_EQ(again.normal(i, d), forward[i * 7 + d]);
  }
}

TEST(Stream, DrawsAreTheWordsOfTheirBlock) {
  const Stream stream(9, "a", "b");
  for (std::uint64_t draw = 0; draw < 12; ++draw) {
    const auto word = stream.words(5, draw / 4)[draw % 4];
    EXPECT_EQ(stream.uniform(5, draw), (static_cast<double>(word >> 12) + 0.5) * 0x1p-52);
    const double radius = std::sqrt(-2 * std::log(stream.uniform(5, 2 * draw)));
    const double angle = 2 * 3.14159265358979323846 * stream.uniform(5, 2 * draw + 1);
    EXPECT_DOUBLE_EQ(stream.normal(5, draw), radius * std::cos(angle));
  }
}

TEST(Stream, SeedPurposeAndNameAllMatter) {
  std::set<Words> seen;
  for (const auto& stream :
       {Stream(1, "ab", "c"), Stream(1, "a", "bc"), Stream(1, "", "abc"), Stream(1, "abc", ""),
        Stream(2, "ab", "c"), Stream(1ULL << 63U, "ab", "c"), Stream(0, "", "")}) {
    seen.insert(stream.words(0, 0));
  }
  EXPECT_EQ(seen.size(), 7U);
}

constexpr std::uint64_t count = 200000;

// Moments within five standard errors of their expectation; the draws are fixed, so a pass stays.
TEST(Stream, UniformMoments) {
  const Stream stream(1, "moments", "u");
  ExactSum first;
  ExactSum second;
  double low = 1;
  double high = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const double u = stream.uniform(i, 0);
    first.add(u);
    second.add(u * u);
    low = std::min(low, u);
    high = std::max(high, u);
  }
  const auto n = static_cast<double>(count);
  EXPECT_GT(low, 0.0);
  EXPECT_LT(high, 1.0);
  EXPECT_NEAR(first.value() / n, 0.5, 5 * std::sqrt(1.0 / 12 / n));
  EXPECT_NEAR(second.value() / n, 1.0 / 3, 5 * std::sqrt(4.0 / 45 / n));
}

TEST(Stream, NormalMoments) {
  const Stream stream(1, "moments", "n");
  std::array<ExactSum, 4> power;
  for (std::uint64_t i = 0; i < count; ++i) {
    double term = 1;
    for (auto& sum : power) sum.add(term *= stream.normal(i / 3, i % 3));
  }
  const auto n = static_cast<double>(count);
  const std::array<double, 4> expected{0, 1, 0, 3};
  const std::array<double, 4> variance{1, 2, 15, 96};  // of x, x^2, x^3, x^4
  for (std::size_t k = 0; k < 4; ++k) {
    EXPECT_NEAR(power[k].value() / n, expected[k], 5 * std::sqrt(variance[k] / n)) << k + 1;
  }
}

TEST(Stream, NamesDrawsAndNeighboursAreUncorrelated) {
  const Stream p(1, "sample", "p");
  const Stream q(1, "sample", "q");
  ExactSum names;
  ExactSum draws;
  ExactSum indices;
  for (std::uint64_t i = 0; i < count; ++i) {
    names.add(p.normal(i, 0) * q.normal(i, 0));
    draws.add(p.normal(i, 0) * p.normal(i, 1));
    indices.add(p.normal(i, 0) * p.normal(i + 1, 0));
  }
  const double five_errors = 5 / std::sqrt(static_cast<double>(count));
  for (const auto* sum : {&names, &draws, &indices}) {
    EXPECT_NEAR(sum->value() / static_cast<double>(count), 0.0, five_errors);
  }
}

}  // namespace
}  // namespace mensura::parallel
