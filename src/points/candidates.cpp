// SPDX-License-Identifier: BSD-3-Clause
#include "points/candidates.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <limits>

#include "parallel/random.hpp"
#include "points/lanes.hpp"

namespace mensura::points {

namespace {

using parallel::mix;

constexpr int max_buckets = 4096;
constexpr int counted_at_most = 128;  // up to here counting beats buckets; below 256, see rank_keys

bool nearer(const Candidate& a, const Candidate& b) noexcept {
  return a.distance2 < b.distance2;
}

typedef std::int32_t Sixteen __attribute__((vector_size(64), aligned(4), may_alias));
typedef double EightUnaligned __attribute__((vector_size(64), aligned(8), may_alias));

const EightUnaligned& eight_at(const double* p) noexcept {
  return *reinterpret_cast<const EightUnaligned*>(p);
}

struct Range {
  double low, high;
};

// Smallest and largest of n >= 8 values; the last block overlaps the one before.
Range range_of(const double* values, int n) noexcept {
  Eight low = eight_at(values), high = low;
  for (int i = 8; i < n + 7; i += 8) {
    const Eight x = eight_at(values + std::min(i, n - 8));
    low = x < low ? x : low;
    high = x > high ? x : high;
  }
  const double *lows = lanes_of(low), *highs = lanes_of(high);
  Range range{lows[0], highs[0]};
  for (int i = 1; i < 8; ++i) {
    range.low = std::min(range.low, lows[i]);
    range.high = std::max(range.high, highs[i]);
  }
  return range;
}

// before + (key < own), lane by lane.
[[gnu::always_inline]] inline void count_below(Sixteen& before, std::int32_t key,
                                               const Sixteen& own) {
#if defined(__AVX512F__)
  const __m512i count = (__m512i)before;
  before = (Sixteen)_mm512_mask_sub_epi32(
      count, _mm512_cmplt_epi32_mask(_mm512_set1_epi32(key), (__m512i)own), count,
      _mm512_set1_epi32(-1));
#else
  before -= key < own;
#endif
}

// ranks[i] = how many of the n distinct keys are smaller than keys[i]. Both arrays have room for a
// multiple of 32.
void rank_keys(const std::int32_t* keys, int n, std::int32_t* ranks) noexcept {
  for (int begin = 0; begin < n; begin += 32) {
    const Sixteen first = *reinterpret_cast<const Sixteen*>(keys + begin);
    const Sixteen second = *reinterpret_cast<const Sixteen*>(keys + begin + 16);
    Sixteen before_first = {}, before_second = {};
#pragma GCC unroll 4
    for (int j = 0; j < n; ++j) {
      count_below(before_first, keys[j], first);
      count_below(before_second, keys[j], second);
    }
    *reinterpret_cast<Sixteen*>(ranks + begin) = before_first;
    *reinterpret_cast<Sixteen*>(ranks + begin + 16) = before_second;
  }
}

// Insertion sort of almost sorted candidates; a proper sort when they turn out not to be.
void settle(Candidate* c, int n) {
  std::int64_t budget = 8 * std::int64_t{n};
  for (int i = 1; i < n; ++i) {
    if (!(c[i].distance2 < c[i - 1].distance2)) continue;
    const Candidate moving = c[i];
    int j = i;
    for (; j > 0 && moving.distance2 < c[j - 1].distance2; --j) c[j] = c[j - 1];
    c[j] = moving;
    budget -= i - j;
    if (budget < 0) return std::sort(c, c + n, nearer);
  }
}

}  // namespace

bool operator<(const Neighbour& a, const Neighbour& b) noexcept {
  if (a.distance2 != b.distance2) return a.distance2 < b.distance2;
  return mix(a.id) < mix(b.id);  // mix is a bijection: equal keys are equal ids
}

void Selector::set_request(std::uint64_t labels, int needed) {
  const auto count = static_cast<unsigned>(offsets_.size() - 1);
  const std::uint64_t all = count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
  labels_ = labels;
  all_labels_ = (labels & all) == all;
  needed_ = needed;
}

// A lower bound of the number of listed ids on the site, exact where it is cheap.
int Selector::ids_of(std::uint32_t site) const noexcept {
  if (sites_.first.empty() || !all_labels_) return 1;
  return static_cast<int>(
      std::min<std::uint32_t>(sites_.first[site + 1] - sites_.first[site], 1U << 20U));
}

std::uint64_t Selector::tie_key(std::uint32_t site) const noexcept {
  for (const std::uint64_t id : sites_.copies(site)) {
    if (selected(id)) return mix(id);
  }
  return ~std::uint64_t{0};
}

// Buckets of n >= 8 candidates, starts_ as exclusive prefix sums, and the cut-off bucket.
void Selector::bucket(const double* distance2, const std::uint32_t* site, int n, int per_bucket) {
  const int count = std::min(
      max_buckets, static_cast<int>(std::bit_ceil(static_cast<unsigned>(n / per_bucket + 1))));
  const auto [low, high] = range_of(distance2, n);
  const double scale = (count - 0.5) / (high - low);
  linear_ = scale > 0.0 && scale < std::numeric_limits<double>::max() &&
            high < std::numeric_limits<double>::max();
  cutoff_ = count;
  if (!linear_) return;
  buckets_.resize(static_cast<std::size_t>(n));
  starts_.assign(static_cast<std::size_t>(count) + 1, 0);
  std::int32_t* const where = buckets_.data();
  for (int i = 0; i < n; ++i) where[i] = static_cast<std::int32_t>((distance2[i] - low) * scale);
  std::int32_t* const starts = starts_.data();
  if (sites_.first.empty() || !all_labels_) {
    for (int i = 0; i < n; ++i) ++starts[where[i] + 1];
    for (int b = 0; b < count; ++b) {
      if (starts[b] >= needed_) {
        cutoff_ = b;
        break;
      }
      starts[b + 1] += starts[b];
    }
    return;
  }
  // With several ids on a site the cut-off counts ids, the positions count sites.
  std::vector<std::int64_t> ids(static_cast<std::size_t>(count) + 1, 0);
  for (int i = 0; i < n; ++i) {
    ++starts[where[i] + 1];
    ids[static_cast<std::size_t>(where[i]) + 1] += ids_of(site[i]);
  }
  for (int b = 0; b < count; ++b) {
    if (ids[static_cast<std::size_t>(b)] >= needed_) {
      cutoff_ = b;
      break;
    }
    ids[static_cast<std::size_t>(b) + 1] += ids[static_cast<std::size_t>(b)];
    starts[b + 1] += starts[b];
  }
}

int Selector::shrink(double* distance2, std::uint32_t* site, int n, int limit, double& bound,
                     LeftOut& left_out) {
  bucket(distance2, site, n, 4);
  if (!linear_) return shrink_exactly(distance2, site, n, bound, left_out);
  int kept = 0;
  double largest = 0.0;
  for (int i = 0; i < n; ++i) {
    if (buckets_[static_cast<std::size_t>(i)] >= cutoff_) continue;
    largest = std::max(largest, distance2[i]);
    distance2[kept] = distance2[i];
    site[kept++] = site[i];
  }
  if (kept >= limit) return shrink_exactly(distance2, site, kept, bound, left_out);
  if (cutoff_ < static_cast<int>(starts_.size()) - 1) bound = std::min(bound, largest);
  return kept;
}

// Keeps the `needed` sites that come first in (distance2, mix of the first listed id). Every other
// site has `needed` ids before its own first one.
int Selector::shrink_exactly(double* distance2, std::uint32_t* site, int n, double& bound,
                             LeftOut& left_out) {
  struct Keyed {
    double distance2;
    std::uint64_t key;
    std::uint32_t site;
  };
  std::vector<Keyed> all(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    all[static_cast<std::size_t>(i)] = {distance2[i], tie_key(site[i]), site[i]};
  }
  if (n > needed_) {
    std::nth_element(
        all.begin(), all.begin() + needed_ - 1, all.end(), [](const Keyed& a, const Keyed& b) {
          return a.distance2 != b.distance2 ? a.distance2 < b.distance2 : a.key < b.key;
        });
    const double last = all[static_cast<std::size_t>(needed_) - 1].distance2;
    if (left_out.distance2 != last) {  // a nearer last distance makes the earlier shell irrelevant
      left_out.distance2 = last;
      left_out.counts.assign(offsets_.size() - 1, 0);
    }
    for (auto at = all.begin() + needed_; at != all.end(); ++at) {
      if (at->distance2 == last) count_site(at->site, left_out.counts);
    }
    all.resize(static_cast<std::size_t>(needed_));
    bound = std::min(bound, last);
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    distance2[i] = all[i].distance2;
    site[i] = all[i].site;
  }
  return static_cast<int>(all.size());
}

// Every candidate goes to the position given by the number of its predecessors. The keys are the
// distances rounded down to 23 bits of their range, made distinct by the index in the low 8 bits;
// distances that round alike are put right at the end.
void Selector::sort_small(const double* distance2, const std::uint32_t* site, int n,
                          Candidate* out) {
  constexpr double steps = 8388607.0;
  double scale = std::numeric_limits<double>::infinity();
  Range range{};
  if (n >= 8 && n <= counted_at_most) {
    range = range_of(distance2, n);
    scale = range.high > range.low ? steps / (range.high - range.low) : 0.0;
  }
  if (!(scale < std::numeric_limits<double>::max())) {
    for (int i = 0; i < n; ++i) out[i] = {distance2[i], site[i]};
    return settle(out, n);
  }
  alignas(64) std::int32_t keys[counted_at_most], ranks[counted_at_most];
  for (int i = 0; i < n; ++i) {
    keys[i] = static_cast<std::int32_t>((distance2[i] - range.low) * scale) * 256 + i;
  }
  rank_keys(keys, n, ranks);
  for (int i = 0; i < n; ++i) out[ranks[i]] = {distance2[i], site[i]};
  settle(out, n);
}

// Returns how many candidates are in sorted_: all that can enter the list.
int Selector::sort_by_buckets(const double* distance2, const std::uint32_t* site, int n) {
  bucket(distance2, site, n, 20);
  sorted_.resize(static_cast<std::size_t>(n));
  if (!linear_) {
    for (int i = 0; i < n; ++i) sorted_[static_cast<std::size_t>(i)] = {distance2[i], site[i]};
    std::sort(sorted_.begin(), sorted_.end(), nearer);
    return n;
  }
  spread_distance2_.resize(static_cast<std::size_t>(n) + 8);
  spread_site_.resize(static_cast<std::size_t>(n) + 8);
  for (int i = 0; i < n; ++i) {
    const std::int32_t b = buckets_[static_cast<std::size_t>(i)];
    if (b >= cutoff_) continue;
    const auto to = static_cast<std::size_t>(starts_[static_cast<std::size_t>(b)]++);
    spread_distance2_[to] = distance2[i];
    spread_site_[to] = site[i];
  }
  int begin = 0;  // after the spreading a bucket's start is its end
  for (int b = 0; b < cutoff_; ++b) {
    const int end = starts_[static_cast<std::size_t>(b)];
    sort_small(spread_distance2_.data() + begin, spread_site_.data() + begin, end - begin,
               sorted_.data() + begin);
    begin = end;
  }
  return begin;
}

int Selector::finish(const double* distance2, const std::uint32_t* site, int n, Neighbour* list) {
  if (n > counted_at_most) {
    sorted_.resize(static_cast<std::size_t>(sort_by_buckets(distance2, site, n)));
  } else {
    sorted_.resize(static_cast<std::size_t>(n));
    sort_small(distance2, site, n, sorted_.data());
  }
  return sites_.first.empty() && all_labels_ ? finish_single(list) : finish_general(list);
}

void Selector::count_site(std::uint32_t site, std::span<std::int64_t> counts) {
  site_counts_.resize(counts.size());
  sites_.count_labels(site, offsets_, site_counts_);
  for (std::size_t label = 0; label < counts.size(); ++label) {
    if (((labels_ >> label) & 1U) != 0) counts[label] += site_counts_[label];
  }
}

void Selector::count_shell(double distance2, const LeftOut& left_out,
                           std::span<std::int64_t> counts) {
  auto at = std::ranges::lower_bound(sorted_, distance2, {}, &Candidate::distance2);
  for (; at != sorted_.end() && at->distance2 == distance2; ++at) count_site(at->site, counts);
  if (left_out.distance2 != distance2) return;
  for (std::size_t label = 0; label < counts.size(); ++label) {
    counts[label] += left_out.counts[label];
  }
}

// One id per site: only runs of equal distances need a look at the ids.
int Selector::finish_single(Neighbour* list) {
  const auto n = sorted_.size();
  bool ties = false;
  for (std::size_t i = 1; i < n; ++i) ties |= sorted_[i].distance2 == sorted_[i - 1].distance2;
  for (std::size_t i = 0; ties && i < n;) {
    std::size_t end = i + 1;
    while (end < n && sorted_[end].distance2 == sorted_[i].distance2) ++end;
    if (end - i > 1) {
      std::sort(sorted_.begin() + static_cast<std::ptrdiff_t>(i),
                sorted_.begin() + static_cast<std::ptrdiff_t>(end),
                [this](const Candidate& a, const Candidate& b) {
                  return mix(sites_.ids[a.site]) < mix(sites_.ids[b.site]);
                });
    }
    i = end;
  }
  const int count = std::min(needed_, static_cast<int>(n));
  for (int i = 0; i < count; ++i) {
    const Candidate& c = sorted_[static_cast<std::size_t>(i)];
    list[i] = {c.distance2, sites_.ids[c.site]};
  }
  return count;
}

// Expands sites to ids until the list is full. The ids of equally distant sites are merged by
// mix(id); every site's own ids ascend already, so no more than the list's length is looked at.
int Selector::finish_general(Neighbour* list) {
  int count = 0;
  for (std::size_t i = 0; i < sorted_.size() && count < needed_;) {
    const double distance2 = sorted_[i].distance2;
    heads_.clear();
    for (; i < sorted_.size() && sorted_[i].distance2 == distance2; ++i) {
      const auto copies = sites_.copies(sorted_[i].site);
      push_head(copies.data(), copies.data() + copies.size());
    }
    while (!heads_.empty() && count < needed_) {
      std::ranges::pop_heap(heads_, std::greater{}, &Head::key);
      const Head head = heads_.back();
      heads_.pop_back();
      list[count++] = {distance2, *head.id};
      push_head(head.id + 1, head.end);
    }
  }
  return count;
}

// Adds the first id of [id, end) that belongs to the request to the heap.
void Selector::push_head(const std::uint64_t* id, const std::uint64_t* end) {
  while (id != end && !selected(*id)) ++id;
  if (id == end) return;
  heads_.push_back({mix(*id), id, end});
  std::ranges::push_heap(heads_, std::greater{}, &Head::key);
}

}  // namespace mensura::points
