// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

namespace mensura::gp {

/// What decides between two points: larger key, then smaller hash, then smaller id.
struct Priority {
  double key = -1;  ///< squared distance to the k-th nearest chosen point; negative: no point
  std::uint64_t hash = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t id = std::numeric_limits<std::uint64_t>::max();
};

/// True when a is to be chosen before b.
inline bool better(const Priority& a, const Priority& b) noexcept {
  if (a.key != b.key) return a.key > b.key;
  if (a.hash != b.hash) return a.hash < b.hash;
  return a.id < b.id;
}

/// Room for the coordinates of one point.
inline constexpr std::size_t max_order_dimension = 3;
using Position = std::array<double, max_order_dimension>;

/// A point with its priority: what ranks tell each other. Unused coordinates are zero.
struct Rival {
  Priority priority;
  Position position{};
};

/// This rank's points of one block of the order.
struct BlockPoints {
  int dimension = 0;
  std::vector<double> coordinates;  ///< row-major, ids.size() x dimension
  std::vector<std::uint64_t> ids;
  std::vector<double> nearest;  ///< ids.size() x k: smallest squared distances, ascending
};

/// The points of one block on one rank, in a static kd-tree whose nodes know the best unchosen
/// point below them. Points are named by their place in the tree, [0, size()). All comparisons are
/// between exactly the numbers of order_distance2 and boxes bound them in floating point, too, so
/// that nothing depends on the shape of the tree. Everything is local.
class MaximinTree {
 public:
  /// 1 <= k, dimension 1 to 3. Throws Error{usage} for another dimension.
  static std::unique_ptr<MaximinTree> make(BlockPoints points, int k);
  virtual ~MaximinTree() = default;

  std::size_t size() const noexcept { return ids_.size(); }
  /// Tight box of all points; lower > upper when there are none.
  const Position& lower() const noexcept { return lower_; }
  const Position& upper() const noexcept { return upper_; }
  virtual Priority priority(std::uint32_t point) const noexcept = 0;
  virtual Position position(std::uint32_t point) const noexcept = 0;

  /// The best unchosen point; a negative key when all are chosen.
  virtual Rival best() const noexcept = 0;
  /// Replaces `winners` by the unchosen points that are better than every other unchosen point of
  /// this rank in the open ball of their own key.
  virtual void find_winners(std::vector<std::uint32_t>& winners) = 0;
  /// Whether an unchosen point of this rank in the open ball of the rival's key is better.
  virtual bool beats(const Rival& rival) const noexcept = 0;
  /// Takes the point out of the competition; its key becomes final.
  virtual void choose(std::uint32_t point) = 0;
  /// A point of any rank was chosen with this key: lowers the keys of the unchosen points in its
  /// ball. The priorities of the nodes lag behind until refresh().
  virtual void lower_keys(const Position& position, double key) = 0;
  /// Brings the nodes up to date; to be called after choose() and lower_keys().
  virtual void refresh() = 0;

  std::span<const std::uint64_t> ids() const noexcept { return ids_; }
  std::span<const double> scales() const noexcept { return scales_; }  ///< squared keys at choice

 protected:
  Position lower_{}, upper_{};
  std::vector<std::uint64_t> ids_;
  std::vector<double> scales_;  // squared keys at choice
};

}  // namespace mensura::gp
