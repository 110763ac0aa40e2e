// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <utility>
#include <vector>

namespace mensura::test {

/// What an edge of a multi-marginal problem costs: c(x_i, x_j), row-major n_i x n_j, +infinity
/// where the pair is forbidden. Any order of i and j; several edges between two nodes add up.
struct TensorEdge {
  std::size_t i, j;
  std::vector<double> cost;
};

/// One number per point of every node.
using NodeValues = std::vector<std::vector<double>>;

/// A small multi-marginal problem that brute force solves: every entry of the tensor is visited, on
/// one rank, by plain loops. Up to five nodes of a dozen points (a few 1e5 entries).
///
///   P(x_0, ..., x_{K-1}) = R(x) exp((sum_k phi_k(x_k) - sum_e c_e(x_i, x_j)) / eps),
///   R(x) = product over fixed nodes of mu_k(x_k), over free nodes of r_k(x_k).
///
/// Fixed nodes have masses that sum to one; free nodes have none (an empty vector), no potential
/// (zero) and a reference r_k, a mass per point: one where it is left out. Reference transport 1.
class TensorProblem {
 public:
  std::vector<std::size_t> sizes;  ///< points of every node
  NodeValues masses;               ///< mu_k, all > 0; empty: free
  std::vector<TensorEdge> edges;
  double epsilon = 1;
  NodeValues references{};  ///< r_k of free nodes, all > 0; may be left out

  std::size_t nodes() const { return sizes.size(); }
  bool free(std::size_t k) const { return masses[k].empty(); }
  std::size_t entries() const {
    std::size_t count = 1;
    for (const std::size_t n : sizes) count *= n;
    return count;
  }
  NodeValues zeros() const {
    NodeValues result;
    for (const std::size_t n : sizes) result.emplace_back(n, 0.0);
    return result;
  }
  double reference(std::size_t k, std::size_t x) const {
    if (!free(k)) return masses[k][x];
    return references.size() > k && !references[k].empty() ? references[k][x] : 1.0;
  }

  /// Calls visit(x, flat) for all index tuples x, the last node's index fastest.
  template <class Visit>
  void every(Visit visit) const {
    std::vector<std::size_t> x(nodes(), 0);
    for (std::size_t flat = 0; flat < entries(); ++flat) {
      visit(std::as_const(x), flat);
      for (std::size_t k = nodes(); k-- > 0;) {
        if (++x[k] < sizes[k]) break;
        x[k] = 0;
      }
    }
  }

  /// The whole cost, entry by entry.
  std::vector<double> cost() const {
    std::vector<double> result(entries(), 0.0);
    every([&](const std::vector<std::size_t>& x, std::size_t flat) {
      for (const TensorEdge& e : edges) result[flat] += e.cost[x[e.i] * sizes[e.j] + x[e.j]];
    });
    return result;
  }
};

/// All entries of a plan, the last node's index fastest, and its sums.
struct TensorPlan {
  const TensorProblem* problem;
  std::vector<double> entries;

  double total() const {
    double sum = 0;
    for (const double p : entries) sum += p;
    return sum;
  }
  /// P_k.
  std::vector<double> marginal(std::size_t k) const {
    std::vector<double> result(problem->sizes[k], 0.0);
    problem->every([&](const auto& x, std::size_t flat) { result[x[k]] += entries[flat]; });
    return result;
  }
  /// P_kl, row-major n_k x n_l; k and l need not be neighbours. For k = l the diagonal matrix.
  std::vector<double> pair(std::size_t k, std::size_t l) const {
    std::vector<double> result(problem->sizes[k] * problem->sizes[l], 0.0);
    problem->every([&](const auto& x, std::size_t flat) {
      result[x[k] * problem->sizes[l] + x[l]] += entries[flat];
    });
    return result;
  }
  /// H d with H_kk = diag(P_k), H_kl = P_kl: (H d)_k(x) = sum over all entries with x_k = x of
  /// P sum_l d_l(x_l). Every node takes part, the free ones too: leave their d at zero and do not
  /// read their result for the Hessian of the dual.
  NodeValues hessian_times(const NodeValues& d) const {
    NodeValues result = problem->zeros();
    problem->every([&](const auto& x, std::size_t flat) {
      double sum = 0;
      for (std::size_t l = 0; l < d.size(); ++l) sum += d[l][x[l]];
      for (std::size_t k = 0; k < d.size(); ++k) result[k][x[k]] += entries[flat] * sum;
    });
    return result;
  }
  /// <c, P>, with infinity times zero as zero.
  double linear_cost() const {
    const std::vector<double> cost = problem->cost();
    double sum = 0;
    for (std::size_t i = 0; i < cost.size(); ++i) {
      if (entries[i] > 0) sum += cost[i] * entries[i];
    }
    return sum;
  }
  /// sum P log(P / R).
  double divergence() const {
    double sum = 0;
    problem->every([&](const auto& x, std::size_t flat) {
      if (!(entries[flat] > 0)) return;
      double log_reference = 0;
      for (std::size_t k = 0; k < x.size(); ++k) {
        log_reference += std::log(problem->reference(k, x[k]));
      }
      sum += entries[flat] * (std::log(entries[flat]) - log_reference);
    });
    return sum;
  }
  /// <c, P> + eps sum P log(P / R), whose minimum over plans with the fixed marginals is the
  /// largest value of dual_value().
  double regularised_value() const { return linear_cost() + problem->epsilon * divergence(); }
};

/// The plan of potentials (zero at free nodes).
inline TensorPlan tensor_plan(const TensorProblem& problem, const NodeValues& phi) {
  TensorPlan plan{&problem, problem.cost()};
  problem.every([&](const auto& x, std::size_t flat) {
    double exponent = -plan.entries[flat] / problem.epsilon;
    for (std::size_t k = 0; k < x.size(); ++k) {
      exponent += phi[k][x[k]] / problem.epsilon + std::log(problem.reference(k, x[k]));
    }
    plan.entries[flat] = std::exp(exponent);
  });
  return plan;
}

/// mu_k - P_k at fixed nodes, zero at free ones: the gradient of dual_value().
inline NodeValues gradient(const TensorPlan& plan) {
  NodeValues result = plan.problem->zeros();
  for (std::size_t k = 0; k < result.size(); ++k) {
    if (plan.problem->free(k)) continue;
    const std::vector<double> marginal = plan.marginal(k);
    for (std::size_t x = 0; x < marginal.size(); ++x) {
      result[k][x] = plan.problem->masses[k][x] - marginal[x];
    }
  }
  return result;
}

/// sum_k <phi_k, mu_k> - eps (sum P - 1).
inline double dual_value(const TensorProblem& problem, const NodeValues& phi) {
  double value = -problem.epsilon * (tensor_plan(problem, phi).total() - 1);
  for (std::size_t k = 0; k < problem.nodes(); ++k) {
    for (std::size_t x = 0; x < problem.masses[k].size(); ++x) {
      value += phi[k][x] * problem.masses[k][x];
    }
  }
  return value;
}

/// The largest L1 distance between a fixed marginal and that of the plan.
inline double marginal_error(const TensorPlan& plan) {
  double largest = 0;
  for (const std::vector<double>& node : gradient(plan)) {
    double sum = 0;
    for (const double missed : node) sum += std::abs(missed);
    largest = std::max(largest, sum);
  }
  return largest;
}

/// phi_k <- phi_k + eps (log mu_k - log P_k) at one fixed node, by sums with the largest exponent
/// taken out: any eps.
inline void update_node(const TensorProblem& problem, const std::vector<double>& cost,
                        std::size_t node, NodeValues& phi) {
  std::vector<double> exponents(cost.size());
  std::vector<double> top(problem.sizes[node], -std::numeric_limits<double>::infinity());
  std::vector<double> sum(problem.sizes[node], 0.0);
  problem.every([&](const auto& x, std::size_t flat) {
    double exponent = -cost[flat] / problem.epsilon;
    for (std::size_t k = 0; k < x.size(); ++k) {
      if (k == node) continue;
      exponent += phi[k][x[k]] / problem.epsilon + std::log(problem.reference(k, x[k]));
    }
    exponents[flat] = exponent;
    top[x[node]] = std::max(top[x[node]], exponent);
  });
  problem.every([&](const auto& x, std::size_t flat) {
    if (exponents[flat] == -std::numeric_limits<double>::infinity()) return;
    sum[x[node]] += std::exp(exponents[flat] - top[x[node]]);
  });
  for (std::size_t x = 0; x < sum.size(); ++x) {
    phi[node][x] = -problem.epsilon * (top[x] + std::log(sum[x]));
  }
}

/// Potentials after Sinkhorn sweeps (fixed nodes in ascending order) until no marginal misses by
/// more than `tolerance` in L1, which is looked at after every tenth sweep.
inline NodeValues solve_tensor(const TensorProblem& problem, double tolerance, int most = 20000) {
  const std::vector<double> cost = problem.cost();
  NodeValues phi = problem.zeros();
  for (int sweep = 1; sweep <= most; ++sweep) {
    for (std::size_t k = 0; k < problem.nodes(); ++k) {
      if (!problem.free(k)) update_node(problem, cost, k, phi);
    }
    if (sweep % 10 == 0 && marginal_error(tensor_plan(problem, phi)) <= tolerance) break;
  }
  return phi;
}

}  // namespace mensura::test
