// SPDX-License-Identifier: BSD-3-Clause
#include "transport/job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "output/checkpoint.hpp"
#include "output/memory.hpp"
#include "run/timers.hpp"
#include "transport/deck.hpp"
#include "transport/exact_methods.hpp"
#include "transport/laplacian_solver.hpp"
#include "transport/loading.hpp"
#include "transport/pair_solver.hpp"
#include "transport/prediction.hpp"
#include "transport/regularisation.hpp"
#include "transport/results.hpp"
#include "transport/state_numbers.hpp"

namespace mensura::transport {

namespace {

constexpr const char* job_numbers = "transport/job";
constexpr const char* pair_prefix = "transport/pair/";

bool by_formula(Method method) {
  return method == Method::line || method == Method::circle || method == Method::sliced;
}

}  // namespace

// What a checkpoint knows, until the set-up is done again.
struct TransportJob::Restored {
  std::vector<std::int64_t> fingerprints;
  std::optional<SavedState> pair;
};

TransportJob::TransportJob(Problem problem, const parallel::Communicator& comm)
    : problem_(std::move(problem)), comm_(comm) {}

TransportJob::~TransportJob() = default;

bool TransportJob::has_state() const {
  return pair_ > 0 || (solver_ && solver_->begun());
}

const Marginal& TransportJob::side(std::size_t number) const {
  const EdgeSpec& edge = problem_.edges[0];
  return marginals_[number == 0 ? edge.from : edge.to];
}

void TransportJob::load_marginals(run::Context& context) {
  if (!by_formula(problem_.method)) {
    LaplacianSolver::check_options(comm_, LaplacianSolver::Use::newton);
  }
  marginals_ = transport::load_marginals(comm_, problem_, context);
  if (problem_.exact || problem_.method == Method::exact) {
    check_exact_size(marginals_[0].total, marginals_[1].total);
  }
  check_pair(marginals_[0], marginals_[1], problem_.relaxation, problem_.strength);
  check_memory();
  if (restored_) check_fingerprints(marginals_, restored_->fingerprints);
}

// What the points with mass will need, before anything is built on them.
void TransportJob::check_memory() const {
  std::vector<MarginalSize> sizes;
  for (std::size_t s = 0; s < 2; ++s) {
    sizes.push_back({side(s).total, side(s).dimension, side(s).grid});
  }
  const Footprint need = footprint(problem_, sizes, comm_.size());
  output::check_memory(
      comm_, need.bytes_per_rank,
      need.plan_per_row > 0
          ? fmt::format(
                "a plan of about {:.0f} entries and a matrix of about {:.0f} for each of {} "
                "points (use more ranks, or method: sinkhorn)",
                need.plan_per_row, need.laplacian_per_row, sizes[0].points)
          : fmt::format("a problem of {} points", sizes[0].points));
}

void TransportJob::begin_pair(run::Context& context) {
  const auto phase = context.timers.phase("hierarchy");
  const bool last = pair_ + 1 == pairs();
  const Marginal& a = side(last ? 0 : pair_);
  const Marginal& b = side(last ? 1 : pair_);
  if (!(epsilon_ > 0) && !last) {  // all pairs of a divergence have that of the last one
    const std::array<const Marginal*, 2> both{&side(0), &side(1)};
    epsilon_ = regularisation_of(comm_, problem_, both, context.poll);
  }
  solver_ = std::make_unique<PairSolver>(comm_, problem_, a, b, epsilon_, context.poll);
  epsilon_ = solver_->epsilon();
  reported_ = 0;
  context.log(fmt::format("{} with {}: regularisation {:.6g}, method {}: {}", a.name, b.name,
                          epsilon_, solver_->method(), solver_->reason()));
  if (restored_ && restored_->pair) {
    solver_->restore(*restored_->pair);
    reported_ = solver_->multiscale().history().size();
  }
  restored_.reset();
}

void TransportJob::advance(run::Context& context) {
  if (marginals_.empty()) {
    load_marginals(context);
    return;
  }
  if (by_formula(problem_.method)) {
    solve_exactly(context);
    return;
  }
  if (!solver_) {
    begin_pair(context);
    return;
  }
  if (!solver_->finished()) {
    const auto phase = context.timers.phase("solve");
    solver_->advance(context.poll);
    const auto& history = solver_->multiscale().history();
    for (; reported_ < history.size(); ++reported_) {
      const StageReport& stage = history[reported_];
      context.log(fmt::format(
          "level {} ({} points), regularisation {:.3g}: {} Newton steps, {} sweeps, error {:.3g}",
          stage.level, stage.points, stage.regularisation, stage.newton, stage.sinkhorn,
          stage.error_l1));
    }
    return;
  }
  if (wants_exact() && price(context)) return;
  end_pair(context);
}

bool TransportJob::wants_exact() const {
  return (problem_.exact || problem_.method == Method::exact) && pair_ + 1 == pairs();
}

// One step of the exact solution; false once there is nothing left to do.
bool TransportJob::price(run::Context& context) {
  const auto phase = context.timers.phase("exact");
  if (!pricing_) {
    pricing_ = solver_->price();
    return true;
  }
  if (pricing_->finished()) return false;
  pricing_->advance(context.poll);
  if (!pricing_->finished()) return true;
  const ExactPlan& exact = pricing_->result();
  context.log(fmt::format("exact: {} linear programs on {} pairs, {} entries, gap {:.3g}",
                          exact.rounds, exact.arcs, exact.entries, exact.primal - exact.dual));
  return true;
}

void TransportJob::end_pair(run::Context& context) {
  const auto phase = context.timers.phase("certificate");
  values_.push_back(solver_->value());
  symmetric_converged_ = symmetric_converged_ && solver_->converged();
  if (++pair_ < pairs()) {
    for (const StageReport& stage : solver_->history()) partial_.history.push_back(stage);
    solver_.reset();
    return;
  }
  std::vector<StageReport> before = std::move(partial_.history);
  // Nobody asks for the regularised plan of method: exact.
  if (problem_.method != Method::exact) solver_->describe(partial_, context.poll);
  if (pricing_) solver_->describe_exact(pricing_->result(), partial_);
  partial_.history.insert(partial_.history.begin(), before.begin(), before.end());
  if (problem_.method == Method::exact) symmetric_converged_ = true;  // its start may be rough
  partial_.converged = symmetric_converged_ && (!pricing_ || pricing_->result().optimal);
  if (problem_.wants_plans()) {
    const std::string edge = side(0).name + "-" + side(1).name;
    std::optional<PlanAnswer> plan =
        pricing_ ? solver_->exact_plan(pricing_->result(), edge) : solver_->plan(edge);
    if (plan) partial_.plans.push_back(std::move(*plan));
  }
  finish(context);
}

void TransportJob::finish(run::Context& context) {
  if (problem_.divergence) {
    // Reference/transport 2.8; the masses' term vanishes for balanced problems.
    const double difference = marginals_[0].total_mass - marginals_[1].total_mass;
    partial_.divergence =
        values_[2] - (values_[0] + values_[1]) / 2 + epsilon_ / 2 * difference * difference;
  }
  if (pricing_ && !pricing_->result().optimal) {
    context.warn(
        fmt::format("the exact solution is not one: the gap is {:.3g} after {} linear "
                    "programs; raise regularisation.final",
                    partial_.gap_absolute, pricing_->result().rounds));
  } else if (!partial_.converged) {
    warn_not_converged(context, partial_, problem_);
  }
  warn_wide_gap(context, partial_, problem_);
  draw_wanted_tuples(comm_, context, problem_, {EdgeSpec{}}, partial_);
  answer_ = std::move(partial_);
}

void TransportJob::solve_exactly(run::Context& context) {
  const auto phase = context.timers.phase("solve");
  if (problem_.write_plan && problem_.method != Method::line) {
    context.log(fmt::format("method {} writes no plan", name_of(problem_.method)));
  }
  Answer answer = exact_answer(comm_, problem_, side(0), side(1), context.poll);
  draw_wanted_tuples(comm_, context, problem_, {EdgeSpec{}}, answer);
  answer_ = std::move(answer);
}

run::Progress TransportJob::progress() const {
  run::Progress progress;
  progress.total = 100;
  if (finished()) {
    progress.done = 100;
    return progress;
  }
  if (!solver_) {
    progress.line = marginals_.empty() ? "reading marginals" : "hierarchy";
    progress.done = static_cast<std::int64_t>(100 * pair_ / pairs());
    return progress;
  }
  const auto done = static_cast<double>(solver_->multiscale().history().size());
  const auto left = static_cast<double>(solver_->multiscale().stages_left());
  // The certificate counts as one stage.
  progress.done = static_cast<std::int64_t>(
      100 * (static_cast<double>(pair_) + done / (done + left + 1)) / static_cast<double>(pairs()));
  progress.line = pricing_ ? pricing_->line() : solver_->multiscale().line();
  return progress;
}

std::int64_t TransportJob::checkpoint_bytes() const {
  std::int64_t points = 0;
  for (const Marginal& marginal : marginals_) points += marginal.total;
  return (std::int64_t{1} << 20U) + 5 * 8 * points;
}

void TransportJob::save(output::CheckpointWriter& checkpoint) const {
  // A finished run that did not converge may go on with other limits: from its last pair.
  const std::size_t pair = std::min(pair_, pairs() - 1);
  const bool begun = solver_ && solver_->begun();
  std::vector<double> numbers{static_cast<double>(pair), epsilon_,
                              finished() || symmetric_converged_ ? 1.0 : 0.0, begun ? 1.0 : 0.0};
  numbers.insert(numbers.end(), values_.begin(),
                 values_.begin() + static_cast<std::ptrdiff_t>(pair));
  checkpoint.replicated(job_numbers, numbers);
  checkpoint.replicated(std::string(job_numbers) + "_fingerprints", fingerprints_of(marginals_));
  checkpoint.replicated(std::string(job_numbers) + "_history", packed(partial_.history));
  if (!begun) return;
  const SavedState state = solver_->save();
  write(checkpoint, comm_, pair_prefix, &state, 0);
}

void TransportJob::load(const output::CheckpointReader& checkpoint) {
  const std::vector<double> numbers = checkpoint.reals(job_numbers);
  parallel::require(numbers.size() >= 4, "the checkpoint has the shape that save() gave it");
  pair_ = static_cast<std::size_t>(numbers[0]);
  epsilon_ = numbers[1];
  symmetric_converged_ = numbers[2] > 0;
  values_.assign(numbers.begin() + 4, numbers.end());
  partial_.history = unpacked(checkpoint.reals(std::string(job_numbers) + "_history"));
  restored_ = std::make_unique<Restored>();
  restored_->fingerprints = checkpoint.integers(std::string(job_numbers) + "_fingerprints");
  if (numbers[3] > 0) restored_->pair = read(checkpoint, pair_prefix, comm_.rank(), comm_.size());
}

void TransportJob::record(output::Record& record) const {
  if (answer_) {
    transport::record(*answer_, record);
    return;
  }
  Answer so_far = partial_;
  so_far.converged = false;
  if (solver_) {
    so_far.regularisation = epsilon_;
    so_far.method = solver_->method();
    for (const StageReport& stage : solver_->history()) so_far.history.push_back(stage);
  }
  transport::record(so_far, record);
}

}  // namespace mensura::transport
