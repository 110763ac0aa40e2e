// SPDX-License-Identifier: BSD-3-Clause
#include "transport/pair_solver.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "parallel/exact_sum.hpp"
#include "transport/kernel_certificate.hpp"
#include "transport/regularisation.hpp"

namespace mensura::transport {

namespace {

// Points of the coarsest level; a full plan between so many is nothing.
constexpr std::int64_t coarsest_points = 256;
constexpr std::int64_t small_plan = std::int64_t{1} << 20U;
// Pairs within so many regularisations of the potentials take part in the exact solution.
constexpr double cut_units = 20;
// Below so many costs of a move by one spacing nothing is gained but work (transport_robust 3).
constexpr double sharpest_share = 1.0 / 64;
// Its start need not be better than that (L1 error of a marginal).
constexpr double start_tolerance = 1e-4;

// Lower corner of the cells: of the pixels of a grid, of the points otherwise.
std::vector<double> anchor_of(const parallel::Communicator& comm, const Cloud& x, const Cloud& y,
                              double spacing, bool grids) {
  std::vector<double> lower = box_around(comm, {&x, &y}).lower;
  for (double& value : lower) value -= grids ? spacing / 2 : 0;
  return lower;
}

// The constant that makes potentials comparable.
double weighted_mean(const parallel::Communicator& comm, const Cloud& cloud,
                     std::span<const double> values) {
  std::array<parallel::ExactSum, 2> sums;
  for (std::size_t i = 0; i < cloud.own(); ++i) {
    sums[0].add(cloud.mass[i] * values[i]);
    sums[1].add(cloud.mass[i]);
  }
  parallel::reduce(comm, sums);
  return sums[0].value() / sums[1].value();
}

// Barycentric projections: x -> sum P y / sum P and back.
template <class Plan>
void set_maps(const Plan& plan, NodeAnswer& x, NodeAnswer& y) {
  const auto d = static_cast<std::size_t>(x.dimension);
  x.map.resize(x.mass.size() * d);
  y.map.resize(y.mass.size() * d);
  std::vector<double> at_x(x.mass.size()), at_y(y.mass.size());
  for (std::size_t j = 0; j < d; ++j) {
    for (std::size_t i = 0; i < at_y.size(); ++i) at_y[i] = y.coordinates[i * d + j];
    plan.multiply(at_y, at_x);
    for (std::size_t i = 0; i < at_x.size(); ++i) x.map[i * d + j] = at_x[i] / x.transported[i];
    for (std::size_t i = 0; i < at_x.size(); ++i) at_x[i] = x.coordinates[i * d + j];
    plan.multiply_transposed(at_x, at_y);
    for (std::size_t i = 0; i < at_y.size(); ++i) y.map[i * d + j] = at_y[i] / y.transported[i];
  }
}

MultiscaleOptions options_of(const Problem& problem, double epsilon, bool only_sinkhorn, int ranks,
                             std::int64_t points) {
  MultiscaleOptions options;
  options.epsilon = epsilon;
  options.tolerance = problem.method == Method::exact ? std::max(problem.tolerance, start_tolerance)
                                                      : problem.tolerance;
  options.relaxation = problem.relaxation;
  options.strength = problem.strength;
  options.only_sinkhorn = only_sinkhorn;
  options.max_newton = problem.max_newton;
  options.max_sinkhorn = problem.max_sinkhorn;
  options.most_pairs = problem.method == Method::newton
                           ? std::int64_t{1} << 31U
                           : std::max(small_plan, most_pairs_per_point * (points / ranks + 1));
  options.hessian = problem.hessian;
  options.kept_per_point = problem.kept_per_point;
  options.warm_sweeps = problem.warm_sweeps;
  return options;
}

// Where coarse levels help: geometry, and marginals that Newton's method can meet.
bool has_levels(const Problem& problem) {
  return problem.cost.kind != CostKind::matrix && !problem.reflected &&
         (problem.relaxation == Relaxation::none ||
          problem.relaxation == Relaxation::kullback_leibler);
}

}  // namespace

PairSolver::PairSolver(const parallel::Communicator& comm, const Problem& problem,
                       const Marginal& a, const Marginal& b, double epsilon,
                       const std::function<void()>& poll)
    : comm_(comm), problem_(problem), epsilon_(epsilon) {
  const bool matrix = problem.cost.kind == CostKind::matrix;
  const double weight = problem.edges.empty() ? 1 : problem.edges[0].weight;
  mass_ = std::max(a.total_mass, b.total_mass);
  if (problem.cost.kind == CostKind::squared_euclidean && problem.relaxation == Relaxation::none) {
    centring_ = Centring::of(comm, a, b, weight);
  }
  Cloud x = cloud_of(comm, a), y = cloud_of(comm, b);
  const std::array<const Marginal*, 2> measures{&a, &b};
  const std::array<const Cloud*, 2> clouds{&x, &y};
  double diameter = matrix ? 1 : diameter_of(comm, x, y);
  const double spacing = matrix ? 0 : common_spacing(comm, measures, clouds, poll);
  if (centring_) {
    y = make_cloud(comm, b.dimension, centring_->moved(b.coordinates), b.mass, b.ids);
    y_coordinates_ = values_at(comm, b.ids, b.coordinates, b.dimension, y.ids);
  }
  const Marginal* sides[2] = {&a, &b};
  for (std::size_t s = 0; s < 2; ++s) {
    names_[s] = sides[s]->name;
    grids_[s] = sides[s]->grid;
    input_totals_[s] = sides[s]->input_total;
  }
  if (matrix) {
    rows_ =
        std::make_shared<CostRows>(comm, x, a.input_total, y, b.input_total, problem.cost, weight);
  } else {
    cost_ = std::make_unique<Cost>(problem.cost, weight, a.dimension);
  }
  if (!(epsilon_ > 0)) epsilon_ = in_cost_units(problem, measures, spacing, diameter);
  if (centring_) diameter = diameter_of(comm, x, y);
  largest_cost_ = matrix ? rows_->largest(comm) : cost_->of_distance(diameter);
  if (problem.method == Method::exact) {  // the start may be as rough as doubles want it
    epsilon_ = std::max(epsilon_, least_share * largest_cost_);
  }
  // Graphs have no exact method.
  check_resolution(epsilon_, largest_cost_, edge_text(a.name, b.name),
                   problem.shape == Shape::pair ? ", or use method: exact" : "");
  const double step = matrix ? 0 : cost_->of_distance(spacing);
  choose(problem, !matrix && epsilon_ > fattest_newton * step);
  if (epsilon_ < sharpest_share * step && method_ == "newton") {
    reason_ += fmt::format(
        "; the regularisation is {:.2g} of the cost of one spacing, which is sharp and slow: a "
        "quarter is regularisation: {{final: {:.3g}, unit: absolute}}",
        epsilon_ / step, step / 4);
  }
  MultiscaleOptions options =
      options_of(problem, epsilon_, method_ == "sinkhorn", comm.size(), std::max(x.total, y.total));
  options.symmetric = &a == &b;
  options.mass = mass_;
  options.mass_product = a.total_mass * b.total_mass;
  options.rows = rows_.get();
  options.first_epsilon =
      first_regularisation(problem, epsilon_, matrix ? 64 * epsilon_ : largest_cost_ / 8);
  std::vector<Level> levels;
  if (has_levels(problem)) {
    const std::vector<double> anchor = anchor_of(comm, x, y, spacing, a.grid && b.grid);
    levels = make_hierarchy(comm, std::move(x), std::move(y), spacing, anchor, coarsest_points);
  } else {
    levels.push_back({std::move(x), std::move(y), spacing});
  }
  multiscale_ = std::make_unique<Multiscale>(comm, std::move(levels), cost_.get(),
                                             kernel_for(problem), options);
}

void PairSolver::choose(const Problem& problem, bool fat) {
  const auto take = [&](const char* method, const std::string& reason) {
    method_ = method;
    reason_ = reason;
  };
  const bool forced = problem.reflected || problem.relaxation == Relaxation::total_variation ||
                      problem.relaxation == Relaxation::partial;
  if (problem.method == Method::newton || problem.method == Method::sinkhorn) {
    take(problem.method == Method::newton ? "newton" : "sinkhorn", "as the deck says");
  } else if (forced) {
    take("sinkhorn", problem.reflected ? "the kernel is the reflected one"
                                       : "Newton's method knows exact marginals and the "
                                         "Kullback-Leibler penalty only");
  } else if (fat) {
    take("sinkhorn", fmt::format("the regularisation is above {:g} squared spacings: the plan is "
                                 "fat and sweeps converge quickly",
                                 fattest_newton));
  } else {
    take("newton", "the plan is sparse at this regularisation, and sweeps would be many");
  }
}

MakeKernel PairSolver::kernel_for(const Problem& problem) const {
  return [this, &problem](const Cloud& x, const Cloud& y) {
    if (rows_) return make_matrix_kernel(comm_, x, y, rows_);
    if (problem.reflected) {
      return make_reflected_kernel(comm_, x, *grids_[0], y, *grids_[1], cost_->weight());
    }
    if (grids_[0] && grids_[1] && cost_->separable()) {
      return make_separable_kernel(comm_, x, *grids_[0], y, *grids_[1], *cost_);
    }
    return make_blocked_kernel(comm_, x, y, *cost_);
  };
}

double PairSolver::value() const {
  return multiscale_->history().back().dual_objective + moved_cost();
}

std::vector<double> PairSolver::map(const std::function<void()>& poll) {
  const Cloud &x = first(), &y = multiscale_->finest().y;
  const auto d = static_cast<std::size_t>(x.dimension);
  std::vector<double> result;
  if (const SparsePlan* plan = problem_.reflected ? nullptr : multiscale_->plan()) {
    result.resize(x.own() * d);
    std::vector<double> there(y.own()), here(x.own());
    for (std::size_t j = 0; j < d; ++j) {
      for (std::size_t i = 0; i < there.size(); ++i) there[i] = y.coordinates[i * d + j];
      plan->multiply(there, here);
      for (std::size_t i = 0; i < here.size(); ++i) {
        result[i * d + j] = here[i] / plan->row_sums()[i];
      }
    }
  } else {
    result =
        row_map(comm_, multiscale_->kernel(), x, y, multiscale_->potentials().g, epsilon_, poll);
  }
  for (std::size_t i = 0; centring_ && i < result.size(); ++i) {
    result[i] += centring_->shift()[i % d];
  }
  return result;
}

double PairSolver::moved_cost() const {
  return centring_ ? mass_ * centring_->constant() : 0;
}

std::vector<StageReport> PairSolver::history() const {
  std::vector<StageReport> history = multiscale_->history();
  for (StageReport& stage : history) stage.dual_objective += moved_cost();
  return history;
}

NodeAnswer PairSolver::node(std::size_t side, std::span<const double> potential) const {
  const Cloud& cloud = side == 0 ? multiscale_->finest().x : multiscale_->finest().y;
  NodeAnswer result;
  result.name = names_[side];
  result.dimension = cloud.dimension;
  result.input_total = input_totals_[side];
  result.ids = cloud.ids;
  result.coordinates = side == 1 && centring_ ? y_coordinates_ : cloud.coordinates;
  result.mass = cloud.mass;
  result.grid = grids_[side];
  result.potential.assign(potential.begin(), potential.end());
  return result;
}

std::array<NodeAnswer, 2> PairSolver::nodes(const Potentials& at) const {
  std::array<NodeAnswer, 2> result{node(0, at.f), node(1, at.g)};
  if (centring_) centring_->restore(result[0], result[1]);
  // One constant is free where the masses are prescribed: f gets weighted mean zero.
  if (problem_.relaxation != Relaxation::none) return result;
  const double shift = weighted_mean(comm_, multiscale_->finest().x, result[0].potential);
  for (double& f : result[0].potential) f -= shift;
  for (double& g : result[1].potential) g += shift;
  return result;
}

void PairSolver::describe_stages(Answer& answer) const {
  answer.converged = converged();
  answer.method = method_;
  answer.reason = reason_;
  answer.history = history();
  if (method_ == "newton" && answer.history.back().method == "sinkhorn") {
    answer.method = "sinkhorn";
    answer.reason =
        fmt::format("the plan has more than {} entries per point", most_pairs_per_point);
  }
  for (const StageReport& stage : answer.history) {
    answer.newton_iterations.push_back(stage.newton);
    answer.sinkhorn_iterations.push_back(stage.sinkhorn);
    answer.cg_iterations.insert(answer.cg_iterations.end(), stage.cg.begin(), stage.cg.end());
  }
}

void PairSolver::describe(Answer& answer, const std::function<void()>& poll) {
  const Level& finest = multiscale_->finest();
  const Potentials& at = multiscale_->potentials();
  const bool balanced = problem_.relaxation == Relaxation::none;
  describe_stages(answer);
  const double rate = multiscale_->history().back().sweep_rate;
  if (rate > 0 && rate < 1) {
    answer.reason += fmt::format(
        "; at the last regularisation a plain sweep shrank the error by "
        "{:.3g} %, {:.3g} sweeps per digit",
        100 * (1 - rate), -1 / std::log10(rate));
  }
  answer.regularisation = epsilon_;
  answer.marginal_error_l1 = answer.history.back().error_l1;
  answer.cost_regularised = value();
  auto [x, y] = nodes(at);
  SparsePlan* plan = problem_.reflected ? nullptr : multiscale_->plan();
  if (plan != nullptr) {
    answer.cost_linear = linear_cost(*plan);
    x.transported.assign(plan->row_sums().begin(), plan->row_sums().end());
    y.transported.assign(plan->column_sums().begin(), plan->column_sums().end());
    set_maps(*plan, x, y);
  } else {
    const Kernel& kernel = multiscale_->kernel();
    answer.cost_linear = kernel.linear_cost(epsilon_, at.f, at.g, poll);
    x.transported = row_sums(kernel, finest.x, at, epsilon_, poll);
    y.transported = column_sums(kernel, finest.y, at, epsilon_, poll);
  }
  if (centring_) answer.cost_linear += centring_->gain(comm_, x, y);
  if (balanced && !problem_.reflected && (cost_ != nullptr || plan != nullptr)) {
    const Certificate bounds = rows_ != nullptr  ? certify(*plan, at, *rows_)
                               : plan != nullptr ? certify(*plan, at, *cost_)
                                                 : certify(comm_, multiscale_->kernel(), finest, at,
                                                           epsilon_, *cost_, poll);
    set_bounds(bounds.primal, bounds.dual, answer);
  }
  answer.nodes.push_back(std::move(x));
  answer.nodes.push_back(std::move(y));
}

void PairSolver::set_bounds(double primal, double dual, Answer& answer) const {
  transport::set_bounds(primal, dual, moved_cost(), std::max(largest_cost_, epsilon_) * mass_,
                        answer);
}

std::optional<PlanAnswer> PairSolver::plan(const std::string& edge) {
  SparsePlan* plan = problem_.reflected ? nullptr : multiscale_->plan();
  if (plan == nullptr) return std::nullopt;
  const Level& finest = multiscale_->finest();
  PlanAnswer result;
  result.edge = edge;
  result.row_ids = finest.x.ids;
  result.row_starts = plan->pairs().starts;
  result.values.assign(plan->values().begin(), plan->values().end());
  result.columns = column_ids(plan->pairs(), plan->ghosts(), finest.y);
  return result;
}

std::unique_ptr<Pricing> PairSolver::price() const {
  const Level& finest = multiscale_->finest();
  PricingOptions options;
  options.cut = cut_units * epsilon_;
  return std::make_unique<Pricing>(comm_, finest.x, finest.y, *cost_, multiscale_->potentials(),
                                   options);
}

void PairSolver::describe_exact(const ExactPlan& exact, Answer& answer) const {
  const Level& finest = multiscale_->finest();
  if (problem_.method == Method::exact) {
    describe_stages(answer);
    answer.method = "exact";
    answer.reason = "as the deck says";
    answer.converged = exact.optimal;
    answer.cost_linear = exact.linear + moved_cost();
  }
  answer.converged = answer.converged && exact.optimal;
  answer.marginal_error_l1 = exact.error_l1;
  set_bounds(exact.primal, exact.dual, answer);
  StageReport stage;
  stage.points = finest.x.total;
  stage.method = "exact";
  stage.searches = exact.rounds;
  stage.plan_per_row = static_cast<double>(exact.entries) / static_cast<double>(finest.x.total);
  stage.error_l1 = exact.error_l1;
  stage.dual_objective = answer.dual;
  stage.seconds = exact.seconds;
  answer.history.push_back(stage);
  answer.nodes.clear();
  auto [x, y] = nodes(exact.at);
  x.transported = exact.row_sums;
  y.transported = exact.column_sums;
  set_maps(exact, x, y);
  answer.nodes.push_back(std::move(x));
  answer.nodes.push_back(std::move(y));
}

PlanAnswer PairSolver::exact_plan(const ExactPlan& exact, const std::string& edge) const {
  PlanAnswer result;
  result.edge = edge;
  result.row_ids = multiscale_->finest().x.ids;
  result.row_starts = exact.pairs.starts;
  result.columns = column_ids(exact.pairs, exact.ghosts, multiscale_->finest().y);
  result.values = exact.values;
  return result;
}

}  // namespace mensura::transport
