// SPDX-License-Identifier: BSD-3-Clause
#include "transport/spline_part.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "parallel/exact_sum.hpp"
#include "transport/dense_answer.hpp"
#include "transport/regularisation.hpp"
#include "transport/state_numbers.hpp"

namespace mensura::transport {

namespace {

// One value per axis in the order of the coordinates. The deck gives one for all, or those of x, y;
// coordinates of grids are stored slowest axis first.
template <class T>
std::vector<T> per_axis(const std::vector<T>& given, const Problem& problem, int dimension,
                        const char* key) {
  if (given.size() == 1) return std::vector<T>(static_cast<std::size_t>(dimension), given[0]);
  if (std::ssize(given) != dimension) {
    throw parallel::Error(
        parallel::ExitCode::input_data,
        fmt::format("spline.{} has {} numbers and the marginals have dimension {}; give one for "
                    "each axis, or one for all",
                    key, given.size(), dimension));
  }
  std::vector<T> result = given;
  const bool grid = std::ranges::any_of(
      problem.marginals, [](const MarginalSpec& spec) { return spec.kind == MarginalKind::grid; });
  if (grid) std::ranges::reverse(result);
  return result;
}

VelocityGrid velocities_of(const Problem& problem, int dimension) {
  const SplineSpec& spline = *problem.spline;
  VelocityGrid grid{per_axis(spline.lower, problem, dimension, "lower"),
                    per_axis(spline.upper, problem, dimension, "upper"),
                    per_axis(spline.count, problem, dimension, "count")};
  for (std::size_t a = 0; a < grid.count.size(); ++a) {
    if (grid.lower[a] < grid.upper[a]) continue;
    throw parallel::Error(
        parallel::ExitCode::input_data,
        fmt::format("spline.lower {} is not below spline.upper {}", grid.lower[a], grid.upper[a]));
  }
  return grid;
}

SplineOptions options_of(const Problem& problem, int dimension, double epsilon) {
  SplineOptions options;
  options.times = problem.spline->times;
  for (const MarginalSpec& marginal : problem.marginals) options.names.push_back(marginal.name);
  options.velocities = velocities_of(problem, dimension);
  options.epsilon = epsilon;
  options.tolerance = problem.tolerance;
  options.max_sweeps = problem.max_sinkhorn;
  options.first_epsilon = first_regularisation(problem, epsilon, 0);
  return options;
}

// Entropy spreads a velocity by sqrt(eps t / 4); a grid that is coarser does not resolve it.
std::string reason_of(const SplineOptions& options) {
  std::string reason = "splines have sweeps only, and no bounds: the velocities are on a grid";
  double shortest = options.times[1] - options.times[0];
  for (std::size_t k = 1; k < options.times.size(); ++k) {
    shortest = std::min(shortest, options.times[k] - options.times[k - 1]);
  }
  const double spread = std::sqrt(options.epsilon * shortest / 4);
  const VelocityGrid& grid = options.velocities;
  double coarsest = 0;
  for (std::size_t a = 0; a < grid.count.size(); ++a) {
    coarsest = std::max(coarsest,
                        (grid.upper[a] - grid.lower[a]) / static_cast<double>(grid.count[a] - 1));
  }
  if (coarsest <= spread) return reason;
  return reason + fmt::format(
                      "; they are {:.3g} apart, more than the entropy spreads them ({:.3g}): raise "
                      "spline.count or regularisation.final for smooth velocities",
                      coarsest, spread);
}

std::string array_name(const char* what, std::size_t time) {
  return std::string(what) + "_" + std::to_string(time);
}

void visit_numbers(StateNumbers& visitor, SplineSolver::State& state) {
  visitor(state.stage), visitor(state.sweeps), visitor(state.dual), visitor(state.error);
  visitor(state.seconds), visitor(state.pace), visitor.list(state.relaxation);
  visitor(state.converged);
  visitor.list(state.history, [&](StageReport& stage) { visit(visitor, stage); });
}

}  // namespace

SplinePart::SplinePart(const parallel::Communicator& comm, Problem problem,
                       const std::vector<Marginal>& marginals, double epsilon)
    : comm_(comm), problem_(std::move(problem)) {
  const int dimension = marginals[0].dimension;
  if (dimension > 2) {
    throw parallel::Error(
        parallel::ExitCode::input_data,
        fmt::format("'{}' has dimension {}; splines are for one or two, since their points have "
                    "velocities too",
                    marginals[0].name, dimension));
  }
  for (const Marginal& marginal : marginals) {
    clouds_.push_back(cloud_of(comm_, marginal));
    for (std::size_t i = 0; i < clouds_.back().own(); ++i) {
      clouds_.back().mass[i] /= marginal.total_mass;
      clouds_.back().log_mass[i] -= std::log(marginal.total_mass);
    }
    heads_.push_back(marginal);
    heads_.back().coordinates = {};
    heads_.back().mass = {};
    heads_.back().ids = {};
  }
  const SplineOptions options = options_of(problem_, dimension, epsilon);
  reason_ = reason_of(options);
  solver_.emplace(comm_, clouds_, options);
}

void SplinePart::advance(const std::function<void()>& poll) {
  solver_->advance(poll);
  begun_ = true;
}

std::string SplinePart::line() const {
  const auto& history = solver_->history();
  return fmt::format("spline: {} regularisations done{}", history.size(),
                     history.empty() ? "" : fmt::format(", error {:.3g}", history.back().error_l1));
}

// Constants that sum to zero are free, as in dense_answer.hpp.
std::vector<std::vector<double>> SplinePart::canonical_potentials() const {
  std::vector<std::vector<double>> result = solver_->potentials();
  double rest =
      -solver_->epsilon() * static_cast<double>(result.size() - 1) * std::log(heads_[0].total_mass);
  for (std::size_t k = 0; k + 1 < result.size(); ++k) {
    const double mean = parallel::exact_dot(comm_, clouds_[k].mass, result[k]);
    for (double& value : result[k]) value -= mean;
    rest += mean;
  }
  for (double& value : result.back()) value += rest;
  return result;
}

NodeAnswer SplinePart::node_at(std::size_t time, const SplineSolver::Result& result) const {
  const double mass = heads_[time].total_mass;
  NodeAnswer node = node_answer(heads_[time], clouds_[time]);
  for (double& m : node.mass) m *= mass;
  for (const double m : result.marginals[time]) node.transported.push_back(mass * m);
  node.velocity = result.velocities[time].mean;
  node.velocity_variance = result.velocities[time].variance;
  return node;
}

Answer SplinePart::describe(const std::function<void()>& poll) {
  Answer answer;
  answer.converged = solver_->converged();
  answer.history = solver_->history();
  answer.regularisation = solver_->epsilon();
  const SplineSolver::Result result = solver_->result(poll);
  answer.marginal_error_l1 = *std::ranges::max_element(result.errors);
  // Sweeps end before their limit where rounding does.
  if (!answer.converged && answer.history.back().sinkhorn < problem_.max_sinkhorn) {
    answer.advice = fmt::format(
        "rounding of the potentials changes entries of the plan by up to {:.3g}, which no sweep "
        "mends: raise regularisation.final, loosen tolerance, or take times that are more even",
        answer.history.back().error_l1);
  }
  set_costs(result.linear, result.regularised, heads_[0].total_mass, solver_->epsilon(),
            clouds_.size(), answer);
  const auto potentials = canonical_potentials();
  for (std::size_t k = 0; k < clouds_.size(); ++k) {
    answer.nodes.push_back(node_at(k, result));
    answer.nodes.back().potential = potentials[k];
  }
  if (problem_.tuples == 0) return answer;
  const SplinePaths paths = solver_->paths(problem_.tuples, problem_.seed, poll);
  PathAnswer drawn{paths.times, {}, {}};
  for (std::size_t i = 0; i < paths.points.size(); ++i) {
    const bool position = i / paths.dimension % 2 == 0;
    (position ? drawn.positions : drawn.velocities).push_back(paths.points[i]);
  }
  answer.paths = std::move(drawn);
  return answer;
}

SavedState SplinePart::save() const {
  SplineSolver::State state = solver_->state();
  StateNumbers visitor;
  visit_numbers(visitor, state);
  SavedState saved;
  saved.numbers = visitor.values();
  for (std::size_t k = 0; k < clouds_.size(); ++k) {
    const Cloud& cloud = clouds_[k];
    saved.add(array_name("ids", k), std::vector<std::int64_t>(cloud.ids.begin(), cloud.ids.end()),
              cloud.first, cloud.total);
    saved.add(array_name("at", k), state.potentials[k], cloud.first, cloud.total);
  }
  return saved;
}

void SplinePart::restore(const SavedState& saved) {
  SplineSolver::State state;
  StateNumbers visitor(saved.numbers);
  visit_numbers(visitor, state);
  for (std::size_t k = 0; k < clouds_.size(); ++k) {
    const std::vector<std::int64_t>& ids = saved.integers(array_name("ids", k));
    state.potentials.push_back(values_at(comm_, std::vector<std::uint64_t>(ids.begin(), ids.end()),
                                         saved.reals(array_name("at", k)), 1, clouds_[k].ids));
  }
  begun_ = true;
  solver_->resume(state);
  if (!solver_->finished() || solver_->converged()) return;
  // The last stage again, perhaps with other limits.
  --state.stage;
  state.sweeps = 0;
  state.history.pop_back();
  solver_->resume(std::move(state));
}

}  // namespace mensura::transport
