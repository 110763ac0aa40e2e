// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <span>

#include "linear/lanes.hpp"
#include "parallel/communicator.hpp"
#include "parallel/exact_sum.hpp"

namespace mensura::linear {

/// The eight numbers of an Eight one by one.
using Lanes = std::array<double, 8>;

namespace detail {
struct alignas(64) AlignedLanes {
  Lanes of{};
};
}  // namespace detail

inline double lane(const Eight& value, std::size_t l) {
  return reinterpret_cast<const double*>(&value)[l];
}

inline Lanes lanes_of(const Eight& value) {
  detail::AlignedLanes numbers;
  store(value, numbers.of.data());
  return numbers.of;
}

inline Eight eight_of(const Lanes& values) {
  const detail::AlignedLanes numbers{values};
  return load(numbers.of.data());
}

/// Local. Adds the products a[i] b[i] to eight exact sums, lane by lane.
inline void add_products(std::span<const Eight> a, std::span<const Eight> b,
                         std::span<parallel::ExactSum, 8> sums) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    const Lanes products = lanes_of(a[i] * b[i]);
    for (std::size_t l = 0; l < 8; ++l) sums[l].add(products[l]);
  }
}

/// Collective. Exact inner products, lane by lane: the same bits on any number of ranks.
inline Lanes dot(const parallel::Communicator& comm, std::span<const Eight> a,
                 std::span<const Eight> b) {
  std::array<parallel::ExactSum, 8> sums;
  add_products(a, b, sums);
  parallel::reduce(comm, sums);
  Lanes result{};
  for (std::size_t l = 0; l < 8; ++l) result[l] = sums[l].value();
  return result;
}

}  // namespace mensura::linear
