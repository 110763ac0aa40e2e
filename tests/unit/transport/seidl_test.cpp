// SPDX-License-Identifier: BSD-3-Clause
// Strictly correlated electrons on the line.
#include "transport/seidl.hpp"

#include <cmath>
#include <limits>

#include "line_cases.hpp"
#include "parallel/error.hpp"

namespace mensura::transport::test {
namespace {

using parallel::Communicator;

double value(const Communicator& comm, const Measure& measure, std::int64_t electrons,
             const Owner& owner = in_turn) {
  const Own own = own_part(comm, measure, owner);
  return seidl_value(comm, own.view(), electrons);
}

Measure uniform_grid(std::size_t n) {
  Measure result;
  for (std::size_t i = 0; i < n; ++i) {
    result.positions.push_back((static_cast<double>(i) + 0.5) / static_cast<double>(n));
    result.mass.push_back(1.0 / static_cast<double>(n));
  }
  return result;
}

// Reference transport 3.5.
double uniform_value(std::int64_t electrons) {
  double harmonic = 0;
  for (std::int64_t q = 1; q < electrons; ++q) harmonic += 1 / static_cast<double>(q);
  const auto k = static_cast<double>(electrons);
  return k * (k * harmonic - (k - 1));
}

TEST(Seidl, UniformDensityOnGridsThatKDivides) {
  const Communicator world = Communicator::world();
  EXPECT_DOUBLE_EQ(uniform_value(2), 2);
  EXPECT_DOUBLE_EQ(uniform_value(3), 7.5);
  EXPECT_NEAR(uniform_value(4), 17.333333333333333, 1e-13);
  EXPECT_NEAR(uniform_value(8), 109.942857142857143, 1e-12);
  for (const std::int64_t k : {2, 3, 4, 8}) {
    for (const std::size_t times : {1U, 2U, 15U}) {
      const Measure grid = uniform_grid(times * static_cast<std::size_t>(k));
      // Differences of positions have a rounding each, relative to at least 1 / K.
      EXPECT_NEAR(value(world, grid, k), uniform_value(k), 1e-13 * uniform_value(k));
    }
  }
}

TEST(Seidl, ManyPointsAreTheIntegral) {
  // Density 2x on [0, 1]: Q(s) = sqrt s, and for two electrons 2 int_0^1/2 ds / (sqrt(s + 1/2) -
  // sqrt s) = 4 int (sqrt(s + 1/2) + sqrt s) = 8/3.
  const Communicator world = Communicator::world();
  Measure measure;
  const std::size_t n = 4000;
  for (std::size_t i = 0; i < n; ++i) {
    measure.positions.push_back(std::sqrt((static_cast<double>(i) + 0.5) / double(n)));
    measure.mass.push_back(1);
  }
  // The midpoint rule, with a root at one end: n^(-3/2).
  EXPECT_NEAR(value(world, measure, 2), 8.0 / 3, 1e-5);
}

TEST(Seidl, AffineMapsAndMassesScale) {
  const Communicator world = Communicator::world();
  std::mt19937_64 draw(7);
  Measure measure = random_measure(draw, 30, 60, 0);
  const double before = value(world, measure, 3);
  for (double& x : measure.positions) x = 5 - 4 * x;  // turned round, too
  for (double& m : measure.mass) m *= 0.125;
  EXPECT_NEAR(value(world, measure, 3), before / 4, 1e-13 * before);
}

TEST(Seidl, SplitPointsAgainstUnitMasses) {
  // 60 units over the points: K = 3 sorted blocks of 20 units face each other, whether or not a
  // point's units fall into two blocks.
  const Communicator world = Communicator::world();
  std::mt19937_64 draw(11);
  for (int trial = 0; trial < 5; ++trial) {
    const Measure measure = random_measure(draw, 25, 60, 0);
    const auto units = expanded(measure);
    double sum = 0;
    for (std::size_t s = 0; s < 20; ++s) {
      double x[3];
      for (std::size_t k = 0; k < 3; ++k) x[k] = measure.positions[units[s + 20 * k]];
      sum += 1 / (x[1] - x[0]) + 1 / (x[2] - x[1]) + 1 / (x[2] - x[0]);
    }
    const double expected = sum / 20;
    EXPECT_NEAR(value(world, measure, 3), expected, 1e-12 * expected) << "trial " << trial;
  }
}

TEST(Seidl, RanksAndDistributionsChangeNothing) {
  const Communicator world = Communicator::world();
  const Communicator self = alone();
  std::mt19937_64 draw(13);
  Measure measure = random_measure(draw, 101, 300, 0);
  for (double& m : measure.mass) m *= 0.1 + 0.3;  // not a multiple of anything
  for (const std::int64_t k : {2, 5, 7}) {
    const double expected = value(self, measure, k);
    EXPECT_EQ(value(world, measure, k), expected);
    EXPECT_EQ(value(world, measure, k, in_blocks), expected);
    EXPECT_EQ(value(world, measure, k, on_the_last), expected);
  }
}

TEST(Seidl, APointThatMeetsItself) {
  const Communicator world = Communicator::world();
  const Measure heavy{{0, 1, 2}, {0.6, 0.2, 0.2}};
  EXPECT_EQ(value(world, heavy, 2), std::numeric_limits<double>::infinity());
  // Three electrons at three points: nobody moves. 1 + 1 + 1/2.
  const Measure three{{0, 1, 2}, {1, 1, 1}};
  EXPECT_DOUBLE_EQ(value(world, three, 3), 2.5);
  // The same with masses that do not add up exactly.
  const Measure rounded{{0, 1, 2}, {0.1 + 0.2, 0.3, 0.3}};
  EXPECT_NEAR(value(world, rounded, 3), 2.5, 1e-12);
}

// No place has room for more than one electron; whose marginals differ may share one.
TEST(Seidl, CrowdedPlacesLeaveNoPlan) {
  const std::vector<double> x{0, 1, 2}, y{2, 5}, twice{1, 1, 2};
  const std::vector<double> most{0.2, 0.2, 0.6}, half{0.4, 0.6}, two{0.3, 0.3, 0.4}, even{0.5, 0.5};
  EXPECT_NO_THROW(check_crowding({{"a", x, most}, {"b", y, half}}, 1));
  EXPECT_NO_THROW(check_crowding({{"a", y, even}, {"b", y, even}}, 1));
  const auto refused = [](const std::vector<ElectronPoints>& electrons) -> std::string {
    try {
      check_crowding(electrons, 1);
    } catch (const parallel::Error& error) {
      EXPECT_EQ(error.code(), parallel::ExitCode::input_data);
      return error.what();
    }
    return "accepted";
  };
  EXPECT_EQ(refused({{"a", x, most}, {"b", y, even}}),
            "marginal 'a' has a point with more than 1/2 of the mass: two of the 2 electrons meet "
            "there in every plan; spread its mass");
  EXPECT_NE(refused({{"a", y, even}, {"b", y, even}, {"c", y, even}}).find("1/3"),
            std::string::npos);
  // Two points of a cloud at one place.
  EXPECT_NE(refused({{"a", twice, two}, {"b", twice, two}}).find("'a'"), std::string::npos);
}

TEST(Seidl, BadPoints) {
  const Communicator world = Communicator::world();
  EXPECT_THROW(value(world, Measure{}, 2), parallel::Error);
  EXPECT_THROW(value(world, Measure{{0, 1}, {1, -1}}, 2), parallel::Error);
  EXPECT_THROW(value(world, Measure{{0, std::nan("")}, {1, 1}}, 2), parallel::Error);
  EXPECT_THROW(value(world, uniform_grid(4), 1), parallel::Error);
}

}  // namespace
}  // namespace mensura::transport::test
