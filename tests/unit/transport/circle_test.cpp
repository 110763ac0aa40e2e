// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>
#include <limits>

#include "line_cases.hpp"

namespace mensura::transport::test {
namespace {

using parallel::Communicator;
constexpr double period = 1.25;

double spread(const Communicator& comm, const Measure& a, const Measure& b, double power,
              const Owner& owner_a = in_blocks, const Owner& owner_b = in_turn) {
  const auto own_a = own_part(comm, a, owner_a), own_b = own_part(comm, b, owner_b);
  return circle_cost(comm, own_a.view(), own_b.view(), period, power);
}

double distance(double x, double y) {
  return std::abs(std::remainder(x - y, period));
}

// All couplings of unit masses.
double by_permutations(const Measure& a, const Measure& b, double power) {
  const auto of_a = expanded(a);
  auto of_b = expanded(b);
  std::sort(of_b.begin(), of_b.end());
  double best = std::numeric_limits<double>::infinity();
  do {
    double sum = 0;
    for (std::size_t k = 0; k < of_a.size(); ++k) {
      sum += std::pow(distance(a.positions[of_a[k]], b.positions[of_b[k]]), power);
    }
    best = std::min(best, sum);
  } while (std::next_permutation(of_b.begin(), of_b.end()));
  return best;
}

Measure on_circle(Measure measure) {
  for (double& position : measure.positions) {
    position = std::fmod(position, period);
    if (position < 0) position += period;
  }
  return measure;
}

// All rotations of unit masses in the order of the circle.
double by_rotations(const Measure& a, const Measure& b, double power) {
  const auto in_a = on_circle(a), in_b = on_circle(b);
  const auto of_a = expanded(in_a), of_b = expanded(in_b);
  double best = std::numeric_limits<double>::infinity();
  for (std::size_t turn = 0; turn < of_a.size(); ++turn) {
    double sum = 0;
    for (std::size_t k = 0; k < of_a.size(); ++k) {
      sum += std::pow(
          distance(in_a.positions[of_a[k]], in_b.positions[of_b[(k + turn) % of_b.size()]]), power);
    }
    best = std::min(best, sum);
  }
  return best;
}

// p = 1: the difference of the distribution functions minus its weighted median.
double by_median(const Measure& a, const Measure& b) {
  std::vector<std::pair<double, double>> jumps;
  const auto in_a = on_circle(a), in_b = on_circle(b);
  for (std::size_t i = 0; i < a.size(); ++i) jumps.emplace_back(in_a.positions[i], a.mass[i]);
  for (std::size_t i = 0; i < b.size(); ++i) jumps.emplace_back(in_b.positions[i], -b.mass[i]);
  std::sort(jumps.begin(), jumps.end());
  std::vector<std::pair<double, double>> pieces;  // level, length
  double level = 0, at = 0;
  for (const auto& [position, jump] : jumps) {
    pieces.emplace_back(level, position - at);
    level += jump;
    at = position;
  }
  pieces.emplace_back(level, period - at);
  std::sort(pieces.begin(), pieces.end());
  double below = 0, median = 0, sum = 0;
  for (const auto& [value, length] : pieces) {
    if (below < period / 2) median = value;
    below += length;
  }
  for (const auto& [value, length] : pieces) sum += std::abs(value - median) * length;
  return sum;
}

// Sums of positive terms with a few roundings each; positions are wrapped, that is rounded to
// 2^-53 absolutely, which a derivative of p d^(p-1) < 3 turns into 1e-15 per unit of mass.
double tolerance(double expected, double units) {
  return 1e-14 * expected + 1e-15 * units;
}

TEST(Circle, EqualsTheBestOfAllPermutations) {
  const auto world = Communicator::world();
  const auto self = alone();
  std::mt19937_64 draw(11);
  for (int trial = 0; trial < 8; ++trial) {
    const int cells = trial % 2 == 0 ? 0 : 4;
    const auto a = random_measure(draw, 1 + draw() % 6, 6, cells);
    const auto b = random_measure(draw, 1 + draw() % 6, 6, cells);
    for (const double power : {1.0, 1.5, 2.0, 3.0}) {
      const double expected = by_permutations(a, b, power);
      const double cost = spread(world, a, b, power);
      EXPECT_NEAR(cost, expected, tolerance(expected, 6)) << "trial " << trial << " p " << power;
      EXPECT_EQ(cost, spread(self, a, b, power, on_the_last, on_the_last));
    }
  }
}

TEST(Circle, EqualsTheBestRotationAndTheMedian) {
  const auto world = Communicator::world();
  const auto self = alone();
  std::mt19937_64 draw(12);
  for (int trial = 0; trial < 2; ++trial) {
    const int cells = trial == 1 ? 8 : 0;
    const auto a = random_measure(draw, 120, 300, cells), b = random_measure(draw, 90, 300, cells);
    const double median = by_median(a, b);
    EXPECT_NEAR(spread(world, a, b, 1), median, tolerance(median, 300));
    for (const double power : {1.0, 1.5, 2.0, 3.0}) {
      const double expected = by_rotations(a, b, power);
      const double cost = spread(world, a, b, power, in_turn, on_the_last);
      EXPECT_NEAR(cost, expected, tolerance(expected, 300)) << "trial " << trial << " p " << power;
      EXPECT_EQ(cost, spread(self, a, b, power));
    }
  }
}

TEST(Circle, RotationsAndTheCutDoNotMatter) {
  const auto world = Communicator::world();
  // All mass in a short arc around the cut, moved by a little: a translation.
  Measure a, b, c;
  for (int i = 0; i < 1000; ++i) {
    const double place = (i - 500) * 0x1p-13;
    a.positions.push_back(place);
    b.positions.push_back(place + 0.125 + 7 * period);
    c.positions.push_back(place + 0.5 * period);
    for (auto* measure : {&a, &b, &c}) measure->mass.push_back(0x1p-10);
  }
  for (const double power : {1.0, 1.5, 2.0, 3.0}) {
    const double expected = 1000 * 0x1p-10 * std::pow(0.125, power);
    EXPECT_NEAR(spread(world, a, b, power), expected, tolerance(expected, 1));
    EXPECT_EQ(spread(world, a, a, power), 0);
  }
  // Half a period away: whichever way round, nobody goes farther than the other side.
  EXPECT_LE(spread(world, a, c, 2), 0.25 * period * period);
}

// Squared distance to the uniform law: integral of (Q(t) - t - E + 1/2)^2 for a measure in [0, 1].
TEST(Circle, FormulaAgainstTheUniformLaw) {
  const auto world = Communicator::world();
  constexpr int n = 4000;
  Measure uniform, two;
  for (int i = 0; i < n; ++i) {
    uniform.positions.push_back(period * (i + 0.5) / n);
    uniform.mass.push_back(1);
  }
  two.positions = {0.2 * period, 0.3 * period};
  two.mass = {n / 4.0, 3 * n / 4.0};
  // Q = 0.2 on [0, 1/4], 0.3 beyond; E = 0.275: the integral in closed form by antiderivatives.
  const auto cube = [](double x) { return x * x * x / 3; };
  const double centre = 0.275 - 0.5;
  const double exact =
      cube(0.2 - centre) - cube(-0.05 - centre) + cube(0.05 - centre) - cube(-0.7 - centre);
  // The points stand for cells of width h = 1 / n: h^2 / 12 less.
  EXPECT_NEAR(spread(world, two, uniform, 2) / n / (period * period), exact, 1.0 / n / n);
  // Searched from the other side; 4000 terms, each with the rounding of wrapped positions.
  std::mt19937_64 draw(14);
  const auto other = random_measure(draw, 1500, n, 0);
  const double forth = spread(world, other, uniform, 1.5),
               back = spread(world, uniform, other, 1.5);
  EXPECT_NEAR(forth, back, 1e-14 * forth);
}

}  // namespace
}  // namespace mensura::transport::test
