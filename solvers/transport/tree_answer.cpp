// SPDX-License-Identifier: BSD-3-Clause
// What a TreeSolver has found: marginals, plans, costs and bounds.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "parallel/exact_sum.hpp"
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

double TreeSolver::linear_cost(std::size_t edge, const std::function<void()>& poll) const {
  if (plans_->stored()) return transport::linear_cost(plans_->plan(edge));
  const Tree::Edge& ends = tree_.edges()[edge];
  return make_kernel(edge, 0, true)
      ->linear_cost(epsilon_, model_->messages->edge_potential(edge, ends.from, at_),
                    model_->messages->edge_potential(edge, ends.to, at_), poll);
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

// The barycentric projection of a node along an edge with a stored plan.
std::vector<double> TreeSolver::projection(std::size_t edge, std::size_t node) const {
  const Tree::Edge& ends = tree_.edges()[edge];
  const Cloud& other = layers_[0].clouds[ends.from == node ? ends.to : ends.from];
  const std::span<const double> mass = plans_->sums(edge, node);
  const auto d = static_cast<std::size_t>(other.dimension);
  std::vector<double> result(mass.size() * d), there(other.own()), here(mass.size());
  for (std::size_t j = 0; j < d; ++j) {
    for (std::size_t i = 0; i < there.size(); ++i) there[i] = other.coordinates[i * d + j];
    plans_->multiply_to(edge, node, there, here);
    for (std::size_t i = 0; i < here.size(); ++i) result[i * d + j] = here[i] / mass[i];
  }
  return result;
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

// A plan of the star has the centre z where the grid lets it be; the pairs' cost is that of the
// mean m = sum_i l_i x_i in its place, less by E |m - z|^2. Given z the x_i are independent: E |m -
// z|^2 = E |E[m | z] - z|^2 + sum_i l_i^2 E |x_i - E[x_i | z]|^2.
double TreeSolver::hidden_centre_cost(std::span<const double> marginal,
                                      const std::function<void()>& poll) const {
  const std::size_t centre = tree_.nodes() - 1;
  const Cloud& z = layers_[0].clouds[centre];
  const auto d = static_cast<std::size_t>(z.dimension);
  std::vector<double> drift(z.coordinates.size(), 0.0), terms;
  double spread = 0;
  for (std::size_t e = 0; e < edges_.size(); ++e) {
    const double weight = edges_[e].weight;
    const std::vector<double> mean = projection(e, centre);
    terms.clear();
    for (std::size_t i = 0; i < drift.size(); ++i) {
      const double way = mean[i] - z.coordinates[i];
      drift[i] += weight * way;
      terms.push_back(marginal[i / d] * way * way);
    }
    spread += weight * (linear_cost(e, poll) - weight * parallel::exact_total(comm_, terms));
  }
  for (std::size_t i = 0; i < drift.size(); ++i) terms[i] = marginal[i / d] * drift[i] * drift[i];
  return parallel::exact_total(comm_, terms) + spread;
}

// The largest squared distance of a mean sum_i l_i x_i from the centre's grid: by so much a
// function that is feasible with centres on the grid may miss the cost of a tuple.
double TreeSolver::hidden_centre_distance() const {
  const output::RegularGrid& grid = *heads_.back().grid;
  const auto d = grid.shape.size();
  std::vector<double> low(d, 0.0), high(d, 0.0);  // of the means
  for (std::size_t e = 0; e < edges_.size(); ++e) {
    const Tree::Edge& ends = tree_.edges()[e];
    const Cloud& x = layers_[0].clouds[tree_.free(ends.from) ? ends.to : ends.from];
    std::vector<double> least(d, std::numeric_limits<double>::max()), most(d, -least[0]);
    for (std::size_t i = 0; i < x.coordinates.size(); ++i) {
      least[i % d] = std::min(least[i % d], x.coordinates[i]);
      most[i % d] = std::max(most[i % d], x.coordinates[i]);
    }
    comm_.min(least);
    comm_.max(most);
    for (std::size_t a = 0; a < d; ++a) {
      low[a] += edges_[e].weight * least[a];
      high[a] += edges_[e].weight * most[a];
    }
  }
  double sum = 0;
  for (std::size_t a = 0; a < d; ++a) {
    const double last = grid.origin[a] + grid.spacing[a] * static_cast<double>(grid.shape[a] - 1);
    const double inside = grid.shape[a] > 1 ? grid.spacing[a] / 2 : 0;
    const double way = std::max({inside, grid.origin[a] - low[a], high[a] - last});
    sum += way * way;
  }
  return sum;
}

Answer TreeSolver::describe(const std::function<void()>& poll) {
  Answer answer;
  describe_stages(answer);
  answer.regularisation = epsilon_;
  answer.marginal_error_l1 = history_.back().error_l1;
  answer.cost_regularised = history_.back().dual_objective;
  const bool stored = find_plans(poll);
  const std::vector<std::vector<double>> marginal = marginals();
  answer.cost_linear = 0;
  for (std::size_t e = 0; e < edges_.size(); ++e) answer.cost_linear += linear_cost(e, poll);
  NodePotentials potentials = at_;
  if (problem_.relaxation == Relaxation::none) {
    double dual = dual_bound(comm_, tree_, clouds_at(0), costs_, at_, epsilon_, poll);
    if (problem_.has_hidden_centre()) {
      dual -= mass_ * hidden_centre_distance();
      if (stored) answer.cost_linear -= hidden_centre_cost(marginal.back(), poll);
    }
    set_bounds(primal(marginal, poll), dual, 0, std::max(largest_cost_, epsilon_) * mass_, answer);
    potentials = with_means_zero(comm_, tree_, clouds_at(0), mass_, std::move(potentials));
    std::size_t last = tree_.nodes() - 1;
    while (tree_.free(last)) --last;
    for (double& value : potentials[last]) value -= epsilon_ * counted(0);
  }
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    answer.nodes.push_back(node_answer(heads_[k], layers_[0].clouds[k]));
    if (tree_.free(k)) answer.nodes.back().mass = marginal[k];
    answer.nodes.back().transported = marginal[k];
    answer.nodes.back().potential = potentials[k];
    if (!stored || tree_.degree(k) != 1 || tree_.free(k)) continue;
    answer.nodes.back().map = projection(tree_.links(k).front().edge, k);
  }
  for (std::size_t e = 0; stored && problem_.wants_plans() && e < edges_.size(); ++e) {
    answer.plans.push_back(plan_answer(e));
  }
  return answer;
}

}  // namespace mensura::transport
