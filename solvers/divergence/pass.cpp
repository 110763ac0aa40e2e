// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/pass.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "divergence/gaussian.hpp"
#include "divergence/limits.hpp"
#include "divergence/moments.hpp"
#include "divergence/one_step.hpp"
#include "divergence/source.hpp"
#include "run/timers.hpp"

namespace mensura::divergence {

using parallel::Error;
using parallel::ExactSum;
using parallel::ExitCode;

namespace {

// Sites of one batch are a random share of all, so that many batches cost locality: 10 of 2e6
// points took 1.5 times as long as one. Safe points every few seconds need no more than these.
constexpr std::int64_t points_per_batch = 1000000;
constexpr std::int64_t most_batches = 16;

}  // namespace

Pass::Pass(const Problem& problem, std::size_t first, std::size_t second,
           std::vector<std::size_t> requests)
    : problem_(problem),
      pair_{first, second},
      requests_(std::move(requests)),
      fitted_(requests_.size()) {}

Pass::~Pass() = default;

std::string Pass::name() const {
  return problem_.sets[pair_[0]].name + ", " + problem_.sets[pair_[1]].name;
}

void Pass::advance(const parallel::Communicator& comm, run::Context& context) {
  switch (stage_) {
    case Stage::read:
      return read(comm, context);
    case Stage::prepare:
      return prepare(comm, context);
    case Stage::build:
      return build(comm, context);
    case Stage::search:
      return search(comm, context);
    case Stage::done:
      return;
  }
}

std::span<const double> Pass::points_of(std::size_t set) const {
  const auto d = static_cast<std::size_t>(facts_.dimension);
  const std::span<const double> all(coordinates_);
  return set == 0 ? all.first(local_counts_[0] * d) : all.subspan(local_counts_[0] * d);
}

void Pass::read(const parallel::Communicator& comm, run::Context& context) {
  const auto phase = context.timers.phase("read");
  std::array<output::PointBlock, 2> blocks;
  for (std::size_t i = 0; i < 2; ++i) {
    const SampleSet& set = problem_.sets[pair_[i]];
    blocks[i] = load_points(comm, set, context.poll);
    facts_.counts[i] = blocks[i].total;
    facts_.fingerprints[i] = blocks[i].fingerprint;
    first_rows_[i] = blocks[i].first;
    local_counts_[i] = blocks[i].values.size() / static_cast<std::size_t>(blocks[i].dimension);
    context.log(fmt::format("read '{}' from {}: {} points, dimension {}", set.name, describe(set),
                            blocks[i].total, blocks[i].dimension));
    context.poll();
  }
  std::vector<SetSize> sizes(problem_.sets.size());
  for (std::size_t i = 0; i < 2; ++i) sizes[pair_[i]] = {blocks[i].total, blocks[i].dimension};
  check_requests(problem_, requests_, sizes);
  facts_.dimension = blocks[0].dimension;
  plan(comm);
  parallel::agree(comm, [&] {
    coordinates_ = std::move(blocks[0].values);
    coordinates_.reserve(coordinates_.size() + blocks[1].values.size());
    coordinates_.insert(coordinates_.end(), blocks[1].values.begin(), blocks[1].values.end());
  });
  rescale_extremes(comm);
  stage_ = Stage::prepare;
}

// Squares of coordinates beyond 2^300 or below 2^-300 leave the range of doubles. Divergences do
// not change when both sets are divided by the same power of two, which is exact: each coordinate
// by its own when whitening follows, else all by one.
void Pass::rescale_extremes(const parallel::Communicator& comm) {
  const auto d = static_cast<std::size_t>(facts_.dimension);
  std::vector<double> largest(d, 0.0);
  for (std::size_t at = 0; at < coordinates_.size(); ++at) {
    largest[at % d] = std::max(largest[at % d], std::abs(coordinates_[at]));
  }
  comm.max(std::span(largest));
  const double common = *std::max_element(largest.begin(), largest.end());
  std::vector<int> exponents(d, 0);
  for (std::size_t j = 0; j < d; ++j) {
    const double size = problem_.whitening ? largest[j] : common;
    const int exponent = size > 0.0 ? std::ilogb(size) : 0;
    if (std::abs(exponent) > 300) exponents[j] = -exponent;
  }
  if (std::all_of(exponents.begin(), exponents.end(), [](int e) { return e == 0; })) return;
  for (std::size_t at = 0; at < coordinates_.size(); ++at) {
    coordinates_[at] = std::ldexp(coordinates_[at], exponents[at % d]);
  }
}

std::vector<int> Pass::neighbours_of(const Request& request) const {
  return divergence::neighbours_of(request, facts_.counts[0], facts_.counts[1]);
}

void Pass::compare_with_checkpoint() const {
  for (std::size_t i = 0; i < 2; ++i) {
    if (expected_->counts[i] == facts_.counts[i] &&
        expected_->fingerprints[i] == facts_.fingerprints[i]) {
      continue;
    }
    const SampleSet& set = problem_.sets[pair_[i]];
    throw Error(
        ExitCode::usage,
        fmt::format("the data of set '{}' ({}) changed since the checkpoint was written; restore "
                    "them, or start anew with output.overwrite: true",
                    set.name, describe(set)));
  }
}

void Pass::plan(const parallel::Communicator& comm) {
  if (expected_) compare_with_checkpoint();
  PassPlan plan;
  plan.dimension = static_cast<int>(facts_.dimension);
  for (const std::size_t index : requests_) {
    const Request& request = problem_.requests[index];
    const auto ks = neighbours_of(request);
    if (request.method == Method::one_step &&
        std::find(plan.lists.begin(), plan.lists.end(), ks) == plan.lists.end()) {
      plan.lists.push_back(ks);
    }
    if (request.method == Method::nnr) {
      plan.ratio_neighbours.insert(plan.ratio_neighbours.end(), {ks[0], ks[0] / 2});
    }
    if (request.method == Method::wkv) plan.distance_neighbours.push_back(ks[0]);
  }
  for (auto* list : {&plan.ratio_neighbours, &plan.distance_neighbours}) {
    std::sort(list->begin(), list->end());
    list->erase(std::unique(list->begin(), list->end()), list->end());
  }
  sums_.emplace(std::move(plan));
  // The checkpoint's sums count once: on rank 0. All ranks look at them, so that errors agree.
  if (expected_) {
    sums_->adopt(loaded_words_);
    if (!comm.is_root() && stage_ != Stage::done) sums_.emplace(PassPlan(sums_->plan()));
  }
  loaded_words_ = {};
  const std::int64_t points = facts_.counts[0] + facts_.counts[1];
  batches_ = !sums_->plan().needs_search() ? 0
             : problem_.batches > 0        ? problem_.batches
                                    : std::clamp((points + points_per_batch - 1) / points_per_batch,
                                                 std::int64_t{1}, most_batches);
}

void Pass::prepare(const parallel::Communicator& comm, run::Context& context) {
  const auto phase = context.timers.phase("moments");
  fit_gaussians(comm, context);
  if (!sums_->plan().needs_search()) {
    coordinates_ = {};
    stage_ = Stage::done;
    return;
  }
  if (problem_.whitening) whiten(comm, context);
  stage_ = Stage::build;
}

namespace {

// Exact sample moments of the union of blocks of points (n x d each) over all ranks.
Moments moments_of(const parallel::Communicator& comm, int dimension,
                   std::initializer_list<std::span<const double>> blocks, std::int64_t count,
                   const std::function<void()>& poll) {
  const auto d = static_cast<std::size_t>(dimension);
  // In pieces of at most about a second, as many on every rank, since poll() is collective.
  const auto for_each_point = [&](auto&& visit) {
    const std::size_t piece = std::max<std::size_t>(1, (std::size_t{1} << 26U) / (d * (d + 1))) * d;
    for (const auto block : blocks) {
      const auto own = static_cast<std::int64_t>((block.size() + piece - 1) / piece);
      const auto pieces = static_cast<std::size_t>(comm.max(own));
      for (std::size_t p = 0; p < pieces; ++p) {
        const std::size_t end = std::min(block.size(), (p + 1) * piece);
        for (std::size_t at = p * piece; at < end; at += d) visit(block.subspan(at, d));
        poll();
      }
    }
  };
  MeanSums means(dimension);
  for_each_point([&](std::span<const double> point) { means.add(point); });
  parallel::reduce(comm, means.sums());
  ScatterSums scatter(means.mean(count));
  for_each_point([&](std::span<const double> point) { scatter.add(point); });
  parallel::reduce(comm, scatter.sums());
  return scatter.moments(count);
}

void add_squares(ExactSum& sum, std::span<const double> points, int dimension, auto influence) {
  const auto d = static_cast<std::size_t>(dimension);
  for (std::size_t at = 0; at < points.size(); at += d) {
    const double value = influence(points.subspan(at, d));
    sum.add(value * value);
  }
}

}  // namespace

void Pass::fit_gaussians(const parallel::Communicator& comm, run::Context& context) {
  const bool wanted = std::any_of(requests_.begin(), requests_.end(), [&](std::size_t index) {
    return problem_.requests[index].method == Method::gaussian;
  });
  if (!wanted) return;
  const int d = static_cast<int>(facts_.dimension);
  std::array<Moments, 2> moments;
  for (std::size_t i = 0; i < 2; ++i) {
    moments[i] = moments_of(comm, d, {points_of(i)}, facts_.counts[i], context.poll);
  }
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    const Request& request = problem_.requests[requests_[i]];
    if (request.method != Method::gaussian) continue;
    const std::size_t p = request.of[0] == pair_[0] ? 0 : 1;
    const std::size_t q = 1 - p;
    try {
      const GaussianFit fit(request.quantity, request.order, moments[p], moments[q],
                            problem_.sets[pair_[p]].name, problem_.sets[pair_[q]].name);
      std::array<ExactSum, 2> squares;
      add_squares(squares[0], points_of(p), d, [&](auto x) { return fit.influence_p(x); });
      add_squares(squares[1], points_of(q), d, [&](auto x) { return fit.influence_q(x); });
      parallel::reduce(comm, squares);
      fitted_[i] = fit.estimate(squares[0].value(), squares[1].value(), problem_.confidence);
    } catch (const Error& error) {
      // The moments are the same on all ranks, so all are here: no number for this request only.
      if (error.code() != ExitCode::numerical) throw;
      fitted_[i] = blank_estimate(request.quantity, request.order);
      fitted_[i]->status = error.what();
    }
    context.poll();
  }
}

void Pass::whiten(const parallel::Communicator& comm, run::Context& context) {
  const Whitening whitening(moments_of(comm, static_cast<int>(facts_.dimension), {coordinates_},
                                       facts_.counts[0] + facts_.counts[1], context.poll));
  facts_.warning = whitening.warning();
  if (!facts_.warning.empty()) context.warn(fmt::format("sets {}: {}", name(), facts_.warning));
  whitening.apply(coordinates_);
}

void Pass::build(const parallel::Communicator& comm, run::Context& context) {
  const auto phase = context.timers.phase("build");
  points::LabelledPoints points;
  points.dimension = static_cast<int>(facts_.dimension);
  points.offsets = {0, facts_.counts[0], facts_.counts[0] + facts_.counts[1]};
  parallel::agree(comm, [&] { points.ids.resize(local_counts_[0] + local_counts_[1]); });
  const auto middle = points.ids.begin() + static_cast<std::ptrdiff_t>(local_counts_[0]);
  std::iota(points.ids.begin(), middle, static_cast<std::uint64_t>(first_rows_[0]));
  std::iota(middle, points.ids.end(),
            static_cast<std::uint64_t>(facts_.counts[0] + first_rows_[1]));
  points.coordinates = std::move(coordinates_);
  coordinates_ = {};
  const PassPlan& plan = sums_->plan();
  engine_ = std::make_unique<points::NeighbourEngine>(
      comm, std::move(points), std::max(plan.union_neighbours(), plan.distance_reach()),
      points::EngineOptions{.remote_buffer_bytes = problem_.remote_buffer_bytes});
  const auto statistics = engine_->statistics();
  facts_.coincident = statistics.coincident;
  facts_.sites = statistics.sites;
  context.log(fmt::format("sets {}: {} points on {} distinct locations, {} batches", name(),
                          statistics.points, statistics.sites, batches_));
  stage_ = Stage::search;
}

void Pass::search(const parallel::Communicator& comm, run::Context& context) {
  const auto phase = context.timers.phase("search");
  const auto requests = sums_->plan().requests();
  const std::array<std::int64_t, 3> offsets = {0, facts_.counts[0],
                                               facts_.counts[0] + facts_.counts[1]};
  if (batches_done_ < batches_) {
    engine_->search(
        requests, 0b11, batches_done_, batches_,
        [&](const points::Neighbourhood& site) { sums_->add(site, offsets); }, context.poll);
    ++batches_done_;
    facts_.remote_queries = earlier_remote_queries_ + engine_->statistics().remote_queries;
  }
  if (batches_done_ < batches_) return;
  engine_.reset();
  sums_->reduce(comm);
  stage_ = Stage::done;
}

Estimate Pass::neighbour_estimate(const Request& request) const {
  const bool swapped = request.of[0] != pair_[0];
  const auto ks = neighbours_of(request);
  if (request.method == Method::one_step) {
    const int d = static_cast<int>(facts_.dimension);
    const auto& histograms = sums_->histograms(ks);
    return one_step(request.quantity, request.order, swapped ? histograms.swapped() : histograms, d,
                    intrinsic_dimension(sums_->dimension_estimate(ks), d), problem_.confidence);
  }
  if (request.method == Method::nnr) {
    const RatioCounts& full = sums_->ratios(ks[0]);
    const RatioCounts& half = sums_->ratios(ks[0] / 2);
    const NnrOptions options{.confidence = problem_.confidence,
                             .density_ratio = request.density_ratio};
    return swapped ? nnr(request.quantity, request.order, full.swapped(), half.swapped(), options)
                   : nnr(request.quantity, request.order, full, half, options);
  }
  if (!facts_.warning.empty()) {
    // The estimator multiplies log distances by the dimension, which is then not that of the data.
    Estimate unknown = blank_estimate(request.quantity, request.order);
    unknown.neighbours = ks;
    unknown.status = "not estimated: wkv needs full-dimensional data; " + facts_.warning;
    return unknown;
  }
  const WkvSums& distances = sums_->distances(ks[0]);
  return (swapped ? distances.swapped() : distances)
      .estimate(request.quantity, problem_.confidence);
}

Estimate Pass::estimate(std::size_t i) const {
  parallel::require(finished(), "Pass::estimate before the pass is finished");
  return fitted_[i] ? *fitted_[i] : neighbour_estimate(problem_.requests[requests_[i]]);
}

namespace {

std::vector<double> numbers_of(const Estimate& estimate) {
  return {estimate.value, estimate.standard_error, estimate.bias_bar, estimate.interval[0],
          estimate.interval[1]};
}

Estimate gaussian_from(const Request& request, const std::vector<double>& numbers,
                       const std::string& status) {
  Estimate estimate = blank_estimate(request.quantity, request.order);
  estimate.value = numbers[0];
  estimate.standard_error = numbers[1];
  estimate.bias_bar = numbers[2];
  estimate.interval = {numbers[3], numbers[4]};
  estimate.status = status;
  return estimate;
}

}  // namespace

std::int64_t Pass::state_bytes() const {
  const std::size_t words = sums_ && has_state() ? sums_->words().size() : 0;
  return static_cast<std::int64_t>(sizeof(std::int64_t) * (words + 64 + 16 * requests_.size()));
}

void Pass::save(const parallel::Communicator& comm, output::CheckpointWriter& checkpoint,
                const std::string& prefix) const {
  // Stopped right after a restart, before the data were read again: what was loaded is the state.
  const bool untouched = stage_ == Stage::read && expected_.has_value();
  const PairFacts& known = untouched ? *expected_ : facts_;
  const std::vector<std::int64_t> facts = {finished() ? 1 : 0,
                                           batches_done_,
                                           known.counts[0],
                                           known.counts[1],
                                           static_cast<std::int64_t>(known.fingerprints[0]),
                                           static_cast<std::int64_t>(known.fingerprints[1]),
                                           known.dimension,
                                           known.coincident,
                                           known.sites,
                                           known.remote_queries};
  checkpoint.replicated(prefix + "facts", facts);
  checkpoint.replicated(prefix + "warning", known.warning);
  if (!has_state()) return;
  if (untouched) {
    checkpoint.replicated(prefix + "sums", loaded_words_);
    return;
  }
  PassSums sums = *sums_;
  if (!finished()) sums.reduce(comm);
  checkpoint.replicated(prefix + "sums", sums.words());
  for (std::size_t i = 0; i < fitted_.size(); ++i) {
    if (!fitted_[i]) continue;
    checkpoint.replicated(fmt::format("{}gaussian_{}", prefix, i), numbers_of(*fitted_[i]));
    checkpoint.replicated(fmt::format("{}gaussian_{}_status", prefix, i), fitted_[i]->status);
  }
}

void Pass::load(const parallel::Communicator& comm, const output::CheckpointReader& checkpoint,
                const std::string& prefix) {
  const auto facts = checkpoint.integers(prefix + "facts");
  parallel::require(facts.size() == 10, "a checkpoint with facts of another format");
  if (facts[0] == 0 && facts[1] == 0) return;
  PairFacts saved;
  batches_done_ = facts[1];
  saved.counts = {facts[2], facts[3]};
  saved.fingerprints = {static_cast<std::uint64_t>(facts[4]), static_cast<std::uint64_t>(facts[5])};
  saved.dimension = facts[6];
  saved.coincident = facts[7];
  saved.sites = facts[8];
  saved.remote_queries = facts[9];
  saved.warning = checkpoint.text(prefix + "warning");
  expected_ = saved;
  earlier_remote_queries_ = std::max<std::int64_t>(0, saved.remote_queries);
  loaded_words_ = checkpoint.integers(prefix + "sums");
  if (facts[0] == 0) return;
  facts_ = saved;
  stage_ = Stage::done;
  plan(comm);
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    const Request& request = problem_.requests[requests_[i]];
    if (request.method != Method::gaussian) continue;
    fitted_[i] = gaussian_from(request, checkpoint.reals(fmt::format("{}gaussian_{}", prefix, i)),
                               checkpoint.text(fmt::format("{}gaussian_{}_status", prefix, i)));
  }
}

}  // namespace mensura::divergence
