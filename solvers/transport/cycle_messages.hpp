// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "points/aligned.hpp"
#include "transport/cycle_problem.hpp"

namespace mensura::transport {

/// Logarithms for all own columns at the points of one node: own groups x points x 8.
using Columns = points::AlignedVector<double>;

/// What need not be known exactly: a message at a point, for a column, is only used together with
/// the message from the other side. Where
///   message + reach < floor
/// an upper bound may stand for the message. `reach`: own groups x points x 8, the logarithms of
/// everything else at the point (not below the truth); `floor`: own groups x 8.
struct Relevance {
  const Columns* reach = nullptr;  ///< nullptr: everything is needed
  Columns floor;
};

/// Sends messages along the inner edges of a cycle at one regularisation,
///   out(y) = log sum_x exp(in(x) - c(x, y) / eps)   for every own column,
/// exact to rounding for every range of the values. Sums run over tiles of points: in a tile
/// messages and kernel are taken relative to their largest entries, so that a sum is a product of
/// small dense matrices of doubles with one exponential per pair of tiles and column. Tiles that
/// cannot matter are passed over by bounds; sums that leave the range of doubles are done again
/// in logarithms, and when they are many, the tiles become smaller. Local.
class CycleMessages {
 public:
  static constexpr std::size_t largest_tile = 32;

  explicit CycleMessages(const CycleData& data) : data_(data) {}

  /// Forgets what belongs to another regularisation. The tile sizes stay.
  void set_epsilon(double epsilon);
  std::size_t tile() const noexcept { return tile_; }
  void set_tile(std::size_t tile);

  /// Along edge k (1 <= k <= K - 2): from node k to k + 1, or back.
  void forward(std::size_t edge, const Columns& in, const Relevance& relevance, Columns& out);
  void backward(std::size_t edge, const Columns& in, const Relevance& relevance, Columns& out);

  /// What the messages since the last call cost, own columns.
  struct Work {
    std::int64_t sums = 0;     ///< targets x groups that were computed
    std::int64_t repeats = 0;  ///< of these, done again in logarithms
    std::int64_t tiles = 0;    ///< pairs of tiles x groups that were summed
    std::int64_t visits = 0;   ///< target tiles x groups
  };
  Work take_work();

 private:
  struct Strip;
  struct Task;
  struct Sources;
  template <std::size_t T>
  void send(const Task& task);
  void dispatch(const Task& task);
  const std::vector<double>& least(const CycleCosts& costs);

  const CycleData& data_;
  double epsilon_ = 1;
  std::size_t tile_ = largest_tile;
  Work work_;
  std::map<const CycleCosts*, std::vector<double>> least_;  // over pairs of tiles, per eps
};

}  // namespace mensura::transport
