// SPDX-License-Identifier: BSD-3-Clause
// Point sets and calls of the tests of sliced transport.
#pragma once

#include <cstdint>
#include <random>

#include "line_cases.hpp"

namespace mensura::transport::test {

using parallel::Communicator;

inline Measure gaussian(std::mt19937_64& draw, std::size_t n, std::size_t width, double shift,
                        double deviation) {
  Measure result;
  result.width = width;
  std::normal_distribution<double> normal;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < width; ++k) {
      result.positions.push_back(deviation * normal(draw) + (k == 0 ? shift : 0));
    }
    result.mass.push_back(1.0 / static_cast<double>(n));
  }
  return result;
}

inline Sliced spread(const Communicator& comm, const Measure& a, const Measure& b,
                     std::int64_t directions, std::uint64_t seed, const Owner& owner = in_turn) {
  const auto own_a = own_part(comm, a, owner), own_b = own_part(comm, b, in_blocks);
  std::int64_t polls = 0;
  const auto result = sliced_cost(comm, own_a.view(), own_b.view(), static_cast<int>(a.width),
                                  directions, seed, [&] { ++polls; });
  EXPECT_EQ(polls, directions);
  return result;
}

}  // namespace mensura::transport::test
