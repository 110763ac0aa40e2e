// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "parallel/exchange.hpp"
#include "points/local_search.hpp"
#include "points/rank_tree.hpp"
#include "points/remote.hpp"

namespace mensura::points {

/// Which sites of a rank are searched.
struct Selection {
  std::function<bool(std::uint32_t site)> wanted;
  std::int64_t batches = 1;  ///< about one site in so many is wanted
};

/// The order in which a rank goes through its sites: blocks of neighbouring leaves, visited with a
/// golden-ratio stride. Neighbouring sites stay together (they share the walk down the tree), while
/// the sites at the border of the rank, which ask others, come evenly spread over time.
class SiteOrder {
 public:
  SiteOrder(std::uint32_t sites, std::uint32_t block_size);
  /// The next site in `site`; false when the block (or everything, see finished()) is used up: the
  /// following call goes on with the next block.
  bool next(std::uint32_t& site) noexcept;
  bool finished() const noexcept { return visited_ == blocks_ && cursor_ == end_; }

 private:
  std::uint32_t sites_, block_size_, blocks_, stride_ = 1;
  std::uint32_t visited_ = 0, block_ = 0, cursor_ = 0, end_ = 0;
};

/// One call of NeighbourEngine::search: a pipeline of rounds. In round t every rank searches its
/// chunk t while the questions of chunk t - 1 and the answers of chunk t - 2 are on their way.
class Pipeline {
 public:
  using Visit = std::function<void(std::uint32_t site, RemoteRound::Lists lists)>;
  Pipeline(const parallel::Communicator& comm, const Tree& tree, const Sites& sites,
           const RankTree& ranks, std::span<const std::int64_t> offsets,
           std::span<const Request> requests, std::int64_t remote_buffer_bytes, Selection selection,
           PaceMemory& memory, Visit visit);

  /// Collective. Searches and visits everything; `poll` is called once per round and may end the
  /// search by an exception on all ranks.
  void run(const std::function<void()>& poll);

  std::int64_t queries() const noexcept { return queries_; }
  std::int64_t remote_queries() const noexcept { return remote_queries_; }

 private:
  void search_chunk(Waiting& chunk);
  void fill_group();
  void visit_lanes(std::uint32_t lanes);
  void communicate(Waiting chunk, bool ask);
  bool agree_on_next_round();
  void leave_together(const std::function<void()>& poll);
  void progress();

  const parallel::Communicator& comm_;
  const Tree& tree_;
  LocalSearch search_;
  RemoteRound remote_;
  std::size_t requests_;
  std::int64_t chunk_bytes_;
  Selection selection_;
  Visit visit_;
  SiteOrder order_;
  parallel::SparseExchange questions_, answers_;
  bool questions_travel_ = false, answers_travel_ = false;
  Waiting asked_, answered_;  // chunks whose questions, answers travel
  QueryGroup group_;
  std::vector<std::uint32_t> members_;  // the sites of the group
  std::vector<std::span<const Neighbour>> lists_;
  std::vector<std::span<const std::int64_t>> shells_;
  std::int64_t round_work_;
  std::int64_t own_work_ = 0, own_bytes_ = 0;  // of all own chunks so far
  std::int64_t queries_ = 0, remote_queries_ = 0;
};

}  // namespace mensura::points
