// SPDX-License-Identifier: BSD-3-Clause
#include "gp/pattern.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "gp/level_grid.hpp"
#include "gp/supernodes.hpp"
#include "parallel/exchange.hpp"
#include "points/partition.hpp"

namespace mensura::gp {

namespace {

// As many rows as a memory holds are found within minutes.
constexpr std::size_t search_polls = 64;

// A point on its way between ranks.
struct Traveller {
  std::array<double, 3> x;
  OrderKey key;
};

// A point with its supernode, to be sorted into storage order.
struct Stored {
  std::uint64_t morton;
  SupernodeKey supernode;
  Traveller point;
};

std::vector<Traveller> travellers(const OrderedPoints& ordered) {
  const auto d = static_cast<std::size_t>(ordered.points.dimension);
  std::vector<Traveller> result(ordered.keys.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i].x = {};
    std::copy_n(&ordered.points.coordinates[i * d], d, result[i].x.begin());
    result[i].key = ordered.keys[i];
  }
  return result;
}

// Sends every point to the rank that owns its supernode's centre.
std::vector<Traveller> move_to_owners(const parallel::Communicator& comm,
                                      std::vector<Traveller> points, const SupernodeRule& rule,
                                      int dimension) {
  const auto d = static_cast<std::size_t>(dimension);
  points::Sites sites;
  sites.dimension = dimension;
  sites.coordinates.reserve(points.size() * d);
  for (const Traveller& point : points) {
    const auto centre = rule.centre(rule.key_of(point.key, point.x.data()));
    sites.coordinates.insert(sites.coordinates.end(), centre.begin(), centre.begin() + dimension);
  }
  sites.ids.resize(points.size());
  std::iota(sites.ids.begin(), sites.ids.end(), std::uint64_t{0});
  const points::Assignment assignment = points::bisect(comm, sites);
  std::vector<Traveller> send;
  send.reserve(points.size());
  for (const std::uint32_t i : assignment.order) send.push_back(points[i]);
  points.clear();
  points.shrink_to_fit();
  return parallel::exchange<Traveller>(comm, send, assignment.counts).data;
}

std::vector<Stored> storage_order(const std::vector<Traveller>& points, const SupernodeRule& rule) {
  std::vector<Stored> stored;
  stored.reserve(points.size());
  for (const Traveller& point : points) {
    const SupernodeKey key = rule.key_of(point.key, point.x.data());
    stored.push_back({rule.morton(key), key, point});
  }
  std::sort(stored.begin(), stored.end(), [](const Stored& a, const Stored& b) {
    if (a.morton != b.morton) return a.morton < b.morton;
    if (a.supernode != b.supernode) return a.supernode < b.supernode;
    return before(a.point.key, b.point.key);
  });
  return stored;
}

// Ghost candidates: a point is offered to every rank whose box it can reach with its own radius.
class GhostOffers {
 public:
  GhostOffers(const parallel::Communicator& comm, const std::vector<Stored>& stored, int dimension,
              double radius) {
    const auto d = static_cast<std::size_t>(dimension);
    constexpr double infinity = std::numeric_limits<double>::infinity();
    std::vector<double> box(2 * d);
    for (std::size_t a = 0; a < d; ++a) box[a] = infinity, box[d + a] = -infinity;
    for (const Stored& s : stored) {
      for (std::size_t a = 0; a < d; ++a) {
        box[a] = std::min(box[a], s.point.x[a]);
        box[d + a] = std::max(box[d + a], s.point.x[a]);
      }
    }
    const auto boxes = comm.all_gather<double>(box);
    // A margin of rounding, so that no partner is missed; the exact test comes with the pattern.
    const double bound = radius * radius * (1 + 1e-12);
    for (int rank = 0; rank < comm.size(); ++rank) {
      const double* lower = &boxes[static_cast<std::size_t>(rank) * 2 * d];
      const auto before_rank = static_cast<std::int64_t>(send_.size());
      for (std::size_t i = 0; rank != comm.rank() && i < stored.size(); ++i) {
        double distance2 = 0;
        for (std::size_t a = 0; a < d; ++a) {
          const double x = stored[i].point.x[a];
          const double gap = std::max({lower[a] - x, x - lower[d + a], 0.0});
          distance2 += gap * gap;
        }
        if (distance2 <= bound * stored[i].point.key.scale2) {
          send_.push_back(static_cast<std::int32_t>(i));
        }
      }
      counts_.push_back(static_cast<std::int64_t>(send_.size()) - before_rank);
    }
  }

  // Collective. Returns the ghosts and makes the halo of all of them.
  std::vector<Traveller> exchange(const parallel::Communicator& comm,
                                  const std::vector<Stored>& stored, Halo& halo) {
    std::vector<Traveller> packed;
    packed.reserve(send_.size());
    for (const std::int32_t i : send_) packed.push_back(stored[static_cast<std::size_t>(i)].point);
    auto received = parallel::exchange<Traveller>(comm, packed, counts_);
    halo = Halo(std::move(send_), std::move(counts_), std::move(received.counts));
    return std::move(received.data);
  }

 private:
  std::vector<std::int32_t> send_;
  std::vector<std::int64_t> counts_;
};

// Finds, column by column, the rows within the radius, and joins them by supernode.
class RowSearch {
 public:
  RowSearch(const Pattern& pattern, std::span<const std::uint32_t> blocks, double radius)
      : pattern_(pattern), blocks_(blocks), radius2_(radius * radius), stamp_(blocks.size(), -1) {
    std::map<std::pair<std::uint32_t, int>, std::vector<std::int32_t>> groups;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      groups[{blocks[i], octave(pattern.scale2[i])}].push_back(static_cast<std::int32_t>(i));
    }
    for (auto& [key, points] : groups) {
      double largest = 0;
      for (const auto i : points) {
        largest = std::max(largest, pattern.scale2[static_cast<std::size_t>(i)]);
      }
      const double length = std::sqrt(largest);
      groups_.push_back(
          {key.first, largest,
           LevelGrid(pattern.coordinates, pattern.dimension, points, 0.5 * radius * length)});
    }
  }

  // Rows of the columns [first, last), ascending in the elimination order.
  const std::vector<std::int32_t>& rows_of(std::int32_t first, std::int32_t last) {
    found_.clear();
    for (std::int32_t column = first; column < last; ++column) add_column(column, first);
    std::sort(found_.begin(), found_.end(), [this](std::int32_t a, std::int32_t b) {
      return pattern_.rank_of[static_cast<std::size_t>(a)] <
             pattern_.rank_of[static_cast<std::size_t>(b)];
    });
    return found_;
  }

 private:
  struct Group {
    std::uint32_t block;
    double largest;  // squared scale
    LevelGrid grid;
  };

  static int octave(double scale2) {
    return std::isfinite(scale2) ? std::ilogb(scale2) : std::numeric_limits<int>::max();
  }

  void add_column(std::int32_t column, std::int32_t stamp) {
    const auto j = static_cast<std::size_t>(column);
    const double own = pattern_.scale2[j];
    const std::uint32_t block = blocks_[j];
    const std::int32_t place = pattern_.rank_of[j];
    const double* x = &pattern_.coordinates[j * static_cast<std::size_t>(pattern_.dimension)];
    for (const Group& group : groups_) {
      if (group.block > block || (group.block == block && group.largest < own)) continue;
      const double reach = std::sqrt(radius2_ * std::min(own, group.largest));
      group.grid.search(x, reach, [&](std::int32_t point, double distance2) {
        const auto i = static_cast<std::size_t>(point);
        if (stamp_[i] == stamp || pattern_.rank_of[i] > place) return;
        if (distance2 > radius2_ * std::min(own, pattern_.scale2[i])) return;
        stamp_[i] = stamp;
        found_.push_back(point);
      });
    }
  }

  const Pattern& pattern_;
  std::span<const std::uint32_t> blocks_;
  double radius2_;
  std::vector<std::int32_t> stamp_;
  std::vector<Group> groups_;
  std::vector<std::int32_t> found_;
};

// Places in the elimination order among the local points.
std::vector<std::int32_t> places(const std::vector<OrderKey>& keys) {
  std::vector<std::int32_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return before(keys[static_cast<std::size_t>(a)], keys[static_cast<std::size_t>(b)]);
  });
  std::vector<std::int32_t> result(keys.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    result[static_cast<std::size_t>(order[i])] = static_cast<std::int32_t>(i);
  }
  return result;
}

// Leaves out the ghosts that no row refers to.
void drop_unused_ghosts(const parallel::Communicator& comm, Pattern& pattern) {
  const auto own = static_cast<std::size_t>(pattern.own);
  std::vector<std::uint8_t> needed(pattern.ids.size() - own, 0);
  for (const std::int32_t row : pattern.rows) {
    if (row >= pattern.own) needed[static_cast<std::size_t>(row) - own] = 1;
  }
  pattern.halo.keep(comm, needed);
  const auto d = static_cast<std::size_t>(pattern.dimension);
  std::vector<std::int32_t> moved(pattern.ids.size());
  std::iota(moved.begin(), moved.end(), 0);
  std::size_t next = own;
  for (std::size_t i = own; i < pattern.ids.size(); ++i) {
    if (needed[i - own] == 0) continue;
    moved[i] = static_cast<std::int32_t>(next);
    std::copy_n(&pattern.coordinates[i * d], d, &pattern.coordinates[next * d]);
    pattern.ids[next] = pattern.ids[i];
    pattern.scale2[next] = pattern.scale2[i];
    pattern.rank_of[next] = pattern.rank_of[i];
    ++next;
  }
  pattern.coordinates.resize(next * d);
  pattern.ids.resize(next);
  pattern.scale2.resize(next);
  pattern.rank_of.resize(next);
  for (std::int32_t& row : pattern.rows) row = moved[static_cast<std::size_t>(row)];
}

// Own points such that each comes after those that it needs: depth first.
class DepthFirst {
 public:
  explicit DepthFirst(const Pattern& pattern)
      : pattern_(pattern), listed_(static_cast<std::size_t>(pattern.own), 0) {}

  std::vector<std::int32_t> run() {
    order_.reserve(listed_.size());
    for (std::size_t point = 0; point < listed_.size(); ++point) {
      if (listed_[point] == 0) visit(static_cast<std::int32_t>(point));
    }
    return std::move(order_);
  }

 private:
  std::int32_t place(std::int32_t point) const {
    return pattern_.rank_of[static_cast<std::size_t>(point)];
  }

  void visit(std::int32_t root) {
    stack_.assign(1, {root, 0});
    listed_[static_cast<std::size_t>(root)] = 1;
    while (!stack_.empty()) {
      auto& [point, next] = stack_.back();
      const auto rows = pattern_.rows_of(
          static_cast<std::size_t>(pattern_.supernode[static_cast<std::size_t>(point)]));
      while (place(rows[next]) < place(point) &&
             (rows[next] >= pattern_.own || listed_[static_cast<std::size_t>(rows[next])] != 0)) {
        ++next;
      }
      const std::int32_t row = rows[next];  // the point itself at the latest
      if (row == point) {
        order_.push_back(point);
        stack_.pop_back();
      } else {
        listed_[static_cast<std::size_t>(row)] = 1;
        stack_.emplace_back(row, 0);
      }
    }
  }

  const Pattern& pattern_;
  std::vector<std::uint8_t> listed_;
  std::vector<std::pair<std::int32_t, std::size_t>> stack_;
  std::vector<std::int32_t> order_;
};

template <class T>
void permute(std::vector<T>& values, std::span<const std::int32_t> order, std::size_t width) {
  std::vector<T> moved;
  moved.reserve(order.size() * width);
  for (const std::int32_t i : order) {
    const auto* from = &values[static_cast<std::size_t>(i) * width];
    moved.insert(moved.end(), from, from + width);
  }
  std::copy(moved.begin(), moved.end(), values.begin());
}

void renumber_own(Pattern& pattern) {
  const auto order = DepthFirst(pattern).run();
  permute(pattern.coordinates, order, static_cast<std::size_t>(pattern.dimension));
  permute(pattern.ids, order, 1);
  permute(pattern.scale2, order, 1);
  permute(pattern.rank_of, order, 1);
  permute(pattern.supernode, order, 1);
  std::vector<std::int32_t> place(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    place[static_cast<std::size_t>(order[i])] = static_cast<std::int32_t>(i);
  }
  for (std::int32_t& row : pattern.rows) {
    if (row < pattern.own) row = place[static_cast<std::size_t>(row)];
  }
  pattern.halo.renumber(place);
}

// Collective by its polls.
void find_rows(Pattern& pattern, std::span<const std::uint32_t> blocks,
               std::span<const std::int32_t> first_member, double radius,
               const std::function<void()>& poll) {
  RowSearch search(pattern, blocks, radius);
  const std::size_t supernodes = first_member.size() - 1;
  pattern.first_row.push_back(0);
  for (std::size_t piece = 0; piece < search_polls; ++piece) {
    for (std::size_t s = supernodes * piece / search_polls;
         s < supernodes * (piece + 1) / search_polls; ++s) {
      const auto& rows = search.rows_of(first_member[s], first_member[s + 1]);
      pattern.rows.insert(pattern.rows.end(), rows.begin(), rows.end());
      pattern.first_row.push_back(static_cast<std::int64_t>(pattern.rows.size()));
    }
    poll();
  }
}

void store(Pattern& pattern, std::vector<OrderKey>& keys, const Traveller& point) {
  pattern.coordinates.insert(pattern.coordinates.end(), point.x.begin(),
                             point.x.begin() + pattern.dimension);
  pattern.ids.push_back(point.key.id);
  pattern.scale2.push_back(point.key.scale2);
  keys.push_back(point.key);
}

}  // namespace

Halo::Halo(std::vector<std::int32_t> send, std::vector<std::int64_t> send_counts,
           std::vector<std::int64_t> receive_counts)
    : send_(std::move(send)),
      send_counts_(std::move(send_counts)),
      receive_counts_(std::move(receive_counts)) {}

void Halo::renumber(std::span<const std::int32_t> place) {
  for (std::int32_t& point : send_) point = place[static_cast<std::size_t>(point)];
}

std::int64_t Halo::ghosts() const noexcept {
  return std::accumulate(receive_counts_.begin(), receive_counts_.end(), std::int64_t{0});
}

void Halo::fill(const parallel::Communicator& comm, std::span<double> values, std::int64_t own,
                int width) const {
  if (comm.size() == 1) return;
  const auto w = static_cast<std::size_t>(width);
  std::vector<double> packed;
  packed.reserve(send_.size() * w);
  for (const std::int32_t i : send_) {
    const double* row = &values[static_cast<std::size_t>(i) * w];
    packed.insert(packed.end(), row, row + w);
  }
  std::vector<std::int64_t> counts(send_counts_);
  for (auto& count : counts) count *= width;
  const auto received = parallel::exchange<double>(comm, packed, counts);
  std::copy(received.data.begin(), received.data.end(),
            values.begin() + static_cast<std::ptrdiff_t>(own) * width);
}

void Halo::keep(const parallel::Communicator& comm, std::span<const std::uint8_t> needed) {
  const auto answers = parallel::exchange<std::uint8_t>(comm, needed, receive_counts_).data;
  std::size_t next = 0;
  for (std::int64_t& count : receive_counts_) {
    const auto end = next + static_cast<std::size_t>(count);
    count = std::count(needed.begin() + static_cast<std::ptrdiff_t>(next),
                       needed.begin() + static_cast<std::ptrdiff_t>(end), 1);
    next = end;
  }
  std::vector<std::int32_t> kept;
  next = 0;
  for (std::int64_t& count : send_counts_) {
    const auto before_rank = static_cast<std::int64_t>(kept.size());
    for (std::int64_t i = 0; i < count; ++i, ++next) {
      if (answers[next] != 0) kept.push_back(send_[next]);
    }
    count = static_cast<std::int64_t>(kept.size()) - before_rank;
  }
  send_ = std::move(kept);
}

Pattern make_pattern(const parallel::Communicator& comm, OrderedPoints ordered,
                     const PatternOptions& options, const std::function<void()>& poll) {
  Pattern pattern;
  pattern.dimension = ordered.points.dimension;
  pattern.counts = ordered.points.counts;
  const SupernodeRule rule(comm, ordered, options.level_ratio, options.cell);
  std::vector<Traveller> points = travellers(ordered);
  ordered = OrderedPoints{};
  points = move_to_owners(comm, std::move(points), rule, pattern.dimension);
  std::vector<Stored> stored = storage_order(points, rule);
  points.clear();
  points.shrink_to_fit();
  poll();

  std::vector<Traveller> ghosts = GhostOffers(comm, stored, pattern.dimension, options.radius)
                                      .exchange(comm, stored, pattern.halo);
  pattern.own = static_cast<std::int64_t>(stored.size());
  std::vector<OrderKey> keys;
  std::vector<std::int32_t> first_member;
  for (std::size_t i = 0; i < stored.size(); ++i) {
    if (i == 0 || stored[i].supernode != stored[i - 1].supernode) {
      first_member.push_back(static_cast<std::int32_t>(i));
    }
    pattern.supernode.push_back(static_cast<std::int32_t>(first_member.size()) - 1);
    store(pattern, keys, stored[i].point);
  }
  first_member.push_back(static_cast<std::int32_t>(stored.size()));
  stored.clear();
  stored.shrink_to_fit();
  for (const Traveller& ghost : ghosts) store(pattern, keys, ghost);
  ghosts.clear();
  ghosts.shrink_to_fit();
  pattern.rank_of = places(keys);
  std::vector<std::uint32_t> blocks;
  blocks.reserve(keys.size());
  for (const OrderKey& key : keys) blocks.push_back(key.block);
  keys.clear();
  keys.shrink_to_fit();
  poll();

  find_rows(pattern, blocks, first_member, options.radius, poll);
  drop_unused_ghosts(comm, pattern);
  renumber_own(pattern);
  return pattern;
}

}  // namespace mensura::gp
