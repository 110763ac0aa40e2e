// SPDX-License-Identifier: BSD-3-Clause
// Certified residuals and refinement against the dense conditioner: one Cholesky factor of the
// exact matrix.
#include "gp/certificate.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numbers>

#include "gp/dense_conditioner.hpp"
#include "gp/sparse_conditioner.hpp"
#include "parallel/exact_sum.hpp"
#include "run/timers.hpp"
#include "small_system.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using parallel::Communicator;

constexpr double pi = std::numbers::pi;
constexpr int width = 2;
const gp::EquationSpec equation = elliptic("1", 1, 3, "0");
const gp::Kernel prior = kernel(gp::Family::matern_7_2, 0.3);

/// -Lap u + c u at inner points, u at the boundary, u with noise at 20 data points, for u = sin(pi
/// x) sin(pi y); the same on any number of ranks.
struct Setting {
  SmallSystem system;
  gp::Measurements measurements;
  double nugget;

  gp::StateRows rows() const {
    return {system.pattern, system.layout, system.weights, prior, nugget, {}};
  }
};

Setting setting(const Communicator& comm, double nugget, bool data = true) {
  Cloud cloud = grid_cloud(2, 13);
  if (data) add_data(cloud, 20, 21);
  Setting result{make_system(comm, cloud, equation, 3), {}, nugget};
  const gp::Pattern& pattern = result.system.pattern;
  const auto own = static_cast<std::size_t>(pattern.own);
  const parallel::Stream stream(5, "test", "noise");
  gp::Measurements& measured = result.measurements;
  measured.lift.assign(static_cast<std::size_t>(result.system.layout.own), 1.0);
  if (data) measured.noise.assign(own, 0.0);
  for (std::size_t p = 0; p < own; ++p) {
    const double* x = &pattern.coordinates[2 * p];
    double u = std::sin(pi * x[0]) * std::sin(pi * x[1]);
    if (pattern.kind(p) == gp::PointKind::interior) {
      const double c = 3 * 0.64 * u * u;
      measured.lift[static_cast<std::size_t>(result.system.layout.first[p])] = c;
      u *= 2 * pi * pi + c;
    } else if (pattern.kind(p) == gp::PointKind::data) {
      const double deviation = pattern.ids[p] % 2 == 0 ? 1e-3 : 0.1;
      measured.noise[p] = deviation * deviation;
      u += deviation * stream.normal(pattern.ids[p], 0);
    }
    measured.value.push_back(u);
  }
  return result;
}

gp::SparseConditioner sparse_of(const Communicator& comm, const Setting& s) {
  gp::FactorSpec factor;
  factor.nugget = s.nugget;
  gp::SolveSpec solve;
  solve.tolerance = 1e-11;
  return {comm, s.system.pattern, s.system.layout, s.system.weights, prior, factor, solve, [] {}};
}

gp::DenseConditioner dense_of(const Communicator& comm, const Setting& s) {
  return {comm, s.system.pattern, s.system.layout, s.system.weights, prior, s.nugget};
}

std::vector<double> solve(gp::Conditioner& conditioner, const Setting& s) {
  std::vector<double> state(static_cast<std::size_t>(s.system.layout.own));
  conditioner.condition(s.measurements, 0, state, [] {});
  return state;
}

/// Steps of a certificate as the run loop takes them.
class Loop {
 public:
  int finish(gp::Certificate& certificate, int most = 1000) {
    int steps = 0;
    for (; !certificate.finished() && steps < most; ++steps) certificate.advance(context_);
    return steps;
  }
  const std::string& warning() const { return warning_; }

 private:
  run::Timers timers_;
  std::string warning_;
  run::Context context_{timers_, [] {}, [](const std::string&) {},
                        [this](const std::string& text) { warning_ = text; }};
};

double largest_gap(const Communicator& comm, std::span<const double> a, std::span<const double> b) {
  double gap = 0;
  for (std::size_t i = 0; i < a.size(); ++i) gap = std::max(gap, std::abs(a[i] - b[i]));
  return comm.max(gap);
}

// The dense matrix and that of the certificate, computed in quite another way, are the same, nugget
// included: one of 1e-4 in another place would show in the first digits. Measured: 7e-15.
TEST(Certificate, OfADenseSolutionIsRounding) {
  const auto comm = Communicator::world();
  for (const double nugget : {1e-10, 1e-4}) {
    const Setting s = setting(comm, nugget);
    auto dense = dense_of(comm, s);
    solve(dense, s);
    gp::Certificate certificate(comm, s.rows(), 1e-8, dense, width);
    certificate.begin(s.measurements, dense.memory().solution, 0);
    Loop run;
    EXPECT_EQ(run.finish(certificate), 1);
    const gp::CertifiedResidual& found = certificate.residual();
    EXPECT_LE(found.whole.norm, 1e-12);
    EXPECT_LE(found.whole.maximum, 1e-12);
    EXPECT_TRUE(certificate.converged());
    EXPECT_FALSE(certificate.exact());
    if (comm.is_root()) std::printf("dense, nugget %g: %.1e\n", nugget, found.whole.norm);
  }
}

// Of zero: the data themselves, part by part.
TEST(Certificate, PartsAreThoseOfTheKindsOfPoints) {
  const auto comm = Communicator::world();
  const Setting s = setting(comm, 1e-10);
  auto dense = dense_of(comm, s);
  gp::Certificate certificate(comm, s.rows(), 1e-8, dense, width);
  certificate.begin(s.measurements, std::vector<double>(s.measurements.value.size(), 0.0), 0);
  Loop().finish(certificate);
  std::array<double, 3> squares{}, largest{};
  for (std::size_t p = 0; p < s.measurements.value.size(); ++p) {
    const auto kind = static_cast<std::size_t>(s.system.pattern.kind(p));
    squares[kind] += s.measurements.value[p] * s.measurements.value[p];
    largest[kind] = std::max(largest[kind], std::abs(s.measurements.value[p]));
  }
  comm.max(std::span(largest));
  std::array<parallel::ExactSum, 3> sums;
  for (std::size_t k = 0; k < 3; ++k) sums[k].add(squares[k]);
  parallel::reduce(comm, sums);
  const double all = sums[0].value() + sums[1].value() + sums[2].value();
  const gp::CertifiedResidual& found = certificate.residual();
  EXPECT_DOUBLE_EQ(found.whole.norm, 1);
  EXPECT_EQ(found.whole.maximum, 1);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_NEAR(found.kind[k].norm, std::sqrt(sums[k].value() / all), 1e-15);
    EXPECT_EQ(found.kind[k].maximum,
              largest[k] / *std::max_element(largest.begin(), largest.end()));
  }
  EXPECT_EQ(certificate.quadratic(), 0);
}

// The answer of a factor of radius 3 becomes that of the exact covariance: measured 2e-11 apart, of
// 1e-3 before. A residual of 1e-10 asks for means that close where the system amplifies nothing.
TEST(Certificate, RefinementIsTheDenseAnswer) {
  const auto comm = Communicator::world();
  const Setting s = setting(comm, 1e-10);
  auto dense = dense_of(comm, s);
  const auto exact = solve(dense, s);
  auto sparse = sparse_of(comm, s);
  const auto start = solve(sparse, s);
  gp::Certificate certificate(comm, s.rows(), 1e-10, sparse, width);
  certificate.begin(s.measurements, sparse.memory().solution, 60);
  Loop run;
  const int products = run.finish(certificate);
  EXPECT_TRUE(certificate.converged()) << run.warning();
  EXPECT_TRUE(certificate.exact());
  EXPECT_EQ(products, certificate.steps() + 2) << "one residual before and one after";
  EXPECT_LE(certificate.residual().whole.norm, 1e-10);
  // Measured 15, whatever the noise; with the small factor alone over 60.
  EXPECT_LE(certificate.steps(), 20);
  std::vector<double> points;
  for (int i = comm.rank(); i < 40; i += comm.size()) {
    points.insert(points.end(), {(i % 8 + 0.4) / 8, (i / 8 + 0.3) / 5});
  }
  gp::Functional u;
  u.value = 1;
  const auto mean = certificate.mean_at(points, u, [] {});
  // The dense sums are collective over points of every rank, each for its own.
  const double gap = largest_gap(comm, mean, dense.mean_at(points, u));
  double state_gap = 0, start_gap = 0;
  for (std::size_t p = 0; p < static_cast<std::size_t>(s.system.pattern.own); ++p) {
    const auto r = static_cast<std::size_t>(s.system.layout.first[p]);
    state_gap = std::max(state_gap, std::abs(certificate.state()[r] - exact[r]));
    start_gap = std::max(start_gap, std::abs(start[r] - exact[r]));
  }
  state_gap = comm.max(state_gap);
  start_gap = comm.max(start_gap);
  EXPECT_LE(gap, 1e-9);
  EXPECT_LE(state_gap, 1e-9);
  EXPECT_GE(start_gap, 1e-5) << "there was something to refine";
  if (comm.is_root()) {
    std::printf("%lld steps, means apart %.1e, states %.1e, before %.1e\n",
                static_cast<long long>(certificate.steps()), gap, state_gap, start_gap);
  }
}

TEST(Certificate, IsTheSameOnAnyNumberOfRanks) {
  const auto comm = Communicator::world();
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  std::array<gp::CertifiedResidual, 2> found;
  for (const std::size_t which : {0U, 1U}) {
    const Communicator& ranks = which == 0 ? comm : self;
    const Setting s = setting(ranks, 1e-10);
    auto sparse = sparse_of(ranks, s);
    // An alpha with the same bits on all ranks.
    std::vector<double> alpha;
    for (std::size_t p = 0; p < s.measurements.value.size(); ++p) {
      alpha.push_back(std::sin(static_cast<double>(s.system.pattern.ids[p])));
    }
    gp::Certificate certificate(ranks, s.rows(), 1e-8, sparse, width);
    certificate.begin(s.measurements, alpha, 0);
    Loop().finish(certificate);
    found[which] = certificate.residual();
  }
  EXPECT_EQ(found[0].whole.norm, found[1].whole.norm);
  for (std::size_t k = 0; k < 3; ++k) EXPECT_EQ(found[0].kind[k].maximum, found[1].kind[k].maximum);
}

TEST(Certificate, TellsWhenTheStepsAreUsedUp) {
  const auto comm = Communicator::world();
  const Setting s = setting(comm, 1e-10);
  auto sparse = sparse_of(comm, s);
  solve(sparse, s);
  gp::Certificate certificate(comm, s.rows(), 1e-10, sparse, width);
  certificate.begin(s.measurements, sparse.memory().solution, 3);
  Loop run;
  EXPECT_EQ(run.finish(certificate), 5);
  EXPECT_EQ(certificate.steps(), 3);
  EXPECT_FALSE(certificate.converged());
  EXPECT_NE(run.warning().find("raise solve.refine"), std::string::npos) << run.warning();
}

// No sum of rounded terms comes this close: the second residual that does not improve is the last.
TEST(Certificate, StopsAtRounding) {
  const auto comm = Communicator::world();
  const Setting s = setting(comm, 1e-10, false);
  auto sparse = sparse_of(comm, s);
  solve(sparse, s);
  gp::Certificate certificate(comm, s.rows(), 1e-17, sparse, width);
  certificate.begin(s.measurements, sparse.memory().solution, 60);
  Loop run;
  run.finish(certificate);
  EXPECT_TRUE(certificate.finished());
  EXPECT_FALSE(certificate.converged());
  EXPECT_LE(certificate.residual().whole.norm, 1e-12);
  EXPECT_NE(run.warning().find("rounding"), std::string::npos) << run.warning();
  if (comm.is_root()) {
    std::printf("rounding: %lld steps to %.1e\n", static_cast<long long>(certificate.steps()),
                certificate.residual().whole.norm);
  }
}

TEST(Certificate, ValuesThatAreNotFiniteAreAnErrorOnAllRanks) {
  const auto comm = Communicator::world();
  const Setting s = setting(comm, 1e-10, false);
  auto dense = dense_of(comm, s);
  gp::Certificate certificate(comm, s.rows(), 1e-8, dense, width);
  std::vector<double> alpha(s.measurements.value.size(), 0.0);
  if (comm.rank() == comm.size() - 1) alpha.back() = NAN;
  certificate.begin(s.measurements, alpha, 0);
  parallel::ExitCode code = parallel::ExitCode::success;
  try {
    Loop().finish(certificate);
  } catch (const parallel::Error& error) {
    code = error.code();
  }
  EXPECT_EQ(code, parallel::ExitCode::numerical);
}

/// Collective. A folder of this test's own for checkpoints.
std::string folder(const Communicator& comm) {
  const auto path = std::filesystem::current_path() / fmt::format("certificate-np{}", comm.size());
  if (comm.is_root()) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  comm.barrier();
  return path.string();
}

// Stopped in its middle and taken up by another object with a conditioner of its own: bit by bit
// the same. And what had ended goes on where it is allowed more.
TEST(Certificate, GoesOnFromACheckpoint) {
  const auto comm = Communicator::world();
  const Setting s = setting(comm, 1e-10);
  auto sparse = sparse_of(comm, s);
  solve(sparse, s);
  gp::Certificate whole(comm, s.rows(), 1e-9, sparse, width);
  whole.begin(s.measurements, sparse.memory().solution, 60);
  gp::Certificate cut(comm, s.rows(), 1e-9, sparse, width);
  cut.begin(s.measurements, sparse.memory().solution, 4);
  Loop run;
  run.finish(whole);
  run.finish(cut, 3);  // a residual and two steps
  EXPECT_EQ(cut.steps(), 2);
  const std::string path = folder(comm);
  const auto through_checkpoint = [&](const gp::Certificate& from, std::int64_t step) {
    output::CheckpointWriter writer(comm, path, step, from.checkpoint_bytes());
    from.save(writer);
    writer.commit();
    std::vector<std::string> passed_over;
    const output::CheckpointReader reader(
        comm, output::newest_verified_checkpoint(comm, path, passed_over));
    return gp::Certificate::load(comm, reader);
  };
  auto fresh = sparse_of(comm, s);
  fresh.remember(sparse.memory());
  gp::Certificate rest(comm, s.rows(), 1e-9, fresh, width);
  rest.resume(*through_checkpoint(cut, 1), 60);
  run.finish(rest);
  EXPECT_TRUE(rest.converged());
  EXPECT_EQ(rest.steps(), whole.steps());
  EXPECT_EQ(rest.residual().whole.norm, whole.residual().whole.norm);
  for (std::size_t r = 0; r < rest.state().size(); ++r)
    EXPECT_EQ(rest.state()[r], whole.state()[r]);

  run.finish(cut);
  EXPECT_FALSE(cut.converged());
  gp::Certificate more(comm, s.rows(), 1e-9, fresh, width);
  more.resume(*through_checkpoint(cut, 2), 4);
  EXPECT_TRUE(more.finished()) << "nothing is left of four steps";
  gp::Certificate enough(comm, s.rows(), 1e-9, fresh, width);
  enough.resume(*through_checkpoint(cut, 3), 60);
  EXPECT_FALSE(enough.finished());
  run.finish(enough);
  EXPECT_TRUE(enough.converged());
  // A new start of the directions after four steps costs some.
  EXPECT_GE(enough.steps(), whole.steps());
}

}  // namespace
