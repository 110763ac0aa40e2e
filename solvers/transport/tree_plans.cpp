// SPDX-License-Identifier: BSD-3-Clause
#include "transport/tree_plans.hpp"

#include <algorithm>
#include <cmath>

#include "transport/edge_kernels.hpp"

namespace mensura::transport {

namespace {

const std::function<void()> no_poll;

}  // namespace

TreePlans::TreePlans(const parallel::Communicator& comm, const Tree& tree,
                     std::vector<const Cloud*> clouds, const std::vector<const Cost*>& costs,
                     TreeOptions options)
    : comm_(comm), tree_(tree), clouds_(std::move(clouds)) {
  std::vector<const Kernel*> kernels;
  for (std::size_t e = 0; e < tree.edges().size(); ++e) {
    const Tree::Edge& edge = tree.edges()[e];
    plans_.push_back(
        std::make_unique<SparsePlan>(comm, *clouds_[edge.from], *clouds_[edge.to], *costs[e]));
    kernels_.push_back(make_support_kernel(*plans_.back()));
    kernels.push_back(kernels_.back().get());
  }
  messages_ = std::make_unique<TreeMessages>(comm, tree, clouds_, kernels, std::move(options));
}

bool TreePlans::search(const NodePotentials& phi, const TreeMessages& full, std::int64_t most) {
  stored_ = false;
  for (std::size_t e = 0; e < plans_.size(); ++e) {
    const Tree::Edge& edge = tree_.edges()[e];
    const Potentials at{full.edge_potential(e, edge.from, phi),
                        full.edge_potential(e, edge.to, phi)};
    if (plans_[e]->search(at, options().epsilon, most)) continue;
    for (const auto& plan : plans_) plan->clear();
    return false;
  }
  searched_ = phi;
  stored_ = true;
  messages_->gather(phi, no_poll);
  return true;
}

double TreePlans::drift(const NodePotentials& phi) const {
  double most = 0;
  for (std::size_t e = 0; e < plans_.size(); ++e) {
    const Tree::Edge& edge = tree_.edges()[e];
    const Potentials at{messages_->edge_potential(e, edge.from, phi),
                        messages_->edge_potential(e, edge.to, phi)};
    most = std::max(most, plans_[e]->drift(at, options().epsilon));
  }
  return most;
}

void TreePlans::evaluate(const NodePotentials& phi) {
  messages_->gather(phi, no_poll);
  messages_->spread(phi, no_poll);
  for (std::size_t e = 0; e < plans_.size(); ++e) {
    const Tree::Edge& edge = tree_.edges()[e];
    plans_[e]->evaluate(
        {messages_->edge_potential(e, edge.from, phi), messages_->edge_potential(e, edge.to, phi)},
        options().epsilon);
  }
}

double TreePlans::sweep(NodePotentials& phi, int sweeps) {
  double error = 0;
  for (int s = 0; s < sweeps; ++s) error = messages_->sweep(phi, 1, no_poll);
  return error;
}

std::span<const double> TreePlans::sums(std::size_t edge, std::size_t node) const {
  return tree_.edges()[edge].from == node ? plans_[edge]->row_sums() : plans_[edge]->column_sums();
}

void TreePlans::multiply_to(std::size_t edge, std::size_t node, std::span<const double> v,
                            std::span<double> result) const {
  if (tree_.edges()[edge].from == node) {
    plans_[edge]->multiply(v, result);
  } else {
    plans_[edge]->multiply_transposed(v, result);
  }
}

std::int64_t TreePlans::pairs() const {
  std::int64_t sum = 0;
  for (const auto& plan : plans_) sum += plan->total();
  return sum;
}

double TreePlans::fattest_row() const {
  double most = 0;
  for (const auto& plan : plans_) {
    most =
        std::max(most, static_cast<double>(plan->total()) / static_cast<double>(plan->x().total));
  }
  return most;
}

}  // namespace mensura::transport
