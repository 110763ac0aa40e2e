// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <gtest/gtest.h>
#include <mpi.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/line.hpp"

namespace mensura::transport::test {

/// A whole measure, the same on all ranks; `width` coordinates per point.
struct Measure {
  std::vector<double> positions, mass;
  std::size_t width = 1;
  std::size_t size() const { return mass.size(); }
};

/// The rank that holds point i of n.
using Owner = std::function<std::size_t(std::size_t i, std::size_t n, std::size_t ranks)>;
inline std::size_t in_blocks(std::size_t i, std::size_t n, std::size_t ranks) {
  return i * ranks / n;
}
inline std::size_t in_turn(std::size_t i, std::size_t /*n*/, std::size_t ranks) {
  return (i * 5 + 2) % ranks;
}
inline std::size_t on_the_last(std::size_t /*i*/, std::size_t /*n*/, std::size_t ranks) {
  return ranks - 1;
}

/// This rank's points, with their numbers in the whole measure.
struct Own {
  Measure measure;
  std::vector<std::size_t> numbers;
  Weighted view() const { return {measure.positions, measure.mass}; }
};
inline Own own_part(const parallel::Communicator& comm, const Measure& whole, const Owner& owner) {
  Own own;
  const auto ranks = static_cast<std::size_t>(comm.size());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    if (owner(i, whole.size(), ranks) != static_cast<std::size_t>(comm.rank())) continue;
    own.numbers.push_back(i);
    own.measure.mass.push_back(whole.mass[i]);
    for (std::size_t k = 0; k < whole.width; ++k) {
      own.measure.positions.push_back(whole.positions[i * whole.width + k]);
    }
  }
  return own;
}

/// `units` unit masses spread at random over `points` points, positions on a lattice of `cells`
/// cells per unit length (few cells: many ties) or arbitrary (0 cells).
inline Measure random_measure(std::mt19937_64& draw, std::size_t points, std::size_t units,
                              int cells) {
  Measure result;
  result.mass.assign(points, 1);
  for (std::size_t k = points; k < units; ++k) ++result.mass[draw() % points];
  std::uniform_real_distribution<double> uniform(-1, 1);
  for (std::size_t i = 0; i < points; ++i) {
    const double position = uniform(draw);
    result.positions.push_back(cells > 0 ? std::round(position * cells) / cells : position);
  }
  return result;
}

/// One entry per unit of (integer) mass: the point's number, by ascending position.
inline std::vector<std::size_t> expanded(const Measure& measure) {
  std::vector<std::size_t> order(measure.size()), result;
  std::iota(order.begin(), order.end(), 0U);
  std::sort(order.begin(), order.end(), [&](std::size_t i, std::size_t j) {
    return measure.positions[i] < measure.positions[j];
  });
  for (const std::size_t i : order) {
    result.insert(result.end(), static_cast<std::size_t>(measure.mass[i]), i);
  }
  return result;
}

inline parallel::Communicator alone() {
  return parallel::Communicator::duplicate(MPI_COMM_SELF);
}

}  // namespace mensura::transport::test
