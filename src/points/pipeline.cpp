// SPDX-License-Identifier: BSD-3-Clause
#include "points/pipeline.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

namespace mensura::points {

namespace {

using Packet = parallel::SparseExchange::Packet;

// Local work between two meetings of the ranks, in coordinate operations: at most about a second.
constexpr std::int64_t largest_round = 600'000'000;
constexpr std::int64_t first_round = largest_round / 32;  // before anything is known

std::uint32_t block_size(std::int64_t batches) {
  constexpr std::int64_t groups = 16;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(batches, 1, 1 << 16) * groups *
                                    QueryGroup::lanes);
}

}  // namespace

SiteOrder::SiteOrder(std::uint32_t sites, std::uint32_t size)
    : sites_(sites), block_size_(size), blocks_(sites == 0 ? 0 : (sites - 1) / size + 1) {
  stride_ = std::max(1U, static_cast<std::uint32_t>(0.6180339887 * blocks_));
  while (std::gcd(stride_, blocks_) > 1) ++stride_;
}

bool SiteOrder::next(std::uint32_t& site) noexcept {
  if (cursor_ < end_) {
    site = cursor_++;
    return true;
  }
  if (visited_ == blocks_) return false;
  cursor_ = block_ * block_size_;
  end_ = static_cast<std::uint32_t>(
      std::min<std::uint64_t>(sites_, std::uint64_t{cursor_} + block_size_));
  block_ = static_cast<std::uint32_t>((std::uint64_t{block_} + stride_) % blocks_);
  ++visited_;
  return false;
}

Pipeline::Pipeline(const parallel::Communicator& comm, const Tree& tree, const Sites& sites,
                   const RankTree& ranks, std::span<const std::int64_t> offsets,
                   std::span<const Request> requests, std::int64_t remote_buffer_bytes,
                   Selection selection, PaceMemory& memory, Visit visit)
    : comm_(comm),
      tree_(tree),
      search_(tree, sites, offsets, requests, memory),
      remote_(ranks, requests, tree.dimension, offsets),
      requests_(requests.size()),
      chunk_bytes_(std::max<std::int64_t>(1, remote_buffer_bytes / 3)),  // three chunks are alive
      selection_(std::move(selection)),
      visit_(std::move(visit)),
      order_(tree.sites, block_size(selection_.batches)),
      questions_(comm, 0),
      answers_(comm, 1),
      group_(tree.dimension, static_cast<int>(requests.size())),
      round_work_(comm.size() > 1 ? first_round : largest_round) {}

void Pipeline::run(const std::function<void()>& poll) {
  bool all_searched = false;
  for (int drain = comm_.size() > 1 ? 2 : 0; !all_searched || drain-- > 0;) {
    Waiting chunk;
    if (!all_searched) search_chunk(chunk);
    if (comm_.size() > 1) communicate(std::move(chunk), !all_searched);
    if (!all_searched) all_searched = !agree_on_next_round();
    if (poll) leave_together(poll);
  }
}

// A poll throws on all ranks or on none: then what travels can still arrive.
void Pipeline::leave_together(const std::function<void()>& poll) {
  try {
    poll();
  } catch (...) {
    if (questions_travel_) questions_.wait();
    if (answers_travel_) answers_.wait();
    questions_travel_ = answers_travel_ = false;
    throw;
  }
}

// True when a rank still has sites to search. All ranks get the same share of work for the next
// round, as much as fills the buffers of the one that asks most: otherwise the ranks would wait for
// each other in every round.
bool Pipeline::agree_on_next_round() {
  const double work_per_byte =
      own_bytes_ > 0 ? static_cast<double>(own_work_) / static_cast<double>(own_bytes_)
                     : std::numeric_limits<double>::infinity();
  std::array<double, 2> smallest{order_.finished() ? 1.0 : 0.0, work_per_byte};
  comm_.min(std::span<double>(smallest));
  constexpr double headroom = 0.8;  // the share of asking sites varies from round to round
  const double work = headroom * static_cast<double>(chunk_bytes_) * smallest[1];
  round_work_ = work < static_cast<double>(largest_round)
                    ? std::max<std::int64_t>(1, static_cast<std::int64_t>(work))
                    : largest_round;
  return smallest[0] == 0.0;
}

void Pipeline::progress() {
  if (questions_travel_) questions_.progress();
  if (answers_travel_) answers_.progress();
}

// Searches until the round's share of work or of memory is used up. Sites that need nobody else are
// visited at once.
void Pipeline::search_chunk(Waiting& chunk) {
  const std::int64_t begin = search_.work();
  while (!order_.finished() && search_.work() < begin + round_work_ && chunk.bytes < chunk_bytes_) {
    fill_group();
    if (group_.size == 0) continue;
    search_.run(group_);
    queries_ += group_.size;
    const std::uint32_t waiting =
        comm_.size() > 1 ? remote_.file(group_, members_, search_, chunk) : 0;
    visit_lanes(~waiting);
    progress();
  }
  own_work_ += search_.work() - begin;
  own_bytes_ += chunk.bytes;
  remote_queries_ += chunk.queries;
}

// The next wanted sites of one block.
void Pipeline::fill_group() {
  group_.size = 0;
  group_.local = true;
  members_.clear();
  for (std::uint32_t site = 0; group_.size < QueryGroup::lanes && order_.next(site);) {
    if (!selection_.wanted(site)) continue;
    members_.push_back(site);
    group_.leaves[static_cast<std::size_t>(group_.size)] =
        site / static_cast<std::uint32_t>(tree_.leaf_size);
    for (int j = 0; j < tree_.dimension; ++j) {
      group_.position(j)[group_.size] = tree_.coordinate(site, j);
    }
    for (int r = 0; r < static_cast<int>(requests_); ++r) {
      group_.bound(r, group_.size) = std::numeric_limits<double>::infinity();
    }
    ++group_.size;
  }
}

void Pipeline::visit_lanes(std::uint32_t lanes) {
  lists_.resize(requests_);
  shells_.resize(requests_);
  for (int lane = 0; lane < group_.size; ++lane) {
    if (((lanes >> static_cast<unsigned>(lane)) & 1U) == 0) continue;
    for (std::size_t r = 0; r < requests_; ++r) {
      lists_[r] = search_.list(static_cast<int>(r), lane);
      shells_[r] = search_.shell(static_cast<int>(r), lane);
    }
    visit_(members_[static_cast<std::size_t>(lane)], {lists_, shells_});
  }
}

void Pipeline::communicate(Waiting chunk, bool ask) {
  std::vector<Packet> replies;
  const bool replies_begin = questions_travel_;
  if (questions_travel_) {
    questions_.wait();
    questions_travel_ = false;
    replies = remote_.answer(questions_.take_received(), search_, [this] { progress(); });
  }
  if (answers_travel_) {
    answers_.wait();
    remote_.finish(answered_, answers_.take_received(), visit_);
  }
  if (replies_begin) answers_.begin(std::move(replies));
  answers_travel_ = replies_begin;
  answered_ = std::move(asked_);
  if (!ask) return;
  std::vector<Packet> packets;
  for (auto& [rank, bytes] : chunk.outgoing) packets.push_back({rank, std::move(bytes)});
  chunk.outgoing.clear();
  questions_.begin(std::move(packets));
  questions_travel_ = true;
  asked_ = std::move(chunk);
}

}  // namespace mensura::points
