// SPDX-License-Identifier: BSD-3-Clause
#include "points/local_search.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "points/lanes.hpp"

namespace mensura::points {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

template <class Fn>
void for_each_lane(std::uint32_t lanes, Fn&& fn) {
  for (; lanes != 0; lanes &= lanes - 1) fn(std::countr_zero(lanes));
}

const Eight* eights(const double* p) {
  return reinterpret_cast<const Eight*>(p);
}

}  // namespace

void PaceMemory::prepare(std::span<const Request> wanted, std::uint32_t leaves) {
  const auto same = [](const Request& a, const Request& b) {
    return a.labels == b.labels && a.neighbours == b.neighbours;
  };
  if (std::ranges::equal(requests, wanted, same)) return;
  requests.assign(wanted.begin(), wanted.end());
  distance2.assign(wanted.size(), std::vector<float>(leaves, 0.0F));
}

LocalSearch::LocalSearch(const Tree& tree, const Sites& sites,
                         std::span<const std::int64_t> offsets, std::span<const Request> requests,
                         PaceMemory& memory)
    : tree_(tree),
      sites_(sites),
      offsets_(offsets),
      requests_(requests.begin(), requests.end()),
      selector_(sites, offsets),
      paces_(requests.size()),
      memory_(memory) {
  memory_.prepare(requests, tree.leaves);
  const std::size_t labels = offsets.size() - 1;
  all_labels_ = labels >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << labels) - 1;
  const bool filtered = std::ranges::any_of(
      requests_, [this](const Request& r) { return (r.labels & all_labels_) != all_labels_; });
  for (std::size_t site = 0; filtered && site < tree.sites; ++site) {
    std::uint64_t mask = 0;
    for (const std::uint64_t id : sites.copies(site)) {
      mask |= std::uint64_t{1} << static_cast<unsigned>(label_of(id, offsets));
    }
    if (labels <= 8) {
      narrow_labels_.push_back(static_cast<std::uint8_t>(mask));
    } else {
      wide_labels_.push_back(mask);
    }
  }
  for (std::size_t r = 0; r < requests_.size(); ++r) {
    lists_.emplace_back(needed(r) * QueryGroup::lanes);
    sizes_.emplace_back();
    shells_.emplace_back(labels * QueryGroup::lanes);
  }
}

void LocalSearch::run(const QueryGroup& group) {
  for (std::size_t r = 0; r < requests_.size(); ++r) {
    const int request = static_cast<int>(r);
    sizes_[r].fill(0);
    std::ranges::fill(shells_[r], 0);
    Lanes asked = 0;
    for (int lane = 0; lane < group.size; ++lane) {
      if (group.bound(request, lane) >= 0.0) asked |= Lanes{1} << static_cast<unsigned>(lane);
    }
    asked = derive(group, request, asked);
    if (asked != 0 && tree_.sites > 0) search_request(group, request, asked);
  }
}

// Lists of an earlier request over more sets often hold the answer already. Returns the lanes that
// remain.
LocalSearch::Lanes LocalSearch::derive(const QueryGroup& group, int request, Lanes asked) {
  const std::uint64_t labels = requests_[static_cast<std::size_t>(request)].labels & all_labels_;
  for (int from = 0; from < request && asked != 0; ++from) {
    if ((labels & ~requests_[static_cast<std::size_t>(from)].labels) != 0) continue;
    for_each_lane(asked, [&](int lane) {
      if (derive_lane(group, from, request, lane))
        asked &= ~(Lanes{1} << static_cast<unsigned>(lane));
    });
  }
  return asked;
}

// The wider list is a prefix, in neighbour order, of this rank's ids within its bound. Its entries
// of the narrower sets are the answer when they are enough, or when nothing was cut off.
bool LocalSearch::derive_lane(const QueryGroup& group, int from, int request, int lane) {
  if (!(group.bound(from, lane) >= 0.0)) return false;
  const auto r = static_cast<std::size_t>(request);
  Neighbour* to = lists_[r].data() + static_cast<std::size_t>(lane) * needed(r);
  std::size_t count = 0;
  for (const Neighbour& n : list(from, lane)) {
    if (((requests_[r].labels >> static_cast<unsigned>(label_of(n.id, offsets_))) & 1U) == 0)
      continue;
    to[count++] = n;
    if (count == needed(r)) break;
  }
  const bool complete = !full(from, lane) && group.bound(request, lane) <= group.bound(from, lane);
  if (count < needed(r) && !complete) return false;
  sizes_[r][static_cast<std::size_t>(lane)] = static_cast<int>(count);
  if (full(request, lane)) derive_shell(from, request, lane);
  return true;
}

// At the wider list's last distance its own shell is complete; at any nearer one the list is.
void LocalSearch::derive_shell(int from, int request, int lane) {
  const auto shell = mutable_shell(request, lane);
  const double last = list(request, lane).back().distance2;
  const auto wide = list(from, lane);
  const std::uint64_t labels = requests_[static_cast<std::size_t>(request)].labels;
  if (full(from, lane) && wide.back().distance2 == last) {
    const auto source = this->shell(from, lane);
    for (std::size_t label = 0; label < shell.size(); ++label) {
      shell[label] = ((labels >> label) & 1U) != 0 ? source[label] : 0;
    }
    return;
  }
  for (const Neighbour& n : wide) {
    const auto label = static_cast<std::size_t>(label_of(n.id, offsets_));
    if (n.distance2 == last && ((labels >> label) & 1U) != 0) ++shell[label];
  }
}

// The first bound is a guess from the groups before, so that few candidates are collected. A guess
// is harmless: a list that filled up within it is exact, any other lane searches again with more.
void LocalSearch::search_request(const QueryGroup& group, int request, Lanes lanes) {
  const auto r = static_cast<std::size_t>(request);
  const auto enough = static_cast<int>(needed(r));
  selector_.set_request(requests_[r].labels, enough);
  capacity_ = (2 * enough + 2 * tree_.leaf_size + 15) / 8 * 8;
  distances_.resize(static_cast<std::size_t>(capacity_) * QueryGroup::lanes);
  found_.resize(static_cast<std::size_t>(capacity_) * QueryGroup::lanes);
  std::array<double, QueryGroup::lanes> start{};
  for_each_lane(lanes, [&](int lane) {
    start[static_cast<std::size_t>(lane)] =
        std::min(guess(group, request, lane), group.bound(request, lane));
  });
  Lanes remaining = lanes, failed_first = 0;
  for (int attempt = 0; remaining != 0; ++attempt) {
    bounds_.fill(-1.0);
    for_each_lane(remaining, [&](int lane) {
      bounds_[static_cast<std::size_t>(lane)] = start[static_cast<std::size_t>(lane)];
      counts_[static_cast<std::size_t>(lane)] = 0;
      left_out_[static_cast<std::size_t>(lane)].distance2 = -1.0;
    });
    walk(group, request, remaining);
    work_ += std::int64_t{16} * std::popcount(remaining) * enough;  // ordering the lists
    Lanes failed = 0;
    for_each_lane(remaining, [&](int lane) {
      const auto l = static_cast<std::size_t>(lane);
      sizes_[r][l] = selector_.finish(distances(lane), found(lane), counts_[l],
                                      lists_[r].data() + l * needed(r));
      if (sizes_[r][l] == enough) {
        selector_.count_shell(list(request, lane).back().distance2, left_out_[l],
                              mutable_shell(request, lane));
      }
      const double limit = group.bound(request, lane);
      if (sizes_[r][l] == enough || !(start[l] < limit)) return;
      failed |= Lanes{1} << static_cast<unsigned>(lane);
      start[l] = attempt < 3 ? std::min(limit, start[l] * (attempt == 0 ? 1.7 : 4.0)) : limit;
    });
    if (attempt == 0) failed_first = failed;
    remaining = failed;
  }
  update_pace(group, request, lanes, failed_first);
}

// Where the list of this lane may be expected to end.
double LocalSearch::guess(const QueryGroup& group, int request, int lane) const {
  const auto r = static_cast<std::size_t>(request);
  if (std::size_t{tree_.sites} <= 2 * needed(r)) return infinity;
  double expected = paces_[r].distance2;
  if (group.local) {
    const float known = memory_.distance2[r][group.leaves[static_cast<std::size_t>(lane)]];
    if (known > 0.0F) expected = known;
  }
  return expected > 0.0 ? expected * paces_[r].margin : infinity;
}

void LocalSearch::update_pace(const QueryGroup& group, int request, Lanes lanes, Lanes failed) {
  double sum = 0.0;
  int count = 0;
  for_each_lane(lanes, [&](int lane) {
    if (!full(request, lane) || group.bound(request, lane) < infinity) return;
    const double last = list(request, lane).back().distance2;
    sum += last;
    ++count;
    if (group.local) {
      memory_.distance2[static_cast<std::size_t>(request)]
                       [group.leaves[static_cast<std::size_t>(lane)]] = static_cast<float>(last);
    }
  });
  if (count == 0) return;
  Pace& pace = paces_[static_cast<std::size_t>(request)];
  pace.distance2 = sum / count;
  const double failures = static_cast<double>(std::popcount(failed)) / std::popcount(lanes);
  pace.margin = std::clamp(pace.margin * (1.0 + 0.1 * failures - 0.004), 1.02, 4.0);
}

void LocalSearch::walk(const QueryGroup& group, int request, Lanes lanes) {
  for (int j = 0; j < tree_.dimension; ++j) {
    double sum = 0.0;
    for_each_lane(lanes, [&](int lane) { sum += group.position(j)[lane]; });
    centre_[static_cast<std::size_t>(j)] = sum / std::popcount(lanes);
  }
  switch (tree_.dimension) {
    case 1:
      return walk_dimension<1>(group, request);
    case 2:
      return walk_dimension<2>(group, request);
    case 3:
      return walk_dimension<3>(group, request);
    case 4:
      return walk_dimension<4>(group, request);
    case 5:
      return walk_dimension<5>(group, request);
    case 6:
      return walk_dimension<6>(group, request);
    case 7:
      return walk_dimension<7>(group, request);
    case 8:
      return walk_dimension<8>(group, request);
    default:
      return walk_dimension<0>(group, request);
  }
}

template <int D>
void LocalSearch::walk_dimension(const QueryGroup& group, int request) {
  const std::uint64_t labels = requests_[static_cast<std::size_t>(request)].labels & all_labels_;
  const auto row = static_cast<std::size_t>(2 * tree_.dimension);
  const auto box = [&](std::uint32_t node) { return tree_.boxes.data() + node * row; };
  stack_.assign(1, Visit{0, 0, tree_.leaves});
  while (!stack_.empty()) {
    const Visit visit = stack_.back();
    stack_.pop_back();
    if ((tree_.labels[visit.node] & labels) == 0) continue;
    const Lanes near = lanes_near_box<D>(group, box(visit.node));
    if (near == 0) continue;
    if (visit.end - visit.begin == 1) {
      for_each_lane(near, [&](int lane) { test_leaf<D>(group, visit.begin, lane, labels); });
      work_ += std::popcount(near) * tree_.leaf_size * tree_.dimension;
      continue;
    }
    const std::uint32_t middle = Tree::split(visit.begin, visit.end);
    const Visit left{visit.node + 1, visit.begin, middle};
    const Visit right{visit.node + 2 * (middle - visit.begin), middle, visit.end};
    const bool left_first =
        centre_distance<D>(box(left.node)) <= centre_distance<D>(box(right.node));
    stack_.push_back(left_first ? right : left);
    stack_.push_back(left_first ? left : right);
  }
}

// The lanes whose lower bound to the box is within their bound (inclusive, because of ties). In
// floating point, too, the lower bound never exceeds the distance2 of a point x of the box: for
// q < lower <= x rounding is monotone, so fl(lower - q) <= fl(x - q), likewise above; squares and
// sums in the same order keep the inequality, and x - q and q - x round to the same magnitude.
template <int D>
LocalSearch::Lanes LocalSearch::lanes_near_box(const QueryGroup& group, const double* box) const {
  const int d = D > 0 ? D : tree_.dimension;
  const int blocks = (group.size + 7) / 8;
  Lanes near = 0;
  for (int b = 0; b < blocks; ++b) {
    Eight sum = {};
    for (int j = 0; j < d; ++j) {
      const Eight q = eights(group.position(j))[b];
      Eight gap = box[j] - q;
      raise(gap, q - box[d + j]);
      raise(gap, Eight{});
      sum = j == 0 ? gap * gap : sum + gap * gap;
    }
    near |= not_above(sum, eights(bounds_.data())[b]) << static_cast<unsigned>(8 * b);
  }
  return near;
}

// Only orders the walk.
template <int D>
double LocalSearch::centre_distance(const double* box) const {
  const int d = D > 0 ? D : tree_.dimension;
  double sum = 0.0;
  for (int j = 0; j < d; ++j) {
    const double q = centre_[static_cast<std::size_t>(j)];
    const double gap = std::max(std::max(box[j] - q, q - box[d + j]), 0.0);
    sum += gap * gap;
  }
  return sum;
}

// The distance kernel: plain products and sums over the dimensions in index order, one point per
// vector lane, so that every path gives the same bits.
template <int D>
void LocalSearch::test_leaf(const QueryGroup& group, std::uint32_t leaf, int lane,
                            std::uint64_t labels) {
  const auto l = static_cast<std::size_t>(lane);
  const int d = D > 0 ? D : tree_.dimension;
  const int size = tree_.leaf_size;
  if (counts_[l] + size + 8 > capacity_) {
    counts_[l] = selector_.shrink(distances(lane), found(lane), counts_[l],
                                  static_cast<int>(capacity_) - size - 8, bounds_[l], left_out_[l]);
  }
  const Eight bound = Eight{} + bounds_[l];
  const double* points = tree_.leaf(leaf);
  double* distance2 = distances(lane);
  std::uint32_t* site = found(lane);
  const std::uint32_t first = leaf * static_cast<std::uint32_t>(size);
  const int before = counts_[l];
  int count = before;
  for (int i = 0; i < size; i += 8) {
    Eight sum = {};
    for (int j = 0; j < d; ++j) {
      const Eight gap = *eights(points + j * size + i) - group.position(j)[lane];
      sum = j == 0 ? gap * gap : sum + gap * gap;
    }
    count += append(sum, first + static_cast<std::uint32_t>(i), not_above(sum, bound),
                    distance2 + count, site + count);
  }
  counts_[l] = count;
  if (labels != all_labels_) drop_unlabelled(lane, before, labels);
}

void LocalSearch::drop_unlabelled(int lane, int from, std::uint64_t labels) {
  double* distance2 = distances(lane);
  std::uint32_t* site = found(lane);
  const auto l = static_cast<std::size_t>(lane);
  int kept = from;
  for (int i = from; i < counts_[l]; ++i) {
    const std::uint64_t mask =
        wide_labels_.empty() ? narrow_labels_[site[i]] : wide_labels_[site[i]];
    distance2[kept] = distance2[i];
    site[kept] = site[i];
    kept += (mask & labels) != 0 ? 1 : 0;
  }
  counts_[l] = kept;
}

}  // namespace mensura::points
