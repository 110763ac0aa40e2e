// SPDX-License-Identifier: BSD-3-Clause
#include "transport/graph_job.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <numeric>
#include <utility>

#include "output/checkpoint.hpp"
#include "output/memory.hpp"
#include "parallel/exchange.hpp"
#include "parallel/hosts.hpp"
#include "run/timers.hpp"
#include "transport/graph.hpp"
#include "transport/graph_answer.hpp"
#include "transport/laplacian_solver.hpp"
#include "transport/loading.hpp"
#include "transport/prediction.hpp"
#include "transport/regularisation.hpp"
#include "transport/results.hpp"
#include "transport/state_numbers.hpp"
#include "transport/support_start.hpp"

namespace mensura::transport {

namespace {

constexpr const char* job_name = "transport/graph";
// A group works so long before it meets the others, if its steps are shorter.
constexpr double seconds_between_stops = 2;

std::string prefix_of(std::size_t piece) {
  return "transport/part_" + std::to_string(piece) + "/";
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Where a free marginal lives.
std::string free_line(const MarginalSpec& spec, const Marginal& like, const Marginal& marginal,
                      bool hidden) {
  if (spec.support) {
    return fmt::format("marginal '{}': free, {} points that move, beginning in '{}'", spec.name,
                       marginal.total, like.name);
  }
  if (spec.resize) {
    return fmt::format("marginal '{}': free, on a grid of {} pixels in the box of '{}'", spec.name,
                       fmt::join(marginal.grid->shape, " x "), like.name);
  }
  return fmt::format("marginal '{}': free, on the {} {} of '{}'{}", spec.name, marginal.total,
                     marginal.grid ? "pixels" : "points", like.name,
                     hidden ? ", between all pairs" : "");
}

// Trees fall apart at fixed nodes; what is no tree, or has an entropy of its own, does not.
std::vector<Component> parts_of(const Problem& problem) {
  const Graph graph = graph_of(problem);
  if (!closing_edge(graph) && !problem.per_edge && !problem.spline &&
      problem.cost.kind != CostKind::coulomb && problem.method != Method::line) {
    return components(graph);
  }
  Component whole;
  whole.nodes.resize(graph.nodes());
  whole.edges.resize(graph.edges.size());
  std::iota(whole.nodes.begin(), whole.nodes.end(), std::size_t{0});
  std::iota(whole.edges.begin(), whole.edges.end(), std::size_t{0});
  return {whole};
}

}  // namespace

// What a checkpoint knows, until the set-up is done again.
struct GraphJob::Restored {
  std::vector<std::int64_t> fingerprints, status;
  std::vector<SavedState> states;  // blocks over all ranks; empty where the part was waiting
};

GraphJob::GraphJob(Problem problem, const parallel::Communicator& comm)
    : problem_(std::move(problem)), comm_(comm) {}

GraphJob::~GraphJob() = default;

void GraphJob::load_problem(run::Context& context) {
  LaplacianSolver::check_options(comm_, LaplacianSolver::Use::newton);
  LaplacianSolver::check_options(comm_, LaplacianSolver::Use::tree);
  marginals_ = load_marginals(comm_, problem_, context);
  const Marginal* first = nullptr;
  for (const Marginal& marginal : marginals_) {
    if (marginal.input_total == 0) continue;
    if (first != nullptr) check_pair(*first, marginal, problem_.relaxation);
    if (first == nullptr) first = &marginal;
  }
  if (restored_) check_fingerprints(marginals_, restored_->fingerprints);
  for (std::size_t k = 0; k < marginals_.size(); ++k) {
    const MarginalSpec& spec = problem_.marginals[k];
    if (!spec.free) continue;
    const auto like = std::ranges::find_if(
        marginals_, [&](const Marginal& marginal) { return marginal.name == spec.like; });
    marginals_[k] = spec.support ? support_marginal(comm_, spec.name, *like, *spec.support,
                                                    problem_.seed, context.poll)
                                 : free_marginal(comm_, spec.name, *like, spec.resize);
    if (problem_.method != Method::line)
      context.log(free_line(spec, *like, marginals_[k], problem_.has_hidden_centre()));
  }
  if (problem_.method == Method::line) {
    epsilon_ = Answer::unknown;
    return;
  }
  // Points that move have no spacing yet.
  std::vector<const Marginal*> all;
  for (std::size_t k = 0; k < marginals_.size(); ++k) {
    if (!problem_.marginals[k].support) all.push_back(&marginals_[k]);
  }
  epsilon_ = regularisation_of(comm_, problem_, all, context.poll);
  context.log(fmt::format("regularisation {:.6g}", epsilon_));
}

// Points: plans, searches and steps grow with them.
double GraphJob::work_of(const Piece& piece) const {
  double points = 0;
  for (const std::size_t node : piece.nodes) {
    points += static_cast<double>(marginals_[node].total);
  }
  return points;
}

void GraphJob::split(run::Context& context) {
  for (const Component& component : parts_of(problem_)) {
    Piece piece;
    piece.problem = part_of(problem_, component.nodes, component.edges);
    piece.nodes = component.nodes;
    pieces_.push_back(std::move(piece));
  }
  std::vector<double> work;
  std::int64_t largest = 0;
  for (const Piece& piece : pieces_) {
    work.push_back(work_of(piece));
    std::vector<MarginalSize> sizes;
    for (const std::size_t node : piece.nodes) {
      sizes.push_back({marginals_[node].total, marginals_[node].dimension, marginals_[node].grid});
    }
    largest = std::max(largest, footprint(piece.problem, sizes, 1).bytes_per_rank);
  }
  // Groups have enough ranks for the memory of their parts.
  const auto nodes = std::ssize(parallel::host_names(comm_));
  const std::int64_t on_a_node = (comm_.size() + nodes - 1) / nodes;
  const std::int64_t memory = comm_.min(output::available_memory() / on_a_node);
  const std::int64_t least = 1 + largest / std::max<std::int64_t>(memory, 1);
  groups_ = plan_groups(work, comm_.size(),
                        static_cast<int>(std::min<std::int64_t>(least, comm_.size())));
  const int widest = groups_.size(groups_.of_rank(comm_.rank()));
  output::check_memory(comm_, largest / widest,
                       fmt::format("the plans of a part of the graph on {} rank(s)", widest));
  context.log(fmt::format("{} part{} on {} group{} of ranks", pieces_.size(),
                          pieces_.size() == 1 ? "" : "s", groups_.count(),
                          groups_.count() == 1 ? "" : "s"));
  reported_.assign(pieces_.size(), 0);
  if (groups_.count() > 1) {
    group_ = comm_.split(static_cast<int>(groups_.of_rank(comm_.rank())), comm_.rank());
  }
  deliver();
}

// Every group gets the points of its parts, and what a checkpoint knows of them: rank r's share
// goes to the member of the group that stands in its place.
void GraphJob::deliver() {
  const auto member = [&](std::size_t piece) {
    const std::size_t group = groups_.of_part(piece);
    return static_cast<std::size_t>(groups_.firsts[group]) +
           static_cast<std::size_t>(comm_.rank()) * static_cast<std::size_t>(groups_.size(group)) /
               static_cast<std::size_t>(comm_.size());
  };
  const auto send = [&]<class T>(std::size_t piece, std::span<const T> values) {
    std::vector<std::int64_t> counts(static_cast<std::size_t>(comm_.size()), 0);
    counts[member(piece)] = std::ssize(values);
    return parallel::exchange<T>(comm_, values, counts).data;
  };
  for (std::size_t p = 0; p < pieces_.size(); ++p) {
    Piece& piece = pieces_[p];
    for (const std::size_t node : piece.nodes) {
      const Marginal& from = marginals_[node];
      Marginal to = from;
      if (group_) {
        to.coordinates = send(p, std::span<const double>(from.coordinates));
        to.mass = send(p, std::span<const double>(from.mass));
        to.ids = send(p, std::span<const std::uint64_t>(from.ids));
      }
      piece.marginals.push_back(std::move(to));
    }
    if (!restored_) continue;
    if (restored_->status.at(p) == 0) continue;
    piece.saved = std::move(restored_->states[p]);
    if (!group_) continue;
    for (SavedState::Array& array : piece.saved->arrays) {
      array.values = send(p, std::span<const double>(array.values));
      array.integers = send(p, std::span<const std::int64_t>(array.integers));
    }
  }
  restored_.reset();
  for (Marginal& marginal : marginals_) {
    marginal.coordinates = {};
    marginal.mass = {};
    marginal.ids = {};
  }
}

// One bounded piece of work on the ranks of a part's group.
void GraphJob::step(Piece& piece, const std::function<void()>& poll) {
  if (!part_) {
    part_ = make_part(group_comm(), piece.problem, piece.marginals, epsilon_, poll);
    if (piece.saved) {
      part_->restore(*piece.saved);
      piece.earlier = std::ssize(part_->history());
    }
    piece.saved.reset();
  } else if (!part_->finished()) {
    part_->advance(poll);
  } else {
    piece.saved = part_->save();
    piece.history = part_->history();
    piece.answer = part_->describe(poll);
    piece.answer->method = part_->method();
    piece.answer->reason = part_->reason();
    piece.marginals.clear();
    part_.reset();
    return;
  }
  piece.history = part_->history();
}

void GraphJob::work(const std::function<void()>& poll, bool alone) {
  const auto start = std::chrono::steady_clock::now();
  for (const std::size_t p : groups_.parts[groups_.of_rank(comm_.rank())]) {
    Piece& piece = pieces_[p];
    while (!piece.answer) {
      current_ = p;
      step(piece, poll);
      if (alone || group_comm().max(seconds_since(start)) > seconds_between_stops) return;
    }
  }
}

void GraphJob::gather_status() {
  std::vector<std::int64_t> done(pieces_.size() + 1, 0);
  for (std::size_t p = 0; p < pieces_.size(); ++p) {
    if (!mine(p) || leader_of(p) != comm_.rank()) continue;
    done[p] = pieces_[p].answer ? 1 : 0;
    if (part_ && part_->begun()) done.back() = 1;
    if (pieces_[p].answer) done.back() = 1;
  }
  comm_.sum(done);
  pieces_done_ = 0;
  for (std::size_t p = 0; p < pieces_.size(); ++p) pieces_done_ += done[p];
  any_begun_ = done.back() > 0;
}

// Stages that are over, in the parts of the first rank's group; those of a checkpoint were reported
// when they were solved.
void GraphJob::report(run::Context& context) {
  for (std::size_t p = 0; p < pieces_.size(); ++p) {
    const auto& history = pieces_[p].history;
    if (reported_[p] < pieces_[p].earlier) {
      reported_[p] = pieces_[p].earlier;
      context.log(fmt::format("part {}: {} regularisation{} done before", p, reported_[p],
                              reported_[p] == 1 ? " was" : "s were"));
    }
    for (; reported_[p] < std::ssize(history); ++reported_[p]) {
      const StageReport& stage = history[static_cast<std::size_t>(reported_[p])];
      context.log(
          fmt::format("part {}: level {} ({} points), regularisation {:.3g}: {} Newton "
                      "steps, {} sweeps, error {:.3g}, {:.2f} s",
                      p, stage.level, stage.points, stage.regularisation, stage.newton,
                      stage.sinkhorn, stage.error_l1, stage.seconds));
    }
  }
}

void GraphJob::advance(run::Context& context) {
  if (marginals_.empty()) {
    load_problem(context);
    return;
  }
  if (pieces_.empty()) {
    const auto phase = context.timers.phase("hierarchy");
    split(context);
    return;
  }
  if (pieces_done_ == std::ssize(pieces_)) {
    finish(context);
    return;
  }
  const auto phase = context.timers.phase("solve");
  if (group_) {
    // Groups are at different places: they poll nobody. Errors of a group reach all.
    parallel::agree(comm_, [&] { work([] {}, false); });
  } else {
    work(context.poll, true);
  }
  gather_status();
  report(context);
}

void GraphJob::finish(run::Context& context) {
  const auto phase = context.timers.phase("certificate");
  std::vector<PartAnswer> parts;
  for (std::size_t p = 0; p < pieces_.size(); ++p) {
    parts.push_back(
        {pieces_[p].nodes, leader_of(p), pieces_[p].answer ? &*pieces_[p].answer : nullptr});
  }
  Answer answer = merge_answers(comm_, problem_, parts);
  answer.regularisation = epsilon_;
  double rounding = 0;
  for (std::size_t p = 0; p < pieces_.size(); ++p) {
    if (leader_of(p) == comm_.rank()) rounding += pieces_[p].answer->gap_rounding;
    pieces_[p].answer.reset();
  }
  const std::vector<double> roundings = comm_.all_gather(std::span<const double>(&rounding, 1));
  answer.gap_rounding = std::accumulate(roundings.begin(), roundings.end(), 0.0);
  if (!answer.converged) warn_not_converged(context, answer, problem_);
  warn_wide_gap(context, answer, problem_);
  if (!problem_.spline) draw_wanted_tuples(comm_, context, problem_, problem_.edges, answer);
  answer_ = std::move(answer);
}

run::Progress GraphJob::progress() const {
  run::Progress progress;
  progress.total = std::max<std::int64_t>(1, std::ssize(pieces_)) * 100;
  progress.done = finished() ? progress.total : pieces_done_ * 100;
  if (finished()) {
    progress.line = "finished";
  } else if (marginals_.empty()) {
    progress.line = "reading the marginals";
  } else if (part_) {
    progress.line =
        fmt::format("{} of {} parts done; {}", pieces_done_, pieces_.size(), part_->line());
  } else {
    progress.line = fmt::format("{} of {} parts done", pieces_done_, pieces_.size());
  }
  return progress;
}

std::int64_t GraphJob::checkpoint_bytes() const {
  std::int64_t points = 0;
  for (const Piece& piece : pieces_) {
    for (const std::size_t node : piece.nodes) points += marginals_[node].total;
  }
  return (std::int64_t{1} << 20U) + 4 * 8 * points;
}

void GraphJob::save(output::CheckpointWriter& checkpoint) const {
  std::vector<std::int64_t> status(pieces_.size(), 0);
  std::vector<std::optional<SavedState>> states(pieces_.size());
  for (std::size_t p = 0; p < pieces_.size(); ++p) {
    if (!mine(p)) continue;
    const Piece& piece = pieces_[p];
    if (part_ && current_ == p) {
      if (part_->begun()) states[p] = part_->save();
    } else if (piece.saved) {
      states[p] = piece.saved;
    }
    if (leader_of(p) != comm_.rank()) continue;
    status[p] = states[p] ? 1 : 0;
  }
  comm_.sum(status);
  checkpoint.replicated(job_name, status);
  checkpoint.replicated(std::string(job_name) + "_fingerprints", fingerprints_of(marginals_));
  for (std::size_t p = 0; p < pieces_.size(); ++p) {
    if (status[p] == 0) continue;
    write(checkpoint, comm_, prefix_of(p), states[p] ? &*states[p] : nullptr, leader_of(p));
  }
}

void GraphJob::load(const output::CheckpointReader& checkpoint) {
  restored_ = std::make_unique<Restored>();
  restored_->fingerprints = checkpoint.integers(std::string(job_name) + "_fingerprints");
  restored_->status = checkpoint.integers(job_name);
  for (std::size_t p = 0; p < restored_->status.size(); ++p) {
    restored_->states.emplace_back();
    if (restored_->status[p] == 0) continue;
    restored_->states.back() = read(checkpoint, prefix_of(p), comm_.rank(), comm_.size());
  }
}

void GraphJob::record(output::Record& record) const {
  if (answer_) {
    transport::record(*answer_, record);
    return;
  }
  // Stages of all groups, from their leaders.
  Answer so_far;
  so_far.regularisation = epsilon_;
  for (std::size_t p = 0; p < pieces_.size(); ++p) {
    std::vector<double> numbers = packed(pieces_[p].history);
    std::int64_t size = std::ssize(numbers);
    comm_.broadcast(std::span(&size, 1), leader_of(p));
    numbers.resize(static_cast<std::size_t>(size));
    comm_.broadcast(std::span(numbers), leader_of(p));
    for (StageReport& stage : unpacked(numbers)) {
      stage.part = static_cast<std::int64_t>(p);
      so_far.history.push_back(std::move(stage));
    }
  }
  transport::record(so_far, record);
}

}  // namespace mensura::transport
