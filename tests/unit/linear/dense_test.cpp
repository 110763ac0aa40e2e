// SPDX-License-Identifier: BSD-3-Clause
// The dense helpers against Eigen in extended precision.
#include "linear/dense.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <cmath>
#include <limits>
#include <vector>

#include "parallel/random.hpp"

namespace {

using namespace mensura;
using Wide = Eigen::Matrix<long double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double epsilon = std::numeric_limits<double>::epsilon();
constexpr double untouched = -7.5;  // what lies between the rows

/// A row-major matrix inside a larger array whose other entries must not change.
struct Strided {
  std::size_t rows, columns, stride;
  std::vector<double> data;

  Strided(std::size_t m, std::size_t n, std::size_t wide)
      : rows(m), columns(n), stride(wide), data(m * wide, untouched) {}
  double& operator()(std::size_t i, std::size_t j) { return data[i * stride + j]; }
  Wide wide() const {
    Wide result(rows, columns);
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = 0; j < columns; ++j) {
        result(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = data[i * stride + j];
      }
    }
    return result;
  }
  bool padding_untouched() const {
    for (std::size_t i = 0; i < rows; ++i) {
      for (std::size_t j = columns; j < stride; ++j) {
        if (data[i * stride + j] != untouched) return false;
      }
    }
    return true;
  }
};

/// B B' + n I: condition below 10, so that errors stay within a few n epsilon.
Strided positive(std::size_t n, std::size_t stride, std::uint64_t seed) {
  const parallel::Stream stream(seed, "test", "dense");
  Wide b(n, n);
  for (std::size_t i = 0; i < n * n; ++i) b.data()[i] = stream.normal(i, 0);
  const Wide a = b * b.transpose() + static_cast<long double>(n) * Wide::Identity(n, n);
  Strided result(n, n, stride);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      result(i, j) =
          static_cast<double>(a(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)));
    }
  }
  return result;
}

Strided right_sides(std::size_t m, std::size_t n, std::size_t stride) {
  const parallel::Stream stream(11, "test", "right");
  Strided result(m, n, stride);
  for (std::size_t i = 0; i < m; ++i) {
    for (std::size_t j = 0; j < n; ++j) result(i, j) = stream.normal(i, j);
  }
  return result;
}

struct Size {
  std::size_t n, stride, m, b_stride;
};
class Dense : public testing::TestWithParam<Size> {};

TEST_P(Dense, FactorAndSolves) {
  const auto [n, stride, m, b_stride] = GetParam();
  Strided a = positive(n, stride, 3);
  const Wide exact = a.wide();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) a(i, j) = -99;  // must not be read
  }
  ASSERT_EQ(linear::cholesky(n, a.data.data(), stride), n);
  EXPECT_TRUE(a.padding_untouched());
  const Wide upper = a.wide().triangularView<Eigen::Upper>();
  const Wide expected = exact.llt().matrixU();
  const double tolerance = 20 * static_cast<double>(n) * epsilon;
  EXPECT_LE((upper - expected).norm(), tolerance * expected.norm());
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_EQ(a(i, j), -99) << "lower triangle written";
  }

  Strided forward = right_sides(m, n, b_stride);
  Strided backward = forward;
  const Wide b = forward.wide();
  linear::solve_upper_transposed(n, a.data.data(), stride, m, forward.data.data(), b_stride);
  linear::solve_upper(n, a.data.data(), stride, m, backward.data.data(), b_stride);
  const Wide x =
      expected.transpose().triangularView<Eigen::Lower>().solve(b.transpose()).transpose();
  const Wide y = expected.triangularView<Eigen::Upper>().solve(b.transpose()).transpose();
  EXPECT_LE((forward.wide() - x).norm(), tolerance * x.norm());
  EXPECT_LE((backward.wide() - y).norm(), tolerance * y.norm());
  EXPECT_TRUE(forward.padding_untouched());
  EXPECT_TRUE(backward.padding_untouched());
}

// Panels of 8 make one, two and many pieces of these sizes; the flops that are told add up to those
// of a factor up to lower orders.
TEST_P(Dense, FactorsInPiecesToTheSame) {
  const auto [n, stride, m, b_stride] = GetParam();
  Strided a = positive(n, stride, 3);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) a(i, j) = -99;  // must not be read
  }
  const Wide expected = positive(n, stride, 3).wide().llt().matrixU();
  double flops = 0, largest = 0;
  const auto did = [&](double more) { flops += more, largest = std::max(largest, more); };
  ASSERT_EQ(linear::cholesky_in_pieces(n, a.data.data(), stride, did, 8), n);
  const Wide upper = a.wide().triangularView<Eigen::Upper>();
  EXPECT_LE((upper - expected).norm(), 20 * static_cast<double>(n) * epsilon * expected.norm());
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_EQ(a(i, j), -99) << "lower triangle written";
  }
  EXPECT_TRUE(a.padding_untouched());
  const auto cube = std::pow(static_cast<double>(n), 3) / 3;
  EXPECT_NEAR(flops, cube, 1e-12 * cube);
  EXPECT_LE(largest, 4.0 * static_cast<double>(n) * 64);
}

INSTANTIATE_TEST_SUITE_P(Sizes, Dense,
                         testing::Values(Size{1, 1, 1, 1}, Size{2, 8, 3, 2}, Size{7, 8, 1, 16},
                                         Size{8, 8, 8, 8}, Size{33, 40, 5, 33},
                                         Size{150, 152, 20, 160}));

// The last unit row gives A^-1 e_n / sqrt(e_n' A^-1 e_n), earlier ones the same of leading blocks:
// how the sparse factor takes its columns.
TEST(Dense, UnitRowsGiveColumnsOfTheInverse) {
  constexpr std::size_t n = 12, stride = 16;
  Strided a = positive(n, stride, 5);
  const Wide exact = a.wide();
  ASSERT_EQ(linear::cholesky(n, a.data.data(), stride), n);
  for (std::size_t p = 0; p < n; ++p) {
    std::vector<double> x(n, 0.0);
    x[p] = 1;
    linear::solve_upper(n, a.data.data(), stride, 1, x.data(), n);
    const auto last = static_cast<Eigen::Index>(p);
    const Wide inverse = exact.topLeftCorner(last + 1, last + 1).inverse();
    for (std::size_t i = 0; i <= p; ++i) {
      const long double expected =
          inverse(static_cast<Eigen::Index>(i), last) / std::sqrt(inverse(last, last));
      EXPECT_NEAR(x[i], static_cast<double>(expected), 100 * epsilon);
    }
    for (std::size_t i = p + 1; i < n; ++i) EXPECT_EQ(x[i], 0) << "R is upper triangular";
  }
}

TEST(Dense, TellsHowManyLeadingRowsArePositiveDefinite) {
  for (const std::size_t n : {1U, 4U, 40U, 150U}) {
    for (const std::size_t bad : {std::size_t{0}, n / 2, n - 1}) {
      Strided a = positive(n, n + 3, 7);
      a(bad, bad) = -1;
      Strided b = a;
      EXPECT_EQ(linear::cholesky(n, a.data.data(), a.stride), bad) << "n " << n;
      const auto nothing = [](double) {};
      EXPECT_EQ(linear::cholesky_in_pieces(n, b.data.data(), b.stride, nothing, 16), bad);
    }
  }
}

TEST(Dense, WhatIsNotFiniteIsNotPositiveDefinite) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    for (const std::size_t column : {std::size_t{0}, std::size_t{6}, std::size_t{13}}) {
      Strided a = positive(20, 24, 8);
      a(column, 13) = bad;
      EXPECT_EQ(linear::cholesky(20, a.data.data(), 24), 13U);
    }
  }
}

// Two equal points: the second pivot is exactly zero.
TEST(Dense, SingularIsNotPositiveDefinite) {
  Strided a(2, 2, 8);
  for (std::size_t i = 0; i < 2; ++i) a(i, 0) = a(i, 1) = 4;
  EXPECT_EQ(linear::cholesky(2, a.data.data(), 8), 1U);
}

TEST(Dense, NothingToDo) {
  EXPECT_EQ(linear::cholesky(0, nullptr, 0), 0U);
  double one = 1;
  linear::solve_upper_transposed(0, &one, 1, 3, &one, 1);
  linear::solve_upper(1, &one, 1, 0, nullptr, 1);
  EXPECT_EQ(one, 1);
}

}  // namespace
