// SPDX-License-Identifier: BSD-3-Clause
// Slopes, Laplacians and averages as data, against dense Gaussian conditioning with kernel
// integrals of its own.
#include <gtest/gtest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <memory>

#include "gp/collocation.hpp"
#include "gp/dense_conditioner.hpp"
#include "gp/sparse_conditioner.hpp"
#include "gp/updated_conditioner.hpp"
#include "parallel/by_index.hpp"
#include "small_system.hpp"
#include "unit/output/support.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using linear::Eight;
using parallel::Communicator;

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;
constexpr double nugget = 1e-10;
const gp::Kernel prior = kernel(gp::Family::matern_7_2, 0.4);
const gp::EquationSpec equation = elliptic("1", 1, 3, "0");
// Full: the sparse factors are exact, and iterations few.
const gp::FactorSpec exact_factor{.radius = 100, .neighbours = 3, .nugget = nugget};
const gp::SolveSpec solve{
    .tolerance = 1e-11, .newton = 1e-10, .max_newton = 30, .warm_start = false};

Eigen::Index index(std::size_t i) {
  return static_cast<Eigen::Index>(i);
}

double truth(const double* x) {
  return std::sin(3 * x[0] + 0.3) * std::cos(2 * x[1]);
}

/// The equation linearised somewhere, boundary values, and `noise` for the data.
gp::Measurements measure(const SmallSystem& system, double noise) {
  gp::Measurements result;
  const parallel::Stream stream(8, "test", "measure");
  for (std::size_t p = 0; p < static_cast<std::size_t>(system.pattern.own); ++p) {
    const double* x = &system.pattern.coordinates[2 * p];
    const auto kind = system.pattern.kind(p);
    if (kind == gp::PointKind::interior) result.lift.push_back(0.5 + x[0]);
    result.lift.push_back(1);
    const double u = truth(x);
    result.value.push_back(kind == gp::PointKind::interior ? (0.5 + x[0] + 13) * u
                           : kind == gp::PointKind::data   ? stream.normal(system.pattern.ids[p], 0)
                                                           : u);
    result.noise.push_back(kind == gp::PointKind::data ? noise * noise : 0);
  }
  return result;
}

/// Rows of values at points.
gp::Rows values_at(const std::vector<double>& x) {
  gp::Rows rows;
  rows.dimension = 2;
  for (std::size_t i = 0; i < x.size() / 2; ++i) {
    rows.coordinate[0].push_back(x[2 * i]);
    rows.coordinate[1].push_back(x[2 * i + 1]);
    rows.point.push_back(static_cast<std::int32_t>(i));
    rows.value.push_back(1);
  }
  return rows;
}

Matrix covariance(const gp::Rows& a, const gp::Rows& b) {
  const std::size_t stride = (b.rows() + 7) / 8 * 8;
  std::vector<double> block(a.rows() * stride);
  gp::Covariance(prior, 2).cross(a, b, block.data(), stride);
  Matrix result(index(a.rows()), index(b.rows()));
  for (std::size_t i = 0; i < a.rows(); ++i) {
    for (std::size_t j = 0; j < b.rows(); ++j) {
      result(index(i), index(j)) = block[i * stride + j];
    }
  }
  return result;
}

/// Conditioning of the state on points and, if there are any, averages: on this rank alone.
struct Dense {
  const SmallSystem& system;
  Matrix state_data, data;  ///< covariances of the state with the data, and of the data
  Matrix state;
  Vector values;
  Eigen::LLT<Matrix> solver;

  /// `nodes`, `weights`: of a fine rule for every average.
  Dense(const SmallSystem& alone, const gp::Measurements& m,
        const std::vector<std::vector<double>>& nodes = {}, const Matrix& weights = {},
        const Vector& averages = {}, double noise = 0)
      : system(alone) {
    std::vector<std::int32_t> points(m.value.size());
    for (std::size_t p = 0; p < points.size(); ++p) points[p] = static_cast<std::int32_t>(p);
    const gp::Rows rows =
        gp::RowGatherer(alone.pattern, alone.layout, alone.weights).gather(points);
    state = covariance(rows, rows);
    state.diagonal() *= 1 + nugget;
    const Eigen::Index n = index(points.size()), more = index(nodes.size());
    Matrix lift = Matrix::Zero(index(rows.rows()), n);
    for (std::size_t p = 0; p < points.size(); ++p) {
      for (std::int32_t r = alone.layout.first[p]; r < alone.layout.first[p + 1]; ++r) {
        lift(r, index(p)) = m.lift[static_cast<std::size_t>(r)];
      }
    }
    state_data.resize(state.rows(), n + more);
    data = Matrix::Zero(n + more, n + more);
    values.resize(n + more);
    state_data.leftCols(n) = state * lift;
    for (Eigen::Index i = 0; i < more; ++i) {
      const auto at = values_at(nodes[static_cast<std::size_t>(i)]);
      state_data.col(n + i) = covariance(rows, at) * weights.row(i).transpose();
      for (Eigen::Index j = 0; j < more; ++j) {
        const auto other = values_at(nodes[static_cast<std::size_t>(j)]);
        data(n + i, n + j) = weights.row(i) * covariance(at, other) * weights.row(j).transpose();
      }
      data(n + i, n + i) += noise * noise;
      values(n + i) = averages(i);
    }
    data.topRows(n) = lift.transpose() * state_data;
    data.bottomLeftCorner(more, n) = data.topRightCorner(n, more).transpose();
    for (std::size_t p = 0; p < points.size(); ++p) {
      data(index(p), index(p)) += m.noise[p];
      values(index(p)) = m.value[p];
    }
    solver.compute(data);
  }
  Vector mean() const { return state_data * solver.solve(values); }
  double log_determinant() const {
    return 2 * Matrix(solver.matrixL()).diagonal().array().log().sum();
  }
  double quadratic() const { return values.dot(solver.solve(values)); }
  Vector posterior(const Vector& x) const {
    return state * x - state_data * solver.solve(state_data.transpose() * x);
  }
};

/// Largest difference to what one rank alone has, over the largest entry; own rows.
double difference(const Communicator& comm, const SmallSystem& system, const SmallSystem& alone,
                  const std::vector<double>& rows, const Vector& expected) {
  double apart = 0;
  for (std::size_t p = 0; p < static_cast<std::size_t>(system.pattern.own); ++p) {
    const auto place = std::ranges::find(alone.pattern.ids, system.pattern.ids[p]);
    const auto there = static_cast<std::size_t>(place - alone.pattern.ids.begin());
    for (std::int32_t r = 0; r < system.layout.rows_of(p); ++r) {
      const double value = rows[static_cast<std::size_t>(system.layout.first[p] + r)];
      apart = std::max(apart, std::abs(value - expected(alone.layout.first[there] + r)));
    }
  }
  return comm.max(apart) / expected.cwiseAbs().maxCoeff();
}

struct Pair {
  SmallSystem system, alone;
};

/// Points of a grid with 12 values, 12 slopes and 12 Laplacians as data.
Pair make_pair(const Communicator& comm, const Communicator& self, int side = 9) {
  Cloud cloud = grid_cloud(2, side);
  for (const std::uint64_t seed : {21, 22, 23}) add_data(cloud, 12, seed);
  Pair pair{make_system(comm, cloud, equation, 100), make_system(self, cloud, equation, 100)};
  gp::Functional slope, laplacian;
  slope.gradient = {0.6, -0.8, 0};
  laplacian.laplacian = 1;
  for (SmallSystem* system : {&pair.system, &pair.alone}) {
    set_data_functional(*system, cloud.size() - 24, 12, slope);
    set_data_functional(*system, cloud.size() - 12, 12, laplacian);
  }
  return pair;
}

std::unique_ptr<gp::Conditioner> conditioner(const Communicator& comm, const SmallSystem& s,
                                             bool dense) {
  if (dense) {
    return std::make_unique<gp::DenseConditioner>(comm, s.pattern, s.layout, s.weights, prior,
                                                  nugget);
  }
  return std::make_unique<gp::SparseConditioner>(comm, s.pattern, s.layout, s.weights, prior,
                                                 exact_factor, solve, [] {});
}

TEST(Derivatives, AreConditionedExactly) {
  const auto comm = Communicator::world();
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  const Pair pair = make_pair(comm, self);
  for (const double noise : {1e-2, 1.0, 1e6}) {
    const Dense expected(pair.alone, measure(pair.alone, noise));
    for (const bool dense : {false, true}) {
      const auto used = conditioner(comm, pair.system, dense);
      std::vector<double> state(static_cast<std::size_t>(pair.system.layout.own));
      const auto report = used->condition(measure(pair.system, noise), 0, state, [] {});
      // The nuggets of sparse, dense and this formula differ in where they stand: 1e-10 of the
      // prior, against what the posterior leaves.
      EXPECT_LE(difference(comm, pair.system, pair.alone, state, expected.mean()), 1e-6);
      EXPECT_NEAR(report.quadratic, expected.quadratic(), 1e-4 * expected.quadratic());
    }
  }
}

/// Averages over boxes and disks in files, with a rule of the test for each.
class AveragesOf : public testing::Test {
 protected:
  const Communicator comm = Communicator::world(), self = Communicator::duplicate(MPI_COMM_SELF);
  SharedFolder folder{comm};
  std::string path;
  int files = 0;
  gp::Problem problem;
  std::vector<std::vector<double>> nodes;
  Matrix weights;
  Vector values;
  static constexpr std::size_t boxes = 6, disks = 5, fine = 30;

  void write(const std::string& name, const std::vector<hsize_t>& shape,
             const std::vector<double>& numbers) {
    if (comm.is_root()) {
      test::serial_write(path, name, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, shape, numbers);
    }
    comm.barrier();
  }
  void add_entry(const std::string& name, std::size_t count, double noise, bool box,
                 double scatter) {
    std::vector<double> centres, numbers;
    const parallel::Stream stream(5, "test", name);
    for (std::size_t i = 0; i < count; ++i) {
      for (const std::uint64_t a : {0U, 1U}) centres.push_back(0.2 + 0.6 * stream.uniform(i, a));
      numbers.push_back(add_fine(&centres[2 * i], box) + scatter * stream.normal(i, 2));
      values.conservativeResize(values.size() + 1);
      values(values.size() - 1) = numbers.back();
    }
    write(name + "_x", {count, 2}, centres);
    write(name + "_u", {count}, numbers);
    gp::AverageSpec spec;
    spec.centres = {path, "/" + name + "_x", {}};
    spec.values = {path, "/" + name + "_u", {}};
    spec.noise = noise;
    spec.where = "test";
    if (box) {
      spec.box = {0.3, 0.2};
    } else {
      spec.radius = 0.15;
    }
    problem.averages.push_back(spec);
  }
  /// Midpoints: of a grid in the box, of rings of one width and equal angles in the disk. Returns
  /// the average of the true function.
  double add_fine(const double* centre, bool box) {
    std::vector<double> x;
    double sum = 0;
    const Eigen::Index row = weights.rows();
    weights.conservativeResize(row + 1, index(fine * fine));
    for (std::size_t i = 0; i < fine; ++i) {
      for (std::size_t j = 0; j < fine; ++j) {
        const double s = (static_cast<double>(i) + 0.5) / fine,
                     t = (static_cast<double>(j) + 0.5) / fine;
        const double angle = 2 * std::acos(-1.0) * t;
        x.push_back(centre[0] + (box ? 0.3 * (s - 0.5) : 0.15 * s * std::cos(angle)));
        x.push_back(centre[1] + (box ? 0.2 * (t - 0.5) : 0.15 * s * std::sin(angle)));
        weights(row, index(i * fine + j)) = (box ? 1 : 2 * s) / (fine * fine);
      }
    }
    for (std::size_t i = 0; i < fine * fine; ++i) sum += weights(row, index(i)) * truth(&x[2 * i]);
    nodes.push_back(x);
    return sum;
  }
  void make(double noise, double scatter = 0.1) {
    path = folder / ("averages" + std::to_string(++files) + ".h5");
    problem = gp::Problem{};
    problem.prior = prior;
    nodes.clear();
    weights.resize(0, index(fine * fine));
    values.resize(0);
    add_entry("boxes", boxes, noise, true, scatter);
    add_entry("disks", disks, noise, false, scatter);
  }
  std::unique_ptr<gp::UpdatedConditioner> updated(const SmallSystem& s, bool dense) {
    const std::vector<double> scale(2, 1.0);
    auto averages = std::make_unique<gp::Averages>(comm, problem, 2);
    averages->interpolate({s.pattern, s.layout, s.weights, prior, nugget, scale}, 1, [] {});
    return std::make_unique<gp::UpdatedConditioner>(comm, s.layout, conditioner(comm, s, dense),
                                                    std::move(averages), 1e-9, 1);
  }
};

std::vector<double> lane_of(const std::vector<Eight>& rows, std::size_t l) {
  std::vector<double> result;
  for (const Eight& row : rows) {
    std::array<double, 8> numbers{};
    linear::store_loose(row, numbers.data());
    result.push_back(numbers[l]);
  }
  return result;
}

/// A vector in lane l, multiples of it in the others.
std::vector<Eight> block_of(const std::vector<double>& numbers) {
  std::vector<Eight> block;
  for (const double number : numbers) {
    alignas(64) std::array<double, 8> lanes{};
    for (std::size_t l = 0; l < 8; ++l) lanes[l] = number * (static_cast<double>(l) - 2);
    block.push_back(linear::load(lanes.data()));
  }
  return block;
}

std::vector<double> any_rows(const SmallSystem& system) {
  std::vector<double> rows;
  const parallel::Stream stream(6, "test", "rows");
  for (std::size_t p = 0; p < static_cast<std::size_t>(system.pattern.own); ++p) {
    for (std::int32_t r = 0; r < system.layout.rows_of(p); ++r) {
      rows.push_back(r == 0 ? stream.normal(system.pattern.ids[p], 0) : 0);
    }
  }
  return rows;
}

TEST_F(AveragesOf, TheUpdateIsDenseConditioning) {
  const Pair pair = make_pair(comm, self);
  const gp::Measurements here = measure(pair.system, 0.3), there = measure(pair.alone, 0.3);
  for (const double noise : {0.1, 0.5}) {
    make(noise);
    const Dense expected(pair.alone, there, nodes, weights, values, noise);
    for (const bool dense : {false, true}) {
      const auto used = updated(pair.system, dense);
      std::vector<double> state(static_cast<std::size_t>(pair.system.layout.own));
      const auto report = used->condition(here, 0, state, [] {});
      const double mean = difference(comm, pair.system, pair.alone, state, expected.mean());
      const double determinant = used->log_determinant([] {}).value - expected.log_determinant();
      const std::vector<double> x = any_rows(pair.system), x_alone = any_rows(pair.alone);
      auto block = block_of(x);
      used->apply_posterior(block, [](double) { return 1e-16; }, [] {});
      const Vector product =
          expected.posterior(Eigen::Map<const Vector>(x_alone.data(), index(x_alone.size())));
      const double posterior =
          difference(comm, pair.system, pair.alone, lane_of(block, 3), product);
      // What the same data give as a block is the mean.
      std::vector<Eight> rows(state.size());
      const std::vector<double> averages(values.data(), values.data() + values.size());
      used->condition_all(block_of(here.value), block_of(averages), rows, 1e-11, [] {});
      const double all =
          difference(comm, pair.system, pair.alone, lane_of(rows, 3), expected.mean());
      // What the points, an eighth apart, leave unknown of an average has the variance 1e-5, and
      // its upper bound is a few times that: a part in 1e3 of the smaller noise, for 11 averages.
      EXPECT_LE(mean, 1e-3);
      EXPECT_LE(all, 1e-3);
      EXPECT_LE(posterior, 1e-3);
      EXPECT_NEAR(determinant, 0, 0.05);
      EXPECT_NEAR(report.quadratic, expected.quadratic(), 1e-2 * expected.quadratic());
      if (comm.is_root()) {
        std::printf("noise %g: mean %.1e, block %.1e, covariance %.1e, log det %.1e, y'a %.1e\n",
                    noise, mean, all, posterior, determinant,
                    report.quadratic / expected.quadratic() - 1);
      }
    }
  }
}

// Averages that know nothing change nothing; averages without errors hold in the mean, where the
// points resolve u.
TEST_F(AveragesOf, LimitsOfTheNoise) {
  const Pair pair = make_pair(comm, self, 17);
  gp::Measurements here = measure(pair.system, 0.3);
  std::vector<double> base(static_cast<std::size_t>(pair.system.layout.own)), state(base);
  conditioner(comm, pair.system, false)->condition(here, 0, base, [] {});
  make(1e6);
  updated(pair.system, false)->condition(here, 0, state, [] {});
  double size = 0;
  for (const double value : base) size = std::max(size, std::abs(value));
  for (std::size_t r = 0; r < base.size(); ++r) EXPECT_NEAR(state[r], base[r], 1e-9 * size);
  // With the equation itself in doubt the averages decide.
  std::ranges::fill(here.noise, 1.0);
  make(1e-6, 0);
  conditioner(comm, pair.system, false)->condition(here, 0, base, [] {});
  const auto used = updated(pair.system, false);
  used->condition(here, 0, state, [] {});
  const auto before = used->measure_beside(block_of(base));
  const auto found = used->measure_beside(block_of(state));
  double apart = 0, apart_before = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    apart_before = std::max(apart_before, std::abs(lane_of(before, 3)[i] - values(index(i))));
    apart = std::max(apart, std::abs(lane_of(found, 3)[i] - values(index(i))));
  }
  // Less than before by what the points leave unknown over what they doubt.
  EXPECT_LE(apart, 0.01 * apart_before);
  if (comm.is_root())
    std::printf("errorless averages: apart %.1e, %.1e before\n", apart, apart_before);
}

TEST_F(AveragesOf, RegionsLieInTheDomain) {
  make(0.1);
  problem.domain = gp::Domain{gp::Box{{0, 0}, {1, 1}}, {}};
  problem.averages.resize(1);
  write("out", {3, 2}, {0.5, 0.5, 0.5, 0.93, 0.5, 0.95});
  problem.averages[0].centres.dataset = "/out";
  const auto caught = catch_error([&] { gp::Averages(comm, problem, 2); });
  EXPECT_EQ(caught.code, static_cast<int>(parallel::ExitCode::input_data));
  EXPECT_NE(caught.text.find("/out: row 1: the box of widths 0.3, 0.2 around (0.5, 0.93) reaches"),
            std::string::npos)
      << caught.text;
}

TEST_F(AveragesOf, TooManyOrOtherDimensionsAreRefused) {
  make(0.1);
  problem.averages.resize(1);
  problem.domain = gp::Domain{gp::Box{{0, 0}, {1, 1}}, {}};
  problem.layout = gp::GridLayout{{5}};
  const auto size = gp::collocation_size(comm, problem);
  EXPECT_EQ(size.averages, static_cast<std::int64_t>(boxes));
  write("many", {5001, 2}, std::vector<double>(10002, 0.5));
  write("space", {5, 3}, std::vector<double>(15, 0.5));
  problem.averages[0].centres.dataset = "/many";
  EXPECT_EQ(catch_error([&] { gp::collocation_size(comm, problem); }).code,
            static_cast<int>(parallel::ExitCode::too_large));
  problem.averages[0].centres.dataset = "/space";
  EXPECT_EQ(catch_error([&] { gp::collocation_size(comm, problem); }).code,
            static_cast<int>(parallel::ExitCode::input_data));
}

}  // namespace
