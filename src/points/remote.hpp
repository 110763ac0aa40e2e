// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "parallel/exchange.hpp"
#include "points/local_search.hpp"
#include "points/rank_tree.hpp"

namespace mensura::points {

/// Sites of one chunk whose neighbours may lie on other ranks: their local lists and the questions
/// to ask.
struct Waiting {
  std::vector<std::uint32_t> sites;
  std::vector<std::uint32_t> sizes;   ///< sites x requests: entries of each local list
  std::vector<Neighbour> neighbours;  ///< the lists, one after another
  std::vector<std::int64_t> shells;   ///< sites x requests x labels
  std::map<int, std::vector<std::byte>> outgoing;
  std::int64_t queries = 0;  ///< (site, foreign rank) pairs
  std::int64_t bytes = 0;    ///< of lists, questions and the largest possible answers
};

/// The one bounded remote round: a rank is asked when its box is within the distance of the last
/// local entry (inclusive, because of ties) and answers with at most k + 1 ids within that bound.
/// Bounds only shrink, so one round is exact. Local functions; the messages travel elsewhere.
class RemoteRound {
 public:
  RemoteRound(const RankTree& ranks, std::span<const Request> requests, int dimension,
              std::span<const std::int64_t> offsets)
      : ranks_(ranks),
        requests_(requests.begin(), requests.end()),
        dimension_(dimension),
        offsets_(offsets) {}

  /// Files the lanes of a searched group that must ask somebody, and returns them (bit per lane).
  std::uint32_t file(const QueryGroup& group, std::span<const std::uint32_t> sites,
                     const LocalSearch& search, Waiting& waiting);

  /// Answers the questions of other ranks. `between` is called now and then.
  std::vector<parallel::SparseExchange::Packet> answer(
      std::vector<parallel::SparseExchange::Packet> questions, LocalSearch& search,
      const std::function<void()>& between) const;

  /// The lists of a site and their last shells, per request (Neighbourhood).
  struct Lists {
    std::span<const std::span<const Neighbour>> lists;
    std::span<const std::span<const std::int64_t>> shells;
  };
  /// Merges the answers into the waiting lists and hands every site with its lists to `visit`.
  void finish(const Waiting& waiting, std::vector<parallel::SparseExchange::Packet> answers,
              const std::function<void(std::uint32_t site, Lists lists)>& visit) const;

 private:
  void find_ranks(const QueryGroup& group, const LocalSearch& search);
  double bound(const LocalSearch& search, int request, int lane) const;
  bool ask(const QueryGroup& group, const LocalSearch& search, int lane, Waiting& waiting);
  std::size_t question_bytes() const {
    return 8 * (1 + static_cast<std::size_t>(dimension_) + requests_.size());
  }

  std::size_t labels() const { return offsets_.size() - 1; }

  const RankTree& ranks_;
  std::vector<Request> requests_;
  int dimension_;
  std::span<const std::int64_t> offsets_;
  std::vector<int> near_, found_;  // ranks that the group in work may have to ask
  std::vector<double> position_, lower_, upper_, bounds_;
};

}  // namespace mensura::points
