// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <limits>
#include <map>

#include "line_cases.hpp"
#include "transport/line_terms.hpp"

namespace mensura::transport::test {
namespace {

using parallel::Communicator;

// The whole answer on every rank: tests are small.
std::vector<double> gathered(const Communicator& comm, const std::vector<double>& own,
                             const std::vector<std::size_t>& numbers, std::size_t total) {
  std::vector<double> whole(total, 0.0);
  for (std::size_t i = 0; i < own.size(); ++i) whole[numbers[i]] = own[i];
  std::vector<double> negative = whole;
  for (double& value : negative) value = -value;
  comm.max(std::span<double>(whole));
  comm.max(std::span<double>(negative));
  for (std::size_t i = 0; i < total; ++i) {
    if (negative[i] > 0) whole[i] = -negative[i];
  }
  return whole;
}

LineMap whole_map(const Communicator& comm, const Measure& a, const Measure& b, double power,
                  const Owner& owner_a = in_turn, const Owner& owner_b = in_blocks) {
  const auto own_a = own_part(comm, a, owner_a), own_b = own_part(comm, b, owner_b);
  auto result = line_map(comm, own_a.view(), own_b.view(), power);
  EXPECT_EQ(result.map_a.size(), own_a.numbers.size());
  EXPECT_EQ(result.cost, line_cost(comm, own_a.view(), own_b.view(), power));
  result.map_a = gathered(comm, result.map_a, own_a.numbers, a.size());
  result.map_b = gathered(comm, result.map_b, own_b.numbers, b.size());
  result.potential_a = gathered(comm, result.potential_a, own_a.numbers, a.size());
  result.potential_b = gathered(comm, result.potential_b, own_b.numbers, b.size());
  return result;
}

// Mean position of the partners of all unit masses at each position.
std::map<double, double> projection(const Measure& a, const Measure& b) {
  const auto of_a = expanded(a), of_b = expanded(b);
  std::map<double, std::pair<double, double>> sums;
  for (std::size_t k = 0; k < of_a.size(); ++k) {
    auto& [sum, count] = sums[a.positions[of_a[k]]];
    sum += b.positions[of_b[k]];
    ++count;
  }
  std::map<double, double> result;
  for (const auto& [position, pair] : sums) result[position] = pair.first / pair.second;
  return result;
}

// Positions lie in [-1, 1]: costs are at most 2^p = 8, potentials a small multiple; 60 roundings.
constexpr double roundings = 2e-14;

void expect_optimal(const LineMap& answer, const Measure& a, const Measure& b, double power) {
  double dual = 0, mass = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dual += a.mass[i] * answer.potential_a[i];
    mass += a.mass[i];
    for (std::size_t j = 0; j < b.size(); ++j) {
      const double cost = std::pow(std::abs(a.positions[i] - b.positions[j]), power);
      ASSERT_LE(answer.potential_a[i] + answer.potential_b[j], cost + roundings);
    }
  }
  for (std::size_t j = 0; j < b.size(); ++j) dual += b.mass[j] * answer.potential_b[j];
  EXPECT_NEAR(dual, answer.cost, mass * roundings);
  EXPECT_NEAR(answer.dual, answer.cost, mass * roundings);
}

TEST(LineMap, IsOptimalAndTheSameOnAnyRanks) {
  const auto world = Communicator::world();
  const auto self = alone();
  std::mt19937_64 draw(77);
  for (int trial = 0; trial < 8; ++trial) {
    const std::size_t n = 1 + draw() % 30, m = 1 + draw() % 30;
    const int cells = trial % 2 == 0 ? 0 : 4;
    const auto a = random_measure(draw, n, 60, cells), b = random_measure(draw, m, 60, cells);
    const auto expected_a = projection(a, b), expected_b = projection(b, a);
    for (const double power : {1.0, 1.5, 2.0, 3.0}) {
      const auto answer = whole_map(world, a, b, power);
      expect_optimal(answer, a, b, power);
      for (std::size_t i = 0; i < n; ++i) {
        EXPECT_NEAR(answer.map_a[i], expected_a.at(a.positions[i]), 1e-14);  // means of |y| <= 1
      }
      for (std::size_t j = 0; j < m; ++j) {
        EXPECT_NEAR(answer.map_b[j], expected_b.at(b.positions[j]), 1e-14);
      }
      const auto serial = whole_map(self, a, b, power);
      EXPECT_EQ(answer.dual, serial.dual);
      EXPECT_EQ(answer.map_a, serial.map_a);
      EXPECT_EQ(answer.map_b, serial.map_b);
      EXPECT_EQ(answer.potential_a, serial.potential_a);
      EXPECT_EQ(answer.potential_b, serial.potential_b);
    }
  }
}

TEST(LineMap, OnePointOverAllRanksAndTheMiddleOfItsPartners) {
  const auto world = Communicator::world();
  Measure one{{0.5}, {1024}}, many, copies;
  for (int i = 0; i < 1024; ++i) {
    many.positions.push_back(i);
    many.mass.push_back(1);
    copies.positions.push_back(0.5);
    copies.mass.push_back(1);
  }
  for (const auto& point : {one, copies}) {
    const auto answer = whole_map(world, point, many, 2, on_the_last, in_turn);
    EXPECT_EQ(answer.map_a, std::vector<double>(point.size(), 511.5));  // exact sums of integers
    EXPECT_EQ(answer.map_b, std::vector<double>(1024, 0.5));
    EXPECT_EQ(answer.potential_a, std::vector<double>(point.size(), 0));
    EXPECT_EQ(answer.potential_b[100], 99.5 * 99.5);
    EXPECT_EQ(answer.dual, answer.cost);
  }
}

TEST(LineMap, PotentialsOfTranslations) {
  const auto world = Communicator::world();
  std::mt19937_64 draw(3);
  auto a = random_measure(draw, 2000, 2000, 0);
  auto b = a;
  const double shift = 100;
  for (double& position : b.positions) position += shift;
  const auto answer = whole_map(world, a, b, 2);
  // From point to point at distance h: (h - shift)^2 - shift^2. Increments are right to rounding,
  // each relative to itself; the sum of their sizes is 400, positions near 100 are rounded to
  // 2^-46.
  auto sorted = a.positions;
  std::sort(sorted.begin(), sorted.end());
  double expected = -2 * shift * (sorted.back() - sorted.front());
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    expected += (sorted[i] - sorted[i - 1]) * (sorted[i] - sorted[i - 1]);
  }
  const auto [low, high] = std::minmax_element(a.positions.begin(), a.positions.end());
  const auto first = static_cast<std::size_t>(low - a.positions.begin());
  const auto last = static_cast<std::size_t>(high - a.positions.begin());
  EXPECT_NEAR(answer.potential_a[last] - answer.potential_a[first], expected,
              400 * 4e-16 + 400 * 0x1p-46);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(answer.map_a[i], b.positions[i]);
  // 2000 masses; values near 1e4, potentials cancel down to it from at most 1e4.
  EXPECT_NEAR(answer.dual, answer.cost, 2000 * 1e4 * 4e-16);
}

TEST(LineMap, AFarOutlierDoesNotSpoilTheRest) {
  const auto world = Communicator::world();
  Measure a{{-1e8}, {0x1p-60}}, b{{-1e8 - 1}, {0x1p-60}};
  for (int i = 0; i < 100; ++i) {
    a.positions.push_back(i);
    b.positions.push_back(i + 0.5);
    a.mass.push_back(1);
    b.mass.push_back(1);
  }
  const auto answer = whole_map(world, a, b, 2);
  EXPECT_NEAR(answer.cost, 25, 1e-13);
  EXPECT_NEAR(answer.dual, 25, 1e-12);  // potentials up to 100: 100 points, 100 x 2^-53 each
}

TEST(LineMap, HostileNumbers) {
  const auto world = Communicator::world();
  const double tiny = std::numeric_limits<double>::denorm_min();
  const auto far = whole_map(world, {{-1e300, 0}, {1, 1}}, {{1e300, 2}, {1, 1}}, 1);
  EXPECT_EQ(far.map_a, (std::vector<double>{2, 1e300}));
  EXPECT_EQ(far.cost, 2e300);
  EXPECT_EQ(far.dual, 2e300);
  const auto light = whole_map(world, {{0, 1}, {tiny, 2 * tiny}}, {{5, 3}, {tiny, 2 * tiny}}, 2);
  EXPECT_EQ(light.map_a, (std::vector<double>{3, 4}));
  EXPECT_EQ(light.map_b, (std::vector<double>{1, 0.5}));
  EXPECT_EQ(light.cost, (9 + 4 + 16) * tiny);
  EXPECT_EQ(light.dual, light.cost);
  // Masses of all sizes: the light points keep their partners (as one unit each, 2^-125 or so).
  const auto mixed =
      whole_map(world, {{0, 1, 2}, {1e-300, 1, 1e300}}, {{3, 4, 5}, {1e-300, 1, 1e300}}, 2);
  EXPECT_EQ(mixed.map_a, (std::vector<double>{3, 4, 5}));
  EXPECT_NEAR(mixed.dual, 9e300, 9e300 * 1e-15);
}

// The term of the increments, against quadruple-length differences where plain ones lose digits.
TEST(LineTerms, SmallRisesKeepTheirDigits) {
  for (const double power : {1.0, 1.5, 2.0, 3.0}) {
    for (const double from : {1.0, -3.0, 1e-3}) {
      for (const double step : {0x1p-40, -0x1p-40, 0x1p-12, 1.0, 4.0, -4.0}) {
        const double to = from + step;
        if (to - from != step) continue;
        const auto exact = static_cast<double>(
            std::pow(std::abs(static_cast<long double>(to)), static_cast<long double>(power)) -
            std::pow(std::abs(static_cast<long double>(from)), static_cast<long double>(power)));
        // Long doubles lose 40 of their 64 bits at the smallest step, whose ratio is 2^-41.6.
        EXPECT_NEAR(line_rise(from, to, step, power), exact,
                    4e-16 * std::abs(exact) +
                        4e-19 * line_term(std::max(std::abs(from), std::abs(to)), power));
      }
    }
  }
}

// The coupling's entries: marginals exact, ordered as the line is, cost that of the map; the same
// on all ranks.
TEST(LinePlan, EntriesCarryTheCoupling) {
  const auto comm = Communicator::world();
  for (const unsigned seed : {1U, 2U, 3U}) {
    std::minstd_rand draw(seed);
    // Few positions, so that many points share one; masses are whole numbers.
    Measure a, b;
    for (int i = 0; i < 60; ++i) {
      a.positions.push_back(static_cast<double>(draw() % 20) / 7);
      a.mass.push_back(static_cast<double>(1 + draw() % 8));
    }
    double left = std::accumulate(a.mass.begin(), a.mass.end(), 0.0);
    while (left > 0) {
      b.positions.push_back(static_cast<double>(draw() % 30) / 11);
      b.mass.push_back(std::min(left, static_cast<double>(1 + draw() % 8)));
      left -= b.mass.back();
    }
    const auto own_a = own_part(comm, a, in_blocks), own_b = own_part(comm, b, in_blocks);
    const auto entries = line_plan(comm, own_a.view(), own_b.view());
    EXPECT_LE(comm.sum(static_cast<std::int64_t>(entries.size())),
              static_cast<std::int64_t>(a.size() + b.size()) - 1);
    std::vector<std::int64_t> dense(a.size() * b.size(), 0);  // masses are whole numbers
    for (std::size_t e = 0; e < entries.size(); ++e) {
      if (e > 0) {
        EXPECT_GE(entries[e].row, entries[e - 1].row);
      }
      const std::size_t row = own_a.numbers[static_cast<std::size_t>(entries[e].row)];
      const auto mass = static_cast<std::int64_t>(entries[e].mass);
      EXPECT_EQ(static_cast<double>(mass), entries[e].mass);
      dense[row * b.size() + static_cast<std::size_t>(entries[e].column)] += mass;
    }
    comm.sum(std::span<std::int64_t>(dense));
    double cost = 0;
    std::vector<double> columns(b.size(), 0.0);
    for (std::size_t i = 0; i < a.size(); ++i) {
      double row = 0;
      for (std::size_t j = 0; j < b.size(); ++j) {
        const auto mass = static_cast<double>(dense[i * b.size() + j]);
        row += mass;
        columns[j] += mass;
        cost += mass * std::pow(a.positions[i] - b.positions[j], 2);
        // Monotone: nobody to the left goes further to the right.
        for (std::size_t k = 0; k < a.size() && mass > 0; ++k) {
          if (a.positions[k] >= a.positions[i]) continue;
          for (std::size_t l = 0; l < b.size(); ++l) {
            if (b.positions[l] > b.positions[j]) {
              ASSERT_EQ(dense[k * b.size() + l], 0);
            }
          }
        }
      }
      EXPECT_EQ(row, a.mass[i]);
    }
    EXPECT_EQ(columns, b.mass);
    EXPECT_NEAR(cost, line_cost(comm, own_a.view(), own_b.view(), 2), 1e-12 * cost);
  }
}

}  // namespace
}  // namespace mensura::transport::test
