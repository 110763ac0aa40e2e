// SPDX-License-Identifier: BSD-3-Clause
// The map from a state to values at points, against dense regression on the same rows.
#include "gp/interpolation.hpp"

#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <string>

#include "gp/covariance.hpp"
#include "linear/lanes.hpp"
#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"
#include "small_system.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using linear::Eight;
using parallel::Communicator;

// Large, for matrices that are well enough conditioned (1e7) to compare weights.
constexpr double large_nugget = 1e-7;
const gp::Kernel prior = kernel(gp::Family::matern_7_2, 0.4);

gp::StateRows rows_of(const SmallSystem& system, const std::vector<double>& scale,
                      double nugget = large_nugget) {
  return {system.pattern, system.layout, system.weights, prior, nugget, scale};
}

/// Any numbers, the same for a row on any number of ranks.
double number(std::uint64_t id, std::int32_t row, std::uint64_t lane) {
  return parallel::Stream(3, "test", "state")
      .normal(id, 8 * static_cast<std::uint64_t>(row) + lane);
}

std::vector<double> state_of(const SmallSystem& system, std::uint64_t lane) {
  std::vector<double> state;
  for (std::size_t p = 0; p < static_cast<std::size_t>(system.pattern.own); ++p) {
    for (std::int32_t r = 0; r < system.layout.rows_of(p); ++r) {
      state.push_back(number(system.pattern.ids[p], r, lane));
    }
  }
  return state;
}

Eight pack(const std::array<double, 8>& values) {
  alignas(64) std::array<double, 8> aligned = values;
  return linear::load(aligned.data());
}

std::array<double, 8> unpack(const Eight& value) {
  std::array<double, 8> values{};
  linear::store_loose(value, values.data());
  return values;
}

std::vector<Eight> block_of(const SmallSystem& system) {
  std::array<std::vector<double>, 8> lanes;
  for (std::size_t l = 0; l < 8; ++l) lanes[l] = state_of(system, l);
  std::vector<Eight> block;
  for (std::size_t r = 0; r < lanes[0].size(); ++r) {
    std::array<double, 8> values{};
    for (std::size_t l = 0; l < 8; ++l) values[l] = lanes[l][r];
    block.push_back(pack(values));
  }
  return block;
}

/// All targets; rank r holds those whose number is r modulo the ranks or, `alone`, the last rank
/// all. On two ranks and more the first target comes a second time on rank 0.
std::vector<double> share(const Communicator& comm, int dimension, const std::vector<double>& all,
                          bool alone) {
  const auto d = static_cast<std::size_t>(dimension);
  std::vector<double> own;
  for (std::size_t i = 0; i < all.size() / d; ++i) {
    const int holder = alone ? comm.size() - 1 : static_cast<int>(i) % comm.size();
    if (holder == comm.rank()) own.insert(own.end(), &all[i * d], &all[i * d] + d);
  }
  if (comm.rank() == 0) own.insert(own.end(), all.begin(), all.begin() + dimension);
  return own;
}

/// Regression on all rows of a system that this rank holds alone: weights and variance.
struct Dense {
  Eigen::MatrixXd factor;
  gp::Rows rows;
  Eigen::LLT<Eigen::MatrixXd> solver;

  explicit Dense(const SmallSystem& alone, double nugget = large_nugget) {
    std::vector<std::int32_t> points(static_cast<std::size_t>(alone.pattern.own));
    for (std::size_t p = 0; p < points.size(); ++p) points[p] = static_cast<std::int32_t>(p);
    rows = gp::RowGatherer(alone.pattern, alone.layout, alone.weights).gather(points);
    const std::size_t n = rows.rows(), stride = (n + 7) / 8 * 8;
    std::vector<double> block(n * stride);
    gp::Covariance(prior, rows.dimension).symmetric(rows, block.data(), stride);
    factor.resize(static_cast<Eigen::Index>(n), static_cast<Eigen::Index>(n));
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = i; j < n; ++j) {
        const double value = block[i * stride + j] * (i == j ? 1 + nugget : 1);
        factor(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)) = value;
        factor(static_cast<Eigen::Index>(j), static_cast<Eigen::Index>(i)) = value;
      }
    }
    solver.compute(factor);
  }

  struct Result {
    Eigen::VectorXd weights;
    double variance, before;  ///< after and before the rows are known
  };
  Result at(const double* x, const gp::Functional& f) const {
    gp::Rows target;
    target.dimension = rows.dimension;
    const auto d = static_cast<std::size_t>(rows.dimension);
    for (std::size_t a = 0; a < d; ++a) target.coordinate[a].push_back(x[a]);
    target.point.push_back(0);
    target.value.push_back(f.value);
    target.laplacian.push_back(f.laplacian);
    for (std::size_t a = 0; a < d; ++a) target.gradient[a].push_back(f.gradient[a]);
    const std::size_t n = rows.rows();
    std::vector<double> cross((n + 7) / 8 * 8);
    std::array<double, 8> own{};
    gp::Covariance covariance(prior, rows.dimension);
    covariance.cross(target, rows, cross.data(), cross.size());
    covariance.symmetric(target, own.data(), 8);
    const Eigen::Map<Eigen::VectorXd> k(cross.data(), static_cast<Eigen::Index>(n));
    const Eigen::VectorXd weights = solver.solve(k);
    return {weights, own[0] - k.dot(weights), own[0]};
  }
};

constexpr std::array<std::int64_t, 4> few_inside = {0, 10, 25, 45};

Cloud few_points(int dimension) {
  constexpr std::array<std::int64_t, 4> boundary = {0, 2, 10, 25};
  const auto d = static_cast<std::size_t>(dimension);
  return random_cloud(dimension, {boundary[d], few_inside[d], 4}, 9);
}

// No more points than neighbours: nothing is left out, and the map is the regression itself.
TEST(Interpolation, IsDenseRegressionOnAllRows) {
  const auto comm = Communicator::world();
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  for (int d = 1; d <= 3; ++d) {
    const std::vector<double> scale(static_cast<std::size_t>(d), 1.0);
    const Cloud cloud = few_points(d);
    const SmallSystem system = make_system(comm, cloud, elliptic("1", 0, 1, "0"), 2);
    const SmallSystem alone = make_system(self, cloud, elliptic("1", 0, 1, "0"), 2);
    const Dense dense(alone);
    std::array<std::vector<double>, 8> state;
    for (std::size_t l = 0; l < 8; ++l) state[l] = state_of(alone, l);
    std::vector<gp::Functional> functionals(3);
    functionals[0].value = 1;
    functionals[1].laplacian = 1;
    functionals[2].value = 0.5;
    functionals[2].gradient[static_cast<std::size_t>(d) - 1] = -2;
    for (const bool alone_on_one : {false, true}) {
      const auto targets =
          share(comm, d, random_cloud(d, {0, 21, 0}, 31).coordinates, alone_on_one);
      for (const gp::Functional& f : functionals) {
        gp::Interpolation map(comm, rows_of(system, scale), targets, [] {}, f);
        const auto found = map.multiply(block_of(system));
        const auto single = map.multiply(state_of(system, 5));
        ASSERT_EQ(found.size(), targets.size() / static_cast<std::size_t>(d));
        ASSERT_EQ(map.variance().size(), found.size());
        for (std::size_t i = 0; i < found.size(); ++i) {
          const auto [weights, variance, before] =
              dense.at(&targets[i * static_cast<std::size_t>(d)], f);
          // Both solve with the same matrix, whose condition is near 1e7 (the nugget): weights
          // agree to that times rounding, the variance, a minimum, to rounding.
          EXPECT_NEAR(map.variance()[i], variance, 1e-11 * before) << "dimension " << d;
          const auto lanes = unpack(found[i]);
          for (std::size_t l = 0; l < 8; ++l) {
            const Eigen::Map<const Eigen::VectorXd> x(state[l].data(), weights.size());
            const double size = weights.cwiseAbs().dot(x.cwiseAbs());
            EXPECT_NEAR(lanes[l], weights.dot(x), 1e-8 * size) << "dimension " << d;
            if (l == 5) {
              EXPECT_NEAR(single[i], lanes[l], 1e-13 * size);
            }
          }
        }
      }
    }
  }
}

// <W x, t> = <x, W' t>.
TEST(Interpolation, TransposedIsTheAdjoint) {
  const auto comm = Communicator::world();
  for (int d = 1; d <= 3; ++d) {
    const std::vector<double> scale(static_cast<std::size_t>(d), 1.0);
    const SmallSystem system = make_system(comm, random_cloud(d, {d == 1 ? 2 : 40, 200, 20}, 5),
                                           elliptic("1", 0, 1, "0"), 2);
    const auto targets = share(comm, d, random_cloud(d, {0, 50, 0}, 32).coordinates, false);
    gp::Interpolation map(comm, rows_of(system, scale), targets, [] {});
    const auto x = block_of(system);
    std::vector<Eight> t;
    for (std::size_t i = 0; i < map.variance().size(); ++i) {
      std::array<double, 8> values{};
      for (std::size_t l = 0; l < 8; ++l) {
        values[l] = number(1000 + i, comm.rank(), l);
      }
      t.push_back(pack(values));
    }
    const auto y = map.multiply(x);
    const auto z = map.multiply_transposed(t);
    ASSERT_EQ(z.size(), x.size());
    std::array<parallel::ExactSum, 24> sums;  // both sides and their size, of eight systems
    const auto add = [&](const Eight& a, const Eight& b, std::size_t side) {
      const auto left = unpack(a), right = unpack(b);
      for (std::size_t l = 0; l < 8; ++l) {
        sums[8 * side + l].add(left[l] * right[l]);
        sums[16 + l].add(std::abs(left[l] * right[l]));
      }
    };
    for (std::size_t i = 0; i < t.size(); ++i) add(y[i], t[i], 0);
    for (std::size_t i = 0; i < x.size(); ++i) add(x[i], z[i], 1);
    parallel::reduce(comm, sums);
    for (std::size_t l = 0; l < 8; ++l) {
      EXPECT_NEAR(sums[l].value(), sums[8 + l].value(), 1e-13 * sums[16 + l].value());
    }
  }
}

// The same neighbours whatever the number of ranks; only the sums differ in their order.
TEST(Interpolation, IsTheSameOnAnyNumberOfRanks) {
  const auto comm = Communicator::world();
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  for (int d = 1; d <= 3; ++d) {
    const std::vector<double> scale = {1, 0.5, 2};
    const Cloud cloud = grid_cloud(d, d == 1 ? 60 : (d == 2 ? 14 : 7));
    Cloud wanted = random_cloud(d, {0, 120, 0}, 78);
    for (double& x : wanted.coordinates) x = std::round(x * 26) / 26;  // many coincide
    std::array<std::vector<double>, 2> values, variances;
    std::vector<double> targets = share(comm, d, wanted.coordinates, false);
    for (const std::size_t which : {0U, 1U}) {
      const Communicator& ranks = which == 0 ? comm : self;
      const SmallSystem system = make_system(ranks, cloud, elliptic("1", 0, 1, "0"), 2);
      const gp::Interpolation map(
          ranks,
          {system.pattern, system.layout, system.weights, prior, large_nugget,
           std::span(scale).first(static_cast<std::size_t>(d))},
          targets, [] {});
      values[which] = map.multiply(state_of(system, 0));
      variances[which].assign(map.variance().begin(), map.variance().end());
    }
    ASSERT_EQ(values[0].size(), values[1].size());
    EXPECT_EQ(variances[0], variances[1]);
    for (std::size_t i = 0; i < values[0].size(); ++i) {
      // A state of independent numbers is the worst case: weights of either sign up to 1e3.
      EXPECT_NEAR(values[0][i], values[1][i], 1e-11 * std::max(1.0, std::abs(values[0][i])));
    }
  }
}

// Conditioning on the nearest rows leaves no less than all rows do, and hardly more.
TEST(Interpolation, VarianceIsHardlyMoreThanThatOfAllRows) {
  const auto comm = Communicator::world();
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  constexpr std::array<double, 4> excess = {0, 0.05, 0.2, 0.3};
  for (int d = 1; d <= 3; ++d) {
    const std::vector<double> scale(static_cast<std::size_t>(d), 1.0);
    const Cloud cloud = random_cloud(d, {d == 1 ? 2 : 60, 300, 20}, 5);
    const Dense dense(make_system(self, cloud, elliptic("1", 0, 1, "0"), 2), 1e-10);
    const SmallSystem system = make_system(comm, cloud, elliptic("1", 0, 1, "0"), 2);
    const auto targets = share(comm, d, random_cloud(d, {0, 60, 0}, 33).coordinates, false);
    const gp::Interpolation map(comm, rows_of(system, scale, 1e-10), targets, [] {});
    double most = 0;
    gp::Functional value;
    value.value = 1;
    for (std::size_t i = 0; i < map.variance().size(); ++i) {
      const double exact = dense.at(&targets[i * static_cast<std::size_t>(d)], value).variance;
      EXPECT_GE(map.variance()[i], exact - 1e-12);
      EXPECT_LE(map.variance()[i], (1 + excess[static_cast<std::size_t>(d)]) * exact + 1e-10)
          << "dimension " << d;
      if (exact > 1e-9) most = std::max(most, map.variance()[i] / exact - 1);
    }
    most = comm.max(most);
    if (comm.is_root()) std::printf("dimension %d: variance up to %.1e more\n", d, most);
  }
}

// The row of u at a point of the cloud, and nothing else.
TEST(Interpolation, CoincidentTargetsAreRows) {
  const auto comm = Communicator::world();
  const std::vector<double> scale(2, 1.0);
  const Cloud cloud = random_cloud(2, {20, 100, 10}, 6);
  const SmallSystem system = make_system(comm, cloud, elliptic("1", 0, 1, "0"), 2);
  gp::Interpolation map(comm, rows_of(system, scale), cloud.coordinates, [] {});
  const auto found = map.multiply(state_of(system, 0));
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i], number(i, 0, 0));
    EXPECT_EQ(map.variance()[i], 0);
  }
  // -Lap u is the second row of interior points; elsewhere it has to be interpolated.
  gp::Functional minus_laplacian;
  minus_laplacian.laplacian = -1;
  gp::Interpolation second(comm, rows_of(system, scale), cloud.coordinates, [] {}, minus_laplacian);
  const auto there = second.multiply(state_of(system, 0));
  for (std::size_t i = 0; i < there.size(); ++i) {
    const bool inside = i >= 20 && i < 120;
    EXPECT_EQ(there[i] == number(i, 1, 0), inside);
    EXPECT_EQ(second.variance()[i] == 0, inside);
  }
}

TEST(Interpolation, NoTargets) {
  const auto comm = Communicator::world();
  const std::vector<double> scale(2, 1.0);
  const SmallSystem system = make_system(comm, few_points(2), elliptic("1", 0, 1, "0"), 2);
  gp::Interpolation map(comm, rows_of(system, scale), {}, [] {});
  EXPECT_TRUE(map.multiply(state_of(system, 0)).empty());
  EXPECT_TRUE(map.variance().empty());
  for (const Eight& row : map.multiply_transposed({})) {
    for (const double value : unpack(row)) EXPECT_EQ(value, 0);
  }
}

}  // namespace
