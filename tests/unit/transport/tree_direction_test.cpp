// SPDX-License-Identifier: BSD-3-Clause
// Messages, gradient and second derivative of a tree's dual objective at potentials of no plan in
// particular, against dense tensors.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <optional>

#include "dense.hpp"
#include "linear/petsc.hpp"
#include "tensor.hpp"
#include "transport/tree_newton.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using namespace mensura::transport;

constexpr double bound = 1e-10;

struct Task {
  std::vector<Measure> nodes;  // free ones with their reference mass
  std::vector<char> free;
  std::vector<Tree::Edge> edges;
  std::vector<double> weights;
  double epsilon = 1;
  std::optional<double> rho{};
};

// A star around the free node 0.
Task star() {
  return {{random_measure(2, 12, 1), random_measure(2, 9, 2), random_measure(2, 10, 3),
           random_measure(2, 8, 4)},
          {1, 0, 0, 0},
          {{0, 1}, {2, 0}, {0, 3}},
          {0.5, 0.2, 0.3},
          0.1};
}

// Two free nodes, 2 and 3, with leaves on either side.
Task two_centres() {
  return {{random_measure(2, 6, 11), random_measure(2, 5, 12), random_measure(2, 7, 13),
           random_measure(2, 6, 14), random_measure(2, 5, 15)},
          {0, 0, 1, 1, 0},
          {{0, 2}, {2, 1}, {2, 3}, {3, 4}},
          {1, 0.5, 0.7, 1.2},
          0.15};
}

class TreeDerivatives : public ::testing::Test {
 protected:
  void set(Task given) {
    task = std::move(given);
    tree = std::make_unique<Tree>(task.free, task.edges);
    tensor = TensorProblem{};
    tensor.epsilon = task.epsilon;
    for (std::size_t k = 0; k < task.nodes.size(); ++k) {
      clouds.push_back(cloud_of(comm, task.nodes[k]));
      tensor.sizes.push_back(task.nodes[k].size());
      tensor.masses.push_back(task.free[k] != 0 ? std::vector<double>() : task.nodes[k].mass);
      tensor.references.push_back(task.nodes[k].mass);
    }
    for (std::size_t e = 0; e < task.edges.size(); ++e) {
      costs.emplace_back(CostSpec{}, task.weights[e], 2);
      const Measure &x = task.nodes[task.edges[e].from], &y = task.nodes[task.edges[e].to];
      std::vector<double> entries;
      for (std::size_t i = 0; i < x.size(); ++i) {
        for (std::size_t j = 0; j < y.size(); ++j) entries.push_back(costs[e](x[i], y[j]));
      }
      tensor.edges.push_back({task.edges[e].from, task.edges[e].to, std::move(entries)});
    }
    // Far from converged: the plan has any mass, and marginals that miss by factors.
    phi = random_values(2 * task.epsilon, 7, true);
    dense = tensor_plan(tensor, phi);
  }

  // Random numbers between -size and size at fixed nodes or at free ones, zero at the others.
  NodeValues random_values(double size, std::uint64_t seed, bool fixed) const {
    const parallel::Stream stream(seed, "test", "potentials");
    NodeValues result = tensor.zeros();
    for (std::size_t k = 0; k < result.size(); ++k) {
      if (tensor.free(k) == fixed) continue;
      for (std::size_t i = 0; i < result[k].size(); ++i) {
        result[k][i] = size * (2 * stream.uniform(k, i) - 1);
      }
    }
    return result;
  }

  std::vector<const Cloud*> all_clouds() const {
    std::vector<const Cloud*> all;
    for (const Cloud& cloud : clouds) all.push_back(&cloud);
    return all;
  }
  TreeOptions options() const {
    TreeOptions result{task.epsilon, {}};
    if (task.rho) result.rho.assign(task.nodes.size(), *task.rho);
    return result;
  }
  std::vector<double> own(std::size_t node, const std::vector<double>& all) const {
    std::vector<double> result;
    for (const std::size_t i : places(clouds[node], task.nodes[node])) result.push_back(all[i]);
    return result;
  }
  // Free nodes keep theirs when they mean something.
  NodePotentials own(const NodeValues& all, bool with_free = false) const {
    NodePotentials result(all.size());
    for (std::size_t k = 0; k < all.size(); ++k) {
      if (with_free || !tree->free(k)) result[k] = own(k, all[k]);
    }
    return result;
  }
  NodeValues everywhere(const NodePotentials& values) const {
    NodeValues result;
    for (std::size_t k = 0; k < values.size(); ++k) {
      result.push_back(test::everywhere(comm, clouds[k], task.nodes[k], values[k]));
    }
    return result;
  }

  // The plans of the edges, which leave out nothing here, at phi.
  TreePlans make_plans() {
    std::vector<const Kernel*> all;
    std::vector<const Cost*> pointers;
    std::int64_t pairs = 0;
    for (std::size_t e = 0; e < task.edges.size(); ++e) {
      const Cloud &x = clouds[task.edges[e].from], &y = clouds[task.edges[e].to];
      kernels.push_back(make_blocked_kernel(comm, x, y, costs[e]));
      all.push_back(kernels.back().get());
      pointers.push_back(&costs[e]);
      pairs += x.total * y.total;
    }
    messages = std::make_unique<TreeMessages>(comm, *tree, all_clouds(), all, options());
    messages->gather(own(phi), [] {});
    messages->spread(own(phi), [] {});
    TreePlans plans(comm, *tree, all_clouds(), pointers, options());
    EXPECT_TRUE(plans.search(own(phi), *messages, 1 << 20));
    EXPECT_EQ(plans.pairs(), pairs);
    plans.evaluate(own(phi));
    return plans;
  }

  // The plan gets mass one: right-hand sides sum to zero at every node, as the kernel wants it.
  void balance() {
    const std::size_t k = tree->free(0) ? 1 : 0;
    const double shift = task.epsilon * std::log(dense.total());
    for (double& value : phi[k]) value -= shift;
    dense = tensor_plan(tensor, phi);
  }

  void expect_near(const std::vector<double>& ours, const std::vector<double>& theirs,
                   double within) const {
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i) EXPECT_NEAR(ours[i], theirs[i], within);
  }

  void expect_messages();
  void expect_direction();
  void expect_product();

  const parallel::Communicator comm = parallel::Communicator::world();
  const linear::PetscSession session{comm, {}, {}};
  Task task;
  std::unique_ptr<Tree> tree;
  TensorProblem tensor;
  std::vector<Cloud> clouds;
  std::vector<Cost> costs;
  std::vector<std::unique_ptr<Kernel>> kernels;
  std::unique_ptr<TreeMessages> messages;
  NodeValues phi;
  TensorPlan dense{};
};

// Marginals, mass, objective and the plans of the edges; the gradient is what marginals miss.
void TreeDerivatives::expect_messages() {
  const TreePlans plans = make_plans();
  const NodePotentials at = own(phi);
  EXPECT_NEAR(messages->mass(at), dense.total(), 1e-12 * dense.total());
  EXPECT_NEAR(messages->error(at), marginal_error(dense), 1e-12 * dense.total());
  EXPECT_NEAR(tree_objective(comm, *tree, all_clouds(), options(), at, messages->mass(at)),
              dual_value(tensor, phi) - task.epsilon, 1e-12 * dense.total());
  const NodeValues wanted = gradient(dense);
  EXPECT_GT(marginal_error(dense), 0.3);
  for (std::size_t k = 0; k < task.nodes.size(); ++k) {
    const std::vector<double> theirs = dense.marginal(k);
    const std::span<const double> sums = plans.sums(tree->links(k).front().edge, k);
    for (const std::vector<double>& ours :
         {messages->marginal(k, at), std::vector<double>(sums.begin(), sums.end())}) {
      std::vector<double> all = test::everywhere(comm, clouds[k], task.nodes[k], ours);
      expect_near(all, theirs, 1e-13);
      if (tree->free(k)) continue;
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = task.nodes[k].mass[i] - all[i];
      expect_near(all, wanted[k], 1e-13);
    }
  }
  for (std::size_t e = 0; e < task.edges.size(); ++e) {
    const auto [from, to] = task.edges[e];
    const Measure &x = task.nodes[from], &y = task.nodes[to];
    const auto f = test::everywhere(comm, clouds[from], x, messages->edge_potential(e, from, at));
    const auto g = test::everywhere(comm, clouds[to], y, messages->edge_potential(e, to, at));
    std::vector<double> pair;
    for (std::size_t i = 0; i < x.size(); ++i) {
      for (std::size_t j = 0; j < y.size(); ++j) {
        pair.push_back(x.mass[i] * y.mass[j] *
                       std::exp((f[i] + g[j] - costs[e](x[i], y[j])) / task.epsilon));
      }
    }
    expect_near(pair, dense.pair(from, to), 1e-13);
  }
}

TEST_F(TreeDerivatives, MessagesOfAStar) {
  set(star());
  expect_messages();
}

TEST_F(TreeDerivatives, MessagesOfTwoCentres) {
  set(two_centres());
  expect_messages();
}

// H d is the right-hand side at fixed nodes, plus what a penalty adds, and the marginal times the
// means at free ones, where d vanishes.
void TreeDerivatives::expect_direction() {
  if (!task.rho) balance();
  const TreePlans plans = make_plans();
  NodeValues residuals = gradient(dense), extra = tensor.zeros();
  for (std::size_t k = 0; task.rho && k < task.nodes.size(); ++k) {
    if (tree->free(k)) continue;
    for (std::size_t i = 0; i < extra[k].size(); ++i) {
      const double mass = task.nodes[k].mass[i];
      const double target = target_mass(mass, phi[k][i], *task.rho);
      residuals[k][i] += target - mass;
      extra[k][i] = task.epsilon / *task.rho * target;
    }
  }
  const NodePotentials more = task.rho ? own(extra) : NodePotentials(task.nodes.size());
  TreeDirection direction(plans, more, {0, 0, 1e-14, 1e-13});
  NodePotentials change, means;
  ASSERT_TRUE(direction.solve(own(residuals), change, means));
  EXPECT_LE(direction.iterations(), 15);  // 12 and 13 unknowns
  const NodeValues d = everywhere(change), e = everywhere(means);
  const NodeValues product = dense.hessian_times(d);
  for (std::size_t k = 0; k < task.nodes.size(); ++k) {
    const std::vector<double> marginal = dense.marginal(k);
    double largest = 0;
    for (std::size_t i = 0; i < marginal.size(); ++i) {
      largest = std::max(largest, std::abs(d[k][i]));
      if (tree->free(k)) {
        EXPECT_NEAR(product[k][i], marginal[i] * e[k][i], bound);
      } else {
        EXPECT_NEAR(product[k][i] + extra[k][i] * d[k][i], residuals[k][i], bound);
      }
    }
    if (tree->free(k)) {
      EXPECT_EQ(largest, 0);
    } else {
      EXPECT_GT(largest, 0.1);
    }
  }
}

TEST_F(TreeDerivatives, DirectionsOfAStarSolveTheDenseSystem) {
  set(star());
  expect_direction();
}

TEST_F(TreeDerivatives, DirectionsOfTwoCentresSolveTheDenseSystem) {
  set(two_centres());
  expect_direction();
}

TEST_F(TreeDerivatives, DirectionsWithPenaltiesSolveTheDenseSystem) {
  Task given = star();
  given.rho = 0.3;
  set(std::move(given));
  expect_direction();
}

TEST_F(TreeDerivatives, DirectionsOfTwoCentresWithPenaltiesSolveTheDenseSystem) {
  Task given = two_centres();
  given.rho = 0.3;
  set(std::move(given));
  expect_direction();
}

// The product of the means' system with any means e: with d = Z e / P at free nodes the Hessian of
// all nodes gives P e there and nothing at fixed ones, up to one constant times P.
void TreeDerivatives::expect_product() {
  const TreePlans plans = make_plans();
  NodeValues e = random_values(1, 5, false);
  for (std::size_t k = 0; k < e.size(); ++k) {
    const std::vector<double> marginal = dense.marginal(k);
    double sum = 0, mass = 0;
    for (std::size_t i = 0; i < marginal.size(); ++i) {
      sum += marginal[i] * e[k][i];
      mass += marginal[i];
    }
    for (double& value : e[k]) value -= sum / mass;
  }
  TreeDirection direction(plans, NodePotentials(task.nodes.size()), {0, 0, 1e-14, 1e-13});
  NodePotentials product = own(e, true), change;
  ASSERT_TRUE(direction.multiply(own(e, true), product, change));
  const NodeValues ze = everywhere(product);
  NodeValues d = everywhere(change);
  for (std::size_t k = 0; k < d.size(); ++k) {
    if (!tree->free(k)) continue;
    const std::vector<double> marginal = dense.marginal(k);
    for (std::size_t i = 0; i < marginal.size(); ++i) d[k][i] = ze[k][i] / marginal[i];
  }
  const NodeValues whole = dense.hessian_times(d);
  const double constant = whole[0][0] / dense.marginal(0)[0] - e[0][0];
  for (std::size_t k = 0; k < d.size(); ++k) {
    const std::vector<double> marginal = dense.marginal(k);
    for (std::size_t i = 0; i < marginal.size(); ++i) {
      EXPECT_NEAR(whole[k][i], marginal[i] * (e[k][i] + constant), bound);
    }
  }
  // And it is symmetric: with other means on either side.
  NodeValues other = random_values(1, 6, false);
  NodePotentials other_product = own(other, true);
  ASSERT_TRUE(direction.multiply(own(other, true), other_product, change));
  const NodeValues zo = everywhere(other_product);
  double one = 0, two = 0;
  for (std::size_t k = 0; k < d.size(); ++k) {
    for (std::size_t i = 0; i < d[k].size(); ++i) {
      if (!tree->free(k)) continue;
      one += other[k][i] * ze[k][i];
      two += e[k][i] * zo[k][i];
    }
  }
  EXPECT_NEAR(one, two, bound);
  EXPECT_GT(std::abs(one), 1e-3);
}

TEST_F(TreeDerivatives, ProductsOfAStarAreThoseOfTheDenseHessian) {
  set(star());
  expect_product();
}

TEST_F(TreeDerivatives, ProductsOfTwoCentresAreThoseOfTheDenseHessian) {
  set(two_centres());
  expect_product();
}

}  // namespace
