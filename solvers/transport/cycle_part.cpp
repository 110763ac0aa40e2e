// SPDX-License-Identifier: BSD-3-Clause
#include "transport/cycle_part.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "input/expression.hpp"
#include "output/dataset_reader.hpp"
#include "parallel/by_index.hpp"
#include "transport/certificate.hpp"
#include "transport/cost.hpp"
#include "transport/regularisation.hpp"
#include "transport/state_numbers.hpp"

namespace mensura::transport {

namespace {

using parallel::Error;
using parallel::ExitCode;

CycleOptions options_of(const Problem& problem, double epsilon) {
  CycleOptions options;
  options.epsilon = epsilon;
  options.tolerance = problem.tolerance;
  options.max_sweeps = problem.max_sinkhorn;
  options.max_newton = problem.max_newton;
  options.seed = problem.seed;
  if (problem.method == Method::sinkhorn) options.coarse_unknowns = 0;
  options.first_epsilon = first_regularisation(problem, epsilon, 0);
  return options;
}

void visit_state(StateNumbers& visitor, CycleSolver::State& state) {
  visitor.list(state.todo), visitor(state.begun), visitor(state.converged);
  visitor(state.epsilon), visitor(state.past_epsilon), visitor(state.shift);
  visitor.list(state.potentials, [&](std::vector<double>& values) { visitor.list(values); });
  visitor.list(state.past, [&](std::vector<double>& values) { visitor.list(values); });
  visitor.list(state.history, [&](StageReport& stage) { visit(visitor, stage); });
}

}  // namespace

CyclePart::CyclePart(const parallel::Communicator& comm, Problem problem,
                     const std::vector<Marginal>& marginals, double epsilon)
    : comm_(comm),
      problem_(std::move(problem)),
      nodes_(gather_marginals(comm, marginals, most_points, "the solver of cycles",
                              "take coarser grids, fewer points or fewer marginals")) {
  order_nodes();
  CycleProblem cycle;
  for (const GatheredMarginal& node : nodes_) {
    cycle.nodes.push_back({node.dimension, node.coordinates, node.mass});
  }
  cycle.weights = weights_;
  cycle.cost = problem_.cost;
  cycle.closing = closing();
  epsilon_ = epsilon;
  largest_cost_ = largest_cost(cycle, epsilon);
  solver_ = std::make_unique<CycleSolver>(comm_, std::move(cycle), options_of(problem_, epsilon));
}

// From the first marginal along the edges, in the direction of its first one.
void CyclePart::order_nodes() {
  std::vector<char> used(problem_.edges.size(), 0);
  std::size_t at = 0;
  for (std::size_t step = 0; step < problem_.edges.size(); ++step) {
    std::size_t next = problem_.edges.size();
    for (std::size_t e = 0; e < problem_.edges.size(); ++e) {
      const EdgeSpec& edge = problem_.edges[e];
      if (used[e] != 0 || (edge.from != at && edge.to != at)) continue;
      if (next == problem_.edges.size() || (edge.from == at && problem_.edges[next].from != at)) {
        next = e;
      }
    }
    parallel::require(next < problem_.edges.size(), "the edges are a cycle");
    used[next] = 1;
    places_.push_back(at);
    weights_.push_back(problem_.edges[next].weight);
    at = problem_.edges[next].from == at ? problem_.edges[next].to : problem_.edges[next].from;
  }
  std::vector<GatheredMarginal> ordered;
  for (const std::size_t place : places_) ordered.push_back(std::move(nodes_[place]));
  nodes_ = std::move(ordered);
}

// Components x, y, z in x, y, z; coordinates of grids are stored slowest axis first.
std::vector<double> CyclePart::closing_by_formulas() const {
  const GatheredMarginal& first = nodes_[0];
  const auto d = static_cast<std::size_t>(first.dimension);
  const std::vector<std::string>& formulas = problem_.closing->formulas;
  parallel::require(formulas.size() == d, "check_sizes() has seen the closing map");
  const auto stored = [&](std::size_t axis) { return first.grid ? d - 1 - axis : axis; };
  std::vector<double> result(first.coordinates.size());
  for (std::size_t axis = 0; axis < d; ++axis) {
    const input::Expression formula(formulas[axis], {"x", "y", "z"});
    for (std::size_t i = 0; i < first.size(); ++i) {
      std::vector<double> point(3, 0.0);
      for (std::size_t a = 0; a < d; ++a) point[a] = first.coordinates[i * d + stored(a)];
      const double value = formula(point);
      if (!std::isfinite(value)) {
        throw Error(ExitCode::input_data,
                    fmt::format("graph.closing: '{}' is {} at point {} of '{}'; expected a number",
                                formulas[axis], value, first.ids[i], first.name));
      }
      result[i * d + stored(axis)] = value;
    }
  }
  return result;
}

std::vector<double> CyclePart::closing() const {
  if (!problem_.closing) return {};
  std::vector<double> result;
  if (problem_.closing->file.empty()) {
    parallel::agree(comm_, [&] { result = closing_by_formulas(); });
    return result;
  }
  const GatheredMarginal& first = nodes_[0];
  const ClosingSpec& from = *problem_.closing;
  const output::PointBlock block = output::read_points(comm_, from.file.string(), from.dataset);
  if (block.total != first.input_total || block.dimension != first.dimension) {
    throw Error(ExitCode::input_data,
                fmt::format("{}:{} has {} rows of {} numbers; graph.closing_map needs one row for "
                            "each of the {} input points of '{}', of dimension {}",
                            from.file.filename().string(), from.dataset, block.total,
                            block.dimension, first.input_total, first.name, first.dimension));
  }
  return parallel::fetch_rows(comm_, block.values, block.total, first.dimension, first.ids);
}

// A bound for one trajectory: of all edges, between the boxes around their points. The last one is
// checked here, where the closing map is known.
double CyclePart::largest_cost(const CycleProblem& cycle, double epsilon) const {
  const int d = nodes_[0].dimension;
  double sum = 0;
  for (std::size_t k = 0; k < nodes_.size(); ++k) {
    const std::size_t next = (k + 1) % nodes_.size();
    const bool closes = next == 0 && !cycle.closing.empty();
    const Box x = box_of(d, nodes_[k].coordinates),
              y = box_of(d, closes ? cycle.closing : nodes_[next].coordinates);
    const double most =
        Cost(cycle.cost, weights_[k], d)
            .most(x.centre().data(), x.half().data(), y.centre().data(), y.half().data());
    check_resolution(
        epsilon, most,
        edge_text(nodes_[k].name, nodes_[next].name) + (closes ? ", moved by graph.closing" : ""));
    sum += most;
  }
  return sum;
}

void CyclePart::advance(const std::function<void()>& poll) {
  solver_->advance(poll);
  begun_ = true;
}

std::string CyclePart::line() const {
  return fmt::format("cycle: regularisation {:.3g}, {} sweeps, error {:.3g}", solver_->epsilon(),
                     solver_->sweeps(), solver_->error_l1());
}

std::string CyclePart::method() const {
  return problem_.method == Method::sinkhorn ? "sinkhorn" : "newton";
}

std::string CyclePart::reason() const {
  return problem_.method == Method::sinkhorn
             ? "as the deck says"
             : "sweeps with Newton steps for what is smooth on every marginal";
}

Answer CyclePart::describe(const std::function<void()>& poll) {
  Answer answer;
  answer.converged = solver_->converged();
  answer.history = solver_->history();
  answer.regularisation = solver_->epsilon();
  if (solver_->epsilon() > epsilon_) {
    answer.advice = fmt::format(
        "the sweeps at regularisation {0:.3g}, on the way to {1:.3g}, did not come near their "
        "tolerance, and the results are of {0:.3g}; raise solve.max_sinkhorn, or "
        "regularisation.final to {0:.3g} at least (unit: absolute)",
        solver_->epsilon(), epsilon_);
  }
  const std::vector<double> errors = solver_->errors();
  answer.marginal_error_l1 = *std::ranges::max_element(errors);
  const double mass = nodes_[0].total_mass;
  set_costs(solver_->cost_linear(poll), solver_->cost_regularised(), mass, solver_->epsilon(),
            nodes_.size(), answer);
  const CycleCertificate bounds = solver_->certify(poll);
  set_bounds(mass * bounds.primal, mass * bounds.dual, 0, mass * largest_cost_, answer);
  const NodeFields marginals = solver_->marginals();
  const NodeFields potentials = canonical(solver_->potentials(), nodes_, solver_->epsilon());
  answer.nodes.resize(nodes_.size());
  for (std::size_t k = 0; k < nodes_.size(); ++k) {
    answer.nodes[places_[k]] = block_of(comm_, nodes_[k], marginals[k], potentials[k]);
  }
  for (std::size_t k = 0; problem_.write_plan && k < nodes_.size(); ++k) {
    const std::size_t next = (k + 1) % nodes_.size();
    const CycleSolver::PairMarginal pair = solver_->pair_marginal(k, poll);
    PlanAnswer plan =
        plan_of_rows(nodes_[k], nodes_[next], static_cast<std::size_t>(pair.first), pair.values);
    plan.rows_node = places_[k];
    plan.columns_node = places_[next];
    answer.plans.push_back(std::move(plan));
  }
  return answer;
}

SavedState CyclePart::save() const {
  return saved_numbers(solver_->state(), visit_state);
}

void CyclePart::restore(const SavedState& saved) {
  auto state = read_numbers(saved, visit_state);
  begun_ = true;
  if (state.todo.empty() && !state.converged) {
    // The last stage again, perhaps with other limits, and those after it; nothing to extend it
    // from.
    state.todo = solver_->stages_from(state.epsilon);
    state.past_epsilon = 0;
    state.past.clear();
  }
  solver_->resume(std::move(state));
}

}  // namespace mensura::transport
