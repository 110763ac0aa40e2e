// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "divergence/dimension.hpp"
#include "divergence/histograms.hpp"
#include "divergence/nnr.hpp"
#include "divergence/tie_counts.hpp"
#include "divergence/wkv.hpp"
#include "points/reduce.hpp"

namespace mensura::divergence {

/// Which neighbour counts a pass over one pair of sets has to gather for all its requests.
struct PassPlan {
  int dimension = 1;
  std::vector<std::vector<int>> lists;   ///< distinct one_step lists of k
  std::vector<int> ratio_neighbours;     ///< distinct k of nnr, halves included, ascending
  std::vector<int> distance_neighbours;  ///< distinct k of wkv, ascending

  int union_neighbours() const;  ///< largest k in the union; 0: no search in the union needed
  int distance_reach() const;    ///< largest 2k of wkv; 0: no search by set needed
  std::vector<int> counted_neighbours() const;  ///< all k whose counts are needed, ascending
  bool needs_search() const { return union_neighbours() > 0 || distance_reach() > 0; }
  std::vector<points::Request> requests() const;  ///< union first, then first set, second set
};

/// The whole result of the labelled pass over one pair of sets (label 0 is the first set, label 1
/// the second): integers and exact sums only, so that adding those of ranks, batches and restarts
/// in any order gives the same bits.
class PassSums {
 public:
  explicit PassSums(PassPlan plan);

  /// Local, hot: one distinct location with all points on it.
  void add(const points::Neighbourhood& site, std::span<const std::int64_t> offsets);

  void reduce(
      const parallel::Communicator& comm);  ///< Collective: every rank gets the sum over ranks.
  std::vector<std::int64_t> words() const;  ///< the complete state
  void adopt(
      std::span<const std::int64_t> words);  ///< Local. Throws Error{input_data} on a wrong length.

  const PassPlan& plan() const { return plan_; }
  const CountHistograms& histograms(const std::vector<int>& list) const;
  double dimension_estimate(const std::vector<int>& list) const;
  const RatioCounts& ratios(int k) const;
  const WkvSums& distances(int k) const;

 private:
  void add_counts(const points::Neighbourhood& site, std::span<const std::int64_t> offsets);
  void add_query(Side side, std::int64_t multiplicity);
  void add_dimension(const points::Neighbourhood& site);
  void add_distances(const points::Neighbourhood& site, std::span<const std::int64_t> offsets);
  std::size_t position_of(const std::vector<int>& list) const;

  PassPlan plan_;
  std::vector<CountHistograms> histograms_;
  std::vector<DimensionSums> dimensions_;
  std::vector<RatioCounts> ratios_;
  std::vector<WkvSums> distances_;
  // Scratch of add(), kept to avoid allocation for every location.
  TieCounts ties_;
  std::vector<std::vector<std::size_t>> places_;  ///< of the k of each list among the counted ones
  std::vector<std::size_t> ratio_places_;
  std::vector<int> counts_, picked_;
  std::vector<double> squares_;
};

}  // namespace mensura::divergence
