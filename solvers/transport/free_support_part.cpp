// SPDX-License-Identifier: BSD-3-Clause
#include "transport/free_support_part.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "transport/hierarchy.hpp"
#include "transport/regularisation.hpp"
#include "transport/state_numbers.hpp"

namespace mensura::transport {

namespace {

// Diameters that a point may move in the last step; see options_of().
constexpr double largest_move = 1e-3;
// Values that rise by more than this share of the squared diameter, or by what the marginals'
// errors may cost, belong to plans that were not solved.
constexpr double value_rounding = 1e-12;

constexpr const char* edge_prefix = "edge_";

std::string place_name(const char* what, std::size_t axis) {
  return std::string(what) + "_" + std::to_string(axis);
}

// One axis of rows of points.
std::vector<double> axis_of(const std::vector<double>& rows, std::size_t d, std::size_t axis) {
  std::vector<double> values;
  for (std::size_t i = axis; i < rows.size(); i += d) values.push_back(rows[i]);
  return values;
}

}  // namespace

FreeSupportPart::FreeSupportPart(const parallel::Communicator& comm, Problem problem,
                                 const std::vector<Marginal>& marginals, double epsilon,
                                 const std::function<void()>& poll)
    : comm_(comm),
      problem_(std::move(problem)),
      pair_(problem_),
      marginals_(marginals),
      epsilon_(epsilon) {
  for (std::size_t k = 0; k < marginals_.size(); ++k) {
    if (problem_.marginals[k].free) centre_ = k;
  }
  for (const EdgeSpec& edge : problem_.edges) weights_ += edge.weight;
  pair_.cost = CostSpec{};
  pair_.edges = {EdgeSpec{}};
  mass_ = marginals_[centre_].total_mass;
  measure(poll);
  allowed_rise_ = std::max(value_rounding, problem_.tolerance) * diameter_ * diameter_ * mass_;
  first_ = comm.exclusive_scan(std::ssize(marginals_[centre_].ids));
  free_ = std::make_unique<FreeSupport>(comm, marginals_[centre_].coordinates, options_of());
}

// Of the given points alone: those that move may come as close to each other as they like, which
// makes their plans no fatter.
void FreeSupportPart::measure(const std::function<void()>& poll) {
  std::vector<const Marginal*> given;
  std::vector<Cloud> clouds;
  std::vector<const Cloud*> all;
  for (std::size_t k = 0; k < marginals_.size(); ++k) {
    if (k != centre_) given.push_back(&marginals_[k]);
  }
  for (const Marginal* marginal : given) clouds.push_back(cloud_of(comm_, *marginal));
  for (const Cloud& cloud : clouds) all.push_back(&cloud);
  diameter_ = diameter_of(comm_, all);
  if (problem_.method != Method::automatic) return;
  const double spacing = common_spacing(comm_, given, all, poll);
  pair_.method = epsilon_ > fattest_newton * spacing * spacing ? Method::sinkhorn : Method::newton;
}

// A step lowers the objective by the mean square of the moves at least: where all are below the
// root of the tolerance, what is left to gain is about the tolerance, in squared diameters.
FreeSupportOptions FreeSupportPart::options_of() const {
  FreeSupportOptions options;
  for (std::size_t e = 0; e < problem_.edges.size(); ++e) options.weights.push_back(weight(e));
  options.dimension = marginals_[centre_].dimension;
  options.tolerance = std::min(std::sqrt(problem_.tolerance), largest_move) * diameter_;
  options.max_steps = problem_.max_moves;
  return options;
}

bool FreeSupportPart::begun() const {
  return free_->report().steps > 0 || free_->edge() > 0 || (solver_ && solver_->begun());
}

bool FreeSupportPart::converged() const {
  return finished() && free_->report().converged && !rises() &&
         std::ranges::all_of(results_, [](const Result& result) { return result.converged; });
}

void FreeSupportPart::start(const std::function<void()>& poll) {
  marginals_[centre_].coordinates = free_->positions();
  solver_ = std::make_unique<PairSolver>(comm_, pair_, marginals_[centre_],
                                         marginals_[leaf(edge())], epsilon_, poll);
}

void FreeSupportPart::advance(const std::function<void()>& poll) {
  if (!solver_) {
    start(poll);
  } else if (!solver_->finished()) {
    solver_->advance(poll);
  } else if (!free_->finished()) {
    take(poll);
  } else {
    conclude(poll);
  }
}

// Adds the iterations of an edge to the running step's.
void FreeSupportPart::note(const std::vector<StageReport>& stages) {
  for (const StageReport& stage : stages) {
    step_.newton += stage.newton;
    step_.sinkhorn += stage.sinkhorn;
    step_.searches += stage.searches;
    step_.cg.insert(step_.cg.end(), stage.cg.begin(), stage.cg.end());
    step_.seconds += stage.seconds;
  }
  step_.error_l1 = std::max(step_.error_l1, stages.back().error_l1);
  step_.plan_per_row = std::max(step_.plan_per_row, stages.back().plan_per_row);
  step_.laplacian_per_row = std::max(step_.laplacian_per_row, stages.back().laplacian_per_row);
}

void FreeSupportPart::take(const std::function<void()>& poll) {
  const Marginal& centre = marginals_[centre_];
  const std::vector<double> map = solver_->map(poll);
  const EdgeMap answer{values_at(comm_, solver_->first().ids, map, centre.dimension, centre.ids),
                       solver_->value()};
  note(solver_->history());
  solver_.reset();
  free_->advance(
      [&](std::size_t /*edge*/, std::span<const double> /*positions*/) { return answer; });
  if (free_->edge() != 0) return;
  step_.method = "support";
  step_.points = centre.total;
  step_.regularisation = epsilon_;
  step_.dual_objective = free_->report().objectives.back();
  history_.push_back(std::move(step_));
  step_ = StageReport{};
}

void FreeSupportPart::conclude(const std::function<void()>& poll) {
  Result result;
  solver_->describe(result.answer, poll);
  const std::string& method = result.answer.method;
  method_ = results_.empty() || method_ == method ? method : "mixed";
  result.converged = solver_->converged();
  const std::size_t node = leaf(results_.size());
  if (problem_.write_plan) {
    result.plan = solver_->plan(marginals_[centre_].name + "-" + marginals_[node].name);
  }
  if (result.plan) {
    result.plan->rows_node = centre_;
    result.plan->columns_node = node;
  }
  solver_.reset();
  results_.push_back(std::move(result));
}

std::string FreeSupportPart::line() const {
  if (finished()) return "solved";
  const FreeSupportReport& report = free_->report();
  const std::string where =
      free_->finished() ? std::string("the last plans")
                        : fmt::format("step {} of the points, the last one moved by {:.2g} at most",
                                      report.steps + 1, report.move);
  return fmt::format("{}: edge {} of {}{}", where, edge() + 1, problem_.edges.size(),
                     solver_ ? "; " + solver_->multiscale().line() : std::string());
}

std::string FreeSupportPart::reason() const {
  const FreeSupportReport& report = free_->report();
  std::string text = fmt::format(
      "{} points of equal mass moved {} times to the mean of their images; the last time by {:.2g} "
      "of the diameter at most",
      marginals_[centre_].total, report.steps, report.move / diameter_);
  if (rises()) {
    text += fmt::format("; the objective rose by {:.2g} once, which exact plans do not",
                        report.largest_rise);
  }
  return text;
}

std::string FreeSupportPart::advice() const {
  if (rises()) return "the objective rose between two steps: lower tolerance";
  if (free_->report().converged) return {};
  return fmt::format(
      "the points still move by {:.2g} of the diameter in a step, wanted {:.2g}; raise "
      "solve.max_moves or loosen tolerance, whose root the moves are compared with",
      free_->report().move / diameter_, options_of().tolerance / diameter_);
}

NodeAnswer FreeSupportPart::centre_answer() const {
  NodeAnswer node = results_.front().answer.nodes[0];
  node.free_places = true;
  node.map.clear();  // one edge's map is not the node's
  std::ranges::fill(node.potential, 0.0);
  for (std::size_t e = 0; e < results_.size(); ++e) {
    const NodeAnswer& from = results_[e].answer.nodes[0];
    const std::vector<double> f = values_at(comm_, from.ids, from.potential, 1, node.ids);
    for (std::size_t i = 0; i < f.size(); ++i) node.potential[i] += weight(e) * f[i];
  }
  return node;
}

Answer FreeSupportPart::describe(const std::function<void()>& /*poll*/) {
  Answer answer;
  answer.converged = converged();
  answer.method = method();
  answer.reason = reason();
  if (!answer.converged) answer.advice = advice();
  answer.regularisation = epsilon_;
  answer.history = history_;
  for (const StageReport& step : history_) {
    answer.newton_iterations.push_back(step.newton);
    answer.sinkhorn_iterations.push_back(step.sinkhorn);
    answer.cg_iterations.insert(answer.cg_iterations.end(), step.cg.begin(), step.cg.end());
  }
  answer.marginal_error_l1 = answer.cost_linear = answer.cost_regularised = 0;
  answer.primal_rounded = 0;
  answer.nodes.resize(marginals_.size());
  answer.nodes[centre_] = centre_answer();
  for (std::size_t e = 0; e < results_.size(); ++e) {
    Answer& edge = results_[e].answer;
    answer.marginal_error_l1 = std::max(answer.marginal_error_l1, edge.marginal_error_l1);
    answer.cost_linear += weight(e) * edge.cost_linear;
    answer.cost_regularised += weight(e) * edge.cost_regularised;
    answer.primal_rounded += weight(e) * edge.primal_rounded;
    NodeAnswer& node = answer.nodes[leaf(e)];
    node = std::move(edge.nodes[1]);
    for (double& g : node.potential) g *= weight(e);
    if (results_[e].plan) answer.plans.push_back(std::move(*results_[e].plan));
  }
  return answer;
}

template <class Visitor>
void FreeSupportPart::visit_numbers(Visitor& visitor, Numbers& numbers) {
  FreeSupportReport& report = numbers.report;
  visitor(report.steps), visitor(report.move), visitor.list(report.objectives);
  visitor(report.rises), visitor(report.largest_rise), visitor(report.converged);
  visitor(numbers.objective), visitor(numbers.edge);
  visit(visitor, numbers.step);
  visitor.list(numbers.history, [&](StageReport& stage) { visit(visitor, stage); });
}

// The running edge's numbers come first, after their count; its arrays have names of their own.
SavedState FreeSupportPart::save() const {
  const FreeSupport::State& state = free_->state();
  const bool solving = !free_->finished() && solver_ && solver_->begun();
  SavedState saved = solving ? solver_->save() : SavedState{};
  for (SavedState::Array& array : saved.arrays) array.name = edge_prefix + array.name;
  saved.numbers.insert(saved.numbers.begin(), static_cast<double>(saved.numbers.size()));
  Numbers plain{free_->report(), state.objective, state.edge, step_, history_};
  StateNumbers visitor;
  visit_numbers(visitor, plain);
  saved.numbers.insert(saved.numbers.end(), visitor.values().begin(), visitor.values().end());
  const Marginal& centre = marginals_[centre_];
  saved.add("ids", std::vector<std::int64_t>(centre.ids.begin(), centre.ids.end()), first_,
            centre.total);
  const auto d = static_cast<std::size_t>(centre.dimension);
  for (std::size_t j = 0; j < d; ++j) {
    saved.add(place_name("place", j), axis_of(state.positions, d, j), first_, centre.total);
    saved.add(place_name("mean", j), axis_of(state.mean, d, j), first_, centre.total);
  }
  return saved;
}

// A file shares an array evenly among ranks, so that the axes of a point come one by one.
std::vector<double> FreeSupportPart::rows_of(const SavedState& saved, const char* what) const {
  const Marginal& centre = marginals_[centre_];
  const std::vector<std::int64_t>& stored = saved.integers("ids");
  const std::vector<std::uint64_t> ids(stored.begin(), stored.end());
  const auto d = static_cast<std::size_t>(centre.dimension);
  std::vector<double> rows(centre.ids.size() * d);
  for (std::size_t j = 0; j < d; ++j) {
    const std::vector<double> values =
        values_at(comm_, ids, saved.reals(place_name(what, j)), 1, centre.ids);
    for (std::size_t i = 0; i < values.size(); ++i) rows[i * d + j] = values[i];
  }
  return rows;
}

void FreeSupportPart::restore(const SavedState& saved) {
  parallel::require(!saved.numbers.empty(), "the checkpoint has the numbers that save() wrote");
  const auto own = saved.numbers.begin() + 1 + static_cast<std::ptrdiff_t>(saved.numbers.front());
  Numbers plain;
  StateNumbers visitor(std::vector<double>(own, saved.numbers.end()));
  visit_numbers(visitor, plain);
  step_ = plain.step;
  history_ = plain.history;
  free_->resume({rows_of(saved, "place"), rows_of(saved, "mean"), plain.objective, plain.edge},
                plain.report);
  SavedState edge;
  edge.numbers.assign(saved.numbers.begin() + 1, own);
  if (edge.numbers.empty() || free_->finished()) return;
  for (const SavedState::Array& array : saved.arrays) {
    if (!array.name.starts_with(edge_prefix)) continue;
    edge.arrays.push_back(array);
    edge.arrays.back().name.erase(0, std::string(edge_prefix).size());
  }
  start([] {});
  solver_->restore(edge);
}

}  // namespace mensura::transport
