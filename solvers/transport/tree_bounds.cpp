// SPDX-License-Identifier: BSD-3-Clause
#include "transport/tree_bounds.hpp"

#include <limits>
#include <memory>

#include "parallel/exact_sum.hpp"
#include "transport/edge_kernels.hpp"
#include "transport/search.hpp"

namespace mensura::transport {

namespace {

// Nodes that are not beside a free root keep their potentials.
NodePotentials balanced_start(const parallel::Communicator& comm, const Tree& tree,
                              const std::vector<const Cloud*>& clouds,
                              const std::vector<Cost>& costs, const NodePotentials& at,
                              TreeMessages& messages, const std::function<void()>& poll) {
  NodePotentials phi = at;
  const std::size_t root = tree.root();
  if (!tree.free(root)) return phi;
  messages.gather(phi, poll);
  const std::vector<double> sum = messages.incoming(root);
  double weights = 0;
  for (const Tree::Link& link : tree.links(root)) weights += costs[link.edge].weight();
  for (const Tree::Link& link : tree.links(root)) {
    if (tree.free(link.node)) continue;
    const double share = costs[link.edge].weight() / weights;
    std::vector<double> g = messages.edge_potential(link.edge, root, phi);
    for (std::size_t i = 0; i < g.size(); ++i) g[i] += (1 - share) * sum[i];
    phi[link.node] = hard_transform(comm, *clouds[link.node], *clouds[root], g, costs[link.edge]);
  }
  return phi;
}

}  // namespace

// After one walk of the ascent the potentials are feasible.
double dual_bound(const parallel::Communicator& comm, const Tree& tree,
                  const std::vector<const Cloud*>& clouds, const std::vector<Cost>& costs,
                  const NodePotentials& at, double epsilon, const std::function<void()>& poll) {
  std::vector<std::unique_ptr<Kernel>> kernels;
  std::vector<const Kernel*> all;
  for (std::size_t e = 0; e < tree.edges().size(); ++e) {
    const Tree::Edge& edge = tree.edges()[e];
    kernels.push_back(make_hard_kernel(comm, *clouds[edge.from], *clouds[edge.to], costs[e]));
    all.push_back(kernels.back().get());
  }
  TreeMessages messages(comm, tree, clouds, std::move(all), {epsilon, {}});
  NodePotentials phi = balanced_start(comm, tree, clouds, costs, at, messages, poll);
  messages.gather(phi, poll);
  messages.sweep(phi, 1, poll);
  double value = 0;
  for (std::size_t k = 0; k < tree.nodes(); ++k) {
    if (!tree.free(k)) value += parallel::exact_dot(comm, phi[k], clouds[k]->mass);
  }
  return value;
}

NodePotentials with_means_zero(const parallel::Communicator& comm, const Tree& tree,
                               const std::vector<const Cloud*>& clouds, double mass,
                               NodePotentials phi) {
  std::size_t last = 0;
  for (std::size_t k = 0; k < tree.nodes(); ++k) {
    if (!tree.free(k)) last = k;
  }
  double rest = 0;
  for (std::size_t k = 0; k < last; ++k) {
    if (tree.free(k)) continue;
    const double mean = parallel::exact_dot(comm, clouds[k]->mass, phi[k]) / mass;
    for (double& value : phi[k]) value -= mean;
    rest += mean;
  }
  for (double& value : phi[last]) value += rest;
  return phi;
}

std::vector<double> scaled_to(const parallel::Communicator& comm, std::vector<double> marginal,
                              double mass) {
  const double total = parallel::exact_total(comm, marginal);
  for (double& m : marginal) m *= mass / total;
  return marginal;
}

}  // namespace mensura::transport
