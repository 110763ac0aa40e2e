// SPDX-License-Identifier: BSD-3-Clause
// Lanczos quadrature of log determinants against closed forms.
#include "linear/lanczos.hpp"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <numbers>
#include <vector>

#include "linear/dense.hpp"
#include "linear/lane_sums.hpp"
#include "parallel/by_index.hpp"
#include "parallel/error.hpp"
#include "parallel/random.hpp"

namespace {

using namespace mensura;
using linear::Eight;
using linear::Lanes;
using parallel::Communicator;

// This rank's block of a vector of n entries for each of eight lanes, of a function of the index.
struct Block {
  Block(const Communicator& comm, std::int64_t n)
      : blocks{n, comm.size()},
        first(static_cast<std::size_t>(blocks.begin(comm.rank()))),
        own(static_cast<std::size_t>(blocks.size(comm.rank()))) {}
  std::vector<Eight> signs() const {
    const parallel::Stream stream(3, "test", "signs");
    std::vector<Eight> z;
    for (std::size_t i = 0; i < own; ++i) {
      const std::uint64_t bits = stream.words(first + i, 0)[0];
      Lanes lanes{};
      for (std::size_t l = 0; l < 8; ++l) lanes[l] = ((bits >> l) & 1U) != 0 ? 1.0 : -1.0;
      z.push_back(linear::eight_of(lanes));
    }
    return z;
  }
  parallel::Blocks blocks;
  std::size_t first, own;
};

// Random signs give every diagonal matrix its exact trace, whatever the signs: here the spectrum
// has five values, so that five steps are exact, too.
TEST(LogForms, OfADiagonalMatrixAreExactOnceItsSpectrumIsSpent) {
  const auto comm = Communicator::world();
  const Block block(comm, 203);
  const auto value = [&](std::size_t i) {
    return 0.5 + static_cast<double>((block.first + i) % 5);
  };
  double truth = 0;
  for (int i = 0; i < 203; ++i) truth += std::log(0.5 + i % 5);
  const linear::BlockOperator apply = [&](std::span<const Eight> x, std::span<Eight> y) {
    for (std::size_t i = 0; i < block.own; ++i) y[i] = value(i) * x[i];
  };
  int polls = 0;
  const auto forms = linear::log_forms(comm, apply, block.signs(), {}, [&] { ++polls; });
  EXPECT_EQ(forms.steps, 5);
  EXPECT_EQ(polls, 5);
  for (const double v : forms.value) EXPECT_NEAR(v, truth, 1e-11 * std::abs(truth)) << "rounding";
  EXPECT_LE(forms.standard_error(), 1e-11 * std::abs(truth));
}

// Lanes of other lengths: a zero vector is worth nothing, a unit vector one entry.
TEST(LogForms, KnowEveryLaneByItself) {
  const auto comm = Communicator::world();
  const Block block(comm, 40);
  const linear::BlockOperator apply = [&](std::span<const Eight> x, std::span<Eight> y) {
    for (std::size_t i = 0; i < block.own; ++i) {
      y[i] = static_cast<double>(block.first + i + 1) * x[i];
    }
  };
  std::vector<Eight> z;
  for (std::size_t i = 0; i < block.own; ++i) {
    Lanes lanes{};
    for (std::size_t l = 1; l < 8; ++l) lanes[l] = block.first + i == l ? 3.0 : 0.0;
    z.push_back(linear::eight_of(lanes));
  }
  const auto forms = linear::log_forms(comm, apply, z, {}, [] {});
  EXPECT_EQ(forms.steps, 1) << "all vectors are eigenvectors";
  EXPECT_EQ(forms.value[0], 0);
  for (std::size_t l = 1; l < 8; ++l) {
    EXPECT_NEAR(forms.value[l], 9 * std::log(static_cast<double>(l + 1)), 1e-13);
  }
}

// The shifted five-point Laplacian (a Kronecker sum): eigenvalues 1/2 + 4 sin^2 + 4 sin^2. Every
// rank multiplies the whole grid, which is small.
struct Grid {
  static constexpr int side = 17;
  static constexpr std::int64_t n = side * side;
  static double eigenvalue(int i, int j) {
    const auto part = [](int k) {
      const double s = std::sin(std::numbers::pi * k / (2.0 * (side + 1)));
      return 4 * s * s;
    };
    return 0.5 + part(i) + part(j);
  }
  static double log_determinant() {
    double sum = 0;
    for (int i = 1; i <= side; ++i) {
      for (int j = 1; j <= side; ++j) sum += std::log(eigenvalue(i, j));
    }
    return sum;
  }
};

linear::BlockOperator laplacian(const Communicator& comm, const Block& block) {
  return [&](std::span<const Eight> x, std::span<Eight> y) {
    std::vector<double> mine;
    std::vector<std::uint64_t> ids, all;
    for (std::size_t i = 0; i < block.own; ++i) {
      const Lanes lanes = linear::lanes_of(x[i]);
      mine.insert(mine.end(), lanes.begin(), lanes.end());
    }
    for (std::uint64_t i = 0; i < Grid::n; ++i) all.push_back(i);
    const auto whole = parallel::fetch_rows(comm, mine, Grid::n, 8, all);
    for (std::size_t i = 0; i < block.own; ++i) {
      const int at = static_cast<int>(block.first + i), row = at / Grid::side;
      const int column = at % Grid::side;
      Lanes sum{};
      const auto add = [&](int r, int c, double weight) {
        if (r < 0 || c < 0 || r == Grid::side || c == Grid::side) return;
        const double* from = &whole[static_cast<std::size_t>(8 * (r * Grid::side + c))];
        for (std::size_t l = 0; l < 8; ++l) sum[l] += weight * from[l];
      };
      add(row, column, 4.5);
      for (const int d : {-1, 1}) {
        add(row + d, column, -1);
        add(row, column + d, -1);
      }
      y[i] = linear::eight_of(sum);
    }
  };
}

TEST(LogForms, EstimateTheDeterminantOfALaplacian) {
  const auto comm = Communicator::world();
  const Block block(comm, Grid::n);
  const auto apply = laplacian(comm, block);
  const double truth = Grid::log_determinant();
  const auto forms = linear::log_forms(comm, apply, block.signs(), {}, [] {});
  // The spread of one probe is sqrt(2) times the norm of log A off its diagonal: about 10 here.
  EXPECT_GT(forms.standard_error(), 1);
  EXPECT_LT(forms.standard_error(), 6);
  EXPECT_NEAR(forms.mean(), truth, 3 * forms.standard_error());
  EXPECT_LE(forms.change, std::max(1e-3 * forms.standard_error(), 1e-4));
  // Many more steps change no probe by more than the accuracy that was asked for; fewer do.
  linear::QuadratureLimits fine{.least = 30, .most = 30};
  const auto better = linear::log_forms(comm, apply, block.signs(), fine, [] {});
  EXPECT_NEAR(forms.mean(), better.mean(), 1e-3 * forms.standard_error());
  linear::QuadratureLimits few{.least = 2, .most = 2};
  const auto coarse = linear::log_forms(comm, apply, block.signs(), few, [] {});
  EXPECT_EQ(coarse.steps, 2);
  EXPECT_GT(std::abs(coarse.mean() - better.mean()), 0.1);
  if (comm.is_root()) {
    std::printf("log det %.3f, estimate %.3f +- %.3f in %d steps, two steps %.3f\n", truth,
                forms.mean(), forms.standard_error(), static_cast<int>(forms.steps), coarse.mean());
  }
}

// All inner products are exact, and this operator rounds row by row: not a bit may differ.
TEST(LogForms, AreTheSameOnAnyNumberOfRanks) {
  const auto comm = Communicator::world();
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  std::array<linear::LogForms, 2> forms;
  for (const std::size_t which : {0U, 1U}) {
    const Communicator& ranks = which == 0 ? comm : self;
    const Block block(ranks, Grid::n);
    forms[which] = linear::log_forms(ranks, laplacian(ranks, block), block.signs(), {}, [] {});
  }
  EXPECT_EQ(forms[0].steps, forms[1].steps);
  for (std::size_t l = 0; l < 8; ++l) EXPECT_EQ(forms[0].value[l], forms[1].value[l]);
}

TEST(LogForms, RefuseAnIndefiniteMatrix) {
  const auto comm = Communicator::world();
  const Block block(comm, 50);
  const linear::BlockOperator apply = [&](std::span<const Eight> x, std::span<Eight> y) {
    for (std::size_t i = 0; i < block.own; ++i) {
      y[i] = (block.first + i == 7 ? -20.0 : 1.0 + static_cast<double>(i % 3)) * x[i];
    }
  };
  try {
    linear::log_forms(comm, apply, block.signs(), {}, [] {});
    ADD_FAILURE() << "one eigenvalue is negative";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::numerical);
  }
}

// Two by two: eigenvalues 1 and 3 of [[2, 1], [1, 2]], both with weight one half.
TEST(TridiagonalEigenvalues, AreAGaussRule) {
  std::vector<double> diagonal{2, 2}, beside{1, 99}, weights(2);
  ASSERT_TRUE(linear::tridiagonal_eigenvalues(diagonal, beside, weights));
  EXPECT_NEAR(diagonal[0], 1, 1e-15);
  EXPECT_NEAR(diagonal[1], 3, 1e-15);
  EXPECT_NEAR(weights[0], 0.5, 1e-15);
  EXPECT_NEAR(weights[1], 0.5, 1e-15);
  diagonal[0] = NAN;
  EXPECT_FALSE(linear::tridiagonal_eigenvalues(diagonal, beside, weights));
}

}  // namespace
