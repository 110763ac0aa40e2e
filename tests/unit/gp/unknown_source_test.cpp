// SPDX-License-Identifier: BSD-3-Clause
// A linear inverse problem, -Lap u + 2 u = s with unknown s, against its closed form: with K = K_u
// + K_s between the measured functionals (u on the boundary, -Lap u + 2 u - s inside, data of u and
// of s), mean = k (K + R)^-1 y and covariance = k - k (K + R)^-1 k'.
#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <vector>

#include "functional_rows.hpp"
#include "gp/dense_conditioner.hpp"
#include "gp/evidence.hpp"
#include "gp/gauss_newton.hpp"
#include "gp/sparse_conditioner.hpp"
#include "small_system.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using linear::Eight;
using parallel::Communicator;

constexpr double nugget = 1e-10, noise = 0.05;

const gp::Kernel prior_of_u = kernel(gp::Family::matern_7_2, 0.5);
const gp::Kernel prior_of_source{{{9.0, {{gp::Family::matern_3_2, {0.7}, {}}}}}};
const gp::Prior prior(prior_of_u, prior_of_source);

/// A measurement: its parts on the two fields.
struct Part {
  Point x{};
  test::Functional u, source;
};

double true_source(const double* x) {
  return 3 * std::sin(std::numbers::pi * x[0]) + x[1];
}

Cloud make_cloud() {
  Cloud cloud = grid_cloud(2, 6);
  add_data(cloud, 14, 8);
  add_data(cloud, 5, 9);
  return cloud;
}

class ClosedForm {
 public:
  explicit ClosedForm(const Cloud& cloud)
      : of_u_(prior_of_u, 2), of_source_(prior_of_source, 2), y_(cloud.size()) {
    const std::int64_t data = cloud.counts[0] + cloud.counts[1];
    for (std::int64_t i = 0; i < cloud.size(); ++i) {
      Part part;
      part.x = {cloud.row(i)[0], cloud.row(i)[1], 0};
      const bool inside = i >= cloud.counts[0] && i < data;
      const bool of_source = i >= data + cloud.data_counts[0];
      if (!of_source) part.u.value = inside ? 2 : 1;
      if (inside) part.u.laplacian = -1;
      if (inside || of_source) part.source.value = inside ? -1 : 1;
      measured_.push_back(part);
      y_[i] = value_at(cloud, i);
    }
    Eigen::MatrixXd matrix(cloud.size(), cloud.size());
    for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
      for (Eigen::Index j = 0; j < matrix.cols(); ++j) matrix(i, j) = between(at(i), at(j));
    }
    for (Eigen::Index i = 0; i < matrix.rows(); ++i) {
      matrix(i, i) *= 1 + nugget;
      if (i >= data) matrix(i, i) += noise * noise;
    }
    factor_.compute(matrix);
    EXPECT_EQ(factor_.info(), Eigen::Success);
    alpha_ = factor_.solve(y_);
  }

  /// Measured value of a point.
  static double value_at(const Cloud& cloud, std::int64_t id) {
    const std::int64_t data = cloud.counts[0] + cloud.counts[1];
    if (id < data) return id < cloud.counts[0] ? 0.1 * cloud.row(id)[0] : 0.0;
    if (id >= data + cloud.data_counts[0]) return true_source(cloud.row(id));
    return 0.2 * std::sin(3 * cloud.row(id)[0]) * cloud.row(id)[1];
  }

  double mean(const Part& part) { return row(part).dot(alpha_); }
  double covariance(const Part& a, const Part& b) {
    return between(a, b) - row(a).dot(factor_.solve(row(b)));
  }
  /// log p(data | equation and boundary): of the last rows of the factor.
  double evidence_of_data(Eigen::Index data) {
    const Eigen::MatrixXd lower = factor_.matrixL();
    const Eigen::VectorXd independent = lower.triangularView<Eigen::Lower>().solve(y_);
    double sum = 0;
    for (Eigen::Index i = y_.size() - data; i < y_.size(); ++i) {
      sum -= independent[i] * independent[i] / 2 + std::log(lower(i, i)) +
             std::log(2 * std::numbers::pi) / 2;
    }
    return sum;
  }

 private:
  const Part& at(Eigen::Index i) const { return measured_[static_cast<std::size_t>(i)]; }
  double between(const Part& a, const Part& b) {
    return entry(of_u_, a.x, a.u, b.x, b.u) + entry(of_source_, a.x, a.source, b.x, b.source);
  }
  Eigen::VectorXd row(const Part& part) {
    Eigen::VectorXd result(y_.size());
    for (Eigen::Index i = 0; i < y_.size(); ++i) result[i] = between(part, at(i));
    return result;
  }

  gp::Covariance of_u_, of_source_;
  std::vector<Part> measured_;
  Eigen::VectorXd y_, alpha_;
  Eigen::LLT<Eigen::MatrixXd> factor_;
};

Part value_of_source(const double* x) {
  Part part;
  part.x = {x[0], x[1], 0};
  part.source.value = 1;
  return part;
}

Part value_of(const double* x) {
  Part part;
  part.x = {x[0], x[1], 0};
  part.u.value = 1;
  return part;
}

/// The problem as the solver sees it.
struct Identification {
  Cloud cloud = make_cloud();
  SmallSystem system;
  std::unique_ptr<gp::Conditioner> conditioner;
  std::unique_ptr<gp::GaussNewton> newton;
  std::vector<double> mean;

  Identification(const Communicator& comm, bool dense) {
    const gp::SolveSpec solve{.tolerance = 1e-12};
    // A radius that keeps every row in every column: the sparse factor is exact.
    system = make_system(
        comm, cloud, inverse(elliptic("1", 2, 1, ""), gp::Unknown::source, prior_of_source), 100);
    const auto first = static_cast<std::uint64_t>(cloud.size() - cloud.data_counts[1]);
    system.weights = gp::equation_rows(
        system.pattern, system.layout, *system.equation,
        [&](std::uint64_t id) { return id < first ? gp::value_of_u() : gp::value_of_second(); });
    if (dense) {
      conditioner = std::make_unique<gp::DenseConditioner>(comm, system.pattern, system.layout,
                                                           system.weights, prior, nugget);
    } else {
      conditioner = std::make_unique<gp::SparseConditioner>(
          comm, system.pattern, system.layout, system.weights, prior,
          gp::FactorSpec{.nugget = nugget}, solve, [] {});
    }
    newton = std::make_unique<gp::GaussNewton>(comm, system.pattern, system.layout,
                                               *system.equation, *conditioner, solve, false);
    std::vector<double> values, variance;
    for (std::size_t p = 0; p < own(); ++p) {
      values.push_back(
          ClosedForm::value_at(cloud, static_cast<std::int64_t>(system.pattern.ids[p])));
      const bool data = system.pattern.kind(p) == gp::PointKind::data;
      variance.push_back(data ? noise * noise : 0.0);
    }
    mean.resize(static_cast<std::size_t>(system.layout.own));
    newton->start(mean, values, variance);
    newton->step([] {});
    newton->mean(mean);
  }

  std::size_t own() const { return static_cast<std::size_t>(system.pattern.own); }
  const double* x_of(std::size_t point) const { return &system.pattern.coordinates[2 * point]; }
  bool inside(std::size_t point) const {
    return system.pattern.kind(point) == gp::PointKind::interior;
  }
  std::size_t row_of_source(std::size_t point) const {
    return static_cast<std::size_t>(system.layout.first[point] + system.equation->second()->row);
  }
};

// The nuggets sit elsewhere in the sparse factor: they matter by 1e-10 over the noise's share.
class UnknownSource : public testing::TestWithParam<bool> {};

TEST_P(UnknownSource, MeanIsTheClosedForm) {
  const auto comm = Communicator::world();
  Identification found(comm, GetParam());
  EXPECT_TRUE(found.newton->converged()) << "a linear problem takes one step";
  ClosedForm exact(found.cloud);
  for (std::size_t p = 0; p < found.own(); ++p) {
    if (!found.inside(p)) continue;
    const double* x = found.x_of(p);
    EXPECT_NEAR(found.mean[static_cast<std::size_t>(found.system.layout.first[p])],
                exact.mean(value_of(x)), 1e-7);
    EXPECT_NEAR(found.mean[found.row_of_source(p)], exact.mean(value_of_source(x)), 1e-6);
  }
  if (!GetParam()) return;
  const std::vector<double> x{0.11, 0.47, 0.83, 0.31, 0.52, 0.5};
  const auto u = found.conditioner->mean_at(x, gp::value_of_u());
  const auto source = found.conditioner->mean_at(x, gp::value_of_second());
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(u[i], exact.mean(value_of(&x[2 * i])), 1e-8);
    EXPECT_NEAR(source[i], exact.mean(value_of_source(&x[2 * i])), 1e-7);
  }
}

// Variances of the source and its covariances with u, eight points at a time.
TEST_P(UnknownSource, CovarianceIsTheClosedForm) {
  const auto comm = Communicator::world();
  Identification found(comm, GetParam());
  ClosedForm exact(found.cloud);
  const auto first = static_cast<std::uint64_t>(found.cloud.counts[0]);
  std::vector<Eight> rows(found.mean.size());
  for (std::size_t p = 0; p < found.own(); ++p) {
    const std::uint64_t id = found.system.pattern.ids[p];
    if (!found.inside(p) || id >= first + 8) continue;
    reinterpret_cast<double*>(&rows[found.row_of_source(p)])[id - first] = 1;
  }
  found.conditioner->apply_posterior(rows, gp::form_to(1e-9), [] {});
  for (std::size_t p = 0; p < found.own(); ++p) {
    if (!found.inside(p)) continue;
    for (std::uint64_t lane = 0; lane < 8; ++lane) {
      const Part other = value_of_source(found.cloud.row(static_cast<std::int64_t>(first + lane)));
      const auto at = [&](std::size_t row) {
        return reinterpret_cast<const double*>(&rows[row])[lane];
      };
      EXPECT_NEAR(at(found.row_of_source(p)),
                  exact.covariance(value_of_source(found.x_of(p)), other), 1e-6);
      EXPECT_NEAR(at(static_cast<std::size_t>(found.system.layout.first[p])),
                  exact.covariance(value_of(found.x_of(p)), other), 1e-7);
    }
  }
}

// That of all measurements over that of the equation, and back: functionals that vanish and return
// leave no trace.
TEST_P(UnknownSource, EvidenceOfTheDataGivenTheEquation) {
  const auto comm = Communicator::world();
  Identification found(comm, GetParam());
  const gp::Measurements& all = found.newton->measurements();
  const auto evidence = [&](const gp::Measurements& measurements, std::int64_t count) {
    const auto report = found.conditioner->condition(measurements, 0, found.mean, [] {});
    return gp::evidence_of(count, report.quadratic, found.conditioner->log_determinant([] {}), 1)
        .value;
  };
  const auto& cloud = found.cloud;
  const double joint = evidence(all, cloud.size());
  const double equation = evidence(gp::without_data(found.system.pattern, found.system.layout, all),
                                   cloud.counts[0] + cloud.counts[1]);
  // Terms near 100; the nuggets, 1e-10 of variances up to 1e5, against what others leave of them.
  EXPECT_NEAR(joint - equation, ClosedForm(cloud).evidence_of_data(cloud.counts[2]), 1e-4);
  EXPECT_NEAR(evidence(all, cloud.size()), joint, 1e-9 * std::abs(joint));
}

INSTANTIATE_TEST_SUITE_P(Conditioners, UnknownSource, testing::Values(true, false),
                         [](const auto& which) { return which.param ? "dense" : "sparse"; });

}  // namespace
