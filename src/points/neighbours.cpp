// SPDX-License-Identifier: BSD-3-Clause
#include "points/neighbours.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <optional>

#include "parallel/exchange.hpp"
#include "parallel/random.hpp"
#include "points/partition.hpp"
#include "points/pipeline.hpp"
#include "points/rank_tree.hpp"
#include "points/sites.hpp"
#include "points/tree.hpp"

namespace mensura::points {

using parallel::Error;
using parallel::ExitCode;

namespace {

constexpr std::int64_t partition_piece_bytes = std::int64_t{4} << 20;

void check_arguments(const LabelledPoints& points, int max_k, std::int64_t total) {
  if (points.dimension < 1 || points.dimension > 32) {
    throw Error(ExitCode::usage,
                fmt::format("points of dimension {} given to the tree search, which takes 1 to 32",
                            points.dimension));
  }
  if (points.offsets.size() < 2 || points.offsets.size() > 65) {
    throw Error(ExitCode::usage, fmt::format("{} sets given, the neighbour search takes 1 to 64",
                                             std::max<std::size_t>(points.offsets.size(), 1) - 1));
  }
  if (max_k < 1 || max_k > 4096) {
    throw Error(ExitCode::usage,
                fmt::format("`neighbours` is {}; it must be from 1 to 4096", max_k));
  }
  if (total <= max_k) {
    throw Error(ExitCode::usage,
                fmt::format("k = {} neighbours asked for, but the union of the sets holds only {} "
                            "points; lower `neighbours`",
                            max_k, total));
  }
}

}  // namespace

struct NeighbourEngine::State {
  State(const parallel::Communicator& parent, int largest_k, const EngineOptions& engine_options)
      : comm(parallel::Communicator::duplicate(parent.handle())),
        max_k(largest_k),
        options(engine_options) {}

  void build(LabelledPoints points);
  bool in_batch(std::uint32_t site, std::uint64_t query_labels, std::uint64_t batch,
                std::uint64_t batches) const;

  parallel::Communicator comm;
  int max_k;
  EngineOptions options;
  std::vector<std::int64_t> offsets;
  Sites sites;
  Tree tree;
  std::optional<RankTree> ranks;
  PaceMemory memory;
  EngineStatistics global;                       // sites, points, coincident: over all ranks
  std::int64_t queries = 0, remote_queries = 0;  // of this rank
};

void NeighbourEngine::State::build(LabelledPoints points) {
  offsets = points.offsets;
  global.points = comm.sum(static_cast<std::int64_t>(points.ids.size()));
  parallel::agree(comm, [&] { check_arguments(points, max_k, global.points); });
  const std::int64_t kept =
      options.keep_all_copies ? std::numeric_limits<std::int64_t>::max() : std::int64_t{max_k} + 1;
  parallel::agree(comm,
                  [&] { sites = merge_coincident(make_sites(std::move(points)), offsets, kept); });
  if (comm.size() > 1) {
    Assignment assignment = bisect(comm, sites);
    sites = redistribute(comm, std::move(sites), std::move(assignment), partition_piece_bytes);
  }
  std::int64_t coincident = 0;
  parallel::agree(comm, [&] {
    if (comm.size() > 1) sites = merge_coincident(std::move(sites), offsets, kept);
    const std::int64_t standard = sites.dimension <= 5 ? 32 : 64;
    tree = build_tree(sites, options.leaf_size > 0 ? options.leaf_size : standard, offsets);
    std::vector<std::int64_t> counts(offsets.size() - 1);
    for (std::size_t site = 0; !sites.first.empty() && site < sites.size(); ++site) {
      sites.count_labels(site, offsets, counts);
      std::int64_t here = 0;
      for (const std::int64_t count : counts) here += count;
      if (here > 1) coincident += here;
    }
  });
  global.sites = comm.sum(static_cast<std::int64_t>(tree.sites));
  global.coincident = comm.sum(coincident);
  ranks.emplace(comm, tree);
}

bool NeighbourEngine::State::in_batch(std::uint32_t site, std::uint64_t query_labels,
                                      std::uint64_t batch, std::uint64_t batches) const {
  const auto copies = sites.copies(site);
  if (batches > 1 && parallel::mix(parallel::mix(copies.front())) % batches != batch) return false;
  const std::uint64_t labels = (std::uint64_t{1} << (offsets.size() - 2) << 1U) - 1;
  if ((query_labels & labels) == labels) return true;
  return std::ranges::any_of(copies, [&](std::uint64_t id) {
    return ((query_labels >> static_cast<unsigned>(label_of(id, offsets))) & 1U) != 0;
  });
}

namespace {

// Builds the Neighbourhood of a site and calls the visitor. The first exception of a visitor is
// kept until the ranks meet.
class Visitor {
 public:
  Visitor(const Sites& sites, const Tree& tree, std::span<const std::int64_t> offsets,
          const std::function<void(const Neighbourhood&)>& visit)
      : sites_(sites),
        tree_(tree),
        offsets_(offsets),
        visit_(visit),
        position_(static_cast<std::size_t>(tree.dimension)),
        counts_(offsets.size() - 1) {}

  void operator()(std::uint32_t site, RemoteRound::Lists found) {
    if (failure_) return;
    for (std::size_t j = 0; j < position_.size(); ++j) {
      position_[j] = tree_.coordinate(site, static_cast<int>(j));
    }
    sites_.count_labels(site, offsets_, counts_);
    try {
      visit_(Neighbourhood{position_, sites_.copies(site), counts_, found.lists, found.shells});
    } catch (...) {
      failure_ = std::current_exception();
    }
  }
  const std::exception_ptr& failure() const noexcept { return failure_; }

 private:
  const Sites& sites_;
  const Tree& tree_;
  std::span<const std::int64_t> offsets_;
  const std::function<void(const Neighbourhood&)>& visit_;
  std::vector<double> position_;
  std::vector<std::int64_t> counts_;
  std::exception_ptr failure_;
};

void check_requests(std::span<const Request> requests, int max_k, std::int64_t batch,
                    std::int64_t batches) {
  for (const Request& request : requests) {
    if (request.neighbours < 1 || request.neighbours > max_k) {
      throw Error(
          ExitCode::usage,
          fmt::format("k = {} neighbours asked for, but the search was prepared for 1 to {}",
                      request.neighbours, max_k));
    }
  }
  parallel::require(batches >= 1 && batch >= 0 && batch < batches,
                    fmt::format("neighbour search: batch {} of {}", batch, batches));
}

}  // namespace

NeighbourEngine::NeighbourEngine(const parallel::Communicator& comm, LabelledPoints points,
                                 int max_k, EngineOptions options)
    : state_(std::make_unique<State>(comm, max_k, options)) {
  state_->build(std::move(points));
}

NeighbourEngine::~NeighbourEngine() = default;

void NeighbourEngine::search(std::span<const Request> requests, std::uint64_t query_labels,
                             std::int64_t batch, std::int64_t batches,
                             const std::function<void(const Neighbourhood&)>& visit,
                             const std::function<void()>& poll) {
  State& s = *state_;
  check_requests(requests, s.max_k, batch, batches);  // the same arguments on every rank
  Visitor visitor(s.sites, s.tree, s.offsets, visit);
  const Selection selection{[&](std::uint32_t site) {
                              return s.in_batch(site, query_labels,
                                                static_cast<std::uint64_t>(batch),
                                                static_cast<std::uint64_t>(batches));
                            },
                            batches};
  Pipeline pipeline(s.comm, s.tree, s.sites, *s.ranks, s.offsets, requests,
                    s.options.remote_buffer_bytes, selection, s.memory,
                    [&](std::uint32_t site, RemoteRound::Lists found) { visitor(site, found); });
  pipeline.run(poll);
  parallel::agree(s.comm, [&] {
    if (visitor.failure()) std::rethrow_exception(visitor.failure());
  });
  s.queries += pipeline.queries();
  s.remote_queries += pipeline.remote_queries();
}

EngineStatistics NeighbourEngine::statistics() const {
  EngineStatistics result = state_->global;
  result.queries = state_->comm.sum(state_->queries);
  result.remote_queries = state_->comm.sum(state_->remote_queries);
  return result;
}

}  // namespace mensura::points
