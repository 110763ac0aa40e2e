// SPDX-License-Identifier: BSD-3-Clause
// Trees of marginals: graphs and their parts, the whole solver against dense tensors and closed
// forms.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "dense.hpp"
#include "linear/petsc.hpp"
#include "parts.hpp"
#include "tensor.hpp"
#include "transport/graph.hpp"
#include "transport/groups.hpp"
#include "transport/part.hpp"
#include "transport/tuples.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using namespace mensura::transport;

class TreeTest : public ::testing::Test {
 protected:
  struct Task {
    std::vector<Measure> nodes;  // free ones with their reference mass
    std::vector<char> free;
    std::vector<EdgeSpec> edges;
    double epsilon = 1, tolerance = 1e-12;
    Method method = Method::automatic;
    double strength = 0;  // of a Kullback-Leibler penalty
  };

  Answer solve(const Task& task) const {
    Problem problem;
    std::vector<Marginal> marginals;
    std::vector<std::size_t> nodes(task.nodes.size()), edges(task.edges.size());
    std::iota(nodes.begin(), nodes.end(), std::size_t{0});
    std::iota(edges.begin(), edges.end(), std::size_t{0});
    for (const std::size_t k : nodes) {
      MarginalSpec spec;
      spec.name = std::string(1, static_cast<char>(97 + k));
      spec.free = task.free[k] != 0;
      problem.marginals.push_back(spec);
      marginals.push_back(marginal_of(comm, task.nodes[k], spec.name));
    }
    problem.edges = task.edges;
    problem.tolerance = task.tolerance;
    problem.method = task.method;
    if (task.strength > 0) {
      problem.relaxation = Relaxation::kullback_leibler;
      problem.strength = task.strength;
    }
    const auto part =
        make_part(comm, part_of(problem, nodes, edges), marginals, task.epsilon, [] {});
    while (!part->finished()) part->advance([] {});
    return part->describe([] {});
  }

  std::vector<double> everywhere(const NodeAnswer& node, const Measure& measure,
                                 const std::vector<double>& values) const {
    return values_at(comm, node.ids, values, 1, measure.ids);
  }

  // The same task for brute force.
  static TensorProblem tensor_of(const Task& task) {
    TensorProblem tensor;
    tensor.epsilon = task.epsilon;
    for (std::size_t k = 0; k < task.nodes.size(); ++k) {
      tensor.sizes.push_back(task.nodes[k].size());
      tensor.masses.push_back(task.free[k] != 0 ? std::vector<double>() : task.nodes[k].mass);
      tensor.references.push_back(task.nodes[k].mass);
    }
    for (const EdgeSpec& edge : task.edges) {
      std::vector<double> cost;
      const Measure &x = task.nodes[edge.from], &y = task.nodes[edge.to];
      for (std::size_t i = 0; i < x.size(); ++i) {
        for (std::size_t j = 0; j < y.size(); ++j) {
          double square = 0;
          for (int a = 0; a < x.dimension; ++a) square += (x[i][a] - y[j][a]) * (x[i][a] - y[j][a]);
          cost.push_back(edge.weight * square);
        }
      }
      tensor.edges.push_back({edge.from, edge.to, std::move(cost)});
    }
    return tensor;
  }

  // Marginals, pair marginals and values of the whole tensor. Supports leave out pairs below 1e-10
  // of their points' masses.
  void expect_tensor(const Task& task) const {
    const Answer answer = solve(task);
    ASSERT_TRUE(answer.converged);
    const TensorProblem tensor = tensor_of(task);
    const TensorPlan plan = tensor_plan(tensor, solve_tensor(tensor, 1e-13));
    for (std::size_t k = 0; k < task.nodes.size(); ++k) {
      const auto ours = everywhere(answer.nodes[k], task.nodes[k], answer.nodes[k].transported);
      const auto theirs = plan.marginal(k);
      for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], theirs[i], 1e-10);
    }
    ASSERT_EQ(answer.plans.size(), task.edges.size());
    for (const PlanAnswer& edge : answer.plans) {
      const std::size_t n = task.nodes[edge.rows_node].size(),
                        m = task.nodes[edge.columns_node].size();
      const auto ours = dense(comm, edge, n, m),
                 theirs = plan.pair(edge.rows_node, edge.columns_node);
      for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], theirs[i], 1e-10);
    }
    EXPECT_NEAR(answer.cost_linear, plan.linear_cost(), 1e-9);
    // The answer counts free points by ones, the tensor by their reference.
    double reference = 0;
    for (std::size_t k = 0; k < task.nodes.size(); ++k) {
      if (task.free[k] != 0) {
        reference += task.epsilon * std::log(static_cast<double>(task.nodes[k].size()));
      }
    }
    EXPECT_NEAR(answer.cost_regularised, plan.regularised_value() - reference, 1e-9);
    EXPECT_GE(answer.gap_absolute, 0);
    EXPECT_LE(answer.dual, answer.cost_linear + 1e-9);
  }

  static Measure line(std::size_t count, double mean, double deviation) {
    return grid_measure({{static_cast<std::int64_t>(count)},
                         {0.5 / static_cast<double>(count)},
                         {1 / static_cast<double>(count)}},
                        [&](const std::vector<double>& x) {
                          const double z = (x[0] - mean) / deviation;
                          return std::exp(-z * z / 2);
                        });
  }
  static std::pair<double, double> moments(const Measure& measure, std::vector<double> mass) {
    double total = 0, mean = 0, second = 0;
    for (std::size_t i = 0; i < mass.size(); ++i) {
      total += mass[i];
      mean += mass[i] * measure[i][0];
    }
    mean /= total;
    for (std::size_t i = 0; i < mass.size(); ++i) {
      second += mass[i] * (measure[i][0] - mean) * (measure[i][0] - mean);
    }
    return {mean, second / total};
  }

  const parallel::Communicator comm = parallel::Communicator::world();
  const linear::PetscSession session{comm, {}, {}};
};

TEST_F(TreeTest, StarsAreTheDenseTensor) {
  Task task{{uniform(random_measure(2, 12, 1)), random_measure(2, 9, 2), random_measure(2, 10, 3),
             random_measure(2, 8, 4)},
            {1, 0, 0, 0},
            {{0, 1, 0.5, {}}, {0, 2, 0.2, {}}, {0, 3, 0.3, {}}},
            0.03};
  for (const Method method : {Method::newton, Method::sinkhorn}) {
    task.method = method;
    expect_tensor(task);
  }
}

TEST_F(TreeTest, ChainsOfFreeNodesAreTheDenseTensor) {
  Task task{{random_measure(1, 12, 5), uniform(random_measure(1, 10, 6)),
             uniform(random_measure(1, 11, 7)), random_measure(1, 9, 8)},
            {0, 1, 1, 0},
            {{0, 1, 2, {}}, {1, 2, 1, {}}, {2, 3, 3, {}}},
            0.05};
  for (const Method method : {Method::newton, Method::sinkhorn}) {
    task.method = method;
    expect_tensor(task);
  }
}

TEST_F(TreeTest, TreesWithTwoCentresAreTheDenseTensor) {
  Task task{{random_measure(2, 6, 11), random_measure(2, 5, 12), uniform(random_measure(2, 7, 13)),
             uniform(random_measure(2, 6, 14)), random_measure(2, 5, 15)},
            {0, 0, 1, 1, 0},
            {{0, 2, 1, {}}, {2, 1, 0.5, {}}, {2, 3, 0.7, {}}, {3, 4, 1.2, {}}},
            0.04};
  for (const Method method : {Method::newton, Method::sinkhorn}) {
    task.method = method;
    expect_tensor(task);
  }
}

// Two leaves N(m, s^2) with weights 1/2, entropy of the whole plan: the centre is the mean of both
// points plus N(0, eps / 2), the points' covariance C = (s^4 + eps^2)^1/2 - eps
// (reference/transport 5.2 for the cost |x - y|^2 / 4), so its variance is (s^2 + (s^4 +
// eps^2)^1/2) / 2: one entropy hardly blurs. The grid cuts the tails at six deviations: 1e-8.
TEST_F(TreeTest, GaussianBarycentersHardlyBlur) {
  const double s = 0.05, epsilon = 2e-3;
  const Measure a = line(400, 0.35, s), b = line(400, 0.65, s);
  const Answer answer =
      solve({{a, b, uniform(a)}, {0, 0, 1}, {{2, 0, 0.5, {}}, {2, 1, 0.5, {}}}, epsilon, 1e-11});
  ASSERT_TRUE(answer.converged);
  const auto [mean, variance] = moments(a, everywhere(answer.nodes[2], a, answer.nodes[2].mass));
  EXPECT_NEAR(mean, 0.5, 1e-8);
  EXPECT_NEAR(variance, (s * s + std::sqrt(s * s * s * s + epsilon * epsilon)) / 2, 1e-7);
  const auto mass = everywhere(answer.nodes[2], a, answer.nodes[2].mass);
  EXPECT_NEAR(std::accumulate(mass.begin(), mass.end(), 0.0), 1, 1e-10);
}

// Reference/transport 5.3: a chain over a free time is the Schroedinger bridge.
TEST_F(TreeTest, FreeTimesAreTheGaussianBridge) {
  const double s = 0.05, t = 0.04, epsilon = 4e-3, half = epsilon / 2, time = 0.3;
  const Measure a = line(400, 0.4, s), b = line(400, 0.6, t);
  const Answer answer = solve({{a, b, uniform(a)},
                               {0, 0, 1},
                               {{0, 2, 1 / time, {}}, {2, 1, 1 / (1 - time), {}}},
                               epsilon,
                               1e-11});
  ASSERT_TRUE(answer.converged);
  const double c = (std::sqrt(4 * s * s * t * t + half * half) - half) / 2;
  const auto [mean, variance] = moments(a, everywhere(answer.nodes[2], a, answer.nodes[2].mass));
  EXPECT_NEAR(mean, (1 - time) * 0.4 + time * 0.6, 1e-7);
  EXPECT_NEAR(
      variance,
      (1 - time) * (1 - time) * s * s + time * time * t * t + time * (1 - time) * (2 * c + half),
      1e-7);
}

// Densities that fall over fifty decades towards the ends of the grid: points that the plan hardly
// reaches at first must not lead the steps. Their barycenter's cost is sum l_i l_j ((m_i - m_j)^2 +
// (s_i - s_j)^2) over pairs (reference/transport 5.4), on a grid to a share of its squared spacing.
TEST_F(TreeTest, TailsOverManyDecadesConverge) {
  const double m[3] = {0.3, 0.5, 0.6}, s[3] = {0.05, 0.08, 0.04}, l[3] = {0.5, 0.3, 0.2};
  const std::size_t count = 128;
  const double h = 1 / static_cast<double>(count);
  Task task{{uniform(line(count, 0.5, 1))}, {1}, {}, 0.125 * h * h, 1e-9};
  double value = 0;
  for (std::size_t i = 0; i < 3; ++i) {
    task.nodes.push_back(line(count, m[i], s[i]));
    task.free.push_back(0);
    task.edges.push_back({0, i + 1, l[i], {}});
    for (std::size_t j = 0; j < i; ++j) {
      value += l[i] * l[j] * (std::pow(m[i] - m[j], 2) + std::pow(s[i] - s[j], 2));
    }
  }
  const Answer answer = solve(task);
  EXPECT_TRUE(answer.converged);
  EXPECT_NEAR(answer.primal_rounded, value, h * h / 4);
  EXPECT_NEAR(answer.dual, value, h * h / 4);
}

// In sixteen dimensions everything is near everything: on one rank the plans do not fit, and sweeps
// over all pairs find what Newton's method finds on several.
TEST_F(TreeTest, PlansThatDoNotFitAreSwept) {
  const Task task{{uniform(random_measure(16, 1100, 41)), random_measure(16, 1100, 42),
                   random_measure(16, 1000, 43)},
                  {1, 0, 0},
                  {{0, 1, 0.5, {}}, {0, 2, 0.5, {}}},
                  0.3,
                  1e-9};
  const Answer answer = solve(task);
  ASSERT_TRUE(answer.converged);
  if (comm.size() == 1) {
    EXPECT_EQ(answer.method, "sinkhorn");
    EXPECT_TRUE(answer.plans.empty());
  }
  // Numbers of this problem by brute force are dear: the entropy's price bounds the linear cost.
  EXPECT_GE(answer.gap_absolute, 0);
  EXPECT_LE(answer.dual, answer.cost_linear + 1e-9);
  EXPECT_LE(answer.cost_linear, answer.primal_rounded + 1e-9);
}

// Weights of many leaves are small, so that the regularisation is wide on every edge. Sweeps are
// thousands (3098 here); whole plans of few points are as small as sparse ones of images.
TEST_F(TreeTest, FewPointsTakeNewtonHoweverWideTheRegularisation) {
  const double weight = 1.0 / 12;
  Task task{{uniform(random_measure(2, 15, 50))}, {1}, {}, 6e-3, 1e-9};
  for (std::size_t k = 1; k <= 12; ++k) {
    task.nodes.push_back(random_measure(2, 15, static_cast<unsigned>(50 + k)));
    task.free.push_back(0);
    task.edges.push_back({0, k, weight, {}});
  }
  const Answer answer = solve(task);
  ASSERT_TRUE(answer.converged);
  EXPECT_EQ(answer.method, "newton");
  EXPECT_THAT(answer.reason, testing::HasSubstr("no marginal has more than 150 points"));
  EXPECT_LE(answer.newton_iterations.back(), 5);  // 2 were measured
  EXPECT_GE(answer.gap_absolute, 0);

  const Measure many = line(151, 0.4, 0.1);  // 0.01 is 228 squared spacings
  const Answer wide = solve({{many, line(151, 0.6, 0.1)}, {0, 0}, {{0, 1, 1, {}}}, 0.01, 1e-9});
  ASSERT_TRUE(wide.converged);
  EXPECT_EQ(wide.method, "sinkhorn");
}

// Leaves that may be missed at a price: Newton's method and sweeps find the same.
TEST_F(TreeTest, PenaltiesByNewtonAndBySweepsAgree) {
  Task task{{uniform(random_measure(2, 30, 21)), random_measure(2, 25, 22),
             random_measure(2, 28, 23), random_measure(2, 26, 24)},
            {1, 0, 0, 0},
            {{0, 1, 0.4, {}}, {0, 2, 0.3, {}}, {0, 3, 0.3, {}}},
            0.02,
            1e-11,
            Method::newton,
            0.2};
  const Answer newton = solve(task);
  task.method = Method::sinkhorn;
  const Answer sweeps = solve(task);
  ASSERT_TRUE(newton.converged && sweeps.converged);
  const auto one = everywhere(newton.nodes[0], task.nodes[0], newton.nodes[0].mass);
  const auto other = everywhere(sweeps.nodes[0], task.nodes[0], sweeps.nodes[0].mass);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i], other[i], 1e-9);
  EXPECT_GT(newton.newton_iterations.back(), 0);
}

// Pairs of samples are as frequent as the plans say (five deviations of a binomial number), and the
// samples on one rank are those on many.
TEST_F(TreeTest, SamplesHaveThePlansLaw) {
  const Task task{{random_measure(2, 6, 31), uniform(random_measure(2, 5, 32)),
                   random_measure(2, 4, 33), random_measure(2, 5, 34)},
                  {0, 1, 0, 0},
                  {{0, 1, 1, {}}, {1, 2, 1, {}}, {3, 1, 1, {}}},
                  0.1};
  Answer answer = solve(task);
  const std::int64_t count = 20000;
  ASSERT_TRUE(draw_tuples(comm, task.edges, 7, count, answer));
  for (const PlanAnswer& plan : answer.plans) {
    const std::size_t n = task.nodes[plan.rows_node].size(),
                      m = task.nodes[plan.columns_node].size();
    std::vector<std::int64_t> seen(n * m, 0);
    for (std::size_t i = 0; i < answer.tuples.size(); i += 4) {
      ++seen[static_cast<std::size_t>(answer.tuples[i + plan.rows_node]) * m +
             static_cast<std::size_t>(answer.tuples[i + plan.columns_node])];
    }
    comm.sum(std::span(seen));
    const std::vector<double> mass = dense(comm, plan, n, m);
    for (std::size_t i = 0; i < seen.size(); ++i) {
      const double expected = mass[i] * static_cast<double>(count);
      EXPECT_NEAR(static_cast<double>(seen[i]), expected, 5 * std::sqrt(expected) + 5);
    }
  }
  answer.plans.pop_back();
  EXPECT_FALSE(draw_tuples(comm, task.edges, 7, count, answer));
}

TEST(Graph, FaultsAreFound) {
  EXPECT_TRUE(disconnected({{0, 0, 0, 0}, {{0, 1}, {2, 3}}}).has_value());
  EXPECT_FALSE(disconnected({{0, 0, 0}, {{0, 1}, {2, 1}}}).has_value());
  EXPECT_EQ(closing_edge({{0, 0, 0}, {{0, 1}, {1, 2}, {2, 0}}}), 2U);
  EXPECT_TRUE(is_cycle({{0, 0, 0}, {{0, 1}, {1, 2}, {2, 0}}}));
  EXPECT_FALSE(closing_edge({{0, 0, 0}, {{0, 1}, {1, 2}}}).has_value());
  EXPECT_EQ(free_leaf({{0, 0, 1}, {{0, 1}, {1, 2}}}), 2U);
  EXPECT_EQ(centre({{0, 1, 0, 0}, {{0, 1}, {1, 2}, {3, 1}}}), 1U);
  EXPECT_FALSE(is_chain({{0, 1, 0, 0}, {{0, 1}, {1, 2}, {3, 1}}}));
}

TEST(Graph, TreesFallApartAtFixedNodes) {
  // 0 - 1 - 2 fixed; 2 - (3) - 4, 3 - 5 around the free 3.
  const Graph graph{{0, 0, 0, 1, 0, 0}, {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {5, 3}}};
  const auto parts = components(graph);
  ASSERT_EQ(parts.size(), 3U);
  EXPECT_EQ(parts[0].nodes, (std::vector<std::size_t>{0, 1}));
  EXPECT_EQ(parts[1].nodes, (std::vector<std::size_t>{1, 2}));
  EXPECT_EQ(parts[2].nodes, (std::vector<std::size_t>{2, 3, 4, 5}));
  EXPECT_EQ(parts[2].edges, (std::vector<std::size_t>{2, 3, 4}));
}

TEST(Groups, EveryRankAndEveryPartHasOne) {
  const std::vector<double> work{5, 1, 1, 3, 2, 8};
  for (const int ranks : {1, 2, 3, 6, 7, 40}) {
    for (const int least : {1, 2, 5}) {
      const Groups groups = plan_groups(work, ranks, std::min(least, ranks));
      EXPECT_EQ(groups.firsts.front(), 0);
      EXPECT_EQ(groups.firsts.back(), ranks);
      std::vector<int> seen(work.size(), 0);
      for (std::size_t g = 0; g < groups.count(); ++g) {
        EXPECT_GE(groups.size(g), std::min(least, ranks));
        for (const std::size_t part : groups.parts[g]) ++seen[part];
      }
      EXPECT_EQ(seen, std::vector<int>(work.size(), 1));
    }
  }
  // More ranks than parts: the largest part has most.
  const Groups wide = plan_groups(work, 40, 1);
  EXPECT_EQ(wide.count(), work.size());
  EXPECT_GT(wide.size(wide.of_part(5)), wide.size(wide.of_part(1)));
}

}  // namespace
