// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "points/sites.hpp"

namespace mensura::points {

struct Candidate {
  double distance2;
  std::uint32_t site;
};

/// Ids per set at one exact distance whose sites were left out of the candidates of a query,
/// because enough others at that distance come first.
struct LeftOut {
  double distance2 = -1.0;
  std::vector<std::int64_t> counts;
};

/// Turns the unordered candidates of one query into its exact neighbour list. Many candidates are
/// first spread over buckets that are linear between the smallest and the largest distance2
/// (subtraction, product and truncation are monotone, so bucket order never contradicts distance
/// order); a small set is ordered by counting, for every candidate, how many precede it: vector
/// compares without a branch to mispredict.
class Selector {
 public:
  Selector(const Sites& sites, std::span<const std::int64_t> offsets)
      : sites_(sites), offsets_(offsets) {}

  /// Which sets count, and k + 1: how many ids a list holds.
  void set_request(std::uint64_t labels, int needed);

  /// Shortens n > needed candidates to fewer than `limit` (> needed) without losing one that can
  /// belong to the list. Returns the new n and an upper bound of the list's last distance2.
  int shrink(double* distance2, std::uint32_t* site, int n, int limit, double& bound,
             LeftOut& left_out);

  /// Writes min(needed, available) neighbours to `list` in neighbour order; returns how many.
  int finish(const double* distance2, const std::uint32_t* site, int n, Neighbour* list);

  /// After finish(): adds to `counts` (per set) all ids of the request at exactly `distance2`,
  /// those of sites that were left out included.
  void count_shell(double distance2, const LeftOut& left_out, std::span<std::int64_t> counts);

 private:
  void bucket(const double* distance2, const std::uint32_t* site, int n, int per_bucket);
  void sort_small(const double* distance2, const std::uint32_t* site, int n, Candidate* out);
  int sort_by_buckets(const double* distance2, const std::uint32_t* site, int n);
  int ids_of(std::uint32_t site) const noexcept;
  std::uint64_t tie_key(std::uint32_t site) const noexcept;
  int finish_single(Neighbour* list);
  int finish_general(Neighbour* list);
  void push_head(const std::uint64_t* id, const std::uint64_t* end);
  int shrink_exactly(double* distance2, std::uint32_t* site, int n, double& bound,
                     LeftOut& left_out);
  void count_site(std::uint32_t site, std::span<std::int64_t> counts);
  bool selected(std::uint64_t id) const noexcept {
    return all_labels_ || ((labels_ >> static_cast<unsigned>(label_of(id, offsets_))) & 1U) != 0;
  }

  const Sites& sites_;
  std::span<const std::int64_t> offsets_;
  std::uint64_t labels_ = ~std::uint64_t{0};
  bool all_labels_ = true;
  int needed_ = 1;
  int cutoff_ = 0;      // first bucket that cannot hold an entry of the list
  bool linear_ = true;  // buckets are usable
  std::vector<std::int32_t> buckets_, starts_;
  std::vector<double> spread_distance2_;  // candidates in bucket order
  std::vector<std::uint32_t> spread_site_;
  std::vector<Candidate> sorted_;
  struct Head {  // the next id of a site in a run of equal distances
    std::uint64_t key;
    const std::uint64_t *id, *end;
  };
  std::vector<Head> heads_;
  std::vector<std::int64_t> site_counts_;
};

}  // namespace mensura::points
