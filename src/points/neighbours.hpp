// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::points {

/// This rank's part of a labelled union of point sets. Set l owns the global ids [offsets[l],
/// offsets[l+1]).
struct LabelledPoints {
  int dimension = 0;
  std::vector<double> coordinates;    ///< row-major, ids.size() x dimension, finite
  std::vector<std::uint64_t> ids;     ///< global ids, unique over all ranks
  std::vector<std::int64_t> offsets;  ///< labels + 1 entries, the same on every rank
};

/// The label of a global id: the set that owns it.
int label_of(std::uint64_t id, std::span<const std::int64_t> offsets) noexcept;

/// Ordered by (distance2, mix(id), id): exact ties between equally distant points know neither set
/// nor file order.
struct Neighbour {
  double distance2;
  std::uint64_t id;
};
bool operator<(const Neighbour& a, const Neighbour& b) noexcept;

/// One search asked for at every query site: the `neighbours` nearest ids among the sets in
/// `labels` (bit l = set l).
struct Request {
  std::uint64_t labels = ~std::uint64_t{0};
  int neighbours = 1;  ///< k, not counting the query point itself
};

/// What the engine found for one site: a distinct location with all points that lie on it. One list
/// serves all its copies.
struct Neighbourhood {
  std::span<const double> position;
  /// Ids on this site, ascending by (mix(id), id). Only the first max_k + 1 of every set are kept
  /// (the others can never enter a list); copies_per_label counts them all.
  std::span<const std::uint64_t> copies;
  std::span<const std::int64_t>
      copies_per_label;  ///< how many points of every set lie here (complete)
  /// Per request: the first min(k + 1, available) ids in neighbour order *including the site's own
  /// copies*. A copy finds its own k neighbours by leaving itself out: the first k other entries
  /// (drop itself if present, else drop the last).
  std::span<const std::span<const Neighbour>> lists;
  /// Per full list: how many ids of every set lie at exactly the distance of its last entry, listed
  /// or not (of the sets asked for). Zeros for a list that is not full: everything is listed then.
  std::span<const std::span<const std::int64_t>> last_shells;
};

struct EngineOptions {
  std::int64_t leaf_size = 0;  ///< sites per leaf, 8 to 256; 0: 32, above five dimensions 64
  /// Cap, per asking rank, of waiting lists, questions and the largest possible answers.
  std::int64_t remote_buffer_bytes = std::int64_t{16} << 20;
  /// Keep every id of a heavily duplicated site (memory O(copies)): for lists of every copy by id.
  bool keep_all_copies = false;
};

struct EngineStatistics {
  std::int64_t sites = 0;           ///< distinct locations, over all ranks
  std::int64_t points = 0;          ///< over all ranks
  std::int64_t coincident = 0;      ///< points that share their location with another point
  std::int64_t queries = 0;         ///< sites searched so far, over all ranks (of finished batches)
  std::int64_t remote_queries = 0;  ///< (site, foreign rank) pairs so far, over all ranks
};

/// Exact k nearest neighbours of a distributed labelled union of point sets (tree path: dimension 1
/// to 32, k to 4096). Recursive bisection over ranks, local kd-tree with vectorised leaves, owner
/// search and one bounded remote round.
class NeighbourEngine {
 public:
  /// Collective. Consumes the points, merges coincident ones into sites, repartitions once, builds
  /// the local tree. max_k is the largest k of any later request. Throws Error{usage} when max_k >=
  /// number of points, Error{too_large} beyond memory.
  NeighbourEngine(const parallel::Communicator& comm, LabelledPoints points, int max_k,
                  EngineOptions options = {});
  ~NeighbourEngine();  ///< Collective: frees the engine's own communicator.

  /// Collective. Searches the sites of one batch: those whose first copy has mix(mix(id)) % batches
  /// == batch, and visits each one on the rank that owns it, in an order that depends on the
  /// partition (visitors must reduce order-free). query_labels: only sites that hold a point of
  /// these sets are visited. `poll` is called collectively at least every few seconds.
  void search(std::span<const Request> requests, std::uint64_t query_labels, std::int64_t batch,
              std::int64_t batches, const std::function<void(const Neighbourhood&)>& visit,
              const std::function<void()>& poll);

  EngineStatistics statistics() const;  ///< Collective.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mensura::points
