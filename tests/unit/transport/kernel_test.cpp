// SPDX-License-Identifier: BSD-3-Clause
// Every kernel against plain sums in long double.
#include "transport/kernel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numbers>
#include <string>

#include "dense.hpp"
#include "output/hdf5.hpp"
#include "parallel/exchange.hpp"
#include "unit/output/support.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using output::RegularGrid;
using parallel::Communicator;
using transport::Cost;
using transport::CostKind;
using transport::CostSpec;
using transport::Kernel;

Wide squared(const double* x, const double* y, int d) {
  Wide sum = 0;
  for (int a = 0; a < d; ++a) sum += (Wide(x[a]) - y[a]) * (Wide(x[a]) - y[a]);
  return sum;
}

PairCost pair_cost(const CostSpec& spec, double weight, int d) {
  return [=](const double* x, const double* y) -> Wide {
    Wide sum = 0;
    switch (spec.kind) {
      case CostKind::l1:
        for (int a = 0; a < d; ++a) sum += std::abs(Wide(x[a]) - y[a]);
        return weight * sum;
      case CostKind::periodic:
        for (int a = 0; a < d; ++a) {
          const Wide z = std::remainder(Wide(x[a]) - y[a], Wide(spec.period[std::size_t(a)]));
          sum += z * z;
        }
        return weight * sum;
      case CostKind::power:
        return weight * std::pow(squared(x, y, d), Wide(spec.power) / 2);
      default:
        return weight * squared(x, y, d);
    }
  };
}

/// Potentials without structure, of the given size.
std::vector<double> potential(std::size_t count, double size, std::uint64_t seed) {
  const parallel::Stream stream(seed, "test", "potential");
  std::vector<double> result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(size * (stream.uniform(i, 0) - 0.5));
  return result;
}

std::vector<double> own_values(const transport::Cloud& cloud, const Measure& measure,
                               const std::vector<double>& all) {
  std::vector<double> own;
  for (const std::size_t i : places(cloud, measure)) own.push_back(all[i]);
  return own;
}

/// All three sums of a kernel against the dense ones. `scale` is the size of costs and potentials:
/// exponents of that size over epsilon are rounded once or twice, which epsilon times the logarithm
/// gives back.
void compare(const Communicator& comm, const Kernel& kernel, const transport::Cloud& x,
             const transport::Cloud& y, const Measure& dense_x, const Measure& dense_y,
             double epsilon, double scale, const PairCost& cost) {
  const double tolerance = 1e-15 * scale + 2e-15 * epsilon;
  const auto g = potential(dense_y.size(), scale, 3), f0 = potential(dense_x.size(), scale, 4);
  const auto x_rows = places(x, dense_x), y_rows = places(y, dense_y);
  const auto expected_f = dense_soft(dense_x, dense_y, x_rows, epsilon, g, cost);
  const PairCost swapped = [&](const double* b, const double* a) { return cost(a, b); };
  const auto expected_g = dense_soft(dense_y, dense_x, y_rows, epsilon, f0, swapped);
  std::vector<double> f(x.own()), h(y.own());
  int polls = 0;
  const std::function<void()> poll = [&] { ++polls; };
  const auto own_g = own_values(y, dense_y, g);
  kernel.soft_rows(epsilon, own_g, f, poll);
  kernel.soft_columns(epsilon, own_values(x, dense_x, f0), h, poll);
  for (std::size_t i = 0; i < f.size(); ++i) EXPECT_NEAR(f[i], expected_f[i], 4 * tolerance);
  for (std::size_t j = 0; j < h.size(); ++j) EXPECT_NEAR(h[j], expected_g[j], 4 * tolerance);
  // The plan with exact rows has mass one: its cost is an average.
  const double linear = kernel.linear_cost(epsilon, expected_f, own_g, poll);
  const double expected = dense_cost(comm, dense_x, dense_y, x_rows, epsilon, expected_f, g, cost);
  EXPECT_NEAR(linear, expected, (1e-14 + 4 * tolerance / epsilon) * (std::abs(expected) + epsilon));
  EXPECT_EQ(comm.min(std::int64_t{polls}), comm.max(std::int64_t{polls}));
}

struct Case {
  CostSpec cost;
  int dimension;
};

std::vector<Case> cases() {
  const auto spec = [](CostKind kind, double power = 2, std::vector<double> period = {}) {
    CostSpec result;
    result.kind = kind;
    result.power = power;
    result.period = std::move(period);
    return result;
  };
  const CostSpec square = spec(CostKind::squared_euclidean);
  return {{square, 1},
          {square, 2},
          {square, 3},
          {square, 5},
          {spec(CostKind::power, 1), 2},
          {spec(CostKind::power, 2), 2},
          {spec(CostKind::power, 3), 3},
          {spec(CostKind::l1), 2},
          {spec(CostKind::periodic, 2, {1.0, 0.7}), 2}};
}

TEST(BlockedKernel, AgreesWithDenseSums) {
  const Communicator comm = Communicator::world();
  for (const auto& [spec, d] : cases()) {
    const Measure a = random_measure(d, 150, 1), b = random_measure(d, 203, 2);
    const auto x = cloud_of(comm, a), y = cloud_of(comm, b);
    const double weight = 1.5;
    const auto kernel = make_blocked_kernel(comm, x, y, Cost(spec, weight, d));
    EXPECT_EQ(kernel->name(), "blocked");
    // From kernels that see everything to those of which most chunks are passed over.
    for (const double epsilon : {1.0, 1e-2, 1e-4}) {
      SCOPED_TRACE(std::to_string(static_cast<int>(spec.kind)) + " in " + std::to_string(d) +
                   ", epsilon " + std::to_string(epsilon));
      compare(comm, *kernel, x, y, a, b, epsilon, 2, pair_cost(spec, weight, d));
    }
  }
}

TEST(BlockedKernel, FewerPointsThanRanks) {
  const Communicator comm = Communicator::world();
  const Measure a = random_measure(2, 1, 1), b = random_measure(2, 2, 2);
  const auto x = cloud_of(comm, a), y = cloud_of(comm, b);
  const auto kernel = make_blocked_kernel(comm, x, y, Cost({}, 1, 2));
  compare(comm, *kernel, x, y, a, b, 0.1, 1, pair_cost({}, 1, 2));
}

TEST(BlockedKernel, BlocksGoOnceAroundTheRing) {
  const Communicator comm = Communicator::world();
  const Measure a = random_measure(2, 100, 1), b = random_measure(2, 64 * 12, 2);
  const auto x = cloud_of(comm, a), y = cloud_of(comm, b);
  const auto kernel = make_blocked_kernel(comm, x, y, Cost({}, 1, 2));
  std::vector<double> f(x.own()), g(y.own(), 0.0);
  const parallel::Traffic before = parallel::traffic();
  kernel->soft_rows(0.1, g, f, {});
  const parallel::Traffic after = parallel::traffic();
  EXPECT_EQ(after.messages - before.messages, comm.size() - 1);
  // Blocks are chunks of 32 points: 3 numbers per point, a box and a bound per chunk. One to four
  // ranks have equally many.
  const std::int64_t blocks = 64 * 12 / comm.size();
  if (blocks % 32 == 0) {
    EXPECT_EQ(after.bytes - before.bytes, (comm.size() - 1) * blocks / 32 * (3 * 32 + 5) * 8);
  }
  // In pieces when messages are limited; the sums are the same.
  const std::vector<double> whole = f;
  const std::int64_t limit = parallel::message_limit();
  parallel::set_message_limit(1000);
  kernel->soft_rows(0.1, g, f, {});
  parallel::set_message_limit(limit);
  EXPECT_EQ(f, whole);
}

double bumps(const std::vector<double>& x) {
  double sum = 0.1, product = 1;
  for (std::size_t a = 0; a < x.size(); ++a) {
    product *= std::sin(7 * x[a] + static_cast<double>(a));
    sum += x[a] * x[a];
  }
  return product < -0.3 ? 0 : sum + product;  // holes
}

TEST(SeparableKernel, AgreesWithDenseSums) {
  const Communicator comm = Communicator::world();
  struct Grids {
    RegularGrid x, y;
  };
  const std::vector<Grids> grids{
      {{{40}, {0.0}, {0.025}}, {{33}, {0.1}, {0.02}}},
      {{{17, 12}, {0.05, 0.0}, {0.05, 0.08}}, {{9, 21}, {0.0, -0.1}, {0.1, 0.06}}},
      {{{18, 22}, {0.0, 0.0}, {0.03, 0.03}}, {{18, 22}, {0.0, 0.0}, {0.03, 0.03}}},
      {{{7, 5, 9}, {0.0, 0.0, 0.0}, {0.1, 0.2, 0.1}},
       {{6, 8, 3}, {0.1, 0.0, 0.2}, {0.1, 0.1, 0.3}}}};
  for (const auto& [x_grid, y_grid] : grids) {
    const std::size_t d = x_grid.shape.size();
    const Measure a = grid_measure(x_grid, bumps);
    const Measure b = grid_measure(y_grid, [](const auto& z) { return bumps(z) > 0.4 ? 1 : 0; });
    ASSERT_LT(b.size(), std::size_t(300) * d);
    const auto x = cloud_of(comm, a), y = cloud_of(comm, b);
    CostSpec periodic;
    periodic.kind = CostKind::periodic;
    periodic.period.assign(d, 1.1);
    CostSpec l1;
    l1.kind = CostKind::l1;
    for (const CostSpec& spec : {CostSpec{}, l1, periodic}) {
      const int dimension = static_cast<int>(d);
      const auto kernel =
          make_separable_kernel(comm, x, x_grid, y, y_grid, Cost(spec, 1.5, dimension));
      EXPECT_EQ(kernel->name(), d == 1 ? "blocked" : "separable");
      // Products of matrices at 0.1, sums with their own largest exponents at 1e-3 and below.
      for (const double epsilon : {0.1, 1e-3, 1e-5}) {
        SCOPED_TRACE(std::to_string(static_cast<int>(spec.kind)) + " in " + std::to_string(d) +
                     ", epsilon " + std::to_string(epsilon));
        compare(comm, *kernel, x, y, a, b, epsilon, 3, pair_cost(spec, 1.5, dimension));
      }
    }
  }
}

/// -eps log of the heat kernel with reflecting walls, by more images than the kernel takes.
PairCost reflected_cost(const RegularGrid& grid, double weight, double epsilon) {
  return [=](const double* x, const double* y) {
    Wide cost = 0;
    const Wide variance = epsilon / (2 * Wide(weight));
    for (std::size_t a = 0; a < grid.shape.size(); ++a) {
      const Wide length = static_cast<Wide>(grid.shape[a]) * grid.spacing[a];
      const Wide wall = grid.origin[a] - Wide(grid.spacing[a]) / 2;
      Wide sum = 0;
      for (int m = -5; m <= 5; ++m) {
        for (const Wide z : {Wide(x[a]) - y[a], Wide(x[a]) + y[a] - 2 * wall}) {
          const Wide distance = z + 2 * m * length;
          sum += std::exp(-distance * distance / (2 * variance));
        }
      }
      cost -= epsilon * std::log(sum * length / std::sqrt(2 * std::numbers::pi_v<Wide> * variance));
    }
    return cost;
  };
}

TEST(ReflectedKernel, AgreesWithDenseSumsAndKeepsTheUniformMeasure) {
  const Communicator comm = Communicator::world();
  const std::vector<RegularGrid> grids{{{40}, {0.0125}, {0.025}},
                                       {{9, 12}, {0.5 / 12, 0.3}, {1 / 12.0, 1 / 12.0}}};
  for (const RegularGrid& grid : grids) {
    const Measure a = grid_measure(grid, bumps);
    const Measure uniform = grid_measure(grid, [](const auto&) { return 1.0; });
    const auto x = cloud_of(comm, a), y = cloud_of(comm, uniform);
    const double weight = 1.5, h = grid.spacing[0];
    const auto kernel = make_reflected_kernel(comm, x, grid, y, grid, weight);
    EXPECT_EQ(kernel->name(), "reflected");
    for (const double epsilon : {0.5, 0.02, 2e-3}) {
      compare(comm, *kernel, x, y, a, uniform, epsilon, 2, reflected_cost(grid, weight, epsilon));
    }
    // The midpoint rule errs by 2 exp(-pi^2 eps / (w h^2)): below 1e-16 here.
    const double epsilon = 6 * h * h;
    std::vector<double> zero(y.own(), 0.0), f(x.own(), 1.0);
    kernel->soft_rows(epsilon, zero, f, {});
    for (const double value : f) EXPECT_NEAR(value, 0, 1e-14 * epsilon * 10);
  }
  const Measure a = grid_measure(grids[0], bumps);
  const RegularGrid other{{40}, {0.0}, {0.025}};
  const auto x = cloud_of(comm, a);
  EXPECT_THROW(make_reflected_kernel(comm, x, grids[0], x, other, 1), parallel::Error);
}

TEST(MatrixKernel, AgreesWithDenseSumsAndRefusesOtherShapes) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::string path = folder / "cost.h5";
  const std::size_t rows = 61, columns = 90;
  const auto costs = potential(rows * columns, 2, 9);
  {
    auto file = output::File::create(comm, path);
    file.replicated("/c", costs, {}, {std::int64_t(rows), std::int64_t(columns)});
    auto bad = costs;
    bad[7 * columns + 5] = std::numeric_limits<double>::quiet_NaN();
    file.replicated("/bad", bad, {}, {std::int64_t(rows), std::int64_t(columns)});
    file.finish();
  }
  // Not all rows and columns have points: ids are positions in the input.
  Measure a = random_measure(1, 53, 1), b = random_measure(1, 83, 2);
  for (std::size_t i = 0; i < a.size(); ++i) a.ids[i] = i + i / 8;
  for (std::size_t j = 0; j < b.size(); ++j) b.ids[j] = j + j / 12;
  const auto x = cloud_of(comm, a), y = cloud_of(comm, b);
  CostSpec spec;
  spec.kind = CostKind::matrix;
  spec.file = path;
  spec.dataset = "/c";
  const auto kernel = make_matrix_kernel(comm, x, rows, y, columns, spec, 1.5);
  EXPECT_EQ(kernel->name(), "matrix");
  const PairCost cost = [&](const double* p, const double* q) -> Wide {
    const auto i = static_cast<std::size_t>(p - a.coordinates.data());
    const auto j = static_cast<std::size_t>(q - b.coordinates.data());
    return Wide(1.5) * costs[a.ids[i] * columns + b.ids[j]];
  };
  for (const double epsilon : {1.0, 1e-3}) compare(comm, *kernel, x, y, a, b, epsilon, 3, cost);

  const auto refusal = [&](const CostSpec& wrong, std::int64_t n) {
    try {
      make_matrix_kernel(comm, x, n, y, columns, wrong, 1);
    } catch (const parallel::Error& error) {
      EXPECT_EQ(error.code(), parallel::ExitCode::input_data);
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(refusal(spec, rows + 1), testing::HasSubstr("has shape (61, 90)"));
  spec.dataset = "/bad";
  EXPECT_THAT(refusal(spec, rows), testing::HasSubstr("row 7, column 5"));
}

}  // namespace
