// SPDX-License-Identifier: BSD-3-Clause
// The pattern against its definition, pair by pair. All comparisons are exact: both sides compare
// the same doubles.
#include "gp/pattern.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "clouds.hpp"
#include "gp/level_grid.hpp"
#include "gp/supernodes.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using gp::OrderKey;
using gp::Pattern;
using gp::PatternOptions;
using gp::SupernodeKey;
using parallel::Communicator;

/// All keys in the elimination order, and who belongs together by the rule of supernodes.
class Definition {
 public:
  Definition(const Cloud& cloud, const gp::OrderedPoints& all, const PatternOptions& options)
      : cloud_(cloud), options_(options), keys_(all.keys) {
    const auto self = Communicator::duplicate(MPI_COMM_SELF);
    const gp::SupernodeRule rule(self, all, options.level_ratio, options.cell);
    std::ranges::sort(keys_, gp::before);
    place_.resize(keys_.size());
    name_.resize(keys_.size());
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      const std::uint64_t id = keys_[i].id;
      place_[id] = i;
      name_[id] = rule.key_of(keys_[i], cloud.row(static_cast<std::int64_t>(id)));
      members_[name_[id]].push_back(id);
    }
  }

  const SupernodeKey& supernode_of(std::uint64_t id) const { return name_[id]; }
  /// Ids in the elimination order.
  const std::map<SupernodeKey, std::vector<std::uint64_t>>& members() const { return members_; }
  const OrderKey& key(std::uint64_t id) const { return keys_[place_[id]]; }

  /// Row ids of all columns of the supernode, ascending in the order.
  std::vector<std::uint64_t> rows(const SupernodeKey& supernode) const {
    const auto& columns = members_.at(supernode);
    std::vector<std::uint64_t> result;
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      if (std::ranges::any_of(columns, [&](std::uint64_t j) { return allowed(i, place_[j]); })) {
        result.push_back(keys_[i].id);
      }
    }
    return result;
  }

 private:
  bool allowed(std::size_t i, std::size_t j) const {
    const auto x = [&](std::size_t place) {
      return cloud_.row(static_cast<std::int64_t>(keys_[place].id));
    };
    const double radius2 = options_.radius * options_.radius;
    return i <= j && gp::order_distance2(x(i), x(j), cloud_.dimension) <=
                         radius2 * std::min(keys_[i].scale2, keys_[j].scale2);
  }

  const Cloud& cloud_;
  PatternOptions options_;
  std::vector<OrderKey> keys_;
  std::vector<std::size_t> place_;  // by id
  std::vector<SupernodeKey> name_;  // by id
  std::map<SupernodeKey, std::vector<std::uint64_t>> members_;
};

std::vector<std::uint64_t> row_ids(const Pattern& pattern, std::size_t supernode) {
  std::vector<std::uint64_t> ids;
  for (const std::int32_t row : pattern.rows_of(supernode)) {
    ids.push_back(pattern.ids[static_cast<std::size_t>(row)]);
  }
  return ids;
}

std::vector<std::uint64_t> member_ids(const Pattern& pattern, std::size_t supernode) {
  std::vector<std::uint64_t> ids;
  for (const std::int32_t row : pattern.rows_of(supernode)) {
    if (pattern.is_member(row, supernode))
      ids.push_back(pattern.ids[static_cast<std::size_t>(row)]);
  }
  return ids;
}

/// Supernodes of this rank that are not what the definition says.
std::int64_t wrong_supernodes(const Pattern& pattern, const Definition& definition) {
  std::int64_t wrong = 0;
  for (std::size_t s = 0; s < pattern.supernodes(); ++s) {
    const auto members = member_ids(pattern, s);
    const SupernodeKey& name = definition.supernode_of(members.front());
    wrong +=
        members != definition.members().at(name) || row_ids(pattern, s) != definition.rows(name);
  }
  return wrong;
}

/// Local points whose coordinates, scale or place among the local points are not theirs.
std::int64_t wrong_points(const Pattern& pattern, const Cloud& cloud,
                          const Definition& definition) {
  std::int64_t wrong = 0;
  const auto d = static_cast<std::size_t>(cloud.dimension);
  std::vector<std::size_t> by_place(pattern.ids.size());
  for (std::size_t p = 0; p < pattern.ids.size(); ++p) {
    const double* x = cloud.row(static_cast<std::int64_t>(pattern.ids[p]));
    wrong += !std::equal(x, x + d, &pattern.coordinates[p * d]);
    wrong += pattern.scale2[p] != definition.key(pattern.ids[p]).scale2;
    by_place[p] = p;
  }
  std::ranges::sort(by_place, {}, [&](std::size_t p) { return pattern.rank_of[p]; });
  for (std::size_t i = 1; i < by_place.size(); ++i) {
    wrong += !gp::before(definition.key(pattern.ids[by_place[i - 1]]),
                         definition.key(pattern.ids[by_place[i]]));
  }
  return wrong;
}

std::uint64_t fingerprint(const Pattern& pattern, const Communicator& comm) {
  Fingerprint result;
  for (std::size_t s = 0; s < pattern.supernodes(); ++s) {
    const auto rows = row_ids(pattern, s);
    for (const std::uint64_t j : member_ids(pattern, s)) {
      for (std::size_t i = 0; i < rows.size(); ++i) result.add({j, i, rows[i]});
    }
  }
  return result.value(comm);
}

/// Own points that are stored before one which they need.
std::int64_t early_points(const Pattern& pattern) {
  std::int64_t early = 0;
  for (std::size_t s = 0; s < pattern.supernodes(); ++s) {
    for (const std::int32_t point : pattern.rows_of(s)) {
      if (!pattern.is_member(point, s)) continue;
      early += std::ranges::any_of(pattern.rows_of(s), [&](std::int32_t row) {
        return row > point && row < pattern.own &&
               pattern.rank_of[static_cast<std::size_t>(row)] <
                   pattern.rank_of[static_cast<std::size_t>(point)];
      });
    }
  }
  return early;
}

/// Ghosts that no row refers to, or that have a copy, or that are this rank's own.
std::int64_t useless_ghosts(const Pattern& pattern) {
  std::vector<int> used(pattern.ids.size(), 0);
  for (const std::int32_t row : pattern.rows) used[static_cast<std::size_t>(row)] = 1;
  std::int64_t useless =
      std::count(used.begin() + static_cast<std::ptrdiff_t>(pattern.own), used.end(), 0);
  std::vector<std::uint64_t> ids(pattern.ids);
  std::ranges::sort(ids);
  for (std::size_t i = 1; i < ids.size(); ++i) useless += ids[i] == ids[i - 1];
  return useless;
}

/// Values that arrive at ghosts which are not their own.
std::int64_t wrong_values(const Pattern& pattern, const Communicator& comm) {
  constexpr int width = 3;
  const auto value = [](std::uint64_t id, std::size_t c) {
    return static_cast<double>(10 * id + c) + 0.25;
  };
  std::vector<double> values(pattern.ids.size() * width, -1.0);
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
    for (std::size_t c = 0; c < width; ++c) values[p * width + c] = value(pattern.ids[p], c);
  }
  pattern.halo.fill(comm, values, pattern.own, width);
  std::int64_t wrong = 0;
  for (std::size_t p = 0; p < pattern.ids.size(); ++p) {
    for (std::size_t c = 0; c < width; ++c) {
      wrong += values[p * width + c] != value(pattern.ids[p], c);
    }
  }
  return wrong;
}

void expect_definition(const Cloud& cloud, const PatternOptions& options, int k = 3) {
  SCOPED_TRACE(testing::Message() << "dimension " << cloud.dimension << ", " << cloud.size()
                                  << " points, radius " << options.radius);
  const auto comm = Communicator::world();
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  const Definition definition(cloud, ordered(cloud, self, k), options);
  std::int64_t polls = 0;
  const Pattern pattern =
      gp::make_pattern(comm, ordered(cloud, comm, k), options, [&] { ++polls; });

  EXPECT_GT(polls, 0);
  EXPECT_EQ(comm.sum(pattern.own), cloud.size());
  EXPECT_EQ(pattern.points() - pattern.own, pattern.halo.ghosts());
  EXPECT_EQ(comm.sum(wrong_points(pattern, cloud, definition)), 0);
  EXPECT_EQ(comm.sum(wrong_supernodes(pattern, definition)), 0);
  // As many as there are, none wrong, and every point in one: each lies on one rank.
  EXPECT_EQ(comm.sum(static_cast<std::int64_t>(pattern.supernodes())),
            static_cast<std::int64_t>(definition.members().size()));
  EXPECT_EQ(comm.sum(early_points(pattern)), 0);
  EXPECT_EQ(comm.sum(useless_ghosts(pattern)), 0);
  EXPECT_EQ(comm.sum(wrong_values(pattern, comm)), 0);

  const Pattern alone = gp::make_pattern(self, ordered(cloud, self, k), options, [] {});
  EXPECT_EQ(fingerprint(pattern, comm), fingerprint(alone, self));
  EXPECT_EQ(alone.halo.ghosts(), 0);
}

// Columns of one block: scales within the ratio (or infinite), points within one cell of the level.
TEST(Supernodes, GroupNearPointsOfOneScale) {
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  const PatternOptions options;
  const double ratio = options.level_ratio * (1 + 1e-12);  // rounding of products of the ratio
  Cloud cluster = random_cloud(3, {60, 700, 0}, 12);
  for (std::size_t i = 1000; i < 1500; ++i) {
    cluster.coordinates[i] = 0.5 + 1e-5 * cluster.coordinates[i];
  }
  for (const Cloud& cloud :
       {random_cloud(1, {2, 300, 0}, 10), random_cloud(2, {60, 700, 0}, 11), cluster}) {
    const Definition definition(cloud, ordered(cloud, self, 3), options);
    std::int64_t shared = 0, apart = 0, far = 0;
    for (const auto& [name, members] : definition.members()) {
      shared += members.size() > 1;
      const double* last = cloud.row(static_cast<std::int64_t>(members.back()));
      for (const std::uint64_t id : members) {
        const double scale = std::sqrt(definition.key(id).scale2);
        const double smallest = std::sqrt(definition.key(members.back()).scale2);
        apart += definition.key(id).block != name.block;
        apart += std::isfinite(scale) && scale > ratio * smallest;
        const double* x = cloud.row(static_cast<std::int64_t>(id));
        for (int a = 0; a < cloud.dimension; ++a) {
          far += std::abs(x[a] - last[a]) > options.cell * ratio * smallest;
        }
      }
    }
    EXPECT_EQ(apart, 0);
    EXPECT_EQ(far, 0);
    EXPECT_GT(shared, 20) << "hardly any columns share a block";
  }
}

// Cells that end on points, and radii that are distances: rounding must lose no point, whatever the
// cells' origin, which differs from rank to rank.
TEST(LevelGrid, FindsPointsExactlyAtTheRadius) {
  std::int64_t missed = 0, found = 0;
  for (std::uint64_t trial = 0; trial < 1000; ++trial) {
    const double h = static_cast<double>(1 + parallel::mix(trial) % 1000) / 7000;
    const double shift = static_cast<double>(parallel::mix(~trial) % 2001) / 300 - 3;
    std::vector<double> x;
    std::vector<std::int32_t> all;
    for (std::int32_t i = 0; i < 40; ++i) x.push_back(shift + 0.7 * i * h), all.push_back(i);
    for (std::size_t m = 1; m < 6; ++m) {
      const double scale2 = (x[m] - x[0]) * (x[m] - x[0]);  // as the order has it, squared
      const double reach = std::sqrt(9 * scale2);
      const gp::LevelGrid grid(x, 1, all, 1.5 * std::sqrt(scale2));
      for (std::size_t q = 0; q < x.size(); ++q) {
        std::vector<int> seen(x.size(), 0);
        grid.search(&x[q], reach,
                    [&](std::int32_t p, double) { seen[static_cast<std::size_t>(p)] = 1; });
        for (std::size_t p = 0; p < x.size(); ++p) {
          if ((x[q] - x[p]) * (x[q] - x[p]) > 9 * scale2) continue;
          ++found;
          missed += seen[p] == 0;
        }
      }
    }
  }
  EXPECT_EQ(missed, 0) << "of " << found;
}

// Squares of distances below 1e-162 are zero, and with them the sides that follow from scales.
TEST(LevelGrid, ZeroSide) {
  const std::vector<double> x{0, 1e-170, 3e-170, 1};
  const std::vector<std::int32_t> all{0, 1, 2, 3};
  for (const double side : {0.0, 1e-320}) {
    const gp::LevelGrid grid(x, 1, all, side);
    int found = 0;
    grid.search(x.data(), 1e-100, [&](std::int32_t, double) { ++found; });
    EXPECT_EQ(found, 3);
  }
}

TEST(Pattern, RandomPoints) {
  expect_definition(random_cloud(1, {2, 300, 20}, 1), {});
  expect_definition(random_cloud(2, {60, 500, 40}, 2), {});
  expect_definition(random_cloud(3, {80, 400, 20}, 3), {});
}

TEST(Pattern, RadiusRatioAndCell) {
  const Cloud cloud = random_cloud(2, {40, 300, 0}, 4);
  expect_definition(cloud, {.radius = 1.5});
  expect_definition(cloud, {.radius = 100});
  expect_definition(cloud, {.radius = 4, .level_ratio = 1.2, .cell = 1});
  expect_definition(cloud, {.radius = 2, .level_ratio = 3, .cell = 6});
}

// On a grid many distances equal the radius to the last bit, and search cells end on points.
TEST(Pattern, Grids) {
  for (const double radius : {2.0, 3.0, 4.0}) {
    expect_definition(grid_cloud(1, 257), {.radius = radius});
    expect_definition(grid_cloud(2, 24), {.radius = radius});
    expect_definition(grid_cloud(2, 21), {.radius = radius});
    expect_definition(grid_cloud(3, 8), {.radius = radius});
  }
}

// Sums and differences of coordinates round here, so that ties fall to either side.
TEST(Pattern, GridsFarFromTheOrigin) {
  for (const double shift : {0.3, 100.0 / 3}) {
    Cloud cloud = grid_cloud(2, 20);
    for (double& x : cloud.coordinates) x = 0.7 * x - shift;
    for (const double radius : {2.0, 3.0}) expect_definition(cloud, {.radius = radius});
  }
}

TEST(Pattern, WithoutBoundary) {
  expect_definition(random_cloud(2, {0, 300, 0}, 5), {}, 1);
  expect_definition(random_cloud(2, {200, 0, 0}, 6), {});
}

TEST(Pattern, FewerPointsThanRanks) {
  for (std::int64_t n = 0; n < 6; ++n) {
    expect_definition(random_cloud(2, {0, n, 0}, 7), {});
    expect_definition(random_cloud(3, {n, 1, 1}, 8), {});
  }
}

// A third of the points in a cluster a million times denser: scales of many levels side by side.
TEST(Pattern, Clusters) {
  Cloud cloud = random_cloud(2, {40, 400, 0}, 9);
  for (std::size_t i = 300; i < 560; ++i) {
    cloud.coordinates[i] = 0.3 + 1e-6 * cloud.coordinates[i];
  }
  expect_definition(cloud, {});
}

}  // namespace
