// SPDX-License-Identifier: BSD-3-Clause
#include "transport/tree_solver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "transport/edge_kernels.hpp"
#include "transport/over_relaxation.hpp"
#include "transport/regularisation.hpp"
#include "transport/search.hpp"

namespace mensura::transport {

namespace {

constexpr std::int64_t coarsest_points = 256;
constexpr std::int64_t small_plan = std::int64_t{1} << 20U;
// Whole plans between so few points have no more entries in a row than sparse ones of images at
// fattest_newton squared spacings (76 at one: prediction.cpp). Measured on stars of 5 to 200 such
// leaves at 1 to 50 squared spacings of an edge: thousands of sweeps, 2 to 4 Newton steps.
constexpr std::int64_t few_points = 150;
// All stages of sweeps but the last end here.
constexpr std::int64_t loose_sweeps = 40;
constexpr double loose_error = 1e-2;
// And of Newton's method, whose steps are dear here (reference/transport 1.1: 1e-2 to 1e-3 will do;
// measured on stars of photographs: 19 s in all with 1e-4, 12 s with this).
constexpr double loose_newton = 3e-3;
// Pairs that the sweeps between two safe points may visit.
constexpr double pairs_between_stops = 2e10;
constexpr std::int64_t most_insertions = 6;
// Errors below so many units in the last place of a potential are rounding.
constexpr double most_units = 10;

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Tree tree_of(const Problem& problem) {
  std::vector<char> free;
  for (const MarginalSpec& marginal : problem.marginals) {
    free.push_back(static_cast<char>(marginal.free));
  }
  std::vector<Tree::Edge> edges;
  for (const EdgeSpec& edge : problem.edges) edges.push_back({edge.from, edge.to});
  return {std::move(free), std::move(edges)};
}

void check_finite(double error, double epsilon) {
  if (std::isfinite(error)) return;
  throw parallel::Error(parallel::ExitCode::numerical,
                        fmt::format("the sweeps' errors are no longer finite numbers at "
                                    "regularisation {:g}; take a larger regularisation, or check "
                                    "the scale of the cost",
                                    epsilon));
}

}  // namespace

TreeSolver::TreeSolver(const parallel::Communicator& comm, Problem problem,
                       const std::vector<Marginal>& marginals, double epsilon,
                       const std::function<void()>& poll)
    : comm_(comm),
      problem_(std::move(problem)),
      tree_(tree_of(problem_)),
      edges_(problem_.edges),
      epsilon_(epsilon) {
  std::vector<Cloud> clouds;
  double spacing = 0;
  bool grids = true;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    const Marginal& marginal = marginals[k];
    clouds.push_back(
        make_cloud(comm, marginal.dimension, marginal.coordinates, marginal.mass, marginal.ids));
    heads_.push_back(head_of(marginal));
    grids = grids && marginal.grid.has_value();
    const double own = spacing_of(comm, marginal, clouds.back(), poll);
    if (own > 0) spacing = spacing > 0 ? std::min(spacing, own) : own;
    reference_mass_ *= marginal.total_mass;
    if (!tree_.free(k)) mass_ = std::max(mass_, marginal.total_mass);
  }
  std::vector<const Cloud*> all;
  for (const Cloud& cloud : clouds) all.push_back(&cloud);
  const double diameter = diameter_of(comm, all);
  for (const EdgeSpec& edge : edges_) {
    costs_.emplace_back(edge.cost.value_or(problem_.cost), edge.weight, clouds.front().dimension);
    largest_cost_ += costs_.back().of_distance(diameter);
  }
  std::vector<double> anchor = box_around(comm, all).lower;
  for (double& value : anchor) value -= grids ? spacing / 2 : 0;
  layers_ = make_layers(comm, std::move(clouds), spacing, anchor, coarsest_points);
  level_ = layers_.size();
  choose();
  std::vector<double> units;
  double first = 0;
  for (const Cost& cost : costs_) first = std::max(first, cost.of_distance(diameter) / 8);
  for (std::size_t level = 0; level < layers_.size(); ++level) units.push_back(unit_of(level));
  first = first_regularisation(problem_, epsilon_, first);
  todo_ = plan_stages(units, first, epsilon_, problem_.tolerance);
  for (std::size_t s = 0; s + 1 < todo_.size(); ++s) {
    todo_[s].tolerance = std::max(todo_[s].tolerance, loose_newton);
  }
}

TreeSolver::~TreeSolver() = default;

// The cost of a move by one spacing along the heaviest edge: regularisations of an edge count
// relative to its weight.
double TreeSolver::unit_of(std::size_t level) const {
  double most = 0;
  for (const Cost& cost : costs_) most = std::max(most, cost.of_distance(layers_[level].spacing));
  return most;
}

std::int64_t TreeSolver::largest(std::size_t level) const {
  std::int64_t points = 0;
  for (const Cloud& cloud : layers_[level].clouds) points = std::max(points, cloud.total);
  return points;
}

void TreeSolver::choose() {
  const bool wide = epsilon_ > fattest_newton * unit_of(0);
  if (problem_.method == Method::newton || problem_.method == Method::sinkhorn) {
    method_ = problem_.method == Method::newton ? "newton" : "sinkhorn";
    reason_ = "as the deck says";
  } else if (wide && largest(0) > few_points) {
    method_ = "sinkhorn";
    reason_ = fmt::format(
        "the regularisation is above {:g} squared spacings of the heaviest edge: "
        "plans are fat and sweeps converge quickly",
        fattest_newton);
  } else {
    method_ = "newton";
    reason_ = wide ? fmt::format("no marginal has more than {} points, and sweeps may be many",
                                 few_points)
                   : "the plans are sparse at this regularisation, and sweeps would be many";
  }
}

TreeOptions TreeSolver::tree_options(double epsilon) const {
  TreeOptions options{epsilon, {}};
  if (problem_.relaxation == Relaxation::kullback_leibler) {
    options.rho.assign(tree_.nodes(), problem_.strength);
  }
  return options;
}

std::vector<const Cloud*> TreeSolver::clouds_at(std::size_t level) const {
  std::vector<const Cloud*> clouds;
  for (const Cloud& cloud : layers_[level].clouds) clouds.push_back(&cloud);
  return clouds;
}

std::unique_ptr<Kernel> TreeSolver::make_kernel(std::size_t edge, std::size_t level,
                                                bool with_cost) const {
  const Tree::Edge& ends = tree_.edges()[edge];
  const Cloud& x = layers_[level].clouds[ends.from];
  const Cloud& y = layers_[level].clouds[ends.to];
  const auto& x_grid = heads_[ends.from].grid;
  const auto& y_grid = heads_[ends.to].grid;
  if (level == 0 && x_grid && y_grid && costs_[edge].separable()) {
    return make_separable_kernel(comm_, x, *x_grid, y, *y_grid, costs_[edge]);
  }
  return with_cost ? make_blocked_kernel(comm_, x, y, costs_[edge])
                   : make_search_kernel(comm_, x, y, costs_[edge]);
}

// On the finest level grids have separable sums; clouds are summed in blocks where that is all
// there is, else searches pass over what is far away.
TreeSolver::Model TreeSolver::make_model(std::size_t level, double epsilon) const {
  std::vector<std::unique_ptr<Kernel>> kernels;
  std::vector<const Kernel*> all;
  for (std::size_t e = 0; e < edges_.size(); ++e) {
    kernels.push_back(make_kernel(e, level, level == 0 && method_ == "sinkhorn"));
    all.push_back(kernels.back().get());
  }
  auto messages = std::make_unique<TreeMessages>(comm_, tree_, clouds_at(level), std::move(all),
                                                 tree_options(epsilon));
  return {std::move(kernels), std::move(messages)};
}

void TreeSolver::enter(std::size_t level, double epsilon) {
  newton_.reset();
  plans_.reset();
  if (level_ != level) inserted_ = 0;
  level_ = level;
  model_ = std::make_unique<Model>(make_model(level, epsilon));
  std::vector<const Cost*> costs;
  for (const Cost& cost : costs_) costs.push_back(&cost);
  plans_ =
      std::make_unique<TreePlans>(comm_, tree_, clouds_at(level), costs, tree_options(epsilon));
}

// Potentials of fixed nodes at the points of another level: their exact update from the coarse
// messages.
NodePotentials TreeSolver::first_guess(const Stage& stage, const std::function<void()>& poll) {
  NodePotentials start(tree_.nodes());
  const std::vector<Cloud>& fine = layers_[stage.level].clouds;
  if (level_ == stage.level) return at_;
  if (level_ == layers_.size()) {
    for (std::size_t k = 0; k < tree_.nodes(); ++k) {
      if (!tree_.free(k)) start[k].assign(fine[k].own(), 0.0);
    }
    return start;
  }
  TreeMessages& coarse = *model_->messages;
  coarse.gather(at_, poll);
  coarse.spread(at_, poll);
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (tree_.free(k)) continue;
    start[k].assign(fine[k].own(), 0.0);
    for (const Tree::Link& link : tree_.links(k)) {
      const std::vector<double> g = coarse.edge_potential(link.edge, link.node, at_);
      const std::vector<double> f = soft_transform(
          comm_, fine[k], layers_[level_].clouds[link.node], g, at_epsilon_, costs_[link.edge]);
      for (std::size_t i = 0; i < f.size(); ++i) start[k][i] += f[i];
      poll();
    }
  }
  return start;
}

// Of an edge on one rank.
std::int64_t TreeSolver::most_pairs() const {
  if (problem_.method == Method::newton) return std::int64_t{1} << 31U;
  return std::max(small_plan, most_pairs_per_point * (largest(level_) / comm_.size() + 1));
}

// False when the plans do not fit.
bool TreeSolver::start_newton(const Stage& stage, NodePotentials start,
                              const TreeNewton::Memory* memory, const std::function<void()>& poll) {
  if (method_ == "sinkhorn" && stage.level == 0) return false;
  TreeNewton::Options options;
  options.tolerance = stage.tolerance;
  options.mass = mass_;
  options.max_steps = problem_.max_newton;
  options.warm_sweeps = problem_.warm_sweeps;
  options.most_pairs = most_pairs();
  newton_ = std::make_unique<TreeNewton>(*plans_, *model_->messages, std::move(start), options);
  if (memory != nullptr ? newton_->resume(*memory, poll) : newton_->begin(poll)) return true;
  newton_.reset();
  return false;
}

void TreeSolver::start_stage(const std::function<void()>& poll) {
  const Stage stage = todo_.front();
  NodePotentials start = first_guess(stage, poll);
  enter(stage.level, stage.epsilon);
  by_sweeps_ = !start_newton(stage, start, nullptr, poll);
  if (by_sweeps_) {
    at_ = std::move(start);
    sweeps_ = StageReport{};
    model_->messages->gather(at_, poll);
  }
  at_epsilon_ = stage.epsilon;
  begun_ = true;
}

// Some sweeps over all pairs; true when the stage is over. Over-relaxation begins anew at every
// safe point, so that a restart goes the same way.
bool TreeSolver::sweep(const std::function<void()>& poll) {
  const bool last = todo_.size() == 1;
  const double tolerance = last ? todo_.front().tolerance : loose_error;
  const std::int64_t limit = last ? problem_.max_sinkhorn : loose_sweeps;
  double pairs = 0;
  for (const Tree::Edge& edge : tree_.edges()) {
    pairs += static_cast<double>(layers_[level_].clouds[edge.from].total) *
             static_cast<double>(layers_[level_].clouds[edge.to].total);
  }
  const auto block =
      static_cast<std::int64_t>(std::clamp(pairs_between_stops / pairs, 20.0, 1000.0));
  TreeMessages& messages = *model_->messages;
  OverRelaxation relaxation(true);
  double objective = -std::numeric_limits<double>::infinity();
  for (std::int64_t s = 0; s < block && sweeps_.sinkhorn < limit; ++s) {
    const bool plain = s + 1 == block || sweeps_.sinkhorn + 1 == limit;
    const double factor = plain ? relaxation.plain() : relaxation.next();
    sweeps_.error_l1 = messages.sweep(at_, factor, poll) / mass_;
    check_finite(sweeps_.error_l1, todo_.front().epsilon);
    ++sweeps_.sinkhorn;
    sweeps_.dual_objective = tree_objective(comm_, tree_, clouds_at(level_), messages.options(),
                                            at_, messages.mass(at_));
    if (relaxation.falls(objective, sweeps_.dual_objective)) relaxation.drop();
    objective = sweeps_.dual_objective;
    relaxation.observe(sweeps_.error_l1);
    if (!(sweeps_.error_l1 < tolerance)) continue;
    if (factor != 1) {
      relaxation.finish();
      continue;
    }
    // What the nodes missed when their turn came is no longer what they miss.
    messages.spread(at_, poll);
    sweeps_.error_l1 = messages.error(at_) / mass_;
    if (sweeps_.error_l1 < tolerance) break;
  }
  sweeps_.sweep_rate = relaxation.rate();
  return sweeps_.error_l1 < tolerance || sweeps_.sinkhorn >= limit;
}

// The reference of a free node is uniform, with the mass of the plan; relative to points that count
// by ones, the logarithm of a plan's density is less by this much.
double TreeSolver::counted(std::size_t level) const {
  double sum = 0;
  for (std::size_t k = 0; k < tree_.nodes(); ++k) {
    if (!tree_.free(k)) continue;
    sum += std::log(static_cast<double>(layers_[level].clouds[k].total) / heads_[k].total_mass);
  }
  return sum;
}

void TreeSolver::report() {
  const Stage& stage = todo_.front();
  StageReport entry;
  if (by_sweeps_) {
    entry = sweeps_;
    entry.method = "sinkhorn";
  } else {
    entry = stage_of(newton_->report());
  }
  entry.dual_objective += problem_.relaxation == Relaxation::none
                              ? stage.epsilon * mass_ * (1 - counted(stage.level))
                              : stage.epsilon * reference_mass_;
  entry.level = static_cast<int>(stage.level);
  entry.points = largest(stage.level);
  entry.regularisation = stage.epsilon;
  entry.seconds = seconds_;
  history_.push_back(std::move(entry));
}

// Collective. Relative change of a plan's entries by one unit in the last place of a potential.
double TreeSolver::resolution(const NodePotentials& at) const {
  double most = 0;
  for (const auto& node : at) {
    for (const double value : node) most = std::max(most, std::abs(value));
  }
  return std::numeric_limits<double>::epsilon() * comm_.max(most) / todo_.front().epsilon;
}

// Takes the result, or puts a milder regularisation before the one that failed.
void TreeSolver::finish_stage(bool accepted) {
  const Stage stage = todo_.front();
  report();
  seconds_ = 0;
  begun_ = false;
  // An error that rounding explains would not be smaller from a milder start.
  const bool rounded =
      !by_sweeps_ && newton_->report().error_l1 < most_units * resolution(newton_->potentials());
  const bool milder = !by_sweeps_ && !accepted && !rounded && inserted_ < most_insertions &&
                      past_epsilon_ > stage.epsilon && past_.size() == tree_.nodes() &&
                      !past_.empty();
  if (milder) {
    ++inserted_;
    at_ = past_;
    at_epsilon_ = past_epsilon_;
    todo_.push_front({stage.level, std::sqrt(past_epsilon_ * stage.epsilon), loose_newton});
    return;
  }
  if (!by_sweeps_) at_ = newton_->potentials();
  at_epsilon_ = stage.epsilon;
  converged_ = accepted;
  todo_.pop_front();
  past_.clear();
  if (!todo_.empty() && todo_.front().level == stage.level) {
    past_ = at_;
    past_epsilon_ = stage.epsilon;
  }
}

void TreeSolver::advance(const std::function<void()>& poll) {
  const auto start = std::chrono::steady_clock::now();
  if (!begun_) {
    start_stage(poll);
    seconds_ += seconds_since(start);
    return;
  }
  const bool finished = by_sweeps_ ? sweep(poll) : newton_->step(poll);
  seconds_ += seconds_since(start);
  if (!finished) return;
  const bool last = todo_.size() == 1;
  const double tolerance = last ? todo_.front().tolerance : loose_error;
  finish_stage(by_sweeps_ ? sweeps_.error_l1 < tolerance : newton_->converged());
}

std::string TreeSolver::line() const {
  if (todo_.empty()) return "solved";
  const Stage& stage = todo_.front();
  const std::string where = fmt::format("{} nodes, level {}, regularisation {:.3g}", tree_.nodes(),
                                        stage.level, stage.epsilon);
  if (!begun_) return where;
  if (by_sweeps_) {
    return fmt::format("{}: sweep {}, error {:.2g}", where, sweeps_.sinkhorn, sweeps_.error_l1);
  }
  return fmt::format("{}: Newton step {}, error {:.2g}", where, newton_->report().steps,
                     newton_->report().error_l1);
}

}  // namespace mensura::transport
