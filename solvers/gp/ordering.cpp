// SPDX-License-Identifier: BSD-3-Clause
#include "gp/ordering.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <span>
#include <utility>

#include "gp/maximin_rounds.hpp"
#include "parallel/random.hpp"
#include "points/neighbours.hpp"

namespace mensura::gp {

using parallel::Communicator;
using parallel::Error;
using parallel::ExitCode;

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr std::size_t named_pairs = 3;

/// Two points on one location; ids[0] < ids[1].
struct Pair {
  std::array<std::uint64_t, 2> ids{std::numeric_limits<std::uint64_t>::max(),
                                   std::numeric_limits<std::uint64_t>::max()};
  Position position{};
};

/// The points of this rank, split into the two blocks, and the first coincident pairs.
struct Blocks {
  BlockPoints first, second;
  std::vector<Pair> pairs;  ///< ascending, at most named_pairs
};

void keep_first(std::vector<Pair>& pairs) {
  std::ranges::sort(pairs, {}, &Pair::ids);
  if (pairs.size() > named_pairs) pairs.resize(named_pairs);
}

/// Visits the sites of the neighbour engine. The engine's squared distances are those of
/// order_distance2: products and sums in axis order, not fused.
class Collector {
 public:
  Collector(std::int64_t boundary, int dimension, int k)
      : boundary_(static_cast<std::uint64_t>(boundary)), k_(static_cast<std::size_t>(k)) {
    blocks_.first.dimension = blocks_.second.dimension = dimension;
  }

  void add(std::span<const double> position, std::uint64_t id,
           std::span<const points::Neighbour> nearest_first) {
    const bool first = id < boundary_;
    BlockPoints& block = first ? blocks_.first : blocks_.second;
    block.coordinates.insert(block.coordinates.end(), position.begin(), position.end());
    block.ids.push_back(id);
    for (std::size_t i = 0; i < k_; ++i) {
      const bool known = !first && i < nearest_first.size();
      block.nearest.push_back(known ? nearest_first[i].distance2 : infinity);
    }
  }

  void add_pair(std::span<const double> position, std::span<const std::uint64_t> copies) {
    Pair pair;
    for (const std::uint64_t id : copies) {
      if (id < pair.ids[0]) {
        pair.ids = {id, pair.ids[0]};
      } else {
        pair.ids[1] = std::min(pair.ids[1], id);
      }
    }
    std::copy_n(position.begin(), std::min(position.size(), max_order_dimension),
                pair.position.begin());
    blocks_.pairs.push_back(pair);
    if (blocks_.pairs.size() >= 1024) keep_first(blocks_.pairs);
  }

  Blocks take() {
    keep_first(blocks_.pairs);
    return std::move(blocks_);
  }

 private:
  std::uint64_t boundary_;
  std::size_t k_;
  Blocks blocks_;
};

/// Collective. Distributes the points by recursive bisection and finds, for every point of the
/// second block, the k nearest ones of the first.
Blocks distribute(const Communicator& comm, PointSet points, int k,
                  const std::function<void()>& poll) {
  Collector collector(points.counts[0], points.dimension, k);
  const std::int64_t total = points.total();
  if (total < 2) {  // no neighbours to search for
    for (std::size_t i = 0; i < points.ids.size(); ++i) {
      const auto d = static_cast<std::size_t>(points.dimension);
      collector.add({points.coordinates.data() + i * d, d}, points.ids[i], {});
    }
    return collector.take();
  }
  // With fewer points than k the engine's lists hold all there are, and the rest stays infinite.
  const int neighbours = static_cast<int>(std::min<std::int64_t>(k, total - 1));
  points::NeighbourEngine engine(comm,
                                 {.dimension = points.dimension,
                                  .coordinates = std::move(points.coordinates),
                                  .ids = std::move(points.ids),
                                  .offsets = {0, points.counts[0], points.total()}},
                                 neighbours);
  const points::Request nearest_first{.labels = 1, .neighbours = neighbours};
  engine.search(
      {&nearest_first, 1}, ~std::uint64_t{0}, 0, 1,
      [&](const points::Neighbourhood& site) {
        if (site.copies.size() > 1) collector.add_pair(site.position, site.copies);
        collector.add(site.position, site.copies.front(), site.lists[0]);
      },
      poll);
  return collector.take();
}

std::string describe(const Pair& pair, int dimension,
                     const std::function<std::string(std::uint64_t)>& name_of) {
  std::string position;
  for (std::size_t j = 0; j < static_cast<std::size_t>(dimension); ++j) {
    position += fmt::format("{}{}", j == 0 ? "" : ", ", pair.position[j]);
  }
  return fmt::format("{} and {} at ({})", name_of(pair.ids[0]), name_of(pair.ids[1]), position);
}

/// Collective. Throws on all ranks when points coincide anywhere.
void refuse_coincident(const Communicator& comm, std::vector<Pair> own, int dimension,
                       const std::function<std::string(std::uint64_t)>& name_of) {
  own.resize(named_pairs);
  auto pairs = comm.all_gather(std::span<const Pair>(own));
  keep_first(pairs);
  const Pair no_pair;
  std::erase_if(pairs, [&](const Pair& p) { return p.ids == no_pair.ids; });
  if (pairs.empty()) return;
  std::string text = "points coincide, so that their covariance matrix is singular: ";
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    text += (i == 0 ? "" : "; ") + describe(pairs[i], dimension, name_of);
  }
  if (pairs.size() == named_pairs) text += " (there may be more)";
  throw Error(
      ExitCode::input_data,
      text +
          ". Remove one point of each pair; of two measurements at one place move one by a small "
          "part of the distance between points.");
}

/// Collective. Orders one block and appends it to the result.
void order_block(const Communicator& comm, BlockPoints points, std::uint32_t block, int k,
                 const std::function<void()>& poll, OrderedPoints& result) {
  MaximinRounds rounds(comm, std::move(points), k);
  rounds.run(poll);
  const MaximinTree& tree = rounds.tree();
  const auto d = static_cast<std::size_t>(result.points.dimension);
  for (std::uint32_t i = 0; i < tree.size(); ++i) {
    const Position x = tree.position(i);
    result.points.coordinates.insert(result.points.coordinates.end(), x.begin(),
                                     x.begin() + static_cast<std::ptrdiff_t>(d));
    result.points.ids.push_back(tree.ids()[i]);
    result.keys.push_back({block, tree.scales()[i], tree.priority(i).hash, tree.ids()[i]});
  }
  result.rounds += rounds.rounds();
}

void check_arguments(const PointSet& points, int k, std::int64_t held) {
  if (k < 1) {
    throw Error(ExitCode::usage,
                fmt::format("the elimination order needs at least one neighbour, got k = {}", k));
  }
  if (points.dimension < 1 || points.dimension > static_cast<int>(max_order_dimension)) {
    throw Error(ExitCode::usage,
                fmt::format("points of dimension {} given to the elimination order, which takes "
                            "1, 2 or 3",
                            points.dimension));
  }
  parallel::require(held == points.total(), "the ranks hold all points that the kinds count");
}

}  // namespace

bool before(const OrderKey& a, const OrderKey& b) noexcept {
  if (a.block != b.block) return a.block < b.block;
  return better({a.scale2, a.hash, a.id}, {b.scale2, b.hash, b.id});
}

std::uint64_t coordinate_hash(const double* coordinates, int dimension) noexcept {
  std::uint64_t hash = 0x9e3779b97f4a7c15ULL;
  for (int j = 0; j < dimension; ++j) {
    hash = parallel::mix(hash ^ std::bit_cast<std::uint64_t>(coordinates[j] + 0.0));
  }
  return hash;
}

double order_distance2(const double* a, const double* b, int dimension) noexcept {
  double sum = 0;
  for (int j = 0; j < dimension; ++j) {
    const double gap = a[j] - b[j];
    sum += gap * gap;
  }
  return sum;
}

OrderedPoints maximin_order(const Communicator& comm, PointSet points, int k,
                            const std::function<std::string(std::uint64_t)>& name_of,
                            const std::function<void()>& poll) {
  const std::int64_t held = comm.sum(static_cast<std::int64_t>(points.ids.size()));
  parallel::agree(comm, [&] { check_arguments(points, k, held); });
  OrderedPoints result;
  result.points.dimension = points.dimension;
  result.points.counts = points.counts;
  Blocks blocks = distribute(comm, std::move(points), k, poll);
  refuse_coincident(comm, std::move(blocks.pairs), result.points.dimension, name_of);
  order_block(comm, std::move(blocks.first), 0, k, poll, result);
  order_block(comm, std::move(blocks.second), 1, k, poll, result);
  return result;
}

void put_data_last(OrderedPoints& ordered, double reach) {
  ordered.data_reach = reach;
  for (OrderKey& key : ordered.keys) {
    if (ordered.points.kind(key.id) != PointKind::data) continue;
    key.block = data_block;
    key.scale2 *= reach * reach;
  }
}

}  // namespace mensura::gp
