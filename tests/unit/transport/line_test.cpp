// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <limits>

#include "line_cases.hpp"
#include "parallel/error.hpp"

namespace mensura::transport::test {
namespace {

using parallel::Communicator;
using parallel::ExitCode;

double spread(const Communicator& comm, const Measure& a, const Measure& b, double power,
              const Owner& owner_a = in_blocks, const Owner& owner_b = in_turn) {
  const auto own_a = own_part(comm, a, owner_a), own_b = own_part(comm, b, owner_b);
  return line_cost(comm, own_a.view(), own_b.view(), power);
}

// Sorted unit masses are coupled one by one.
double by_units(const Measure& a, const Measure& b, double power) {
  const auto of_a = expanded(a), of_b = expanded(b);
  long double sum = 0;
  for (std::size_t k = 0; k < of_a.size(); ++k) {
    sum += std::pow(std::abs(static_cast<long double>(a.positions[of_a[k]]) -
                             static_cast<long double>(b.positions[of_b[k]])),
                    static_cast<long double>(power));
  }
  return static_cast<double>(sum);
}

TEST(Line, EqualsTheCouplingOfUnitMassesOnAnyRanksBitwise) {
  const auto world = Communicator::world();
  const auto self = alone();
  std::mt19937_64 draw(20261);
  for (int trial = 0; trial < 12; ++trial) {
    const std::size_t n = 1 + draw() % 30, m = 1 + draw() % 30, units = 60;
    const int cells = trial % 3 == 0 ? 0 : 3 * (trial % 3);  // ties and duplicates in two of three
    const auto a = random_measure(draw, n, units, cells), b = random_measure(draw, m, units, cells);
    for (const double power : {1.0, 1.5, 2.0, 3.0}) {
      const double expected = by_units(a, b, power);
      const double cost = spread(world, a, b, power);
      // Every term has a few roundings; all are positive.
      EXPECT_NEAR(cost, expected, 4e-15 * expected) << "trial " << trial << ", power " << power;
      EXPECT_EQ(cost, spread(self, a, b, power)) << "trial " << trial;
      EXPECT_EQ(cost, spread(world, a, b, power, on_the_last, in_turn)) << "trial " << trial;
    }
  }
}

TEST(Line, TranslationsAndDiracs) {
  const auto world = Communicator::world();
  std::mt19937_64 draw(5);
  const auto a = random_measure(draw, 40, 64, 128);
  auto b = a;
  for (double& position : b.positions) position += 0.75;  // exact on the lattice
  const Measure dirac{{0.25}, {64}};
  for (const double power : {1.0, 1.5, 2.0, 3.0}) {
    const double unit = std::pow(0.75, power);
    EXPECT_NEAR(spread(world, a, b, power), 64 * unit, 64e-15 * unit);  // pow and one product
    EXPECT_EQ(spread(world, a, a, power, in_blocks, on_the_last), 0);
    double expected = 0;
    for (std::size_t i = 0; i < a.size(); ++i) {
      expected += a.mass[i] * std::pow(std::abs(a.positions[i] - 0.25), power);
    }
    EXPECT_NEAR(spread(world, a, dirac, power), expected, 1e-14 * expected);  // 40 terms
    EXPECT_NEAR(spread(world, dirac, a, power), expected, 1e-14 * expected);
  }
  EXPECT_EQ(spread(world, {{1}, {0.5}}, {{4}, {0.5}}, 2), 4.5);
}

// Uniform laws on m points at (i + 1/2) / m: dividing n points among m = n k centres.
TEST(Line, ManyPointsOfDifferentNumbersMeet) {
  const auto world = Communicator::world();
  constexpr std::size_t n = 30011, m = 3 * n;
  Measure a, b;
  for (std::size_t i = 0; i < n; ++i) {
    const auto place = static_cast<double>(i * 7919 % n);  // n is prime: a permutation
    a.positions.push_back((place + 0.5) / n);
    a.mass.push_back(1.0 / n);
  }
  for (std::size_t i = 0; i < m; ++i) {
    b.positions.push_back((static_cast<double>(i * 6007 % m) + 0.5) / m);
    b.mass.push_back(1.0 / m);
  }
  // Each point meets the three at distances 0 and 1 / m on both sides. Positions are rounded to
  // 2^-54, which changes a distance of 1 / m = 1.1e-5 by 1e-11 of it; so do the masses' cumulated
  // roundings (1e-17 each of the total at most, at jumps that should have met).
  EXPECT_NEAR(spread(world, a, b, 2), 2.0 / 3 / (static_cast<double>(m) * m),
              1e-10 / (static_cast<double>(m) * m));
  EXPECT_NEAR(spread(world, a, b, 1), 2.0 / 3 / m, 1e-10 / m);
}

double normal_quantile(double t) {  // bisection: the error function is all there is
  double low = -10, high = 10;
  for (int step = 0; step < 60; ++step) {
    const double middle = 0.5 * (low + high);
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < t ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

TEST(Line, QuantilesOfGaussians) {
  const auto world = Communicator::world();
  const auto quantiles = [](std::size_t n, double mean, double deviation) {
    Measure result;
    for (std::size_t i = 0; i < n; ++i) {
      const double t = (static_cast<double>(i) + 0.5) / static_cast<double>(n);
      result.positions.push_back(mean + deviation * normal_quantile(t));
      result.mass.push_back(1.0 / static_cast<double>(n));
    }
    return result;
  };
  // The mean square of n midpoint quantiles misses 1 by about 1 / n (measured: 1.4e-3 at 1000).
  const double w2 = spread(world, quantiles(1000, 1, 2), quantiles(1500, -0.5, 0.5), 2);
  EXPECT_NEAR(w2, 1.5 * 1.5 + 1.5 * 1.5, 1e-2);
  EXPECT_GT(std::abs(w2 - 4.5), 1e-6);  // it is not exact: the numbers of points differ
}

TEST(Line, CumulatedMassesDoNotDrift) {
  const auto world = Communicator::world();
  // A heavy point first: in doubles 2^60 + 1 + 1 + ... would lose every light one.
  Measure a{{-1}, {0x1p60}}, b{{-1}, {0x1p60}};
  for (int i = 0; i < 4096; ++i) {
    a.positions.push_back(i);
    b.positions.push_back(i + 1);
    a.mass.push_back(1);
    b.mass.push_back(1);
  }
  EXPECT_EQ(spread(world, a, b, 2), 4096);
  EXPECT_EQ(spread(world, a, b, 1, on_the_last, on_the_last), 4096);
}

TEST(Line, TotalsWithinTheContractMeet) {
  const auto world = Communicator::world();
  const Measure a{{0, 1, 2}, {0.25, 0.25, 0.5}};
  Measure b{{1, 2, 3}, {0.25, 0.25, 0.5 + 4e-13}};
  // The lighter measure's jumps move up by 1e-13 and 2e-13: that much couples at distance 2 instead
  // of 1, and 4e-13 of mass is new.
  EXPECT_NEAR(spread(world, a, b, 2), 1 + 1.3e-12, 1e-15);
  EXPECT_NEAR(spread(world, b, a, 2), 1 + 1.3e-12, 1e-15);
}

TEST(Line, HostileNumbers) {
  const auto world = Communicator::world();
  const double tiny = std::numeric_limits<double>::denorm_min();
  EXPECT_EQ(spread(world, {{-1e300, 0}, {1, 1}}, {{1e300, 0}, {1, 1}}, 1), 2e300);
  EXPECT_EQ(spread(world, {{0, 1}, {tiny, tiny}}, {{2, 3}, {tiny, tiny}}, 2), 8 * tiny);
  // Below 2^-125 of the total (here 2^-124) a mass counts as that, wherever it is.
  EXPECT_EQ(spread(world, {{0, 0.5}, {1, tiny}}, {{0, 0}, {1, tiny}}, 1), 0x1p-125);
}

TEST(Line, DuplicatesAreOnePoint) {
  const auto world = Communicator::world();
  Measure a, b;
  for (int i = 0; i < 40000; ++i) {
    a.positions.push_back(i % 2 == 0 ? 0.0 : -0.0);
    b.positions.push_back(i % 4 == 0 ? 3 : 1);
    a.mass.push_back(0.5);
    b.mass.push_back(0.5);
  }
  EXPECT_EQ(spread(world, a, b, 2), 20000 * (0.25 * 9 + 0.75));
}

ExitCode code_of(const Communicator& comm, const Measure& a, const Measure& b, double power) {
  try {
    spread(comm, a, b, power, in_blocks, on_the_last);
  } catch (const parallel::Error& error) {
    return error.code();
  }
  return ExitCode::success;
}

TEST(Line, RefusesWhatHasNoAnswerOnAllRanks) {
  const auto world = Communicator::world();
  const Measure good{{0, 1}, {1, 1}};
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(code_of(world, good, good, 2), ExitCode::success);
  EXPECT_EQ(code_of(world, good, {{0, 1}, {1, 1 + 4e-12}}, 2), ExitCode::input_data);
  EXPECT_EQ(code_of(world, good, {{0, nan}, {1, 1}}, 2), ExitCode::input_data);
  EXPECT_EQ(code_of(world, good, {{0, 1, 2}, {1, 1, 0}}, 2), ExitCode::input_data);
  EXPECT_EQ(code_of(world, good, {{}, {}}, 2), ExitCode::input_data);
  EXPECT_EQ(code_of(world, {{-1e300}, {1}}, {{1e300}, {1}}, 2), ExitCode::numerical);
  EXPECT_EQ(code_of(world, good, good, 0.5), ExitCode::internal);
}

}  // namespace
}  // namespace mensura::transport::test
