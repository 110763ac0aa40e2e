// SPDX-License-Identifier: BSD-3-Clause
// Bases of distributed vectors.
#include "linear/subspace.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "parallel/by_index.hpp"
#include "parallel/random.hpp"

namespace {

using namespace mensura;
using linear::Eight;
using linear::EightVectors;

constexpr std::int64_t total = 300;

double lane(const Eight& value, std::size_t l) {
  alignas(64) std::array<double, 8> numbers;
  linear::store(value, numbers.data());
  return numbers[l];
}

// Sixteen vectors with lengths in tens; the last three depend on the others.
EightVectors dependent(const parallel::Communicator& comm) {
  const parallel::Blocks blocks{total, comm.size()};
  const parallel::Stream stream(4, "test", "subspace");
  EightVectors vectors(2);
  for (std::int64_t row = blocks.begin(comm.rank()); row < blocks.begin(comm.rank() + 1); ++row) {
    alignas(64) std::array<double, 16> x;
    for (std::size_t j = 0; j < 13; ++j) {
      x[j] = std::pow(10.0, static_cast<double>(j) - 6) *
             stream.normal(static_cast<std::uint64_t>(row), j);
    }
    x[13] = 2 * x[7];
    x[14] = x[3] * 1e3 - x[6];
    x[15] = 0;
    vectors[0].push_back(linear::load(x.data()));
    vectors[1].push_back(linear::load(x.data() + 8));
  }
  return vectors;
}

TEST(Subspace, InnerProductsAreSums) {
  const auto comm = parallel::Communicator::world();
  const EightVectors vectors = dependent(comm);
  const auto gram = linear::inner_products(comm, vectors, vectors);
  const parallel::Stream stream(4, "test", "subspace");
  for (const auto& [i, j] : {std::pair<std::size_t, std::size_t>{6, 6}, {3, 12}, {9, 0}}) {
    double sum = 0;
    for (std::uint64_t row = 0; row < static_cast<std::uint64_t>(total); ++row) {
      sum += stream.normal(row, i) * stream.normal(row, j);
    }
    const double scale = std::pow(10.0, static_cast<double>(i + j) - 12);
    EXPECT_NEAR(gram[i * 16 + j], sum * scale, 1e-12 * total * scale);
  }
}

TEST(Subspace, BasisIsOrthonormalAndHoldsTheVectors) {
  const auto comm = parallel::Communicator::world();
  const EightVectors vectors = dependent(comm);
  EightVectors basis = vectors;
  ASSERT_EQ(linear::orthonormalise(comm, basis), 13U);
  const auto gram = linear::inner_products(comm, basis, basis);
  for (std::size_t i = 0; i < 16; ++i) {
    for (std::size_t j = 0; j < 16; ++j) {
      EXPECT_NEAR(gram[i * 16 + j], i == j && i < 13 ? 1 : 0, 1e-13) << i << ", " << j;
    }
  }
  EXPECT_EQ(gram[13 * 16 + 13], 0) << "twice the seventh";
  // What projections leave of the vectors, against their lengths.
  const auto along = linear::inner_products(comm, basis, vectors);
  const auto lengths = linear::inner_products(comm, vectors, vectors);
  for (std::size_t j = 0; j < 15; ++j) {
    double squares = 0;
    for (std::size_t i = 0; i < 16; ++i) squares += along[i * 16 + j] * along[i * 16 + j];
    EXPECT_NEAR(squares / lengths[j * 16 + j], 1, 1e-12) << j;
  }
}

TEST(Subspace, CombinesAndSolves) {
  const auto comm = parallel::Communicator::world();
  EightVectors vectors = dependent(comm);
  const EightVectors before = vectors;
  std::vector<double> matrix(256, 0.0);
  matrix[2 * 16 + 9] = 3;   // vector 9 becomes three times vector 2 ...
  matrix[12 * 16 + 0] = 1;  // ... and vector 0 the twelfth plus half the third
  matrix[3 * 16 + 0] = 0.5;
  linear::combine(vectors, matrix);
  for (std::size_t row = 0; row < vectors[0].size(); ++row) {
    EXPECT_EQ(lane(vectors[1][row], 1), 3 * lane(before[0][row], 2));
    EXPECT_EQ(lane(vectors[0][row], 0),
              std::fma(1, lane(before[1][row], 4), 0.5 * lane(before[0][row], 3)));
    EXPECT_EQ(lane(vectors[0][row], 5), 0);
  }
  const std::vector<double> small = {2, 1, 1, 2};
  const linear::Spectrum spectrum = linear::symmetric_eigen(comm, 2, small);
  EXPECT_NEAR(spectrum.values[0], 3, 1e-15);
  EXPECT_NEAR(spectrum.values[1], 1, 1e-15);
  EXPECT_NEAR(spectrum.vectors[0], spectrum.vectors[2], 1e-15);
}

}  // namespace
