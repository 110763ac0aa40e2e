// SPDX-License-Identifier: BSD-3-Clause
#include "transport/line_part.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "parallel/exact_sum.hpp"
#include "transport/certificate.hpp"
#include "transport/comonotone.hpp"
#include "transport/exact_methods.hpp"
#include "transport/seidl.hpp"

namespace mensura::transport {

namespace {

using parallel::Error;
using parallel::ExitCode;

double largest(const parallel::Communicator& comm, std::span<const double> values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return comm.max(most);
}

double extent(const parallel::Communicator& comm, std::span<const double> positions) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const double x : positions) {
    low = std::min(low, x);
    high = std::max(high, x);
  }
  return comm.max(high) - comm.min(low);
}

}  // namespace

LinePart::LinePart(const parallel::Communicator& comm, Problem problem,
                   std::vector<Marginal> marginals)
    : comm_(comm), problem_(std::move(problem)), marginals_(std::move(marginals)) {
  if (problem_.cost.kind == CostKind::coulomb) {
    reason_ = "Seidl's plan is optimal for equal marginals on a line";
  } else if (given().size() < marginals_.size()) {
    reason_ = "the quantile function of a barycenter on a line is the average of the given ones";
  } else {
    reason_ = "the comonotone coupling is optimal on a line, for all pairs at once";
  }
}

Weighted LinePart::measure(std::size_t node) const {
  return {marginals_[node].coordinates, marginals_[node].mass};
}

std::vector<std::size_t> LinePart::given() const {
  std::vector<std::size_t> result;
  for (std::size_t k = 0; k < marginals_.size(); ++k) {
    if (!problem_.marginals[k].free) result.push_back(k);
  }
  return result;
}

// Potentials that are optimal for every pair add up to feasible ones of all: added to the nodes'.
// Returns their value; `scale` is that of its roundings.
double LinePart::couple(const std::vector<EdgeSpec>& edges, Answer& answer, double& scale,
                        const std::function<void()>& poll) const {
  const double power = line_power(problem_.cost);
  for (NodeAnswer& node : answer.nodes) node.potential.assign(node.mass.size(), 0.0);
  double dual = 0;
  for (const EdgeSpec& edge : edges) {
    const LineMap map = line_map(comm_, measure(edge.from), measure(edge.to), power);
    const auto add = [&](std::size_t node, const std::vector<double>& potential) {
      for (std::size_t i = 0; i < potential.size(); ++i) {
        answer.nodes[node].potential[i] += edge.weight * potential[i];
      }
      scale += edge.weight * largest(comm_, potential) * marginals_[node].total_mass;
    };
    // Positions have roundings too.
    const double most = std::max(extent(comm_, measure(edge.from).positions),
                                 extent(comm_, measure(edge.to).positions));
    scale += edge.weight * std::pow(most, power) * marginals_[edge.from].total_mass;
    dual += edge.weight * map.dual;
    add(edge.from, map.potential_a);
    add(edge.to, map.potential_b);
    poll();
  }
  return dual;
}

void LinePart::complete(Answer& answer, const std::function<void()>& poll) const {
  std::vector<Weighted> measures;
  for (std::size_t k = 0; k < marginals_.size(); ++k) {
    measures.push_back(measure(k));
    answer.nodes.push_back(given_node(marginals_[k]));
  }
  answer.cost_linear = comonotone_cost(comm_, measures, problem_.edges, line_power(problem_.cost));
  double scale = 0;
  const double dual = couple(problem_.edges, answer, scale, poll);
  set_bounds(answer.cost_linear, dual, 0, scale, answer);
  if (!problem_.write_plan) return;
  for (const EdgeSpec& edge : problem_.edges) {
    PlanAnswer plan = line_plan_answer(comm_, marginals_[edge.from], marginals_[edge.to]);
    plan.rows_node = edge.from;
    plan.columns_node = edge.to;
    answer.plans.push_back(std::move(plan));
    poll();
  }
}

// sum_k w_k W_2^2(mu_k, bar) is the multi-marginal problem of all pairs with weights w_i w_j / sum
// w (Agueh, Carlier 2011), whose potentials give the lower bound. Edges point to the centre.
void LinePart::barycenter(Answer& answer, const std::function<void()>& poll) const {
  std::vector<Weighted> measures;
  std::vector<double> weights;
  double whole = 0;
  for (const EdgeSpec& edge : problem_.edges) {
    measures.push_back(measure(edge.from));
    weights.push_back(edge.weight);
    whole += edge.weight;
  }
  LineAtoms atoms = line_barycenter(comm_, measures, weights);
  const std::size_t centre = problem_.edges[0].to;
  Marginal bar;
  bar.name = marginals_[centre].name;
  bar.dimension = 1;
  const auto own = static_cast<std::int64_t>(atoms.mass.size());
  bar.total = bar.input_total = comm_.sum(own);
  const auto first = static_cast<std::uint64_t>(comm_.exclusive_scan(own));
  bar.coordinates = std::move(atoms.positions);
  bar.mass = std::move(atoms.mass);
  for (std::size_t i = 0; i < bar.mass.size(); ++i) bar.ids.push_back(first + i);
  for (std::size_t k = 0; k < marginals_.size(); ++k) {
    answer.nodes.push_back(given_node(k == centre ? bar : marginals_[k]));
  }
  std::vector<EdgeSpec> pairs;
  for (std::size_t a = 0; a < problem_.edges.size(); ++a) {
    for (std::size_t b = a + 1; b < problem_.edges.size(); ++b) {
      pairs.push_back({problem_.edges[a].from, problem_.edges[b].from,
                       weights[a] * weights[b] / whole, std::nullopt});
    }
  }
  double scale = 0, primal = 0;
  const double dual = couple(pairs, answer, scale, poll);
  answer.nodes[centre].free_places = true;
  answer.nodes[centre].potential.clear();
  for (const EdgeSpec& edge : problem_.edges) {
    LineMap map = line_map(comm_, measure(edge.from), {bar.coordinates, bar.mass}, 2);
    primal += edge.weight * map.cost;
    answer.nodes[edge.from].map = std::move(map.map_a);
    poll();
    if (!problem_.write_plan) continue;
    PlanAnswer plan = line_plan_answer(comm_, marginals_[edge.from], bar);
    plan.rows_node = edge.from;
    plan.columns_node = centre;
    answer.plans.push_back(std::move(plan));
  }
  answer.cost_linear = primal;
  set_bounds(primal, dual, 0, scale, answer);
}

// Seidl's plan is optimal for measures without atoms (Colombo, De Pascale, Di Marino 2015) and so
// for points of at most 1/K of the mass: spread over a short interval each, they are such measures,
// any plan of theirs can be spread with them, and both values change as little as the intervals are
// short. So its value is a lower bound too.
void LinePart::electrons(Answer& answer) const {
  const double range = extent(comm_, marginals_[0].coordinates);
  constexpr double rounding = 1e-12;
  for (std::size_t k = 1; k < marginals_.size(); ++k) {
    const double apart = line_cost(comm_, measure(0), measure(k), 1);
    if (apart <= rounding * range * marginals_[0].total_mass) continue;
    throw Error(ExitCode::input_data,
                fmt::format("marginals '{}' and '{}' differ (by {:.3g} in the 1-Wasserstein "
                            "distance): electrons on a line have equal marginals; give the same "
                            "one to all, or use method: auto",
                            marginals_[0].name, marginals_[k].name, apart));
  }
  const auto electrons = static_cast<std::int64_t>(marginals_.size());
  const double value = seidl_value(comm_, measure(0), electrons) * marginals_[0].total_mass;
  if (!std::isfinite(value)) refuse_crowded(marginals_[0].name, marginals_.size());
  answer.cost_linear = value;
  set_bounds(value, value, 0, value, answer);
  for (const Marginal& marginal : marginals_) answer.nodes.push_back(given_node(marginal));
}

void LinePart::advance(const std::function<void()>& poll) {
  if (finished()) return;
  Answer answer;
  answer.converged = true;
  answer.marginal_error_l1 = 0;
  if (problem_.cost.kind == CostKind::coulomb) {
    electrons(answer);
  } else if (given().size() < marginals_.size()) {
    barycenter(answer, poll);
  } else {
    complete(answer, poll);
  }
  answer_ = std::move(answer);
}

SavedState LinePart::save() const {
  SavedState saved;
  saved.numbers = {1};
  return saved;
}

}  // namespace mensura::transport
