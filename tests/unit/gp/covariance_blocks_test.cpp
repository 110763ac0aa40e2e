// SPDX-License-Identifier: BSD-3-Clause
// Blocks: every entry has the bits it has alone, and the bits of its mirror image; blocks are
// positive definite.
#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "functional_rows.hpp"
#include "gp/covariance.hpp"
#include "parallel/error.hpp"

namespace mensura::test {
namespace {

using gp::Covariance;
using gp::Family;
using gp::Kernel;
using gp::Rows;

struct Placed {
  Point x;
  Functional functional;
};

std::size_t padded(std::size_t n) {
  return (n + 7) / 8 * 8;
}

std::uint64_t bits(double value) {
  return std::bit_cast<std::uint64_t>(value);
}

/// What kinds of rows stand together.
enum class Mix { elliptic, single_value, everything };

std::vector<Functional> rows_of_point(Mix mix, int dimension, std::size_t point,
                                      std::mt19937_64& generator) {
  Functional value, laplacian;
  value.value = 1;
  laplacian.laplacian = -1;
  if (mix == Mix::single_value) return {value};
  if (mix == Mix::elliptic) {
    // Boundary points have one row, interior points two, the small factor's points a mixture.
    Functional both{0.3, -1.7, {}, {}};
    return point % 5 == 0   ? std::vector{value}
           : point % 5 == 4 ? std::vector{both}
                            : std::vector{value, laplacian};
  }
  std::vector<Functional> all = elementary(dimension, 2);
  all.push_back(mixed(dimension, 2, generator));
  all.resize(1 + point % all.size());
  return all;
}

/// Random points (some of them repeated, some far away) with their rows.
std::vector<Placed> random_rows(Mix mix, int dimension, std::size_t points) {
  std::mt19937_64 generator(3);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<Placed> placed;
  Point x{};
  for (std::size_t p = 0; p < points; ++p) {
    if (p % 7 != 3) {
      for (double& coordinate : x) coordinate = uniform(generator) * (p % 11 == 5 ? 1e3 : 1);
    }
    for (const Functional& f : rows_of_point(mix, dimension, p, generator))
      placed.push_back({x, f});
  }
  return placed;
}

Rows rows_from(int dimension, const std::vector<Placed>& placed) {
  Rows rows;
  for (std::size_t i = 0; i < placed.size();) {
    std::vector<Functional> functionals;
    std::size_t j = i;
    for (; j < placed.size() && placed[j].x == placed[i].x; ++j) {
      functionals.push_back(placed[j].functional);
    }
    add_point(rows, dimension, placed[i].x, functionals);
    i = j;
  }
  return rows;
}

const std::vector<Kernel>& kernels() {
  static const gp::RadialFactor rough{Family::matern_5_2, {0.5}, {}};
  static const gp::RadialFactor smooth{Family::gaussian, {0.8}, {}};
  static const gp::RadialFactor on_first{Family::matern_7_2, {0.4}, {0}};
  static const std::vector<Kernel> all{
      radial(Family::matern_5_2, 0.4),
      radial(Family::matern_7_2, 0.4),
      radial(Family::gaussian, 0.4),
      {{{0.7, {rough, smooth}}, {0.4, {smooth}}}},    // radial sums and products
      {{{0.7, {rough, on_first}}, {0.4, {smooth}}}},  // the general path
  };
  return all;
}

void expect_entries_alone(const Kernel& kernel, Mix mix, int dimension, std::size_t points) {
  SCOPED_TRACE(gp::describe(kernel) + ", " + std::to_string(dimension) + " dimensions, mix " +
               std::to_string(static_cast<int>(mix)));
  const auto placed = random_rows(mix, dimension, points);
  const Rows rows = rows_from(dimension, placed);
  const std::size_t n = placed.size(), stride = padded(n) + 8;
  ASSERT_EQ(rows.rows(), n);
  Covariance covariance(kernel, dimension), alone(kernel, dimension);
  const double untouched = 12345;
  std::vector<double> cross(n * stride, untouched), symmetric(n * stride, untouched);
  covariance.cross(rows, rows, cross.data(), stride);
  covariance.symmetric(rows, symmetric.data(), stride);
  std::int64_t different = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      const double whole = cross[i * stride + j];
      different += bits(whole) != bits(cross[j * stride + i]);
      if (j >= i) different += bits(whole) != bits(symmetric[i * stride + j]);
      if ((i * n + j) % 17 == 0 || n < 40) {
        different += bits(whole) != bits(entry(alone, placed[i].x, placed[i].functional,
                                               placed[j].x, placed[j].functional));
      }
    }
    for (std::size_t j = padded(n); j < stride; ++j) {
      different += cross[i * stride + j] != untouched;
      different += symmetric[i * stride + j] != untouched;
    }
    // Rows of one point begin with the first one's eight.
    const auto first =
        static_cast<std::size_t>(std::ranges::find(rows.point, rows.point[i]) - rows.point.begin());
    for (std::size_t j = 0; j < first / 8 * 8; ++j) {
      different += symmetric[i * stride + j] != untouched;
    }
  }
  EXPECT_EQ(different, 0);
}

TEST(CovarianceBlocks, EntriesHaveTheBitsTheyHaveAlone) {
  for (const Kernel& kernel : kernels()) {
    for (int d = 1; d <= 3; ++d) {
      for (const Mix mix : {Mix::elliptic, Mix::single_value, Mix::everything}) {
        expect_entries_alone(kernel, mix, d, 23);
      }
    }
  }
}

TEST(CovarianceBlocks, LargeBlocksAreNoDifferent) {
  // Above 256 rows blocks are made of tiles; a tile may begin inside a point.
  expect_entries_alone(kernels()[1], Mix::elliptic, 2, 190);
  expect_entries_alone(kernels()[1], Mix::single_value, 2, 300);
  expect_entries_alone(kernels()[1], Mix::everything, 2, 100);
}

TEST(CovarianceBlocks, RectanglesAreSquaresCutOut) {
  const auto placed = random_rows(Mix::elliptic, 2, 40);
  const std::size_t cut = 13;  // a point begins here
  ASSERT_NE(placed[cut].x, placed[cut - 1].x);
  const std::vector<Placed> first(placed.begin(), placed.begin() + cut);
  const std::vector<Placed> second(placed.begin() + cut, placed.end());
  const Rows a = rows_from(2, first), b = rows_from(2, second), both = rows_from(2, placed);
  Covariance covariance(radial(Family::matern_7_2, 0.3), 2);
  const std::size_t stride = padded(placed.size());
  std::vector<double> rectangle(first.size() * stride), square(placed.size() * stride);
  covariance.cross(a, b, rectangle.data(), stride);
  covariance.cross(both, both, square.data(), stride);
  for (std::size_t i = 0; i < first.size(); ++i) {
    for (std::size_t j = 0; j < second.size(); ++j) {
      EXPECT_EQ(bits(rectangle[i * stride + j]), bits(square[i * stride + cut + j]));
    }
  }
}

TEST(CovarianceBlocks, PointsWithoutRowsAndEmptyBlocks) {
  Rows rows;
  const Functional value{1, 0, {}, {}};
  for (int p = 0; p < 40; ++p) {
    add_point(rows, 1, {0.01 * p, 0, 0},
              p % 13 == 0 ? std::vector{value} : std::vector<Functional>{});
  }
  ASSERT_EQ(rows.rows(), 4U);
  Covariance covariance(radial(Family::matern_5_2, 0.3), 1);
  std::vector<double> block(4 * 8);
  covariance.cross(rows, rows, block.data(), 8);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t j = 0; j < 4; ++j) {
      const Point x{rows.coordinate[0][13 * i], 0, 0}, y{rows.coordinate[0][13 * j], 0, 0};
      EXPECT_EQ(block[i * 8 + j], entry(covariance, x, value, y, value));
    }
  }
  rows.clear();
  rows.dimension = 1;
  EXPECT_EQ(rows.rows(), 0U);
  covariance.symmetric(rows, nullptr, 0);
}

TEST(CovarianceBlocks, FarPointsAreUncorrelatedAndNaNStays) {
  Rows rows;
  Functional value, laplacian;
  value.value = laplacian.laplacian = 1;
  const double unknown = std::numeric_limits<double>::quiet_NaN();
  for (const double x : {0.0, 1e6, 1e200, unknown})
    add_point(rows, 2, {x, 0, 0}, {value, laplacian});
  for (const Family family : {Family::matern_11_2, Family::gaussian}) {
    Covariance covariance(radial(family, 0.3), 2);
    std::vector<double> block(8 * 8);
    covariance.cross(rows, rows, block.data(), 8);
    for (std::size_t i = 0; i < 6; ++i) {
      for (std::size_t j = 0; j < 6; ++j) {
        if (i / 2 != j / 2) {
          EXPECT_EQ(bits(block[i * 8 + j]), 0U);
        }
      }
      EXPECT_TRUE(std::isnan(block[i * 8 + 6]));
    }
  }
}

TEST(CovarianceBlocks, RandomBlocksArePositiveDefinite) {
  // Well separated points and a length near their distance keep the smallest eigenvalue of the
  // scaled matrix far above rounding (above 1e-9 here, against 1e-14).
  for (const Family family : families) {
    for (int d = 1; d <= 3; ++d) {
      std::mt19937_64 generator(9);
      std::uniform_real_distribution<double> shake(-0.02, 0.02);
      Rows rows;
      for (int p = 0; p < 12; ++p) {
        const Point x{0.25 * (p % 4) + shake(generator), 0.25 * (p / 4 % 3) + shake(generator),
                      0.3 * (p % 2) + shake(generator)};
        const Point line{0.12 * p + shake(generator), 0, 0};
        std::vector<Functional> functionals = elementary(d, order_of(family));
        // The Laplacian is the sum of second derivatives: one of them has to go.
        if (order_of(family) == 2) functionals.pop_back();
        add_point(rows, d, d == 1 ? line : x, functionals);
      }
      Covariance covariance(radial(family, 0.1), d);
      const std::size_t n = rows.rows(), stride = padded(n);
      std::vector<double> block(n * stride);
      covariance.symmetric(rows, block.data(), stride);
      const auto size = static_cast<Eigen::Index>(n);
      Eigen::MatrixXd matrix(size, size);
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = i; j < n; ++j) {
          const double scale = std::sqrt(block[i * stride + i] * block[j * stride + j]);
          matrix(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) =
              block[i * stride + j] / scale;
        }
      }
      const Eigen::LLT<Eigen::MatrixXd, Eigen::Upper> factor(matrix);
      EXPECT_EQ(factor.info(), Eigen::Success)
          << gp::family_names()[static_cast<std::size_t>(family)] << " " << d;
      EXPECT_GT(factor.matrixL().toDenseMatrix().diagonal().minCoeff(), 1e-5);
    }
  }
}

TEST(CovarianceBlocks, RoughKernelsRefuseSecondDerivatives) {
  Covariance covariance(radial(Family::matern_3_2, 0.3), 1);
  Functional laplacian;
  laplacian.laplacian = 1;
  try {
    entry(covariance, {}, laplacian, {}, laplacian);
    FAIL() << "a Laplacian of Matern 3/2 was computed";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::usage);
    EXPECT_NE(std::string(error.what()).find("matern_5_2"), std::string::npos);
  }
}

}  // namespace
}  // namespace mensura::test
