// SPDX-License-Identifier: BSD-3-Clause
#include "transport/bregman_part.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "transport/graph.hpp"
#include "transport/hierarchy.hpp"
#include "transport/kernel_certificate.hpp"
#include "transport/regularisation.hpp"
#include "transport/state_numbers.hpp"
#include "transport/tree_bounds.hpp"

namespace mensura::transport {

namespace {

// Pairs that the sweeps between two safe points may visit.
constexpr double pairs_between_stops = 2e10;

Tree star_of(const Problem& problem) {
  std::vector<Tree::Edge> edges;
  for (const EdgeSpec& edge : problem.edges) edges.push_back({edge.from, edge.to});
  return {graph_of(problem).free, std::move(edges)};
}

std::string array_name(const char* what, std::size_t number) {
  return std::string(what) + "_" + std::to_string(number);
}

}  // namespace

BregmanPart::BregmanPart(const parallel::Communicator& comm, Problem problem,
                         const std::vector<Marginal>& marginals, double epsilon)
    : comm_(comm), problem_(std::move(problem)), tree_(star_of(problem_)), epsilon_(epsilon) {
  for (std::size_t k = 0; k < marginals.size(); ++k) {
    heads_.push_back(head_of(marginals[k]));
    clouds_.push_back(cloud_of(comm, marginals[k]));
    if (tree_.free(k)) centre_ = k;
    if (!tree_.free(k)) mass_ = std::max(mass_, marginals[k].total_mass);
  }
  const double diameter = diameter_of(comm, all_clouds());
  const auto kernel = [&](std::size_t rows, const CostSpec& spec) {
    const Cost cost(spec, 1, centre().dimension);
    largest_cost_ = std::max(largest_cost_, cost.of_distance(diameter));
    const auto &x = heads_[rows].grid, &z = heads_[centre_].grid;
    return x && z && cost.separable()
               ? make_separable_kernel(comm, clouds_[rows], *x, centre(), *z, cost)
               : make_blocked_kernel(comm, clouds_[rows], centre(), cost);
  };
  std::vector<BregmanEdge> edges;
  for (const EdgeSpec& edge : problem_.edges) {
    costs_.push_back(edge.cost.value_or(problem_.cost));
    kernels_.push_back(kernel(edge.from, costs_.back()));
    edges.push_back({&clouds_[edge.from], kernels_.back().get(), edge.weight});
  }
  if (problem_.debiased) own_ = kernel(centre_, problem_.cost);
  solver_ = std::make_unique<Bregman>(comm, std::move(edges), centre(), own_.get(), options_of());
}

BregmanOptions BregmanPart::options_of() const {
  BregmanOptions options;
  options.epsilon = epsilon_;
  options.first_epsilon = first_regularisation(problem_, epsilon_, largest_cost_ / 8);
  options.tolerance = problem_.tolerance * mass_;
  options.max_sweeps = problem_.max_sinkhorn;
  if (problem_.relaxation == Relaxation::kullback_leibler) options.rho = problem_.strength;
  double pairs = 0;
  for (const EdgeSpec& edge : problem_.edges) {
    pairs += static_cast<double>(clouds_[edge.from].total) * static_cast<double>(centre().total);
  }
  options.sweeps_per_advance =
      static_cast<std::int64_t>(std::clamp(pairs_between_stops / pairs, 5.0, 200.0));
  return options;
}

std::vector<const Cloud*> BregmanPart::all_clouds() const {
  std::vector<const Cloud*> all;
  for (const Cloud& cloud : clouds_) all.push_back(&cloud);
  return all;
}

void BregmanPart::advance(const std::function<void()>& poll) {
  const auto start = std::chrono::steady_clock::now();
  solver_->advance(poll);
  seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::string BregmanPart::line() const {
  if (finished()) return "solved";
  const BregmanReport& report = solver_->report();
  std::string text = fmt::format("barycenter of {} marginals: sweep {}, error {:.2g}",
                                 kernels_.size(), report.sweeps, report.error_l1 / mass_);
  if (own_) text += fmt::format(", of the centre {:.2g}", report.centre_error / mass_);
  return text;
}

std::string BregmanPart::reason() const {
  std::string text = "each edge has an entropy of its own: iterative Bregman projections";
  const BregmanReport& report = solver_->report();
  if (report.leaf_errors.empty()) return text;
  const auto worst = std::ranges::max_element(report.leaf_errors);
  const std::size_t edge = static_cast<std::size_t>(worst - report.leaf_errors.begin());
  text += fmt::format("; the largest error of a given marginal is {:.2g} at '{}'", *worst / mass_,
                      heads_[leaf(edge)].name);
  if (own_) {
    text +=
        fmt::format(", that of the centre's plan with itself {:.2g}", report.centre_error / mass_);
  }
  return text;
}

// What helps depends on which of the errors is left.
std::string BregmanPart::advice() const {
  const BregmanReport& report = solver_->report();
  const double leaves = report.error_l1 / mass_, middle = report.centre_error / mass_;
  if (!own_ || middle <= problem_.tolerance || leaves > middle) {
    return "raise solve.max_sinkhorn, loosen tolerance, or raise regularisation.final";
  }
  return fmt::format(
      "the debiased barycenter's plan with itself is met to {:.3g} only: what the regularisation "
      "blurs away of sharp images comes back slowly, with an error like one over the number of "
      "sweeps, {} so far; loosen tolerance to {:.2g}, lower regularisation.final to a squared "
      "spacing, raise solve.max_sinkhorn, or leave out debiased",
      middle, report.last_sweeps, 1.1 * middle);
}

std::vector<StageReport> BregmanPart::history() const {
  if (!finished()) return {};
  const BregmanReport& report = solver_->report();
  StageReport stage;
  stage.points = centre().total;
  stage.regularisation = epsilon_;
  stage.method = "bregman";
  stage.sinkhorn = report.sweeps;
  stage.error_l1 = report.error_l1 / mass_;
  stage.dual_objective = report.dual_objective;
  stage.sweep_rate = report.rate;
  stage.seconds = seconds_;
  return {stage};
}

Potentials BregmanPart::at(std::size_t edge) const {
  const auto f = solver_->leaf_potential(edge), g = solver_->centre_potential(edge);
  return {{f.begin(), f.end()}, {g.begin(), g.end()}};
}

// Every edge's plan is rounded to its leaf and one common marginal at the centre.
double BregmanPart::primal(const std::function<void()>& poll) const {
  std::vector<double> middle = scaled_to(comm_, solver_->mass(), mass_);
  // Where the barycenter underflows the plans must stay finite.
  for (double& mass : middle) mass = std::max(mass, std::numeric_limits<double>::min());
  double sum = 0, remainder = 0;
  for (std::size_t e = 0; e < kernels_.size(); ++e) {
    const Cloud& x = clouds_[leaf(e)];
    sum += weight(e) * rounded_cost(comm_, *kernels_[e], x, centre(), at(e), epsilon_, x.mass,
                                    middle, Cost(costs_[e], 1, x.dimension), remainder, poll);
  }
  return sum;
}

// Those of the costs with their weights.
NodePotentials BregmanPart::potentials() const {
  NodePotentials phi(clouds_.size());
  for (std::size_t e = 0; e < kernels_.size(); ++e) {
    for (const double f : solver_->leaf_potential(e)) phi[leaf(e)].push_back(weight(e) * f);
  }
  if (problem_.relaxation != Relaxation::none) return phi;
  return with_means_zero(comm_, tree_, all_clouds(), mass_, std::move(phi));
}

Answer BregmanPart::describe(const std::function<void()>& poll) {
  Answer answer;
  const BregmanReport& report = solver_->report();
  answer.converged = report.converged;
  answer.method = method();
  answer.reason = reason();
  if (!report.converged) answer.advice = advice();
  answer.history = history();
  answer.sinkhorn_iterations = {report.sweeps};
  answer.regularisation = epsilon_;
  answer.marginal_error_l1 = report.error_l1 / mass_;
  answer.cost_regularised = report.dual_objective;
  answer.cost_linear = 0;
  const NodePotentials phi = potentials();
  for (std::size_t k = 0; k < clouds_.size(); ++k) {
    answer.nodes.push_back(node_answer(heads_[k], clouds_[k]));
    if (k == centre_) answer.nodes.back().mass = solver_->mass();
    answer.nodes.back().potential = phi[k];
  }
  answer.nodes[centre_].transported = answer.nodes[centre_].mass;
  std::vector<Cost> costs;
  for (std::size_t e = 0; e < kernels_.size(); ++e) {
    const Potentials plan = at(e);
    const Cloud& x = clouds_[leaf(e)];
    NodeAnswer& node = answer.nodes[leaf(e)];
    node.transported = row_sums(*kernels_[e], x, plan, epsilon_, poll);
    node.map = row_map(comm_, *kernels_[e], x, centre(), plan.g, epsilon_, poll);
    answer.cost_linear += weight(e) * solver_->linear_cost(e, poll);
    costs.emplace_back(costs_[e], weight(e), x.dimension);
  }
  if (problem_.relaxation != Relaxation::none) return answer;
  set_bounds(primal(poll), dual_bound(comm_, tree_, all_clouds(), costs, phi, epsilon_, poll), 0,
             std::max(largest_cost_, epsilon_) * mass_, answer);
  return answer;
}

SavedState BregmanPart::save() const {
  const Bregman::State state = solver_->state();
  SavedState saved;
  saved.numbers = {seconds_};
  saved.numbers.insert(saved.numbers.end(), state.numbers.begin(), state.numbers.end());
  for (std::size_t k = 0; k < clouds_.size(); ++k) {
    const Cloud& cloud = clouds_[k];
    saved.add(array_name("ids", k), std::vector<std::int64_t>(cloud.ids.begin(), cloud.ids.end()),
              cloud.first, cloud.total);
  }
  for (std::size_t e = 0; e < kernels_.size(); ++e) {
    const Cloud& x = clouds_[leaf(e)];
    saved.add(array_name("f", e), state.f[e], x.first, x.total);
    saved.add(array_name("g", e), state.g[e], centre().first, centre().total);
  }
  saved.add("q", state.q, centre().first, centre().total);
  saved.add("density", state.density, centre().first, centre().total);
  return saved;
}

void BregmanPart::restore(const SavedState& saved) {
  parallel::require(!saved.numbers.empty(), "the checkpoint has the numbers that save() wrote");
  seconds_ = saved.numbers.front();
  const auto values = [&](const std::string& name, std::size_t node) {
    const std::vector<std::int64_t>& ids = saved.integers(array_name("ids", node));
    return values_at(comm_, std::vector<std::uint64_t>(ids.begin(), ids.end()), saved.reals(name),
                     1, clouds_[node].ids);
  };
  Bregman::State state;
  state.numbers.assign(saved.numbers.begin() + 1, saved.numbers.end());
  for (std::size_t e = 0; e < kernels_.size(); ++e) {
    state.f.push_back(values(array_name("f", e), leaf(e)));
    state.g.push_back(values(array_name("g", e), centre_));
  }
  state.q = values("q", centre_);
  state.density = values("density", centre_);
  solver_->resume(std::move(state));
}

}  // namespace mensura::transport
