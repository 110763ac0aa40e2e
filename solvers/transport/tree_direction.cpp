// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cmath>

#include "parallel/exact_sum.hpp"
#include "transport/tree_newton.hpp"

namespace mensura::transport {

namespace {

constexpr std::int64_t most_iterations = 150;  // then what there is serves (transport_robust 4)
constexpr int series = 3;                      // terms of the preconditioner

NodePotentials like(const NodePotentials& values) {
  NodePotentials result(values.size());
  for (std::size_t k = 0; k < values.size(); ++k) result[k].assign(values[k].size(), 0.0);
  return result;
}

void add(NodePotentials& to, double factor, const NodePotentials& values) {
  for (std::size_t k = 0; k < to.size(); ++k) {
    for (std::size_t i = 0; i < to[k].size(); ++i) to[k][i] += factor * values[k][i];
  }
}

}  // namespace

TreeDirection::TreeDirection(const TreePlans& plans, const NodePotentials& extra,
                             const Options& options)
    : plans_(plans), tree_(plans.tree()), options_(options), marginals_(tree_.nodes()) {
  for (const std::vector<double>& values : extra) singular_ = singular_ && values.empty();
  singular_ = plans.comm().min(static_cast<std::int64_t>(singular_)) > 0;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    const std::span<const double> sums = plans.sums(tree_.links(k).front().edge, k);
    marginals_[k].assign(sums.begin(), sums.end());
  }
  const std::span<const double> none;
  for (std::size_t e = 0; e < tree_.edges().size(); ++e) {
    const Tree::Edge& edge = tree_.edges()[e];
    const SparsePlan& plan = plans.plan(e);
    EdgeSystem::Options system;
    system.shift = options.shift;
    system.least_share = LaplacianSolver::is_fat(plan) ? options.least_share : 0;
    system.accuracy = options.accuracy;
    system.singular = extra.empty() || (extra[edge.from].empty() && extra[edge.to].empty());
    systems_.push_back(std::make_unique<EdgeSystem>(plan, extra.empty() ? none : extra[edge.from],
                                                    extra.empty() ? none : extra[edge.to], system));
    entries_per_row_ = std::max(entries_per_row_, systems_.back()->entries_per_row());
  }
  if (singular_) return;
  // 1' Z 1 = mass + sum over leaves of mass^2 / X where penalties X are in proportion to the sums.
  std::vector<parallel::ExactSum> sums(tree_.nodes() + 1);
  for (const double value : marginals_[tree_.root()]) sums.back().add(value);
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    for (const double value : extra[k]) sums[k].add(value);
  }
  parallel::reduce(plans.comm(), sums);
  const double mass = sums.back().value();
  stiffness_ = mass;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (sums[k].value() > 0) stiffness_ += mass * mass / sums[k].value();
  }
}

TreeDirection::~TreeDirection() = default;

// Sums over the edges of their systems' solutions.
bool TreeDirection::edges(const NodePotentials& weighted, NodePotentials& result) {
  result = like(marginals_);
  std::vector<double> f, g;
  bool good = true;
  for (std::size_t e = 0; e < systems_.size() && good; ++e) {
    const Tree::Edge& edge = tree_.edges()[e];
    good = systems_[e]->solve(weighted[edge.from], weighted[edge.to], f, g);
    inner_ = std::max(inner_, systems_[e]->iterations());
    for (std::size_t i = 0; i < f.size(); ++i) result[edge.from][i] += f[i];
    for (std::size_t j = 0; j < g.size(); ++j) result[edge.to][j] += g[j];
  }
  return good;
}

bool TreeDirection::multiply(const NodePotentials& means, NodePotentials& product,
                             NodePotentials& change) {
  NodePotentials weighted = like(marginals_);
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (!tree_.free(k)) continue;
    for (std::size_t i = 0; i < means[k].size(); ++i)
      weighted[k][i] = marginals_[k][i] * means[k][i];
  }
  if (!edges(weighted, change)) return false;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (!tree_.free(k)) continue;
    const double others = static_cast<double>(tree_.degree(k)) - 1;
    for (std::size_t i = 0; i < means[k].size(); ++i) {
      product[k][i] = marginals_[k][i] * (change[k][i] - others * means[k][i]);
      change[k][i] = 0;
    }
  }
  project(product, true);
  return true;
}

// Residuals sum to zero at every free node, means do so under the marginal: the kernel of a
// balanced problem. With penalties both have one sum at all free nodes: what the plan's mass
// changes by.
void TreeDirection::project(NodePotentials& values, bool residual) const {
  std::vector<parallel::ExactSum> sums(2 * tree_.nodes());
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (!tree_.free(k)) continue;
    for (std::size_t i = 0; i < values[k].size(); ++i) {
      sums[2 * k].add(residual ? values[k][i] : marginals_[k][i] * values[k][i]);
      sums[2 * k + 1].add(marginals_[k][i]);
    }
  }
  parallel::reduce(plans_.comm(), sums);
  double total = 0, mass = 0;
  for (std::size_t k = 0; k < tree_.nodes() && !singular_; ++k) {
    total += sums[2 * k].value();
    mass += sums[2 * k + 1].value();
  }
  const double common = singular_ ? 0 : total / mass;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (!tree_.free(k)) continue;
    const double mean = sums[2 * k].value() / sums[2 * k + 1].value() - common;
    for (std::size_t i = 0; i < values[k].size(); ++i) {
      values[k][i] -= residual ? mean * marginals_[k][i] : mean;
    }
  }
}

// The mean over a node's edges of D v - A C^-1 A' v, C the sums at the other end.
void TreeDirection::average(std::size_t node, std::span<const double> v,
                            std::span<double> result) const {
  const double share = 1 / static_cast<double>(tree_.degree(node));
  for (std::size_t i = 0; i < v.size(); ++i) result[i] = marginals_[node][i] * v[i];
  std::vector<double> product(v.size());
  for (const Tree::Link& link : tree_.links(node)) {
    std::vector<double> other(marginals_[link.node].size());
    plans_.multiply_to(link.edge, link.node, v, other);
    for (std::size_t j = 0; j < other.size(); ++j) {
      const double sum = marginals_[link.node][j];
      other[j] = sum > 0 ? other[j] / sum : 0;
    }
    plans_.multiply_to(link.edge, node, other, product);
    for (std::size_t i = 0; i < v.size(); ++i) result[i] -= share * product[i];
  }
}

// (1 / K) sum over j of (q D^-1 L)^j D^-1 L D^-1 with the averaged Laplacian L of every free node's
// K edges and q = (K - 1) / K.
void TreeDirection::precondition(const NodePotentials& residual, NodePotentials& result) const {
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (!tree_.free(k)) continue;
    const auto degree = static_cast<double>(tree_.degree(k));
    const auto& d = marginals_[k];
    const auto scaled = [&](std::vector<double>& values) {
      for (std::size_t i = 0; i < d.size(); ++i) values[i] = d[i] > 0 ? values[i] / d[i] : 0;
    };
    std::vector<double> term = residual[k], product(d.size());
    scaled(term);
    result[k].assign(d.size(), 0.0);
    for (int j = 0; j < series; ++j) {
      average(k, term, product);
      scaled(product);
      const double factor = (j == 0 ? 1 : degree - 1) / degree;
      for (std::size_t i = 0; i < d.size(); ++i) {
        term[i] = factor * product[i];
        result[k][i] += term[i];
      }
    }
  }
  project(result, false);
  if (!singular_) add_constant(residual, result);
}

// Laplacians know nothing of constants, which penalties take out of the kernel.
void TreeDirection::add_constant(const NodePotentials& residual, NodePotentials& result) const {
  parallel::ExactSum sum;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (!tree_.free(k)) continue;
    for (const double value : residual[k]) sum.add(value);
  }
  parallel::reduce(plans_.comm(), std::span(&sum, 1));
  const double change = sum.value() / stiffness_;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (!tree_.free(k)) continue;
    for (double& value : result[k]) value += change;
  }
}

double TreeDirection::dot(const NodePotentials& a, const NodePotentials& b) const {
  parallel::ExactSum sum;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (!tree_.free(k)) continue;
    for (std::size_t i = 0; i < a[k].size(); ++i) sum.add(a[k][i] * b[k][i]);
  }
  parallel::reduce(plans_.comm(), std::span(&sum, 1));
  return sum.value();
}

double TreeDirection::size(const NodePotentials& a, bool free) const {
  parallel::ExactSum sum;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (tree_.free(k) != free) continue;
    for (const double value : a[k]) sum.add(std::abs(value));
  }
  parallel::reduce(plans_.comm(), std::span(&sum, 1));
  return sum.value();
}

bool TreeDirection::solve(const NodePotentials& residuals, NodePotentials& change,
                          NodePotentials& means) {
  NodePotentials weighted = like(marginals_);
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (!tree_.free(k)) weighted[k] = residuals[k];
  }
  if (!edges(weighted, change)) return false;
  NodePotentials residual = like(marginals_);
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (!tree_.free(k)) continue;
    for (std::size_t i = 0; i < residual[k].size(); ++i) {
      residual[k][i] = -marginals_[k][i] * change[k][i];
      change[k][i] = 0;
    }
  }
  project(residual, true);
  means = like(marginals_);
  NodePotentials z = like(marginals_), product = like(marginals_), moved;
  const double enough = options_.tolerance * size(residuals, false);
  precondition(residual, z);
  NodePotentials way = z;
  double rz = dot(residual, z);
  for (iterations_ = 0; iterations_ < most_iterations; ++iterations_) {
    if (!(size(residual, true) > enough)) break;
    if (!multiply(way, product, moved)) return false;
    const double curvature = dot(way, product);
    if (!(curvature > 0) || !std::isfinite(rz)) break;
    const double step = rz / curvature;
    add(means, step, way);
    add(change, step, moved);
    add(residual, -step, product);
    precondition(residual, z);
    const double next = dot(residual, z);
    const double share = next / rz;
    rz = next;
    for (std::size_t k = 0; k < tree_.nodes(); ++k) {
      for (std::size_t i = 0; i < way[k].size(); ++i) way[k][i] = z[k][i] + share * way[k][i];
    }
  }
  bool finite = true;
  for (const std::vector<double>& values : change) {
    finite = finite && std::ranges::all_of(values, [](double v) { return std::isfinite(v); });
  }
  return plans_.comm().min(static_cast<std::int64_t>(finite)) > 0;
}

}  // namespace mensura::transport
