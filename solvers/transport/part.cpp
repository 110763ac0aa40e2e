// SPDX-License-Identifier: BSD-3-Clause
#include "transport/part.hpp"

#include <algorithm>

#include "transport/bregman_part.hpp"
#include "transport/cycle_part.hpp"
#include "transport/free_support_part.hpp"
#include "transport/line_part.hpp"
#include "transport/pair_solver.hpp"
#include "transport/regularisation.hpp"
#include "transport/spline_part.hpp"
#include "transport/tensor_part.hpp"
#include "transport/tree_solver.hpp"

namespace mensura::transport {

namespace {

// An edge between two given measures.
class PairPart final : public Part {
 public:
  PairPart(const parallel::Communicator& comm, Problem problem,
           const std::vector<Marginal>& marginals, double epsilon,
           const std::function<void()>& poll)
      : problem_(std::move(problem)),
        solver_(comm, problem_, marginals[0], marginals[1], epsilon, poll) {
    const double mass = marginals[0].total_mass;
    if (problem_.relaxation == Relaxation::none) masses_ = mass * mass - mass;
  }

  bool finished() const override { return solver_.finished(); }
  bool begun() const override { return solver_.begun(); }
  bool converged() const override { return solver_.converged(); }
  void advance(const std::function<void()>& poll) override { solver_.advance(poll); }
  std::string line() const override { return solver_.multiscale().line(); }
  std::string method() const override { return solver_.method(); }
  std::string reason() const override { return solver_.reason(); }
  std::vector<StageReport> history() const override { return without_masses(solver_.history()); }
  Answer describe(const std::function<void()>& poll) override {
    Answer answer;
    solver_.describe(answer, poll);
    answer.history = without_masses(std::move(answer.history));
    answer.cost_regularised -= answer.regularisation * masses_;
    if (!problem_.wants_plans()) return answer;
    auto plan = solver_.plan(problem_.marginals[0].name + "-" + problem_.marginals[1].name);
    if (plan) answer.plans.push_back(std::move(*plan));
    return answer;
  }
  SavedState save() const override { return solver_.save(); }
  void restore(const SavedState& saved) override { solver_.restore(saved); }

 private:
  // A pair's divergence has the masses of the reference and of the plan; a graph's has not
  // (answer.hpp).
  std::vector<StageReport> without_masses(std::vector<StageReport> stages) const {
    for (StageReport& stage : stages) stage.dual_objective -= stage.regularisation * masses_;
    return stages;
  }

  Problem problem_;
  PairSolver solver_;
  double masses_ = 0;
};

}  // namespace

Problem part_of(const Problem& problem, const std::vector<std::size_t>& nodes,
                const std::vector<std::size_t>& edges) {
  Problem part = problem;
  part.marginals.clear();
  part.edges.clear();
  for (const std::size_t node : nodes) part.marginals.push_back(problem.marginals[node]);
  const auto place = [&](std::size_t node) {
    return static_cast<std::size_t>(std::ranges::find(nodes, node) - nodes.begin());
  };
  for (const std::size_t e : edges) {
    EdgeSpec edge = problem.edges[e];
    edge.from = place(edge.from);
    edge.to = place(edge.to);
    if (part.marginals[edge.from].free && !part.marginals[edge.to].free) {
      std::swap(edge.from, edge.to);
    }
    part.edges.push_back(edge);
  }
  return part;
}

std::unique_ptr<Part> make_part(const parallel::Communicator& comm, Problem problem,
                                const std::vector<Marginal>& marginals, double epsilon,
                                const std::function<void()>& poll) {
  if (problem.is_pair()) {
    // The pair solver knows the first marginal as the rows.
    problem.cost = problem.edges[0].cost.value_or(problem.cost);
    return std::make_unique<PairPart>(comm, std::move(problem), marginals, epsilon, poll);
  }
  if (problem.method == Method::line) {
    return std::make_unique<LinePart>(comm, std::move(problem), marginals);
  }
  // Splines have costs of their own, free supports solve pairs: both check these.
  if (!problem.spline && !problem.has_free_support()) {
    check_resolution(comm, problem, marginals, epsilon);
  }
  if (problem.spline) {
    return std::make_unique<SplinePart>(comm, std::move(problem), marginals, epsilon);
  }
  if (problem.shape == Shape::cycle) {
    return std::make_unique<CyclePart>(comm, std::move(problem), marginals, epsilon);
  }
  if (problem.is_dense()) {
    return std::make_unique<TensorPart>(comm, std::move(problem), marginals, epsilon);
  }
  if (problem.per_edge) {
    return std::make_unique<BregmanPart>(comm, std::move(problem), marginals, epsilon);
  }
  if (problem.has_free_support()) {
    return std::make_unique<FreeSupportPart>(comm, std::move(problem), marginals, epsilon, poll);
  }
  return std::make_unique<TreeSolver>(comm, std::move(problem), marginals, epsilon, poll);
}

NodeAnswer node_answer(const Marginal& head, const Cloud& cloud) {
  NodeAnswer result;
  result.name = head.name;
  result.dimension = cloud.dimension;
  result.input_total = head.input_total;
  result.ids = cloud.ids;
  result.coordinates = cloud.coordinates;
  result.mass = cloud.mass;
  result.grid = head.grid;
  return result;
}

}  // namespace mensura::transport
