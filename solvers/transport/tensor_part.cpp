// SPDX-License-Identifier: BSD-3-Clause
#include "transport/tensor_part.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "parallel/exact_sum.hpp"
#include "transport/certificate.hpp"
#include "transport/cost.hpp"
#include "transport/regularisation.hpp"
#include "transport/seidl.hpp"
#include "transport/state_numbers.hpp"

namespace mensura::transport {

namespace {

std::vector<double> costs_between(const CostSpec& spec, const GatheredMarginal& x,
                                  const GatheredMarginal& y) {
  if (spec.kind == CostKind::coulomb)
    return coulomb_cost(x.coordinates, y.coordinates, x.dimension);
  const Cost cost(spec, 1, x.dimension);
  const auto d = static_cast<std::size_t>(x.dimension);
  std::vector<double> result;
  result.reserve(x.size() * y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t j = 0; j < y.size(); ++j) {
      result.push_back(cost(&x.coordinates[i * d], &y.coordinates[j * d]));
    }
  }
  return result;
}

void visit_fields(StateNumbers& visitor, NodeFields& fields) {
  visitor.list(fields, [&](std::vector<double>& values) { visitor.list(values); });
}

void visit_state(StateNumbers& visitor, TensorSolver::State& state) {
  visitor(state.stage), visitor(state.sweeps), visitor(state.newton), visitor(state.idle);
  visitor(state.dual), visitor(state.error), visitor(state.rate), visitor(state.least);
  visitor(state.seconds), visitor(state.converged);
  visit_fields(visitor, state.potentials);
  visitor.list(state.history, [&](StageReport& stage) { visit(visitor, stage); });
  visitor.list(state.past, [&](NodeFields& fields) { visit_fields(visitor, fields); });
}

TensorOptions options_of(const Problem& problem, double epsilon) {
  TensorOptions options;
  options.epsilon = epsilon;
  options.tolerance = problem.tolerance;
  options.first_epsilon = first_regularisation(problem, epsilon, 0);
  // A Newton step is followed by a sweep.
  const bool sweeps = problem.method == Method::sinkhorn;
  options.warm_sweeps = sweeps ? problem.max_sinkhorn : problem.warm_sweeps;
  options.max_sweeps = sweeps ? problem.max_sinkhorn : problem.warm_sweeps + problem.max_newton;
  return options;
}

}  // namespace

TensorPart::TensorPart(const parallel::Communicator& comm, Problem problem,
                       const std::vector<Marginal>& marginals, double epsilon)
    : comm_(comm),
      problem_(std::move(problem)),
      nodes_(gather_marginals(comm, marginals, TensorSolver::most_points,
                              "the dense solver of graphs with any costs",
                              "take coarser grids or fewer points; on a line method: line, and for "
                              "squared distances or trees the other solvers, go to millions")) {
  std::vector<DenseEdge> edges;
  parallel::agree(comm_, [&] {
    if (problem_.cost.kind == CostKind::coulomb) check_electrons();
    edges = dense_edges();
  });
  for (const DenseEdge& edge : edges) {
    double most = 0;
    for (const double c : edge.cost) {
      if (std::isfinite(c)) most = std::max(most, std::abs(c));
    }
    check_resolution(epsilon, edge.weight * most,
                     edge_text(nodes_[edge.from].name, nodes_[edge.to].name));
    largest_cost_ += edge.weight * most;
  }
  NodeFields masses;
  TensorOptions options = options_of(problem_, epsilon);
  for (const GatheredMarginal& node : nodes_) {
    masses.push_back(node.mass);
    options.names.push_back(node.name);
    options.ids.push_back(node.ids);
  }
  solver_.emplace(comm_, std::move(masses), edges, options);
}

void TensorPart::check_electrons() const {
  std::vector<ElectronPoints> electrons;
  for (const GatheredMarginal& node : nodes_) {
    electrons.push_back({node.name, node.coordinates, node.mass});
  }
  check_crowding(electrons, nodes_[0].dimension);
}

std::vector<DenseEdge> TensorPart::dense_edges() const {
  std::vector<DenseEdge> edges;
  for (const EdgeSpec& edge : problem_.edges) {
    parallel::require(edge.from < edge.to, "edges point from lower to higher nodes");
    edges.push_back(
        {edge.from, edge.to, edge.weight,
         costs_between(edge.cost.value_or(problem_.cost), nodes_[edge.from], nodes_[edge.to])});
  }
  return edges;
}

void TensorPart::advance(const std::function<void()>& poll) {
  solver_->advance(poll);
  begun_ = true;
}

std::string TensorPart::line() const {
  return fmt::format("tensor: {} regularisations done, error {:.3g}", solver_->history().size(),
                     solver_->error_l1());
}

std::string TensorPart::method() const {
  return solver_->history().empty() ? "newton" : solver_->history().back().method;
}

std::string TensorPart::reason() const {
  std::string sizes;
  for (const GatheredMarginal& node : nodes_) {
    sizes += fmt::format("{}{}", sizes.empty() ? "" : " x ", node.size());
  }
  return "the whole plan is a tensor of " + sizes + " entries";
}

void TensorPart::add_plan(const EdgeSpec& edge, const std::function<void()>& poll,
                          Answer& answer) const {
  const GatheredMarginal &rows = nodes_[edge.from], &columns = nodes_[edge.to];
  const parallel::Blocks blocks{static_cast<std::int64_t>(rows.size()), comm_.size()};
  PlanAnswer plan =
      plan_of_rows(rows, columns, static_cast<std::size_t>(blocks.begin(comm_.rank())),
                   solver_->pair_marginal(edge.from, edge.to, poll));
  plan.rows_node = edge.from;
  plan.columns_node = edge.to;
  answer.plans.push_back(std::move(plan));
}

// Barycentric projections of a pair, both ways.
void TensorPart::set_maps(const PlanAnswer& plan, Answer& answer) const {
  const GatheredMarginal &x = nodes_[plan.rows_node], &y = nodes_[plan.columns_node];
  const auto d = static_cast<std::size_t>(x.dimension), width = d + 1;
  NodeAnswer &rows = answer.nodes[plan.rows_node], &columns = answer.nodes[plan.columns_node];
  std::vector<parallel::ExactSum> back(y.size() * width);  // mass and moments of every column
  for (std::size_t i = 0; i < rows.ids.size(); ++i) {
    std::vector<double> sums(width, 0.0);
    for (auto k = static_cast<std::size_t>(plan.row_starts[i]);
         k < static_cast<std::size_t>(plan.row_starts[i + 1]); ++k) {
      const auto id = static_cast<std::uint64_t>(plan.columns[k]);
      const auto j = static_cast<std::size_t>(std::ranges::lower_bound(y.ids, id) - y.ids.begin());
      const double p = plan.values[k];
      sums[d] += p;
      back[j * width + d].add(p);
      for (std::size_t a = 0; a < d; ++a) {
        sums[a] += p * y.coordinates[j * d + a];
        back[j * width + a].add(p * rows.coordinates[i * d + a]);
      }
    }
    for (std::size_t a = 0; a < d; ++a) rows.map.push_back(sums[a] / sums[d]);
  }
  parallel::reduce(comm_, back);
  const parallel::Blocks blocks{static_cast<std::int64_t>(y.size()), comm_.size()};
  const auto begin = static_cast<std::size_t>(blocks.begin(comm_.rank()));
  for (std::size_t j = begin; j < begin + columns.ids.size(); ++j) {
    for (std::size_t a = 0; a < d; ++a) {
      columns.map.push_back(back[j * width + a].value() / back[j * width + d].value());
    }
  }
}

Answer TensorPart::describe(const std::function<void()>& poll) {
  Answer answer;
  answer.converged = solver_->converged();
  answer.history = solver_->history();
  answer.regularisation = solver_->epsilon();
  answer.marginal_error_l1 = solver_->error_l1();
  const double mass = nodes_[0].total_mass;
  const TensorSolver::Values values = solver_->values(poll);
  set_costs(values.linear, values.regularised, mass, solver_->epsilon(), nodes_.size(), answer);
  const TensorSolver::Bounds bounds = solver_->certify(poll);
  answer.dual = mass * bounds.dual;
  // Where forbidden pairs leave no room to repair the plan there is no upper bound.
  if (std::isfinite(bounds.primal)) {
    set_bounds(mass * bounds.primal, mass * bounds.dual, 0, mass * largest_cost_, answer);
  }
  const NodeFields marginals = solver_->marginals(poll);
  const NodeFields potentials = canonical(solver_->potentials(), nodes_, solver_->epsilon());
  for (std::size_t k = 0; k < nodes_.size(); ++k) {
    answer.nodes.push_back(block_of(comm_, nodes_[k], marginals[k], potentials[k]));
  }
  if (!problem_.write_plan) return answer;
  for (const EdgeSpec& edge : problem_.edges) add_plan(edge, poll, answer);
  if (nodes_.size() == 2) set_maps(answer.plans[0], answer);
  return answer;
}

SavedState TensorPart::save() const {
  return saved_numbers(solver_->state(), visit_state);
}

void TensorPart::restore(const SavedState& saved) {
  auto state = read_numbers(saved, visit_state);
  begun_ = true;
  solver_->resume(state);
  if (!solver_->finished() || solver_->converged()) return;
  // The last stage again, perhaps with other limits.
  --state.stage;
  state.history.pop_back();
  state.past.pop_back();
  state.sweeps = state.newton = state.idle = 0;
  solver_->resume(std::move(state));
}

}  // namespace mensura::transport
