// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>

#include "sliced_cases.hpp"

namespace mensura::transport::test {
namespace {

using parallel::Communicator;

TEST(Sliced, TranslationsAreExactWithVariatesAndUnbiasedWithout) {
  const auto world = Communicator::world();
  std::mt19937_64 draw(1);
  const auto a = gaussian(draw, 64, 3, 0, 1);
  auto b = a;
  for (std::size_t i = 0; i < b.size(); ++i) {
    b.positions[3 * i] += 1;
    b.positions[3 * i + 1] -= 2;
  }
  const auto result = spread(world, a, b, 60, 9);
  const double exact = 5.0 / 3;
  EXPECT_EQ(result.directions, 60);
  EXPECT_NEAR(result.value, exact, 1e-14);  // the variate is the cost: roundings are left
  EXPECT_LE(result.standard_error, 1e-14);
  EXPECT_NEAR(result.plain, exact, 4 * result.plain_standard_error);
  EXPECT_GT(result.plain_standard_error, 1e-2);
}

TEST(Sliced, SameBitsOnAnyRanks) {
  const auto world = Communicator::world();
  std::mt19937_64 draw(2);
  const auto a = gaussian(draw, 150, 4, 0, 1);
  auto b = gaussian(draw, 90, 4, 1, 2);
  for (std::size_t i = 0; i < b.size(); ++i) b.mass[i] = i % 2 == 0 ? 1.0 / 60 : 1.0 / 180;
  const auto one = spread(alone(), a, b, 12, 3), many = spread(world, a, b, 12, 3);
  EXPECT_EQ(one.value, many.value);
  EXPECT_EQ(one.standard_error, many.standard_error);
  EXPECT_EQ(one.plain, many.plain);
  EXPECT_EQ(one.plain_standard_error, many.plain_standard_error);
  EXPECT_EQ(many.value, spread(world, a, b, 12, 3, on_the_last).value);
  EXPECT_NE(many.value, spread(world, a, b, 12, 4).value);
}

}  // namespace
}  // namespace mensura::transport::test
