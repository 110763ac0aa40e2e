// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gp/ordering.hpp"
#include "gp/point_set.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// Who needs values of which points: this rank's points in storage order are followed by ghosts,
/// which other ranks own. O(points near the border) memory.
class Halo {
 public:
  Halo() = default;
  /// Local. `send`: own points grouped by destination, send_counts per rank; ghosts arrive grouped
  /// by source, receive_counts per rank.
  Halo(std::vector<std::int32_t> send, std::vector<std::int64_t> send_counts,
       std::vector<std::int64_t> receive_counts);

  /// Collective. `values`: (own + ghosts) x width; fills the ghosts' part from their owners.
  void fill(const parallel::Communicator& comm, std::span<double> values, std::int64_t own,
            int width) const;

  /// Collective. Keeps the ghosts that are needed (ghosts entries) and tells their owners.
  void keep(const parallel::Communicator& comm, std::span<const std::uint8_t> needed);

  /// Local. Own point i is now place[i].
  void renumber(std::span<const std::int32_t> place);

  std::int64_t ghosts() const noexcept;
  const std::vector<std::int64_t>& receive_counts() const noexcept { return receive_counts_; }

 private:
  std::vector<std::int32_t> send_;
  std::vector<std::int64_t> send_counts_, receive_counts_;
};

struct PatternOptions {
  double radius = 3;  ///< rho
  /// Supernodes: levels of the scale l by this ratio (reference 3.2 (d)) ...
  double level_ratio = 1.5;
  /// ... and cells of this many level lengths. Larger cells mean fewer, larger dense blocks.
  double cell = 2.25;
};

/// The sparsity of the inverse-Cholesky factor over points: column j has the rows i <= j
/// (elimination order) with |x_i - x_j| <= rho min(l_i, l_j), joined over the columns of its
/// supernode. Rows and order are independent of the number of ranks, the place in storage is not. A
/// supernode is (block, level of l, cell of the level's
/// regular grid); all its columns live on one rank. Own points come first, every point after the
/// own points that it needs and as close to them as a depth-first walk along a Morton curve of the
/// supernodes allows: a triangular solve streams its matrix in storage order and finds the unknowns
/// in cache. Then ghosts.
struct Pattern {
  int dimension = 0;
  std::array<std::int64_t, 3> counts{};  ///< global number of points of each kind
  std::int64_t own = 0;
  std::vector<double> coordinates;      ///< (own + ghosts) x dimension, row-major
  std::vector<std::uint64_t> ids;       ///< own + ghosts
  std::vector<double> scale2;           ///< own + ghosts: squared key of the order
  std::vector<std::int32_t> rank_of;    ///< own + ghosts: place in the elimination order among them
  std::vector<std::int32_t> supernode;  ///< own: number of the supernode on this rank
  std::vector<std::int64_t> first_row;  ///< supernodes + 1 offsets into rows
  std::vector<std::int32_t> rows;       ///< points (own or ghost), ascending in the order
  Halo halo;

  std::int64_t points() const noexcept { return static_cast<std::int64_t>(ids.size()); }
  std::size_t supernodes() const noexcept { return first_row.empty() ? 0 : first_row.size() - 1; }
  /// Rows of a supernode: its members, all points that they need, in the elimination order.
  std::span<const std::int32_t> rows_of(std::size_t s) const noexcept {
    const auto first = static_cast<std::size_t>(first_row[s]);
    return std::span(rows).subspan(first, static_cast<std::size_t>(first_row[s + 1]) - first);
  }
  bool is_member(std::int32_t point, std::size_t s) const noexcept {
    return point < own &&
           supernode[static_cast<std::size_t>(point)] == static_cast<std::int32_t>(s);
  }
  PointKind kind(std::size_t point) const noexcept {
    const auto id = static_cast<std::int64_t>(ids[point]);
    return id < counts[0] ? PointKind::boundary
                          : (id < counts[0] + counts[1] ? PointKind::interior : PointKind::data);
  }
};

/// Collective. Moves the points so that every supernode lies on one rank, and finds the pattern.
/// Consumes the ordered points. Memory O(N / P) times the rows per supernode. `poll` is called
/// collectively some seventy times.
Pattern make_pattern(const parallel::Communicator& comm, OrderedPoints ordered,
                     const PatternOptions& options, const std::function<void()>& poll);

}  // namespace mensura::gp
