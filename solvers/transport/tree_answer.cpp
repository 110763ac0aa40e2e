// SPDX-License-Identifier: BSD-3-Clause
// What a TreeSolver has found: marginals, plans, costs and bounds.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "transport/certificate.hpp"
#include "transport/kernel_certificate.hpp"
#include "transport/tree_bounds.hpp"
#include "transport/tree_solver.hpp"

namespace mensura::transport {

// The supports of the last stage, or, after sweeps, of the result; false where they do not fit.
bool TreeSolver::find_plans(const std::function<void()>& poll) {
  if (!plans_->stored()) {
    model_->messages->gather(at_, poll);
    model_->messages->spread(at_, poll);
    if (!plans_->search(at_, *model_->messages, most_pairs())) return false;
  }
  plans_->evaluate(at_);
  return true;
}

// Of the plan at all nodes: on the supports where these are stored.
std::vector<std::vector<double>> TreeSolver::marginals() const {
  std::vector<std::vector<double>> result;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (plans_->stored()) {
      const std::span<const double> sums = plans_->sums(tree_.links(k).front().edge, k);
      result.emplace_back(sums.begin(), sums.end());
    } else {
      result.push_back(model_->messages->marginal(k, at_));
    }
  }
  return result;
}

double TreeSolver::linear_cost(const std::function<void()>& poll) const {
  double sum = 0;
  for (std::size_t e = 0; e < edges_.size(); ++e) {
    if (plans_->stored()) {
      sum += transport::linear_cost(plans_->plan(e));
      continue;
    }
    const Tree::Edge& edge = tree_.edges()[e];
    sum += make_kernel(e, 0, true)
               ->linear_cost(epsilon_, model_->messages->edge_potential(e, edge.from, at_),
                             model_->messages->edge_potential(e, edge.to, at_), poll);
  }
  return sum;
}

// Every edge's plan is rounded to the marginals of its ends, one for all edges of a free node:
// glued along the tree these plans are a plan of the whole.
double TreeSolver::primal(const std::vector<std::vector<double>>& marginals,
                          const std::function<void()>& poll) const {
  const auto clouds = clouds_at(0);
  std::vector<std::vector<double>> targets(tree_.nodes());
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    targets[k] = tree_.free(k) ? scaled_to(comm_, marginals[k], mass_) : clouds[k]->mass;
  }
  double sum = 0, remainder = 0;
  for (std::size_t e = 0; e < edges_.size(); ++e) {
    const Tree::Edge& edge = tree_.edges()[e];
    if (plans_->stored()) {
      sum +=
          rounded_cost(plans_->plan(e), targets[edge.from], targets[edge.to], costs_[e], remainder);
      continue;
    }
    const Potentials at{model_->messages->edge_potential(e, edge.from, at_),
                        model_->messages->edge_potential(e, edge.to, at_)};
    sum += rounded_cost(comm_, *make_kernel(e, 0, true), *clouds[edge.from], *clouds[edge.to], at,
                        epsilon_, targets[edge.from], targets[edge.to], costs_[e], remainder, poll);
  }
  return sum;
}

// The barycentric projection of a leaf: where its mass goes along its only edge.
void TreeSolver::set_leaf_map(std::size_t node, NodeAnswer& answer) const {
  const Tree::Link& link = tree_.links(node).front();
  const Cloud& other = layers_[0].clouds[link.node];
  const auto d = static_cast<std::size_t>(answer.dimension);
  answer.map.resize(answer.mass.size() * d);
  std::vector<double> there(other.own()), here(answer.mass.size());
  for (std::size_t j = 0; j < d; ++j) {
    for (std::size_t i = 0; i < there.size(); ++i) there[i] = other.coordinates[i * d + j];
    plans_->multiply_to(link.edge, node, there, here);
    for (std::size_t i = 0; i < here.size(); ++i) {
      answer.map[i * d + j] = here[i] / answer.transported[i];
    }
  }
}

PlanAnswer TreeSolver::plan_answer(std::size_t edge) const {
  const SparsePlan& plan = plans_->plan(edge);
  PlanAnswer result;
  result.rows_node = tree_.edges()[edge].from;
  result.columns_node = tree_.edges()[edge].to;
  result.edge = heads_[result.rows_node].name + "-" + heads_[result.columns_node].name;
  result.row_ids = plan.x().ids;
  result.row_starts = plan.pairs().starts;
  result.values.assign(plan.values().begin(), plan.values().end());
  result.columns = column_ids(plan.pairs(), plan.ghosts(), plan.y());
  return result;
}

void TreeSolver::describe_stages(Answer& answer) const {
  answer.converged = converged_;
  answer.history = history_;
  answer.method = history_.back().method;
  answer.reason =
      method_ == answer.method
          ? reason_
          : fmt::format("a plan has more than {} entries per point", most_pairs_per_point);
  for (const StageReport& stage : history_) {
    answer.newton_iterations.push_back(stage.newton);
    answer.sinkhorn_iterations.push_back(stage.sinkhorn);
    answer.cg_iterations.insert(answer.cg_iterations.end(), stage.cg.begin(), stage.cg.end());
  }
}

Answer TreeSolver::describe(const std::function<void()>& poll) {
  Answer answer;
  describe_stages(answer);
  answer.regularisation = epsilon_;
  answer.marginal_error_l1 = history_.back().error_l1;
  // The reference of free nodes is the counting measure: their points' shares are taken out again.
  answer.cost_regularised = history_.back().dual_objective;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (!tree_.free(k)) continue;
    answer.cost_regularised -=
        epsilon_ * mass_ * std::log(static_cast<double>(heads_[k].total) / heads_[k].total_mass);
  }
  const bool stored = find_plans(poll);
  const std::vector<std::vector<double>> marginal = marginals();
  answer.cost_linear = linear_cost(poll);
  if (problem_.relaxation == Relaxation::none) {
    set_bounds(primal(marginal, poll),
               dual_bound(comm_, tree_, clouds_at(0), costs_, at_, epsilon_, poll), 0,
               std::max(largest_cost_, epsilon_) * mass_, answer);
  }
  const NodePotentials potentials = problem_.relaxation == Relaxation::none
                                        ? with_means_zero(comm_, tree_, clouds_at(0), mass_, at_)
                                        : at_;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    answer.nodes.push_back(node_answer(heads_[k], layers_[0].clouds[k]));
    if (tree_.free(k)) answer.nodes.back().mass = marginal[k];
    answer.nodes.back().transported = marginal[k];
    answer.nodes.back().potential = potentials[k];
    if (stored && tree_.degree(k) == 1 && !tree_.free(k)) set_leaf_map(k, answer.nodes.back());
  }
  for (std::size_t e = 0; stored && problem_.wants_plans() && e < edges_.size(); ++e) {
    answer.plans.push_back(plan_answer(e));
  }
  return answer;
}

}  // namespace mensura::transport
