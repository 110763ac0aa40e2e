// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/pass_sums.hpp"

#include <algorithm>
#include <numeric>

#include "parallel/error.hpp"
#include "parallel/random.hpp"

namespace mensura::divergence {

using parallel::ExactSum;

int PassPlan::union_neighbours() const {
  int k = 0;
  for (const auto& list : lists) k = std::max(k, list.back());
  for (const int ratio : ratio_neighbours) k = std::max(k, ratio);
  return k;
}

int PassPlan::distance_reach() const {
  return distance_neighbours.empty() ? 0 : 2 * distance_neighbours.back();
}

std::vector<points::Request> PassPlan::requests() const {
  std::vector<points::Request> result;
  if (union_neighbours() > 0) result.push_back({0b11, union_neighbours()});
  if (distance_reach() > 0) {
    result.push_back({0b01, distance_reach()});
    result.push_back({0b10, distance_reach()});
  }
  return result;
}

std::vector<int> PassPlan::counted_neighbours() const {
  std::vector<int> ks = ratio_neighbours;
  for (const auto& list : lists) ks.insert(ks.end(), list.begin(), list.end());
  std::sort(ks.begin(), ks.end());
  ks.erase(std::unique(ks.begin(), ks.end()), ks.end());
  return ks;
}

PassSums::PassSums(PassPlan plan) : plan_(std::move(plan)), ties_(plan_.counted_neighbours()) {
  const auto& counted = ties_.neighbours();
  const auto place_of = [&](int k) {
    return static_cast<std::size_t>(std::ranges::lower_bound(counted, k) - counted.begin());
  };
  counts_.resize(counted.size());
  for (const auto& list : plan_.lists) {
    places_.emplace_back();
    for (const int k : list) places_.back().push_back(place_of(k));
  }
  for (const int k : plan_.ratio_neighbours) ratio_places_.push_back(place_of(k));
  for (const auto& list : plan_.lists) histograms_.emplace_back(list);
  dimensions_.resize(plan_.lists.size());
  for (const int k : plan_.ratio_neighbours) ratios_.emplace_back(k);
  for (const int k : plan_.distance_neighbours) distances_.emplace_back(k, plan_.dimension);
}

void PassSums::add(const points::Neighbourhood& site, std::span<const std::int64_t> offsets) {
  if (plan_.union_neighbours() > 0) add_counts(site, offsets);
  if (plan_.distance_reach() > 0) add_distances(site, offsets);
}

namespace {

constexpr std::int64_t most_draws = std::int64_t{1} << 26U;

Side side_of(std::size_t label) {
  return label == 0 ? Side::x : Side::y;
}

}  // namespace

void PassSums::add_counts(const points::Neighbourhood& site,
                          std::span<const std::int64_t> offsets) {
  ties_.assign(site.lists[0], site.last_shells[0], static_cast<std::uint64_t>(offsets[1]));
  for (std::size_t label = 0; label < 2; ++label) {
    const std::int64_t points = site.copies_per_label[label];
    const std::uint64_t key = 2 * parallel::mix(site.copies.front()) + label;
    // Beyond this many the copies share draws: their noise is then far below any error bar, and no
    // location takes longer than a fraction of a second.
    const std::int64_t draws = std::min(points, most_draws / ties_.neighbours().back());
    for (std::int64_t draw = 0; draw < draws; ++draw) {
      const bool drawn = ties_.count(
          label == 0, parallel::mix(key + parallel::mix(static_cast<std::uint64_t>(draw))),
          counts_);
      const std::int64_t share = points / draws + (draw < points % draws ? 1 : 0);
      add_query(side_of(label), drawn ? share : points);
      if (!drawn) break;
    }
  }
  if (!histograms_.empty()) add_dimension(site);
}

void PassSums::add_query(Side side, std::int64_t multiplicity) {
  for (std::size_t i = 0; i < histograms_.size(); ++i) {
    picked_.resize(places_[i].size());
    for (std::size_t j = 0; j < picked_.size(); ++j) picked_[j] = counts_[places_[i][j]];
    histograms_[i].add(side, picked_, multiplicity);
  }
  for (std::size_t i = 0; i < ratios_.size(); ++i) {
    ratios_[i].add(side, counts_[ratio_places_[i]], multiplicity);
  }
}

// All points of a location see the same distances: each leaves out one zero, its own.
void PassSums::add_dimension(const points::Neighbourhood& site) {
  const auto list = site.lists[0];
  const std::int64_t points =
      std::accumulate(site.copies_per_label.begin(), site.copies_per_label.end(), std::int64_t{0});
  squares_.resize(list.size() - 1);
  std::transform(list.begin() + 1, list.end(), squares_.begin(),
                 [](const points::Neighbour& neighbour) { return neighbour.distance2; });
  for (std::size_t i = 0; i < histograms_.size(); ++i) {
    const auto k = static_cast<std::size_t>(histograms_[i].neighbours().back());
    dimensions_[i].add(std::span(squares_).first(k), points);
  }
}

void PassSums::add_distances(const points::Neighbourhood& site,
                             std::span<const std::int64_t> offsets) {
  const std::size_t first = plan_.union_neighbours() > 0 ? 1 : 0;
  for (std::size_t label = 0; label < 2; ++label) {
    if (site.copies_per_label[label] == 0) continue;
    const auto own = site.lists[first + label];
    const auto other = site.lists[first + 1 - label];
    points::for_each_query(
        site, first + label, offsets, [&](int of, std::int64_t multiplicity, int skip) {
          if (static_cast<std::size_t>(of) != label) return;
          for (WkvSums& sums : distances_) {
            const int k = sums.k();
            sums.add(side_of(label), points::kth_distance2(own, k, skip),
                     points::kth_distance2(other, k, -1), points::kth_distance2(own, 2 * k, skip),
                     points::kth_distance2(other, 2 * k, -1), multiplicity);
          }
        });
  }
}

void PassSums::reduce(const parallel::Communicator& comm) {
  for (CountHistograms& histogram : histograms_) comm.sum(histogram.words());
  for (DimensionSums& dimension : dimensions_) {
    parallel::reduce(comm, std::span(&dimension.sum, 1));
    dimension.points = comm.sum(dimension.points);
  }
  for (RatioCounts& ratio : ratios_) comm.sum(std::span(ratio.words));
  for (WkvSums& distance : distances_) {
    parallel::reduce(comm, distance.sums());
    comm.sum(distance.counts());
  }
}

namespace {

// One walk over the whole state, for writing it out and for reading it in.
template <class Integers, class Exact>
void walk(auto& histograms, auto& dimensions, auto& ratios, auto& distances, Integers integers,
          Exact exact) {
  for (auto& histogram : histograms) integers(histogram.words());
  for (auto& dimension : dimensions) {
    exact(dimension.sum);
    integers(std::span(&dimension.points, 1));
  }
  for (auto& ratio : ratios) integers(std::span(ratio.words));
  for (auto& distance : distances) {
    for (auto& sum : distance.sums()) exact(sum);
    integers(distance.counts());
  }
}

}  // namespace

std::vector<std::int64_t> PassSums::words() const {
  std::vector<std::int64_t> result;
  walk(
      histograms_, dimensions_, ratios_, distances_,
      [&](std::span<const std::int64_t> words) {
        result.insert(result.end(), words.begin(), words.end());
      },
      [&](const ExactSum& sum) {
        const auto words = sum.words();
        result.insert(result.end(), words.begin(), words.end());
      });
  return result;
}

void PassSums::adopt(std::span<const std::int64_t> words) {
  std::size_t at = 0;
  const auto take = [&](std::size_t count) {
    if (at + count > words.size()) {
      throw parallel::Error(parallel::ExitCode::input_data,
                            "the checkpoint's sums are shorter than this deck needs");
    }
    at += count;
    return words.subspan(at - count, count);
  };
  walk(
      histograms_, dimensions_, ratios_, distances_,
      [&](std::span<std::int64_t> target) {
        std::ranges::copy(take(target.size()), target.begin());
      },
      [&](ExactSum& sum) {
        ExactSum::Words state{};
        std::ranges::copy(take(state.size()), state.begin());
        sum = ExactSum::from_words(state);
      });
  if (at != words.size()) {
    throw parallel::Error(parallel::ExitCode::input_data,
                          "the checkpoint's sums are longer than this deck needs");
  }
}

std::size_t PassSums::position_of(const std::vector<int>& list) const {
  const auto found = std::find(plan_.lists.begin(), plan_.lists.end(), list);
  parallel::require(found != plan_.lists.end(),
                    "PassSums: a list of neighbours that was not planned");
  return static_cast<std::size_t>(found - plan_.lists.begin());
}

const CountHistograms& PassSums::histograms(const std::vector<int>& list) const {
  return histograms_[position_of(list)];
}

double PassSums::dimension_estimate(const std::vector<int>& list) const {
  return dimensions_[position_of(list)].estimate();
}

const RatioCounts& PassSums::ratios(int k) const {
  const auto found = std::find(plan_.ratio_neighbours.begin(), plan_.ratio_neighbours.end(), k);
  parallel::require(found != plan_.ratio_neighbours.end(), "PassSums: a k that was not planned");
  return ratios_[static_cast<std::size_t>(found - plan_.ratio_neighbours.begin())];
}

const WkvSums& PassSums::distances(int k) const {
  const auto found =
      std::find(plan_.distance_neighbours.begin(), plan_.distance_neighbours.end(), k);
  parallel::require(found != plan_.distance_neighbours.end(), "PassSums: a k that was not planned");
  return distances_[static_cast<std::size_t>(found - plan_.distance_neighbours.begin())];
}

}  // namespace mensura::divergence
