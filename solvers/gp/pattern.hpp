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

/// The sparsity of the inverse-Cholesky factor over points, independent of the number of ranks:
/// column j has the rows i <= j (elimination order) with |x_i - x_j| <= rho min(l_i, l_j), joined
/// over the columns of its supernode. A supernode is (block, level of l, cell of the level's
/// regular grid); all its columns live on one rank. Own points come first, in storage order (along
/// a Morton curve by supernode), then ghosts.
struct Pattern {
  int dimension = 0;
  std::array<std::int64_t, 3> counts{};  ///< global number of points of each kind
  std::int64_t own = 0;
  std::vector<double> coordinates;      ///< (own + ghosts) x dimension, row-major
  std::vector<std::uint64_t> ids;       ///< own + ghosts
  std::vector<double> scale2;           ///< own + ghosts: squared key of the order
  std::vector<std::int32_t> rank_of;    ///< own + ghosts: place in the elimination order among them
  std::vector<std::int32_t> members;    ///< supernodes + 1: own points [members[s], members[s + 1])
  std::vector<std::int64_t> first_row;  ///< supernodes + 1 offsets into rows
  std::vector<std::int32_t> rows;       ///< points (own or ghost), ascending in the order
  Halo halo;

  std::int64_t points() const noexcept { return static_cast<std::int64_t>(ids.size()); }
  std::size_t supernodes() const noexcept { return members.empty() ? 0 : members.size() - 1; }
  PointKind kind(std::size_t point) const noexcept {
    const auto id = static_cast<std::int64_t>(ids[point]);
    return id < counts[0] ? PointKind::boundary
                          : (id < counts[0] + counts[1] ? PointKind::interior : PointKind::data);
  }
};

/// Collective. Moves the points so that every supernode lies on one rank, and finds the pattern.
/// Consumes the ordered points. Memory O(N / P) times the rows per supernode. `poll` is called
/// collectively a few times.
Pattern make_pattern(const parallel::Communicator& comm, OrderedPoints ordered,
                     const PatternOptions& options, const std::function<void()>& poll);

}  // namespace mensura::gp
