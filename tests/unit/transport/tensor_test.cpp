// SPDX-License-Identifier: BSD-3-Clause
// The dense-tensor solver: brute force, invariants, and strictly correlated electrons.
#include "transport/tensor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "parallel/random.hpp"
#include "tensor.hpp"
#include "transport/seidl.hpp"
#include "transport/tensor_hessian.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using parallel::Communicator;
using parallel::Error;
using parallel::ExitCode;
using transport::DenseEdge;
using transport::NodeFields;
using transport::TensorOptions;
using transport::TensorSolver;

constexpr double never = std::numeric_limits<double>::infinity();

/// Random masses and costs on a complete graph of nodes with these sizes; some edges are turned
/// round, and with `forbidden` one pair in ten may not be.
TensorProblem random_problem(std::vector<std::size_t> sizes, double epsilon, bool forbidden) {
  const parallel::Stream stream(3, "test", "tensor");
  std::uint64_t next = 0;
  const auto uniform = [&] { return stream.uniform(next++, 0); };
  TensorProblem problem{std::move(sizes), {}, {}, epsilon};
  for (const std::size_t n : problem.sizes) {
    std::vector<double> mass(n);
    double sum = 0;
    for (double& m : mass) sum += m = 0.2 + uniform();
    for (double& m : mass) m /= sum;
    problem.masses.push_back(mass);
  }
  for (std::size_t i = 0; i < problem.nodes(); ++i) {
    for (std::size_t j = i + 1; j < problem.nodes(); ++j) {
      const bool turned = (i + j) % 2 == 0;
      std::vector<double> cost(problem.sizes[i] * problem.sizes[j]);
      for (double& c : cost) c = forbidden && uniform() < 0.1 ? never : uniform() - 0.3;
      problem.edges.push_back({turned ? j : i, turned ? i : j, cost});
    }
  }
  return problem;
}

std::vector<DenseEdge> edges_of(const TensorProblem& problem) {
  std::vector<DenseEdge> edges;
  for (const TensorEdge& edge : problem.edges) {
    // Half of the cost with weight two.
    edges.push_back({edge.i, edge.j, 2, edge.cost});
    for (double& c : edges.back().cost) c /= 2;
  }
  return edges;
}

TensorSolver solver_of(const Communicator& comm, const TensorProblem& problem,
                       double tolerance = 1e-12) {
  TensorOptions options;
  options.epsilon = problem.epsilon;
  options.tolerance = tolerance;
  return {comm, problem.masses, edges_of(problem), options};
}

void expect_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance,
                 const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance) << what << ' ' << i;
}

class AgainstBruteForce : public testing::TestWithParam<std::vector<std::size_t>> {};

TEST_P(AgainstBruteForce, MarginalsPairsValuesAndGradient) {
  const Communicator comm = Communicator::world();
  for (const bool forbidden : {false, true}) {
    const TensorProblem problem = random_problem(GetParam(), 0.1, forbidden);
    TensorSolver solver = solver_of(comm, problem);
    while (!solver.finished()) solver.advance({});
    ASSERT_TRUE(solver.converged());
    // Its potentials are optimal for brute force, which knows nothing of how they were found.
    const TensorPlan own = tensor_plan(problem, solver.potentials());
    EXPECT_LT(marginal_error(own), 3e-12);
    // The plan is unique: the errors of the marginals over the spectral gap, some 1e-2 here.
    const TensorPlan plan = tensor_plan(problem, solve_tensor(problem, 1e-13));
    expect_near(own.entries, plan.entries, 1e-10, "entries");
    const NodeFields marginals = solver.marginals({});
    for (std::size_t k = 0; k < problem.nodes(); ++k) {
      expect_near(marginals[k], plan.marginal(k), 1e-12, "marginal");
      for (std::size_t l = k + 1; l < problem.nodes(); ++l) {
        const parallel::Blocks blocks{static_cast<std::int64_t>(problem.sizes[k]), comm.size()};
        const std::vector<double> whole = plan.pair(k, l), mine = solver.pair_marginal(k, l, {});
        const auto width = static_cast<std::int64_t>(problem.sizes[l]);
        const auto from = whole.begin() + blocks.begin(comm.rank()) * width;
        expect_near(mine, {from, from + blocks.size(comm.rank()) * width}, 1e-10, "pair");
      }
    }
    const auto values = solver.values({});
    EXPECT_NEAR(values.linear, plan.linear_cost(), 1e-10);
    EXPECT_NEAR(values.regularised, plan.regularised_value(), 1e-10);
    EXPECT_NEAR(solver.history().back().dual_objective, plan.regularised_value(), 1e-10);
    // Bounds: the unregularised optimum is below every plan's cost, and entropy makes cost.
    const auto bounds = solver.certify({});
    EXPECT_LE(bounds.dual, bounds.primal);
    EXPECT_NEAR(bounds.primal, values.linear, 1e-9);
    EXPECT_LT(bounds.remainder, 1e-11);
  }
}

INSTANTIATE_TEST_SUITE_P(Tensor, AgainstBruteForce,
                         testing::Values(std::vector<std::size_t>{9, 7},
                                         std::vector<std::size_t>{5, 6, 7},
                                         std::vector<std::size_t>{3, 4, 5, 6},
                                         std::vector<std::size_t>{4, 3, 2, 3, 4}));

TEST(Tensor, AnUnfinishedIterationIsMeasuredByTheGradient) {
  // The plan of potentials far from the optimum: marginals and pairs are those of brute force.
  const Communicator comm = Communicator::world();
  const TensorProblem problem = random_problem({4, 5, 6}, 0.2, true);
  const transport::TensorSlices slices(comm, problem.masses, edges_of(problem));
  NodeFields phi = problem.zeros();
  for (std::size_t k = 0; k < phi.size(); ++k) {
    for (std::size_t x = 0; x < phi[k].size(); ++x) {
      phi[k][x] = 0.1 * static_cast<double>(x * (k + 1)) - 0.3;
    }
  }
  const TensorPlan plan = tensor_plan(problem, phi);
  const NodeFields slope = gradient(plan);
  for (std::size_t k = 0; k < 3; ++k) {
    const auto rest = slices.sums(k == 2 ? 1 : 2, phi, problem.epsilon, {});
    const auto exact = slices.balanced(rest, k, phi, problem.epsilon);
    for (std::size_t x = 0; x < exact.size(); ++x) {
      const double mass = problem.masses[k][x];
      EXPECT_NEAR(mass - mass * std::exp((phi[k][x] - exact[x]) / problem.epsilon), slope[k][x],
                  1e-12);
    }
    for (std::size_t l = k + 1; l < 3; ++l) {
      expect_near(slices.pair(k, l, phi, problem.epsilon, {}), plan.pair(k, l), 1e-13, "pair");
    }
  }
  EXPECT_NEAR(slices.linear_cost(phi, {}, problem.epsilon, {}), plan.linear_cost(), 1e-12);
}

TEST(Tensor, TheHessianIsSolvedInItsRange) {
  const Communicator comm = Communicator::world();
  const TensorProblem problem = random_problem({4, 5, 6}, 0.05, true);
  const transport::TensorSlices slices(comm, problem.masses, edges_of(problem));
  const NodeValues phi = solve_tensor(problem, 1e-13);
  const TensorPlan plan = tensor_plan(problem, phi);
  NodeValues d = problem.zeros();
  for (std::size_t k = 0; k < d.size(); ++k) {
    for (std::size_t x = 0; x < d[k].size(); ++x) d[k][x] = std::sin(double(7 * k + 3 * x));
  }
  const NodeValues right = plan.hessian_times(d);
  const transport::TensorHessian hessian(comm, slices, phi, problem.epsilon, {});
  ASSERT_TRUE(hessian.positive());
  double missed = 1;
  const NodeValues again = plan.hessian_times(hessian.solve(right, missed));
  EXPECT_LT(missed, 1e-14);
  for (std::size_t k = 0; k < d.size(); ++k) {
    expect_near(hessian.marginals()[k], plan.marginal(k), 1e-14, "marginal");
    expect_near(again[k], right[k], 1e-14, "H d");
  }
}

TEST(Tensor, SmallRegularisationReachesTheAssignment) {
  // Three nodes of four equal points: at eps = 1e-3, a fiftieth of the gaps between the costs of
  // permutations, the plan is the best pair of them, and the bounds meet.
  const Communicator comm = Communicator::world();
  TensorProblem problem = random_problem({4, 4, 4}, 1e-3, false);
  for (auto& mass : problem.masses) mass.assign(4, 0.25);
  TensorSolver solver = solver_of(comm, problem);
  while (!solver.finished()) solver.advance({});
  const std::vector<double> cost = problem.cost();
  std::vector<std::size_t> p{0, 1, 2, 3};
  double best = never;
  do {
    std::vector<std::size_t> q{0, 1, 2, 3};
    do {
      double sum = 0;
      for (std::size_t i = 0; i < 4; ++i) sum += cost[(i * 4 + p[i]) * 4 + q[i]] / 4;
      best = std::min(best, sum);
    } while (std::next_permutation(q.begin(), q.end()));
  } while (std::next_permutation(p.begin(), p.end()));
  const auto bounds = solver.certify({});
  // Exponents of 1e3 resolve entries to 1e-13 of themselves.
  EXPECT_LE(bounds.dual, best + 1e-12);
  EXPECT_GE(bounds.primal, best - 1e-12);
  EXPECT_NEAR(bounds.primal, bounds.dual, 5e-3);  // eps log of the entries: 1e-3 log 64
}

/// The uniform density on [0, 1], n cell centres.
std::vector<double> cells(std::size_t n) {
  std::vector<double> x(n);
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = (static_cast<double>(i) + 0.5) / static_cast<double>(n);
  }
  return x;
}

TensorSolver electrons(const Communicator& comm, const std::vector<double>& x,
                       const std::vector<double>& mass, std::size_t count, double epsilon,
                       double tolerance = 1e-10) {
  const auto cost = transport::coulomb_cost(x, x, 1);
  std::vector<DenseEdge> edges;
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t j = i + 1; j < count; ++j) edges.push_back({i, j, 1, cost});
  }
  TensorOptions options;
  options.epsilon = epsilon;
  options.tolerance = tolerance;
  TensorSolver solver(comm, NodeFields(count, mass), edges, options);
  while (!solver.finished()) solver.advance({});
  return solver;
}

TEST(Tensor, ElectronsApproachSeidlsValueFromAbove) {
  const Communicator comm = Communicator::world();
  const std::map<std::size_t, std::size_t> grids{{2, 40}, {3, 36}, {4, 16}};
  for (const auto& [count, n] : grids) {
    const std::vector<double> x = cells(n), mass(n, 1.0 / static_cast<double>(n));
    const std::vector<double> own =
        comm.is_root() ? x : std::vector<double>{};  // any distribution over ranks
    const double exact = transport::seidl_value(
        comm, {own, comm.is_root() ? std::span<const double>(mass) : std::span<const double>()},
        static_cast<std::int64_t>(count));
    double previous = never;
    for (const double epsilon : {0.4, 0.1, 0.025}) {
      const TensorSolver solver = electrons(comm, x, mass, count, epsilon);
      ASSERT_TRUE(solver.converged()) << count << " electrons, eps " << epsilon;
      const auto values = solver.values({});
      const auto bounds = solver.certify({});
      // <c, P> falls with eps (the optimality of both plans, added up) down to the optimum.
      EXPECT_LT(values.linear, previous);
      EXPECT_GT(values.linear, exact);
      EXPECT_LE(bounds.dual, exact + 1e-12);
      EXPECT_GE(bounds.primal, exact);
      EXPECT_NEAR(bounds.primal, values.linear, 1e-6);  // repaired, and finite
      // The entropy is at most the logarithm of the number of points per marginal but one.
      EXPECT_LE(values.linear - exact,
                epsilon * static_cast<double>(count - 1) * std::log(static_cast<double>(n)));
      previous = values.linear;
    }
    EXPECT_NEAR(previous, exact, 0.02 * exact);
  }
}

TEST(Tensor, ElectronsOfAnUnevenDensity) {
  // The mass of no point is a multiple of 1/3: Seidl's value splits points; the dual bound of the
  // discrete problem comes within the entropy's reach of it, so that it is the optimum here.
  const Communicator comm = Communicator::world();
  const std::vector<double> x = cells(20);
  std::vector<double> mass(20);
  double sum = 0;
  for (std::size_t i = 0; i < 20; ++i) sum += mass[i] = 1 + 0.7 * std::sin(7 * x[i]);
  for (double& m : mass) m /= sum;
  const std::span<const double> all(x), masses(mass);
  const std::size_t count = comm.is_root() ? 20 : 0;
  const double exact = transport::seidl_value(comm, {all.first(count), masses.first(count)}, 3);
  const TensorSolver solver = electrons(comm, x, mass, 3, 0.01);
  const auto bounds = solver.certify({});
  EXPECT_LE(bounds.dual, exact);
  EXPECT_GE(bounds.primal, exact);
  EXPECT_LT(bounds.primal - bounds.dual, 0.1);  // eps times log of the entries, 0.09
}

TEST(Tensor, PlansThatMissTheirMarginalsAreRepaired) {
  // Uniform density: the optimum is 2 for two electrons (reference transport 3.5), the product of
  // what is missing is infinite.
  const Communicator comm = Communicator::world();
  const std::vector<double> x = cells(60), mass(60, 1.0 / 60);
  // Far from converged, the plan takes up a hundredth of the mass itself.
  const TensorSolver early = electrons(comm, x, mass, 2, 0.05, 3e-2);
  auto bounds = early.certify({});
  EXPECT_GT(bounds.remainder, 1e-3);
  EXPECT_GE(bounds.primal, 2 - 1e-12);
  EXPECT_LT(bounds.primal, 2.1);
  EXPECT_LE(bounds.dual, 2 + 1e-12);
  EXPECT_GT(bounds.dual, 1.9);
  // At a small eps every point has one partner and errors of rounding stay where they are: a plan
  // of a larger eps takes them up.
  const TensorSolver late = electrons(comm, x, mass, 2, 1e-3);
  bounds = late.certify({});
  EXPECT_LT(bounds.remainder, 1e-10);
  EXPECT_GE(bounds.primal, 2 - 1e-12);
  EXPECT_NEAR(bounds.primal, late.values({}).linear, 1e-6);
  EXPECT_NEAR(bounds.dual, 2, 1e-6);
}

TEST(Tensor, RanksChangeNothing) {
  const Communicator world = Communicator::world();
  const Communicator self = Communicator::duplicate(MPI_COMM_SELF);
  const TensorProblem problem = random_problem({7, 5, 6}, 0.02, true);
  TensorSolver all = solver_of(world, problem), one = solver_of(self, problem);
  while (!all.finished()) all.advance({});
  while (!one.finished()) one.advance({});
  ASSERT_EQ(all.history().size(), one.history().size());
  for (std::size_t i = 0; i < all.history().size(); ++i) {
    EXPECT_EQ(all.history()[i].sinkhorn, one.history()[i].sinkhorn);
    EXPECT_EQ(all.history()[i].newton, one.history()[i].newton);
  }
  // Rounding of sums of 1e2 terms, over the regularisation's gap.
  for (std::size_t k = 0; k < 3; ++k) {
    expect_near(all.potentials()[k], one.potentials()[k], 1e-12, "potential");
  }
  EXPECT_NEAR(all.values({}).linear, one.values({}).linear, 1e-12);
  EXPECT_NEAR(all.certify({}).dual, one.certify({}).dual, 1e-12);
}

TEST(Tensor, RestartContinues) {
  const Communicator comm = Communicator::world();
  const TensorProblem problem = random_problem({7, 5, 6}, 0.01, false);
  TensorSolver whole = solver_of(comm, problem);
  std::vector<TensorSolver::State> states;
  while (!whole.finished()) {
    states.push_back(whole.state());
    whole.advance({});
  }
  ASSERT_GE(states.size(), 3U);
  for (const std::size_t from : {std::size_t{1}, states.size() / 2, states.size() - 1}) {
    TensorSolver again = solver_of(comm, problem);
    again.resume(states[from]);
    while (!again.finished()) again.advance({});
    EXPECT_TRUE(again.converged());
    EXPECT_EQ(again.potentials(), whole.potentials());  // bitwise on the same ranks
    EXPECT_EQ(again.history().size(), whole.history().size());
    EXPECT_EQ(again.history().back().sinkhorn, whole.history().back().sinkhorn);
    EXPECT_EQ(again.certify({}).primal, whole.certify({}).primal);
  }
}

// Stages before the last one are only a start: they end after 200 sweeps at most, whatever the last
// one may take.
TEST(Tensor, SweepsOfAllStagesButTheLastAreFew) {
  const Communicator comm = Communicator::world();
  const TensorProblem problem = random_problem({9, 8, 7}, 1e-4, false);
  TensorOptions sweeps;
  sweeps.epsilon = problem.epsilon;
  sweeps.tolerance = 1e-12;
  sweeps.max_sweeps = sweeps.warm_sweeps = 1000;
  TensorSolver solver(comm, problem.masses, edges_of(problem), sweeps);
  while (!solver.finished()) solver.advance([] {});
  ASSERT_GT(solver.history().size(), 3U);
  std::int64_t most = 0;
  for (std::size_t s = 0; s + 1 < solver.history().size(); ++s) {
    most = std::max(most, solver.history()[s].sinkhorn);
  }
  EXPECT_EQ(most, 200);
  EXPECT_GT(solver.history().back().sinkhorn, 200);
}

TEST(Tensor, StopsUnconvergedWhereThereIsNoPlan) {
  // One point of each node has more than half of the mass and may not meet the other one.
  const Communicator comm = Communicator::world();
  const NodeFields masses{{0.7, 0.3}, {0.7, 0.3}};
  TensorOptions options;
  options.epsilon = 0.1;
  options.max_sweeps = 60;
  const std::vector<DenseEdge> edges{{0, 1, 1, {never, 1, 1, 1}}};
  TensorSolver solver(comm, masses, edges, options);
  while (!solver.finished()) solver.advance({});
  EXPECT_FALSE(solver.converged());
  EXPECT_GE(solver.error_l1(), 0.3);  // 0.4 of the mass has no place
  EXPECT_EQ(solver.certify({}).primal, never);
}

TEST(Tensor, WithoutCostsThePlanIsTheProduct) {
  const Communicator comm = Communicator::world();
  const NodeFields masses{{0.2, 0.8}, {0.5, 0.4, 0.1}, {0.7, 0.3}};
  TensorSolver solver(comm, masses, {}, {});
  while (!solver.finished()) solver.advance({});
  ASSERT_TRUE(solver.converged());
  EXPECT_EQ(solver.history().size(), 1U);
  const auto values = solver.values({});
  EXPECT_NEAR(values.linear, 0, 1e-15);
  EXPECT_NEAR(values.regularised, 0, 1e-15);
  const auto pair = solver.pair_marginal(0, 1, {});
  const parallel::Blocks blocks{2, comm.size()};
  for (std::size_t i = 0; i < pair.size(); ++i) {
    const auto row = static_cast<std::size_t>(blocks.begin(comm.rank())) + i / 3;
    EXPECT_NEAR(pair[i], masses[0][row] * masses[1][i % 3], 1e-15);
  }
}

ExitCode code_of(const std::function<void()>& action, std::string& text) {
  try {
    action();
  } catch (const Error& error) {
    text = error.what();
    return error.code();
  }
  return ExitCode::success;
}

TEST(Tensor, BadInputIsRefusedOnAllRanks) {
  const Communicator comm = Communicator::world();
  const std::vector<DenseEdge> good{{0, 1, 1, {0, 1, 1, 0}}};
  const auto refuse = [&](NodeFields masses, std::vector<DenseEdge> edges, ExitCode code,
                          const std::string& says) {
    std::string text;
    EXPECT_EQ(code_of([&] { TensorSolver(comm, std::move(masses), edges, {}); }, text), code);
    EXPECT_THAT(text, testing::HasSubstr(says));
  };
  const std::vector<double> half{0.5, 0.5};
  refuse({half, {1.0, 0.0}}, good, ExitCode::input_data, "point 1 of node 1 has mass 0");
  refuse({half, {0.5, 0.4}}, good, ExitCode::input_data, "normalise");
  refuse({half, half}, {{0, 1, 1, {0, 1, std::nan(""), 0}}}, ExitCode::input_data,
         "point 1 of node 0 with point 0 of node 1 is nan");
  refuse({half, half}, {{0, 1, -1, {0, 1, 1, 0}}}, ExitCode::input_data, "weight -1");
  refuse({half, half}, {{1, 0, 1, {0, never, 1, never}}}, ExitCode::input_data,
         "point 1 of node 0 may not be paired");
  refuse({half, half}, {{0, 2, 1, {0, 1, 1, 0}}}, ExitCode::internal, "two different nodes");
  TensorOptions named;
  named.names = {"a", "b"};
  named.ids = {{3, 8}, {0, 5}};
  EXPECT_EQ(named.point(0, 1), "point 8 of 'a'");
  const std::vector<double> many(400, 1.0 / 400);
  refuse({many, many, many, many}, {}, ExitCode::too_large, "entries");
  refuse({std::vector<double>(1500, 1.0 / 1500), std::vector<double>(1500, 1.0 / 1500)}, {},
         ExitCode::too_large, "3000 points");
}

}  // namespace
