// SPDX-License-Identifier: BSD-3-Clause
// Parts of graphs that are no trees: dense tensors, electrons, lines, splines and cycles, from the
// problem as the deck says it to the answer.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <numeric>

#include "dense.hpp"
#include "parallel/error.hpp"
#include "tensor.hpp"
#include "transport/cycle.hpp"
#include "transport/part.hpp"
#include "transport/spline.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using namespace mensura::transport;

using CostFunction = std::function<double(const double*, const double*, int)>;

double distance(const double* x, const double* y, int dimension) {
  double squares = 0;
  for (int a = 0; a < dimension; ++a) squares += (x[a] - y[a]) * (x[a] - y[a]);
  return std::sqrt(squares);
}

class GraphParts : public ::testing::Test {
 protected:
  // This rank's block of a measure as load_marginal() would give it, with mass `total`.
  Marginal marginal(const Measure& measure, const std::string& name, double total) const {
    const parallel::Blocks blocks{static_cast<std::int64_t>(measure.size()), comm.size()};
    const auto first = static_cast<std::size_t>(blocks.begin(comm.rank()));
    const auto own = static_cast<std::size_t>(blocks.size(comm.rank()));
    Marginal result;
    result.name = name;
    result.dimension = measure.dimension;
    result.total = static_cast<std::int64_t>(measure.size());
    result.input_total = static_cast<std::int64_t>(measure.ids.back()) + 1;
    result.total_mass = total;
    for (std::size_t i = first; i < first + own; ++i) {
      result.coordinates.insert(result.coordinates.end(), measure[i],
                                measure[i] + measure.dimension);
      result.mass.push_back(total * measure.mass[i]);
      result.ids.push_back(measure.ids[i]);
    }
    return result;
  }

  struct Task {
    std::vector<Measure> nodes;
    std::vector<EdgeSpec> edges;
    Shape shape = Shape::complete;
    CostSpec cost{};
    double epsilon = 1, mass = 1;
    Method method = Method::automatic;
    std::optional<std::size_t> free{};  // a centre
    bool grids = false;
  };

  Problem problem_of(const Task& task) const {
    Problem problem;
    for (std::size_t k = 0; k < task.nodes.size(); ++k) {
      MarginalSpec spec;
      spec.name = std::string(1, static_cast<char>(97 + k));
      spec.free = task.free == k;
      spec.kind = task.grids ? MarginalKind::grid : MarginalKind::points;
      problem.marginals.push_back(spec);
    }
    problem.edges = task.edges;
    problem.shape = task.shape;
    problem.cost = task.cost;
    problem.method = task.method;
    problem.tolerance = 1e-12;
    return problem;
  }

  Answer solve(const Task& task, const Problem& problem) const {
    std::vector<Marginal> marginals;
    for (std::size_t k = 0; k < task.nodes.size(); ++k) {
      marginals.push_back(marginal(task.nodes[k], problem.marginals[k].name, task.mass));
      if (task.grids) marginals.back().grid = output::RegularGrid{};  // coordinates are y, x
    }
    const auto part = make_part(comm, problem, marginals, task.epsilon, [] {});
    while (!part->finished()) part->advance([] {});
    EXPECT_TRUE(part->converged());
    return part->describe([] {});
  }
  Answer solve(const Task& task) const { return solve(task, problem_of(task)); }

  std::vector<double> everywhere(const NodeAnswer& node, const Measure& measure,
                                 const std::vector<double>& values, int width = 1) const {
    return values_at(comm, node.ids, values, width, measure.ids);
  }

  // A plan as a matrix on all ranks; ids are places in the measures here.
  std::vector<double> dense(const PlanAnswer& plan, std::size_t rows, std::size_t columns) const {
    std::vector<parallel::ExactSum> sums(rows * columns);
    for (std::size_t i = 0; i < plan.row_ids.size(); ++i) {
      for (auto k = static_cast<std::size_t>(plan.row_starts[i]);
           k < static_cast<std::size_t>(plan.row_starts[i + 1]); ++k) {
        sums[plan.row_ids[i] * columns + static_cast<std::size_t>(plan.columns[k])].add(
            plan.values[k]);
      }
    }
    parallel::reduce(comm, sums);
    std::vector<double> result;
    for (const auto& sum : sums) result.push_back(sum.value());
    return result;
  }

  // The same task for brute force, of mass one.
  static TensorProblem tensor_of(const Task& task, const CostFunction& cost) {
    TensorProblem tensor;
    tensor.epsilon = task.epsilon;
    for (const Measure& node : task.nodes) {
      tensor.sizes.push_back(node.size());
      tensor.masses.push_back(node.mass);
    }
    for (const EdgeSpec& edge : task.edges) {
      std::vector<double> costs;
      const Measure &x = task.nodes[edge.from], &y = task.nodes[edge.to];
      for (std::size_t i = 0; i < x.size(); ++i) {
        for (std::size_t j = 0; j < y.size(); ++j) {
          costs.push_back(edge.weight * cost(x[i], y[j], x.dimension));
        }
      }
      tensor.edges.push_back({edge.from, edge.to, std::move(costs)});
    }
    return tensor;
  }

  // Everything about the answer against the whole tensor. Both stop at an error of 1e-12; the rest
  // is rounding of sums of some hundred terms.
  void expect_tensor(const Task& task, const CostFunction& cost) const {
    const Answer answer = solve(task);
    const TensorProblem tensor = tensor_of(task, cost);
    const TensorPlan plan = tensor_plan(tensor, solve_tensor(tensor, 1e-13));
    TensorProblem heavy = tensor;  // the potentials' plan has the mass of the marginals
    NodeValues potentials;
    for (std::size_t k = 0; k < task.nodes.size(); ++k) {
      for (double& m : heavy.masses[k]) m *= task.mass;
      potentials.push_back(everywhere(answer.nodes[k], task.nodes[k], answer.nodes[k].potential));
      const auto ours = everywhere(answer.nodes[k], task.nodes[k], answer.nodes[k].transported);
      const auto theirs = plan.marginal(k);
      for (std::size_t i = 0; i < ours.size(); ++i) {
        EXPECT_NEAR(ours[i], task.mass * theirs[i], 1e-11);
      }
    }
    const TensorPlan own = tensor_plan(heavy, potentials);
    EXPECT_NEAR(own.total(), task.mass, 1e-10);
    EXPECT_NEAR(answer.cost_regularised, own.regularised_value(), 1e-10);
    EXPECT_NEAR(answer.cost_linear, task.mass * plan.linear_cost(), 1e-10);
    ASSERT_EQ(answer.plans.size(), task.edges.size());
    for (const PlanAnswer& edge : answer.plans) {
      const std::size_t n = task.nodes[edge.rows_node].size(),
                        m = task.nodes[edge.columns_node].size();
      const auto ours = dense(edge, n, m);
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t j = 0; j < m; ++j) {
          const bool turned = edge.rows_node > edge.columns_node;
          const auto theirs = turned ? plan.pair(edge.columns_node, edge.rows_node)[j * n + i]
                                     : plan.pair(edge.rows_node, edge.columns_node)[i * m + j];
          EXPECT_NEAR(ours[i * m + j], task.mass * theirs, 1e-11);
        }
      }
    }
    EXPECT_GE(answer.gap_absolute, 0);
    EXPECT_LE(answer.dual, answer.cost_linear + 1e-10);
    EXPECT_GE(answer.primal_rounded, answer.dual);
  }

  static std::vector<EdgeSpec> all_pairs(const std::vector<double>& weights) {
    std::vector<EdgeSpec> edges;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      for (std::size_t j = i + 1; j < weights.size(); ++j) {
        edges.push_back({i, j, weights[i] * weights[j], std::nullopt});
      }
    }
    return edges;
  }
  static Measure equal_masses(Measure measure) {
    measure.mass.assign(measure.size(), 1 / static_cast<double>(measure.size()));
    return measure;
  }
  static Measure line(std::size_t n) {
    return grid_measure({{static_cast<std::int64_t>(n)},
                         {0.5 / static_cast<double>(n)},
                         {1 / static_cast<double>(n)}},
                        [](const std::vector<double>&) { return 1.0; });
  }
  // Rows y, columns x.
  static Measure plane(std::int64_t rows, std::int64_t columns,
                       const std::function<double(double, double)>& density) {
    const double h = 1 / static_cast<double>(std::max(rows, columns));
    return grid_measure({{rows, columns}, {h / 2, h / 2}, {h, h}},
                        [&](const std::vector<double>& at) { return density(at[1], at[0]); });
  }

  void expect_refused(const Task& task, const std::string& words) const {
    try {
      solve(task);
      ADD_FAILURE() << "accepted, expected: " << words;
    } catch (const parallel::Error& error) {
      EXPECT_EQ(error.code(), parallel::ExitCode::input_data);
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  }

  parallel::Communicator comm = parallel::Communicator::world();
};

TEST_F(GraphParts, CompleteGraphAgainstTheTensor) {
  Task task;
  task.nodes = {random_measure(2, 6, 1), random_measure(2, 5, 2), random_measure(2, 7, 3)};
  task.edges = all_pairs({0.5, 0.3, 0.2});
  task.cost = {.kind = CostKind::power, .power = 1.5};
  task.epsilon = 0.02;
  for (const double mass : {1.0, 3.0}) {
    task.mass = mass;
    expect_tensor(task, [](const double* x, const double* y, int d) {
      return std::pow(distance(x, y, d), 1.5);
    });
  }
}

TEST_F(GraphParts, TwoElectronsAgainstTheTensorWithMapsBothWays) {
  Task task;
  task.nodes = {line(9), line(9)};  // the same points: the diagonal is forbidden
  task.edges = all_pairs({1, 1});
  task.shape = Shape::pair;
  task.cost.kind = CostKind::coulomb;
  task.epsilon = 0.3;
  expect_tensor(task,
                [](const double* x, const double* y, int d) { return 1 / distance(x, y, d); });
  const Answer answer = solve(task);
  const auto plan = dense(answer.plans[0], 9, 9);
  const auto there = everywhere(answer.nodes[0], task.nodes[0], answer.nodes[0].map),
             back = everywhere(answer.nodes[1], task.nodes[1], answer.nodes[1].map);
  for (std::size_t i = 0; i < 9; ++i) {
    double row = 0, column = 0;
    for (std::size_t j = 0; j < 9; ++j) {
      row += 9 * plan[i * 9 + j] * task.nodes[1][j][0];
      column += 9 * plan[j * 9 + i] * task.nodes[0][j][0];
    }
    EXPECT_NEAR(there[i], row, 1e-10);
    EXPECT_NEAR(back[i], column, 1e-10);
    EXPECT_EQ(plan[i * 9 + i], 0);
  }
}

TEST_F(GraphParts, TooManyPointsForATensorAreRefusedBeforeTheyMove) {
  Task task;
  task.nodes = {line(900), line(900), line(900)};
  task.edges = all_pairs({1, 1, 1});
  task.cost.kind = CostKind::l1;
  try {
    solve(task);
    ADD_FAILURE() << "accepted";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::too_large);
  }
}

TEST_F(GraphParts, ElectronsOnALine) {
  // K (K H_{K-1} - (K-1)) on grids that K divides: exact but for the rounding of the sums.
  for (const auto& [electrons, value] : {std::pair{2, 2.0}, {3, 7.5}, {4, 52.0 / 3}}) {
    Task task;
    task.nodes.assign(static_cast<std::size_t>(electrons), line(24));
    task.edges = all_pairs(std::vector<double>(task.nodes.size(), 1));
    task.cost.kind = CostKind::coulomb;
    task.method = Method::line;
    task.mass = 2;
    const Answer answer = solve(task);
    EXPECT_NEAR(answer.cost_linear, 2 * value, 1e-12);
    EXPECT_EQ(answer.primal_rounded, answer.dual);
    EXPECT_EQ(answer.gap_absolute, 0);
  }
}

TEST_F(GraphParts, ElectronsThatDifferOrMeetAreRefused) {
  Task task;
  task.nodes = {line(24), line(24), line(24)};
  task.edges = all_pairs({1, 1, 1});
  task.cost.kind = CostKind::coulomb;
  task.method = Method::line;
  task.nodes[2].coordinates[3] += 1e-6;
  expect_refused(task, "differ");
  for (Measure& node : task.nodes) {
    node = line(24);
    node.mass[5] = 0.5;
    for (std::size_t i = 0; i < 24; ++i) node.mass[i] = i == 5 ? 0.5 : 0.5 / 23;
  }
  expect_refused(task, "more than 1/3 of the mass");
  // The same measure with its points in another order is the same.
  task.nodes.assign(3, line(24));
  std::swap(task.nodes[1].coordinates[0], task.nodes[1].coordinates[20]);
  EXPECT_NEAR(solve(task).cost_linear, 7.5, 1e-12);
}

TEST_F(GraphParts, CompleteGraphOnALine) {
  // Equal masses: sorted points go with each other.
  Task task;
  const std::size_t n = 7;
  std::vector<std::vector<double>> sorted;
  for (std::uint64_t seed : {1, 2, 3}) {
    task.nodes.push_back(equal_masses(random_measure(1, n, seed)));
    sorted.push_back(task.nodes.back().coordinates);
    std::ranges::sort(sorted.back());
  }
  const std::vector<double> weights{0.5, 0.3, 0.2};
  task.edges = all_pairs(weights);
  task.cost = {.kind = CostKind::power, .power = 1.5};
  task.method = Method::line;
  task.mass = 2;
  const Answer answer = solve(task);
  double value = 0;
  for (const EdgeSpec& edge : task.edges) {
    for (std::size_t i = 0; i < n; ++i) {
      const double apart = std::abs(sorted[edge.from][i] - sorted[edge.to][i]);
      value += 2 * edge.weight * std::pow(apart, 1.5) / n;
    }
  }
  EXPECT_NEAR(answer.cost_linear, value, 1e-14);
  EXPECT_NEAR(answer.dual, value, 1e-14);
  // The potentials prove it: feasible for all tuples, and of that value.
  std::vector<std::vector<double>> phi;
  double dual = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    phi.push_back(everywhere(answer.nodes[k], task.nodes[k], answer.nodes[k].potential));
    dual += 2 * std::accumulate(phi[k].begin(), phi[k].end(), 0.0) / n;
  }
  EXPECT_NEAR(dual, value, 1e-14);
  const auto cost = [&](std::size_t k, std::size_t i, std::size_t l, std::size_t j) {
    return weights[k] * weights[l] * std::pow(distance(task.nodes[k][i], task.nodes[l][j], 1), 1.5);
  };
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      for (std::size_t l = 0; l < n; ++l) {
        EXPECT_LE(phi[0][i] + phi[1][j] + phi[2][l],
                  cost(0, i, 1, j) + cost(0, i, 2, l) + cost(1, j, 2, l) + 1e-14);
      }
    }
  }
  ASSERT_EQ(answer.plans.size(), 3U);
  for (const PlanAnswer& plan : answer.plans) {
    const auto entries = dense(plan, n, n);
    double sum = 0;
    for (std::size_t i = 0; i < n * n; ++i) {
      sum += entries[i] * std::pow(distance(task.nodes[plan.rows_node][i / n],
                                            task.nodes[plan.columns_node][i % n], 1),
                                   1.5);
    }
    double wanted = 0;
    for (std::size_t i = 0; i < n; ++i) {
      wanted +=
          2 * std::pow(std::abs(sorted[plan.rows_node][i] - sorted[plan.columns_node][i]), 1.5) / n;
    }
    EXPECT_NEAR(sum, wanted, 1e-14);
  }
}

TEST_F(GraphParts, BarycenterOnALine) {
  Task task;
  const std::size_t n = 6;
  const std::vector<double> weights{0.5, 0.3, 0.2};
  std::vector<double> average(n, 0.0);
  for (std::size_t k = 0; k < 3; ++k) {
    task.nodes.push_back(equal_masses(random_measure(1, n, k + 1)));
    std::vector<double> sorted = task.nodes.back().coordinates;
    std::ranges::sort(sorted);
    for (std::size_t i = 0; i < n; ++i) average[i] += weights[k] * sorted[i];
    task.edges.push_back({k, 3, weights[k], std::nullopt});
  }
  task.nodes.push_back(task.nodes[0]);
  task.free = 3;
  task.shape = Shape::star;
  task.method = Method::line;
  const Answer answer = solve(task);
  const NodeAnswer& centre = answer.nodes[3];
  EXPECT_TRUE(centre.free_places);
  ASSERT_EQ(centre.input_total, static_cast<std::int64_t>(n));
  std::vector<std::uint64_t> all(n);
  std::iota(all.begin(), all.end(), std::uint64_t{0});
  const auto places = values_at(comm, centre.ids, centre.coordinates, 1, all);
  const auto masses = values_at(comm, centre.ids, centre.mass, 1, all);
  for (std::size_t i = 0; i < n; ++i) {
    EXPECT_NEAR(places[i], average[i], 1e-15);
    EXPECT_NEAR(masses[i], 1.0 / n, 1e-15);
  }
  double value = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    std::vector<double> sorted = task.nodes[k].coordinates;
    std::ranges::sort(sorted);
    for (std::size_t i = 0; i < n; ++i) {
      value += weights[k] * (sorted[i] - average[i]) * (sorted[i] - average[i]) / n;
    }
    // The leaf's mass goes to the average of its rank.
    const auto map = everywhere(answer.nodes[k], task.nodes[k], answer.nodes[k].map);
    for (std::size_t i = 0; i < n; ++i) {
      const auto rank = static_cast<std::size_t>(
          std::ranges::lower_bound(sorted, task.nodes[k][i][0]) - sorted.begin());
      EXPECT_NEAR(map[i], average[rank], 1e-15);
    }
  }
  EXPECT_NEAR(answer.primal_rounded, value, 1e-15);
  EXPECT_NEAR(answer.dual, value, 1e-15);
}

// The deck's velocities are those of x, y; coordinates of grids are y, x and of clouds as given.
TEST_F(GraphParts, VelocitiesOfASplineFollowTheAxes) {
  Task task;
  for (const double shift : {0.0, 0.15, 0.1}) {
    task.nodes.push_back(plane(4, 6, [&](double x, double y) {
      return std::exp(-8 * ((x - 0.3 - shift) * (x - 0.3 - shift) + (y - 0.3) * (y - 0.3)));
    }));
  }
  task.shape = Shape::chain;
  task.epsilon = 0.2;
  task.edges = {{0, 1, 1, std::nullopt}, {1, 2, 1, std::nullopt}};
  for (const bool grids : {true, false}) {
    task.grids = grids;
    Problem problem = problem_of(task);
    problem.tolerance = 1e-11;
    problem.spline = SplineSpec{{0, 1, 2.5}, {-1.5, -0.8}, {1.2, 0.9}, {9, 6}};
    const Answer answer = solve(task, problem);
    SplineOptions options;
    options.times = {0, 1, 2.5};
    options.velocities = grids ? VelocityGrid{{-0.8, -1.5}, {0.9, 1.2}, {6, 9}}
                               : VelocityGrid{{-1.5, -0.8}, {1.2, 0.9}, {9, 6}};
    options.epsilon = task.epsilon;
    options.tolerance = 1e-11;
    std::vector<Cloud> clouds;
    for (const Measure& node : task.nodes) clouds.push_back(test::cloud_of(comm, node));
    SplineSolver solver(comm, clouds, options);
    while (!solver.finished()) solver.advance([] {});
    const auto result = solver.result([] {});
    EXPECT_NEAR(answer.cost_linear, result.linear, 1e-9);
    EXPECT_NEAR(answer.cost_regularised, result.regularised, 1e-9);
    EXPECT_TRUE(std::isnan(answer.primal_rounded) && std::isnan(answer.dual));
    for (std::size_t k = 0; k < 3; ++k) {
      const auto mean = everywhere(answer.nodes[k], task.nodes[k], answer.nodes[k].velocity, 2);
      const auto theirs =
          values_at(comm, clouds[k].ids, result.velocities[k].mean, 2, task.nodes[k].ids);
      for (std::size_t i = 0; i < mean.size(); ++i) EXPECT_NEAR(mean[i], theirs[i], 1e-8);
    }
  }
}

TEST_F(GraphParts, SplinesInSpaceAndForeignAxesAreRefused) {
  Task task;
  task.nodes = {random_measure(3, 4, 1), random_measure(3, 4, 2)};
  task.shape = Shape::chain;
  task.edges = {{0, 1, 1, std::nullopt}};
  const auto refused = [&](const std::string& words) {
    Problem problem = problem_of(task);
    problem.spline = SplineSpec{{0, 1}, {-1, -1}, {1}, {5}};
    try {
      solve(task, problem);
      ADD_FAILURE() << "accepted";
    } catch (const parallel::Error& error) {
      EXPECT_EQ(error.code(), parallel::ExitCode::input_data);
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  };
  refused("one or two");
  task.nodes = {random_measure(1, 4, 1), random_measure(1, 4, 2)};
  refused("spline.lower");
}

// Edges in any order and direction: around the cycle 0 - 2 - 1 - 3.
TEST_F(GraphParts, CycleAgainstTheTensor) {
  Task task;
  task.nodes = {random_measure(2, 5, 1), random_measure(2, 4, 2), random_measure(2, 6, 3),
                random_measure(2, 3, 4)};
  task.shape = Shape::cycle;
  task.edges = {{2, 0, 1, std::nullopt},
                {3, 1, 0.5, std::nullopt},
                {2, 1, 2, std::nullopt},
                {0, 3, 0.7, std::nullopt}};
  task.epsilon = 0.1;
  for (const double mass : {1.0, 0.5}) {
    task.mass = mass;
    expect_tensor(task, [](const double* x, const double* y, int d) {
      return distance(x, y, d) * distance(x, y, d);
    });
  }
}

// Formulas of x and y: coordinates of grids are y, x and of clouds as given.
TEST_F(GraphParts, ClosingFormulasFollowTheAxes) {
  Task task;
  const auto density = [](double x, double y) { return 1 + x + 2 * y * y; };
  task.nodes.assign(3, plane(3, 5, density));
  task.shape = Shape::cycle;
  task.edges = {{0, 1, 1, std::nullopt}, {1, 2, 1, std::nullopt}, {2, 0, 1, std::nullopt}};
  task.epsilon = 0.05;
  for (const bool grids : {true, false}) {
    task.grids = grids;
    Problem problem = problem_of(task);
    problem.closing = ClosingSpec{{"x + 0.25", "y * y"}, {}, {}};
    const Answer answer = solve(task, problem);
    CycleProblem cycle;
    for (const Measure& node : task.nodes) cycle.nodes.push_back({2, node.coordinates, node.mass});
    cycle.weights = {1, 1, 1};
    for (std::size_t i = 0; i < task.nodes[0].size(); ++i) {
      const double a = task.nodes[0][i][0], b = task.nodes[0][i][1];
      cycle.closing.push_back(grids ? a * a : a + 0.25);
      cycle.closing.push_back(grids ? b + 0.25 : b * b);
    }
    CycleOptions options;
    options.epsilon = task.epsilon;
    options.tolerance = 1e-12;
    CycleSolver solver(comm, cycle, options);
    while (!solver.finished()) solver.advance({});
    EXPECT_NEAR(answer.cost_linear, solver.cost_linear({}), 1e-10);
    EXPECT_NEAR(answer.cost_regularised, solver.cost_regularised(), 1e-10);
  }
  Problem problem = problem_of(task);
  problem.closing = ClosingSpec{{"1 / (x - x)", "y"}, {}, {}};
  EXPECT_THROW(solve(task, problem), parallel::Error);
}

}  // namespace
