// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/sort.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <random>
#include <string>

namespace mensura::parallel {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

struct Case {
  std::string name;
  std::size_t count;
  std::function<double(std::size_t, std::mt19937_64&)> value;
  std::function<std::size_t(std::size_t, std::size_t)> owner;  // (element, size)
  std::uint64_t id_modulus = std::numeric_limits<std::uint64_t>::max();
};

std::size_t round_robin(std::size_t i, std::size_t size) {
  return i % size;
}
std::size_t last_only(std::size_t /*i*/, std::size_t size) {
  return size - 1;
}
std::size_t skewed(std::size_t i, std::size_t size) {
  return i % 100 < 97 ? 0 : i % size;
}

double uniform(std::size_t /*i*/, std::mt19937_64& draw) {
  return std::uniform_real_distribution<double>(-1, 1)(draw);
}
double any_bits(std::size_t /*i*/, std::mt19937_64& draw) {
  const auto value = std::bit_cast<double>(draw());
  return std::isnan(value) ? -infinity : value;
}

std::vector<Case> cases() {
  return {
      {"uniform", 20011, uniform, round_robin},
      {"all_on_one_rank", 5003, uniform, last_only},
      {"every_exponent_skewed_owners", 20011, any_bits, skewed},
      {"all_equal", 5003, [](std::size_t, std::mt19937_64&) { return 3.25; }, round_robin},
      {"all_equal_and_equal_ids", 5003, [](std::size_t, std::mt19937_64&) { return -1.0; },
       round_robin, 1},
      {"few_values_few_ids", 10007,
       [](std::size_t, std::mt19937_64& draw) { return static_cast<double>(draw() % 5); }, skewed,
       7},
      {"grey_values", 20011,
       [](std::size_t, std::mt19937_64& draw) { return static_cast<double>(draw() % 256) / 255; },
       round_robin},
      {"both_zeros_and_infinities", 3001,
       [](std::size_t i, std::mt19937_64&) {
         const double values[] = {0.0, -0.0, infinity, -infinity, 5e-324, -5e-324};
         return values[i % 6];
       },
       round_robin},
      {"heavy_tail", 20011,
       [](std::size_t i, std::mt19937_64& draw) { return std::exp(700 * uniform(i, draw)); },
       skewed},
      {"already_sorted", 20011,
       [](std::size_t i, std::mt19937_64&) { return 0.5 * static_cast<double>(i); },
       [](std::size_t i, std::size_t size) { return std::min(i * size / 20011, size - 1); }},
      {"fewer_than_ranks", 2, uniform, last_only},
      {"one", 1, uniform, round_robin},
      {"none", 0, uniform, round_robin},
  };
}

class Sort : public testing::TestWithParam<Case> {};

TEST_P(Sort, EveryRankHoldsItsBlockOfTheSerialSort) {
  const auto world = Communicator::world();
  const auto rank = static_cast<std::size_t>(world.rank());
  const auto size = static_cast<std::size_t>(world.size());
  const auto& test = GetParam();
  std::mt19937_64 draw(11);
  std::vector<Keyed> all;
  std::vector<Keyed> local;
  for (std::size_t i = 0; i < test.count; ++i) {
    const std::uint64_t id = (i * 2654435761U) % test.id_modulus;
    all.push_back({test.value(i, draw), id});
    if (test.owner(i, size) == rank) local.push_back(all.back());
  }
  std::sort(all.begin(), all.end());
  const auto before = traffic().reductions;
  const auto sorted = sort(world, local);
  // Three words of set-up and ends, then two per bisection of 64-bit keys for values and ids.
  EXPECT_LE(traffic().reductions - before, 300);
  const auto begin = all.begin() + static_cast<std::ptrdiff_t>(rank * test.count / size);
  const auto end = all.begin() + static_cast<std::ptrdiff_t>((rank + 1) * test.count / size);
  EXPECT_EQ(sorted.size(), static_cast<std::size_t>(end - begin));
  EXPECT_TRUE(std::equal(begin, end, sorted.begin(), sorted.end()));
}

INSTANTIATE_TEST_SUITE_P(Cases, Sort, testing::ValuesIn(cases()),
                         [](const auto& tested) { return tested.param.name; });

// Zeros of either sign keep their sign on the way.
TEST(SortDetails, SignsOfZeroSurvive) {
  const auto world = Communicator::world();
  const auto rank = static_cast<std::uint64_t>(world.rank());
  const auto sorted = sort(world, {{-0.0, 2 * rank + 1}, {0.0, 2 * rank}});
  EXPECT_EQ(sorted.size(), 2U);
  for (const auto& element : sorted) EXPECT_EQ(std::signbit(element.value), element.id % 2 == 1);
}

TEST(SortDetails, NotANumberIsRefusedOnAllRanks) {
  const auto world = Communicator::world();
  std::vector<Keyed> local{{1.0, 0}};
  if (world.rank() == world.size() - 1) local.push_back({std::nan(""), 42});
  try {
    static_cast<void>(sort(world, local));
    ADD_FAILURE() << "a NaN went through";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::numerical);
    EXPECT_NE(std::string(error.what()).find("id 42"), std::string::npos);
  }
}

// Bisection on occurring keys: 256 values need about 8 rounds, not 64, whatever their bits.
TEST(SortDetails, FewDistinctKeysTakeFewRounds) {
  const auto world = Communicator::world();
  std::mt19937_64 draw(static_cast<unsigned>(world.rank()));
  std::vector<Keyed> local;
  for (std::uint64_t i = 0; i < 4096; ++i) {
    local.push_back(
        {static_cast<double>(draw() % 4),
         i * static_cast<std::uint64_t>(world.size()) + static_cast<std::uint64_t>(world.rank())});
  }
  const auto before = traffic().reductions;
  static_cast<void>(sort(world, std::move(local)));
  // 4 values: at most 3 rounds; ids below 2^15: at most 16 rounds; two reductions each, and 10
  // more.
  EXPECT_LE(traffic().reductions - before, 2 * (3 + 16) + 10);
}

}  // namespace
}  // namespace mensura::parallel
