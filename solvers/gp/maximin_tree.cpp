// SPDX-License-Identifier: BSD-3-Clause
#include "gp/maximin_tree.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "gp/ordering.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t largest_leaf = 24;

template <int D>
struct Node {
  std::array<double, D> lower, upper;  // tight, of all points below
  double largest = -1;                 // key of the best unchosen point below
  double smallest = infinity;          // key of the worst one
  std::uint64_t hash = std::numeric_limits<std::uint64_t>::max();  // of the best one
  std::uint32_t best = none;
};

/// What every search reads of a point, side by side: a step to another point costs one cache miss.
template <int D>
struct Record {
  std::array<double, D> x;
  double key;  // squared; negative: chosen
  std::uint64_t hash;
};

template <int D>
double distance2(const double* a, const double* b) noexcept {
  double sum = 0;
  for (int j = 0; j < D; ++j) {
    const double gap = a[j] - b[j];
    sum += gap * gap;
  }
  return sum;
}

// Never exceeds the distance2 of x and a point of the box, in floating point either: rounding is
// monotone and the sums run in the same order.
template <int D>
double box_distance2(const Node<D>& node, const double* x) noexcept {
  double sum = 0;
  for (std::size_t j = 0; j < D; ++j) {
    const double gap = std::max(std::max(node.lower[j] - x[j], x[j] - node.upper[j]), 0.0);
    sum += gap * gap;
  }
  return sum;
}

template <int D>
class Tree final : public MaximinTree {
 public:
  Tree(BlockPoints points, int k);
  Priority priority(std::uint32_t point) const noexcept override {
    return {records_[point].key, records_[point].hash, ids_[point]};
  }
  Position position(std::uint32_t point) const noexcept override;
  Rival best() const noexcept override;
  void find_winners(std::vector<std::uint32_t>& winners) override;
  bool beats(const Rival& rival) const noexcept override {
    return find_better(rival.position.data(), rival.priority) != none;
  }
  void choose(std::uint32_t point) override;
  void lower_keys(const Position& position, double key) override;
  void refresh() override;

 private:
  struct Placed {
    std::array<double, D> x;
    std::uint32_t from;
  };
  using Stack = std::array<std::uint32_t, 64>;  // two entries per level of the tree suffice

  void build(std::vector<Placed>& placed, std::uint32_t node, std::size_t first, std::size_t last);
  void take_points(const BlockPoints& points, const std::vector<Placed>& placed, std::size_t k);
  std::size_t begin(std::uint32_t leaf) const noexcept { return (size() * leaf) >> levels_; }
  std::uint32_t leaf_of(std::uint32_t point) const noexcept;
  bool blocked(std::uint32_t point);
  bool blocks(std::uint32_t other, const double* x, const Priority& mine) const noexcept;
  std::uint32_t better_in_leaf(std::uint32_t leaf, const double* x,
                               const Priority& mine) const noexcept;
  std::uint32_t find_better(const double* x, const Priority& mine) const noexcept;
  bool may_hold_better(const Node<D>& node, const double* x, const Priority& mine) const noexcept;
  void lower_leaf(std::uint32_t leaf, const double* x, double key);
  void insert(std::uint32_t point, double distance);
  void mark(std::uint32_t node);
  void refresh_leaf(std::uint32_t leaf);
  void refresh_inner(std::uint32_t node);

  unsigned levels_ = 0;           // below the root
  std::uint32_t leaves_ = 1;      // 2^levels_; leaf l is node leaves_ + l
  std::vector<Node<D>> nodes_;    // the children of node i are 2 i and 2 i + 1; the root is 1
  std::vector<double> diagonal_;  // of every node's box, squared
  std::size_t others_ = 0;        // k - 1
  std::vector<Record<D>> records_;
  std::vector<double> nearest_;         // size() x (k - 1), ascending: all but the key
  std::vector<std::uint32_t> witness_;  // the point that was found to block this one last
  std::vector<std::uint32_t> marked_;   // nodes to refresh, all of one level
  std::vector<std::uint8_t> is_marked_;
};

template <int D>
Tree<D>::Tree(BlockPoints points, int k) {
  const std::size_t n = points.ids.size();
  while (n > (largest_leaf << levels_)) ++levels_;
  leaves_ <<= levels_;
  std::vector<Placed> placed(n);
  for (std::size_t i = 0; i < n; ++i) {
    std::copy_n(points.coordinates.data() + i * D, D, placed[i].x.begin());
    placed[i].from = static_cast<std::uint32_t>(i);
  }
  nodes_.resize(2 * std::size_t{leaves_});
  diagonal_.resize(nodes_.size());
  is_marked_.resize(nodes_.size());
  ids_.resize(n);  // begin() divides the points among the leaves
  build(placed, 1, 0, leaves_);
  take_points(points, placed, static_cast<std::size_t>(k));
  for (std::uint32_t leaf = 0; leaf < leaves_; ++leaf) mark(leaves_ + leaf);
  refresh();
  lower_.fill(infinity);
  upper_.fill(-infinity);
  std::copy_n(nodes_[1].lower.begin(), D, lower_.begin());
  std::copy_n(nodes_[1].upper.begin(), D, upper_.begin());
}

template <int D>
void Tree<D>::build(std::vector<Placed>& placed, std::uint32_t node, std::size_t first,
                    std::size_t last) {
  const auto at = [&](std::size_t leaf) {
    return placed.begin() + static_cast<std::ptrdiff_t>(begin(static_cast<std::uint32_t>(leaf)));
  };
  auto& [lower, upper, largest, smallest, hash, best] = nodes_[node];
  lower.fill(infinity);
  upper.fill(-infinity);
  for (auto point = at(first); point != at(last); ++point) {
    for (std::size_t j = 0; j < D; ++j) {
      lower[j] = std::min(lower[j], point->x[j]);
      upper[j] = std::max(upper[j], point->x[j]);
    }
  }
  diagonal_[node] = distance2<D>(upper.data(), lower.data());
  if (last - first == 1) return;
  std::size_t axis = 0;
  for (std::size_t j = 1; j < D; ++j) {
    if (upper[j] - lower[j] > upper[axis] - lower[axis]) axis = j;
  }
  const std::size_t middle = (first + last) / 2;
  std::nth_element(at(first), at(middle), at(last),
                   [axis](const Placed& a, const Placed& b) { return a.x[axis] < b.x[axis]; });
  build(placed, 2 * node, first, middle);
  build(placed, 2 * node + 1, middle, last);
}

template <int D>
void Tree<D>::take_points(const BlockPoints& points, const std::vector<Placed>& placed,
                          std::size_t k) {
  const std::size_t n = placed.size();
  others_ = k - 1;
  scales_.resize(n);
  witness_.resize(n);
  records_.resize(n);
  nearest_.resize(n * others_);
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t from = placed[i].from;
    ids_[i] = points.ids[from];
    const double* distances = points.nearest.data() + from * k;
    std::copy_n(distances, others_, nearest_.data() + i * others_);
    records_[i] = {placed[i].x, distances[others_], coordinate_hash(placed[i].x.data(), D)};
    witness_[i] = static_cast<std::uint32_t>(i);  // no point blocks itself
  }
}

template <int D>
std::uint32_t Tree<D>::leaf_of(std::uint32_t point) const noexcept {
  auto leaf = static_cast<std::uint32_t>((std::uint64_t{point} << levels_) / size());
  while (begin(leaf + 1) <= point) ++leaf;
  return leaf;
}

template <int D>
Position Tree<D>::position(std::uint32_t point) const noexcept {
  Position result{};
  std::copy_n(records_[point].x.begin(), D, result.begin());
  return result;
}

template <int D>
Rival Tree<D>::best() const noexcept {
  const std::uint32_t point = nodes_[1].best;
  return point == none ? Rival{} : Rival{priority(point), position(point)};
}

// In a node narrower than the smallest key in it every point but the best is blocked by the best.
// So a round looks at about as many points as there are balls, not at all of them.
template <int D>
void Tree<D>::find_winners(std::vector<std::uint32_t>& winners) {
  winners.clear();
  Stack stack;
  std::size_t depth = 0;
  stack[depth++] = 1;
  while (depth > 0) {
    const std::uint32_t index = stack[--depth];
    const Node<D>& node = nodes_[index];
    if (node.best == none) continue;
    if (diagonal_[index] < node.smallest) {
      if (!blocked(node.best)) winners.push_back(node.best);
    } else if (index < leaves_) {
      stack[depth++] = 2 * index;
      stack[depth++] = 2 * index + 1;
    } else {
      const auto end = static_cast<std::uint32_t>(begin(index - leaves_ + 1));
      for (auto i = static_cast<std::uint32_t>(begin(index - leaves_)); i < end; ++i) {
        if (records_[i].key >= 0 && !blocked(i)) winners.push_back(i);
      }
    }
  }
}

template <int D>
bool Tree<D>::blocks(std::uint32_t other, const double* x, const Priority& mine) const noexcept {
  const Record<D>& record = records_[other];
  return record.key >= mine.key && distance2<D>(record.x.data(), x) < mine.key &&
         better(priority(other), mine);
}

template <int D>
bool Tree<D>::blocked(std::uint32_t point) {
  const double* x = records_[point].x.data();
  const Priority mine = priority(point);
  if (blocks(witness_[point], x, mine)) return true;
  std::uint32_t found = better_in_leaf(leaf_of(point), x, mine);
  if (found == none) found = find_better(x, mine);
  if (found == none) return false;
  witness_[point] = found;
  return true;
}

template <int D>
std::uint32_t Tree<D>::better_in_leaf(std::uint32_t leaf, const double* x,
                                      const Priority& mine) const noexcept {
  const auto end = static_cast<std::uint32_t>(begin(leaf + 1));
  for (auto i = static_cast<std::uint32_t>(begin(leaf)); i < end; ++i) {
    if (blocks(i, x, mine)) return i;
  }
  return none;
}

template <int D>
bool Tree<D>::may_hold_better(const Node<D>& node, const double* x,
                              const Priority& mine) const noexcept {
  if (node.largest < mine.key || (node.largest == mine.key && node.hash > mine.hash)) return false;
  return box_distance2<D>(node, x) < mine.key;
}

template <int D>
std::uint32_t Tree<D>::find_better(const double* x, const Priority& mine) const noexcept {
  Stack stack;
  std::size_t depth = 0;
  if (may_hold_better(nodes_[1], x, mine)) stack[depth++] = 1;
  while (depth > 0) {
    const std::uint32_t index = stack[--depth];
    if (blocks(nodes_[index].best, x, mine)) return nodes_[index].best;
    if (index >= leaves_) {
      const std::uint32_t found = better_in_leaf(index - leaves_, x, mine);
      if (found != none) return found;
      continue;
    }
    for (std::uint32_t child = 2 * index; child < 2 * index + 2; ++child) {
      if (may_hold_better(nodes_[child], x, mine)) stack[depth++] = child;
    }
  }
  return none;
}

template <int D>
void Tree<D>::choose(std::uint32_t point) {
  scales_[point] = records_[point].key;
  records_[point].key = -1;
  mark(leaves_ + leaf_of(point));
}

// Only inside the ball of the chosen point: beyond it lie points with larger keys that come earlier
// in the order although they have not been chosen yet.
template <int D>
void Tree<D>::lower_keys(const Position& position, double key) {
  Stack stack;
  std::size_t depth = 0;
  stack[depth++] = 1;
  while (depth > 0) {
    const std::uint32_t index = stack[--depth];
    const Node<D>& node = nodes_[index];
    if (!(box_distance2<D>(node, position.data()) < std::min(key, node.largest))) continue;
    if (index >= leaves_) {
      lower_leaf(index - leaves_, position.data(), key);
      continue;
    }
    stack[depth++] = 2 * index;
    stack[depth++] = 2 * index + 1;
  }
}

template <int D>
void Tree<D>::lower_leaf(std::uint32_t leaf, const double* x, double key) {
  const auto end = static_cast<std::uint32_t>(begin(leaf + 1));
  bool changed = false;
  for (auto i = static_cast<std::uint32_t>(begin(leaf)); i < end; ++i) {
    const double distance = distance2<D>(records_[i].x.data(), x);
    if (!(distance < std::min(key, records_[i].key))) continue;
    insert(i, distance);
    changed = true;
  }
  if (changed) mark(leaves_ + leaf);
}

// One pass of exchanges, because whether and where the list changes is anybody's guess.
template <int D>
void Tree<D>::insert(std::uint32_t point, double distance) {
  double* list = nearest_.data() + point * others_;
  for (std::size_t place = 0; place < others_; ++place) {
    const double smaller = std::min(list[place], distance);
    distance = std::max(list[place], distance);
    list[place] = smaller;
  }
  records_[point].key = distance;
}

template <int D>
void Tree<D>::mark(std::uint32_t node) {
  if (is_marked_[node] != 0) return;
  is_marked_[node] = 1;
  marked_.push_back(node);
}

template <int D>
void Tree<D>::refresh() {
  std::vector<std::uint32_t> level;
  while (!marked_.empty()) {
    level.swap(marked_);
    marked_.clear();
    for (const std::uint32_t node : level) {
      is_marked_[node] = 0;
      if (node >= leaves_) {
        refresh_leaf(node - leaves_);
      } else {
        refresh_inner(node);
      }
      if (node > 1) mark(node / 2);
    }
  }
}

template <int D>
void Tree<D>::refresh_leaf(std::uint32_t leaf) {
  const std::size_t first = begin(leaf), last = begin(leaf + 1);
  double largest = -1, smallest = infinity;
  for (std::size_t i = first; i < last; ++i) {
    largest = std::max(largest, records_[i].key);
    smallest = std::min(smallest, records_[i].key < 0 ? infinity : records_[i].key);
  }
  Priority top;
  std::uint32_t best = none;
  for (std::size_t i = first; i < last && largest >= 0; ++i) {
    const auto point = static_cast<std::uint32_t>(i);
    if (records_[i].key != largest || !better(priority(point), top)) continue;
    top = priority(point);
    best = point;
  }
  Node<D>& node = nodes_[leaves_ + leaf];
  node.largest = largest;
  node.smallest = smallest;
  node.hash = top.hash;
  node.best = best;
}

template <int D>
void Tree<D>::refresh_inner(std::uint32_t index) {
  const Node<D>&left = nodes_[2 * index], &right = nodes_[2 * index + 1];
  const auto id = [this](const Node<D>& n) { return n.best == none ? ~0ULL : ids_[n.best]; };
  const bool take_right =
      better({right.largest, right.hash, id(right)}, {left.largest, left.hash, id(left)});
  const Node<D>& winner = take_right ? right : left;
  Node<D>& node = nodes_[index];
  node.largest = winner.largest;
  node.hash = winner.hash;
  node.best = winner.best;
  node.smallest = std::min(left.smallest, right.smallest);
}

}  // namespace

std::unique_ptr<MaximinTree> MaximinTree::make(BlockPoints points, int k) {
  switch (points.dimension) {
    case 1:
      return std::make_unique<Tree<1>>(std::move(points), k);
    case 2:
      return std::make_unique<Tree<2>>(std::move(points), k);
    case 3:
      return std::make_unique<Tree<3>>(std::move(points), k);
    default:
      throw parallel::Error(parallel::ExitCode::usage,
                            fmt::format("points of dimension {} given to the elimination order, "
                                        "which takes 1, 2 or 3",
                                        points.dimension));
  }
}

}  // namespace mensura::gp
