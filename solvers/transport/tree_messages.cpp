// SPDX-License-Identifier: BSD-3-Clause
#include "transport/tree_messages.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mensura::transport {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

double target_mass(double mass, double potential, double rho) {
  return std::isinf(rho) ? mass : mass * std::exp(-potential / rho);
}

double tree_objective(const parallel::Communicator& comm, const Tree& tree,
                      const std::vector<const Cloud*>& clouds, const TreeOptions& options,
                      const NodePotentials& phi, double mass) {
  parallel::ExactSum sum;
  for (std::size_t k = 0; k < tree.nodes(); ++k) {
    if (tree.free(k)) continue;
    const double rho = options.rho.empty() ? infinity : options.rho[k];
    for (std::size_t i = 0; i < phi[k].size(); ++i) {
      sum.add(clouds[k]->mass[i] *
              (std::isinf(rho) ? phi[k][i] : -rho * std::expm1(-phi[k][i] / rho)));
    }
  }
  parallel::reduce(comm, std::span(&sum, 1));
  return sum.value() - options.epsilon * mass;
}

TreeMessages::TreeMessages(const parallel::Communicator& comm, const Tree& tree,
                           std::vector<const Cloud*> clouds, std::vector<const Kernel*> kernels,
                           TreeOptions options)
    : comm_(comm),
      tree_(tree),
      clouds_(std::move(clouds)),
      kernels_(std::move(kernels)),
      options_(std::move(options)),
      messages_(2 * tree.edges().size()) {
  for (std::size_t e = 0; e < tree.edges().size(); ++e) {
    messages_[2 * e].assign(clouds_[tree.edges()[e].from]->own(), 0.0);
    messages_[2 * e + 1].assign(clouds_[tree.edges()[e].to]->own(), 0.0);
  }
}

double TreeMessages::rho(std::size_t node) const {
  return options_.rho.empty() ? infinity : options_.rho[node];
}

std::vector<double>& TreeMessages::message(std::size_t edge, std::size_t to_node) {
  return messages_[2 * edge + (tree_.edges()[edge].from == to_node ? 0 : 1)];
}

const std::vector<double>& TreeMessages::message(std::size_t edge, std::size_t to_node) const {
  return messages_[2 * edge + (tree_.edges()[edge].from == to_node ? 0 : 1)];
}

std::vector<double> TreeMessages::incoming(std::size_t node) const {
  std::vector<double> sum(clouds_[node]->own(), 0.0);
  for (const Tree::Link& link : tree_.links(node)) {
    const std::vector<double>& psi = message(link.edge, node);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += psi[i];
  }
  return sum;
}

// Differences of sums would be NaN where messages are infinite, and would round.
std::vector<double> TreeMessages::edge_potential(std::size_t edge, std::size_t node,
                                                 const NodePotentials& phi) const {
  std::vector<double> result = phi[node];
  result.resize(clouds_[node]->own(), 0.0);
  for (const Tree::Link& link : tree_.links(node)) {
    if (link.edge == edge) continue;
    const std::vector<double>& psi = message(link.edge, node);
    for (std::size_t i = 0; i < result.size(); ++i) result[i] -= psi[i];
  }
  return result;
}

void TreeMessages::send(std::size_t edge, std::size_t from, const NodePotentials& phi,
                        const std::function<void()>& poll) {
  const std::vector<double> out = edge_potential(edge, from, phi);
  if (tree_.edges()[edge].from == from) {
    kernels_[edge]->soft_columns(options_.epsilon, out, messages_[2 * edge + 1], poll);
  } else {
    kernels_[edge]->soft_rows(options_.epsilon, out, messages_[2 * edge], poll);
  }
}

void TreeMessages::gather(const NodePotentials& phi, const std::function<void()>& poll) {
  const std::vector<std::size_t>& order = tree_.order();
  for (std::size_t next = order.size(); next-- > 1;) {
    send(tree_.parent(order[next]).edge, order[next], phi, poll);
  }
}

void TreeMessages::spread(const NodePotentials& phi, const std::function<void()>& poll) {
  for (const std::size_t k : tree_.order()) {
    for (const Tree::Link& link : tree_.links(k)) {
      if (link.edge != tree_.parent(k).edge) send(link.edge, k, phi, poll);
    }
  }
}

// As Side::update of the two-marginal iteration: exact, damped by a penalty, over-relaxed where a
// point does not lack too much mass. The error is this rank's share.
void TreeMessages::update(std::size_t node, std::vector<double>& phi, double factor,
                          parallel::ExactSum& error) const {
  const std::vector<double> balanced = incoming(node);
  const double eps = options_.epsilon, penalty = rho(node);
  for (std::size_t i = 0; i < phi.size(); ++i) {
    // A point that no message reaches has no pair: it keeps its potential and all its error.
    const bool reached = !std::isinf(balanced[i]);
    const double plan = reached ? std::exp((phi[i] - balanced[i]) / eps) : 0;
    error.add(clouds_[node]->mass[i] * std::abs(plan - target_mass(1, phi[i], penalty)));
    if (!reached) continue;
    const double goal = std::isinf(penalty) ? balanced[i] : penalty / (penalty + eps) * balanced[i];
    const double way = goal - phi[i];
    const double allowed =
        factor <= 1 || way <= 0 ? factor : std::clamp(2 - 0.8 * way / eps, 1.0, factor);
    phi[i] = allowed == 1 ? goal : phi[i] + allowed * way;
  }
}

void TreeMessages::visit(std::size_t node, NodePotentials& phi, double factor,
                         std::vector<parallel::ExactSum>& errors,
                         const std::function<void()>& poll) {
  if (!tree_.free(node)) update(node, phi[node], factor, errors[node]);
  for (const Tree::Link& link : tree_.links(node)) {
    if (link.edge == tree_.parent(node).edge) continue;
    send(link.edge, node, phi, poll);
    visit(link.node, phi, factor, errors, poll);
    send(link.edge, link.node, phi, poll);
  }
}

double TreeMessages::sweep(NodePotentials& phi, double factor, const std::function<void()>& poll) {
  std::vector<parallel::ExactSum> errors(tree_.nodes());
  visit(tree_.root(), phi, factor, errors, poll);
  return largest(errors);
}

double TreeMessages::largest(std::vector<parallel::ExactSum>& errors) const {
  parallel::reduce(comm_, errors);
  double most = 0;
  for (const parallel::ExactSum& error : errors) {
    const double value = error.value();
    // A NaN must not hide behind the maximum.
    most = value <= most ? most : std::isnan(value) ? infinity : value;
  }
  return most;
}

std::vector<double> TreeMessages::marginal(std::size_t node, const NodePotentials& phi) const {
  std::vector<double> result = incoming(node);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const double own = tree_.free(node) ? 0 : phi[node][i];
    result[i] = clouds_[node]->mass[i] * std::exp((own - result[i]) / options_.epsilon);
  }
  return result;
}

double TreeMessages::error(const NodePotentials& phi) const {
  std::vector<parallel::ExactSum> errors(tree_.nodes());
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (tree_.free(k)) continue;
    const std::vector<double> sums = marginal(k, phi);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      errors[k].add(std::abs(sums[i] - target_mass(clouds_[k]->mass[i], phi[k][i], rho(k))));
    }
  }
  return largest(errors);
}

double TreeMessages::mass(const NodePotentials& phi) const {
  return parallel::exact_total(comm_, marginal(tree_.root(), phi));
}

}  // namespace mensura::transport
