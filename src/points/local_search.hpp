// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "points/candidates.hpp"
#include "points/tree.hpp"

namespace mensura::points {

/// What earlier searches of the same requests found per leaf: the distance2 of the last list entry
/// of some site in it (0: unknown). Only guides the search, so a coarse number will do.
struct PaceMemory {
  std::vector<Request> requests;
  std::vector<std::vector<float>> distance2;  ///< requests x leaves

  /// Forgets everything unless the requests are the same as before.
  void prepare(std::span<const Request> wanted, std::uint32_t leaves);
};

/// Up to 32 query positions that are searched together, one per lane.
struct QueryGroup {
  static constexpr int lanes = 32;
  QueryGroup(int dimension, int requests)
      : dimension_(dimension),
        positions(static_cast<std::size_t>(dimension) * lanes, 0.0),
        bounds(static_cast<std::size_t>(requests) * lanes, -1.0) {}
  double* position(int j) { return positions.data() + j * lanes; }
  const double* position(int j) const { return positions.data() + j * lanes; }
  double& bound(int request, int lane) {
    return bounds[static_cast<std::size_t>(request * lanes + lane)];
  }
  double bound(int request, int lane) const {
    return bounds[static_cast<std::size_t>(request * lanes + lane)];
  }

  int dimension_;
  int size = 0;
  AlignedVector<double> positions;  ///< dimension x lanes
  /// requests x lanes: known upper bound of the list's last distance2 (inclusive); infinity when
  /// unknown, negative when the request is not asked for this lane.
  AlignedVector<double> bounds;
  bool local = false;                         ///< the positions are sites of this rank
  std::array<std::uint32_t, lanes> leaves{};  ///< their leaves, when local
};

/// Exact search in the tree of one rank. The lanes of a group share the walk down the tree: a node
/// is entered when any lane needs it, a leaf is tested against just the lanes that need it.
class LocalSearch {
 public:
  LocalSearch(const Tree& tree, const Sites& sites, std::span<const std::int64_t> offsets,
              std::span<const Request> requests, PaceMemory& memory);

  /// Fills the lists of all lanes and requests of the group.
  void run(const QueryGroup& group);

  /// Neighbours of one lane, ascending: the first k + 1 ids among this rank's ids within the bound.
  std::span<const Neighbour> list(int request, int lane) const {
    const auto r = static_cast<std::size_t>(request);
    return {lists_[r].data() + static_cast<std::size_t>(lane) * needed(r),
            static_cast<std::size_t>(sizes_[r][static_cast<std::size_t>(lane)])};
  }
  /// Ids per set at exactly the distance of the last entry of a full list; zeros otherwise.
  std::span<const std::int64_t> shell(int request, int lane) const {
    const std::size_t labels = offsets_.size() - 1;
    return std::span(shells_[static_cast<std::size_t>(request)])
        .subspan(static_cast<std::size_t>(lane) * labels, labels);
  }
  bool full(int request, int lane) const {
    return list(request, lane).size() == needed(static_cast<std::size_t>(request));
  }

  /// Coordinate operations so far: a clock that is the same in every run.
  std::int64_t work() const noexcept { return work_; }

 private:
  using Lanes = std::uint32_t;  // bit l = lane l
  struct Pace {                 // expected distance2 of the last entry, from the groups before
    double distance2 = 0.0;
    double margin = 1.5;
  };

  std::size_t needed(std::size_t request) const {
    return static_cast<std::size_t>(requests_[request].neighbours) + 1;
  }
  Lanes derive(const QueryGroup& group, int request, Lanes asked);
  void derive_shell(int from, int request, int lane);
  bool derive_lane(const QueryGroup& group, int from, int request, int lane);
  void search_request(const QueryGroup& group, int request, Lanes lanes);
  void walk(const QueryGroup& group, int request, Lanes lanes);
  template <int D>
  void walk_dimension(const QueryGroup& group, int request);
  template <int D>
  Lanes lanes_near_box(const QueryGroup& group, const double* box) const;
  template <int D>
  double centre_distance(const double* box) const;
  template <int D>
  void test_leaf(const QueryGroup& group, std::uint32_t leaf, int lane, std::uint64_t labels);
  void drop_unlabelled(int lane, int from, std::uint64_t labels);
  double guess(const QueryGroup& group, int request, int lane) const;
  void update_pace(const QueryGroup& group, int request, Lanes lanes, Lanes failed);
  std::span<std::int64_t> mutable_shell(int request, int lane) {
    const std::size_t labels = offsets_.size() - 1;
    return std::span(shells_[static_cast<std::size_t>(request)])
        .subspan(static_cast<std::size_t>(lane) * labels, labels);
  }
  double* distances(int lane) { return distances_.data() + lane * capacity_; }
  std::uint32_t* found(int lane) { return found_.data() + lane * capacity_; }

  const Tree& tree_;
  const Sites& sites_;
  std::span<const std::int64_t> offsets_;
  std::vector<Request> requests_;
  std::uint64_t all_labels_;
  std::vector<std::uint8_t> narrow_labels_;  // per site, when there are at most eight sets
  std::vector<std::uint64_t> wide_labels_;
  Selector selector_;
  std::vector<Pace> paces_;
  PaceMemory& memory_;
  std::vector<std::vector<Neighbour>> lists_;
  std::vector<std::array<int, QueryGroup::lanes>> sizes_;
  std::vector<std::vector<std::int64_t>> shells_;  // requests x (lanes x labels)
  // Candidates of the request in work.
  std::ptrdiff_t capacity_ = 0;
  AlignedVector<double> distances_;
  AlignedVector<std::uint32_t> found_;
  std::array<int, QueryGroup::lanes> counts_{};
  std::array<LeftOut, QueryGroup::lanes> left_out_;
  alignas(64) std::array<double, QueryGroup::lanes> bounds_{};
  std::array<double, 32> centre_{};
  struct Visit {
    std::uint32_t node, begin, end;
  };
  std::vector<Visit> stack_;
  std::int64_t work_ = 0;
};

}  // namespace mensura::points
