// SPDX-License-Identifier: BSD-3-Clause
// The parallel order against a sequential farthest-point search that shares nothing with it but the
// distance and the hash. All comparisons are exact: both sides compare the same doubles.
#include "gp/ordering.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "gp/maximin_rounds.hpp"
#include "parallel/exchange.hpp"
#include "parallel/random.hpp"

namespace {

using namespace mensura;
using gp::OrderKey;
using parallel::Communicator;

constexpr double infinity = std::numeric_limits<double>::infinity();

double uniform(std::uint64_t counter) {
  return (static_cast<double>(parallel::mix(counter * 0x9e3779b97f4a7c15ULL + 1) >> 11U) + 0.5) *
         0x1p-53;
}

/// All points, the same on every rank; row = global id.
struct Cloud {
  int dimension = 2;
  std::array<std::int64_t, 3> counts{};
  std::vector<double> coordinates;

  std::int64_t size() const { return counts[0] + counts[1] + counts[2]; }
  const double* row(std::int64_t i) const { return coordinates.data() + i * dimension; }
};

Cloud random_cloud(int dimension, std::array<std::int64_t, 3> counts, std::uint64_t seed) {
  Cloud cloud{dimension, counts, {}};
  const auto total = static_cast<std::uint64_t>(cloud.size() * dimension);
  for (std::uint64_t i = 0; i < total; ++i) {
    cloud.coordinates.push_back(uniform((seed << 32U) + i));
  }
  return cloud;
}

/// A grid of side^dimension points; those on the faces come first and are the boundary when asked.
Cloud grid_cloud(int dimension, int side, bool with_boundary) {
  Cloud cloud{dimension, {}, {}};
  for (const bool faces : {true, false}) {
    std::int64_t total = 1;
    for (int j = 0; j < dimension; ++j) total *= side;
    for (std::int64_t i = 0; i < total; ++i) {
      std::vector<double> x;
      bool on_face = false;
      for (std::int64_t rest = i, j = 0; j < dimension; ++j, rest /= side) {
        on_face = on_face || rest % side == 0 || rest % side == side - 1;
        x.push_back(static_cast<double>(rest % side) / (side - 1));
      }
      if (on_face != faces) continue;
      cloud.coordinates.insert(cloud.coordinates.end(), x.begin(), x.end());
      ++cloud.counts[faces && with_boundary ? 0 : 1];
    }
  }
  return cloud;
}

struct Sequence {
  std::vector<OrderKey> keys;  ///< in elimination order
};

/// One block, by the definition: again and again the point with the largest k-th smallest distance
/// to what was chosen before.
void choose_sequentially(const Cloud& cloud, std::int64_t first, std::int64_t last,
                         std::vector<std::vector<double>> distances, std::uint32_t block,
                         Sequence& sequence) {
  std::vector<std::int64_t> open;
  for (std::int64_t i = first; i < last; ++i) open.push_back(i);
  const auto key = [&](std::int64_t i) { return distances[static_cast<std::size_t>(i)].back(); };
  std::vector<std::uint64_t> hash;
  for (std::int64_t i = 0; i < cloud.size(); ++i) {
    hash.push_back(gp::coordinate_hash(cloud.row(i), cloud.dimension));
  }
  while (!open.empty()) {
    const auto best = std::ranges::min_element(open, {}, [&](std::int64_t i) {
      return std::tuple(-key(i), hash[static_cast<std::size_t>(i)], i);
    });
    const std::int64_t chosen = *best;
    open.erase(best);
    sequence.keys.push_back({block, key(chosen), hash[static_cast<std::size_t>(chosen)],
                             static_cast<std::uint64_t>(chosen)});
    for (const std::int64_t i : open) {
      auto& list = distances[static_cast<std::size_t>(i)];
      list.push_back(gp::order_distance2(cloud.row(i), cloud.row(chosen), cloud.dimension));
      std::ranges::sort(list);
      list.pop_back();
    }
  }
}

Sequence sequential_order(const Cloud& cloud, int k) {
  const auto n = static_cast<std::size_t>(cloud.size());
  std::vector<std::vector<double>> distances(
      n, std::vector<double>(static_cast<std::size_t>(k), infinity));
  Sequence sequence;
  choose_sequentially(cloud, 0, cloud.counts[0], distances, 0, sequence);
  for (std::int64_t i = cloud.counts[0]; i < cloud.size(); ++i) {
    auto& list = distances[static_cast<std::size_t>(i)];
    for (std::int64_t b = 0; b < cloud.counts[0]; ++b) {
      list.push_back(gp::order_distance2(cloud.row(i), cloud.row(b), cloud.dimension));
    }
    std::ranges::sort(list);
    list.resize(static_cast<std::size_t>(k));
  }
  choose_sequentially(cloud, cloud.counts[0], cloud.size(), distances, 1, sequence);
  return sequence;
}

enum class Deal { blocks, scattered, one_rank };

/// This rank's part of the cloud. `scattered` also lists the points backwards.
gp::PointSet part(const Cloud& cloud, const Communicator& comm, Deal deal) {
  gp::PointSet points{cloud.dimension, cloud.counts, {}, {}};
  for (std::int64_t j = 0; j < cloud.size(); ++j) {
    const std::int64_t i = deal == Deal::scattered ? cloud.size() - 1 - j : j;
    const auto id = static_cast<std::uint64_t>(i);
    const auto ranks = static_cast<std::uint64_t>(comm.size());
    std::uint64_t owner = id * ranks / static_cast<std::uint64_t>(cloud.size());
    if (deal == Deal::scattered) owner = parallel::mix(id + 5) % ranks;
    if (deal == Deal::one_rank) owner = ranks - 1;
    if (owner != static_cast<std::uint64_t>(comm.rank())) continue;
    points.ids.push_back(id);
    points.coordinates.insert(points.coordinates.end(), cloud.row(i),
                              cloud.row(i) + cloud.dimension);
  }
  return points;
}

std::string name_of(std::uint64_t id) {
  return "point " + std::to_string(id);
}

/// Everything on every rank, sorted by before(). Small clouds only.
std::vector<OrderKey> gather(const Communicator& comm, const std::vector<OrderKey>& own) {
  std::vector<OrderKey> send;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(comm.size()),
                                   static_cast<std::int64_t>(own.size()));
  for (int r = 0; r < comm.size(); ++r) send.insert(send.end(), own.begin(), own.end());
  auto all = parallel::exchange<OrderKey>(comm, send, counts).data;
  std::ranges::sort(all, gp::before);
  return all;
}

std::int64_t differences(const std::vector<OrderKey>& a, const std::vector<OrderKey>& b) {
  if (a.size() != b.size()) return -1;
  std::int64_t different = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    different +=
        a[i].block != b[i].block || a[i].hash != b[i].hash || a[i].id != b[i].id ||
        std::bit_cast<std::uint64_t>(a[i].scale2) != std::bit_cast<std::uint64_t>(b[i].scale2);
  }
  return different;
}

/// Local points whose coordinates or key do not belong to their id.
std::int64_t misplaced(const Cloud& cloud, const gp::OrderedPoints& ordered) {
  const gp::PointSet& points = ordered.points;
  if (ordered.keys.size() != points.ids.size()) return -1;
  if (points.coordinates.size() != points.ids.size() * static_cast<std::size_t>(cloud.dimension)) {
    return -1;
  }
  std::int64_t wrong = 0;
  for (std::size_t i = 0; i < points.ids.size(); ++i) {
    const double* x = points.coordinates.data() + i * static_cast<std::size_t>(cloud.dimension);
    wrong +=
        ordered.keys[i].id != points.ids[i] ||
        !std::equal(x, x + cloud.dimension, cloud.row(static_cast<std::int64_t>(points.ids[i])));
  }
  return wrong;
}

/// Compares with the sequential order on several input distributions; returns the rounds.
std::int64_t expect_sequential(const Cloud& cloud, int k) {
  const auto comm = Communicator::world();
  const Sequence expected = sequential_order(cloud, k);
  std::int64_t rounds = -1;
  for (const Deal deal : {Deal::blocks, Deal::scattered, Deal::one_rank}) {
    std::int64_t polls = 0;
    const auto ordered =
        gp::maximin_order(comm, part(cloud, comm, deal), k, name_of, [&] { ++polls; });
    EXPECT_EQ(comm.sum(misplaced(cloud, ordered)), 0);
    EXPECT_EQ(differences(gather(comm, ordered.keys), expected.keys), 0)
        << "k " << k << ", deal " << static_cast<int>(deal);
    EXPECT_GE(polls, ordered.rounds);
    if (rounds >= 0) {
      EXPECT_EQ(ordered.rounds, rounds) << "rounds depend on the distribution";
    }
    rounds = ordered.rounds;
  }
  return rounds;
}

class Order : public testing::TestWithParam<int> {};

TEST_P(Order, RandomPoints) {
  expect_sequential(random_cloud(1, {2, 600, 0}, 1), GetParam());
  expect_sequential(random_cloud(2, {150, 2700, 150}, 2), GetParam());
  expect_sequential(random_cloud(3, {300, 900, 100}, 3), GetParam());
}

// On a grid most keys are equal, so the hash decides nearly everywhere.
TEST_P(Order, Grids) {
  expect_sequential(grid_cloud(1, 400, true), GetParam());
  expect_sequential(grid_cloud(2, 45, true), GetParam());
  expect_sequential(grid_cloud(3, 11, true), GetParam());
}

TEST_P(Order, WithoutBoundary) {
  expect_sequential(random_cloud(2, {0, 900, 0}, 4), GetParam());
  expect_sequential(grid_cloud(2, 25, false), GetParam());
}

TEST_P(Order, FewerBoundaryPointsThanNeighbours) {
  expect_sequential(random_cloud(2, {1, 300, 0}, 5), GetParam());
  expect_sequential(random_cloud(2, {2, 0, 200}, 6), GetParam());
  expect_sequential(random_cloud(2, {300, 0, 0}, 7), GetParam());
}

TEST_P(Order, FewPoints) {
  for (std::int64_t n = 0; n < 6; ++n) {
    expect_sequential(random_cloud(2, {0, n, 0}, 8), GetParam());
    expect_sequential(random_cloud(2, {n, 1, 0}, 9), GetParam());
  }
}

// A third of the points in a cluster a million times denser than the rest.
TEST_P(Order, Clusters) {
  Cloud cloud = random_cloud(2, {40, 1000, 0}, 10);
  for (std::int64_t i = 300; i < 650; ++i) {
    for (std::int64_t j = 2 * i; j < 2 * i + 2; ++j) {
      double& x = cloud.coordinates[static_cast<std::size_t>(j)];
      x = 0.3 + 1e-6 * x;
    }
  }
  expect_sequential(cloud, GetParam());
}

TEST_P(Order, PointsOnALine) {
  Cloud cloud = random_cloud(3, {10, 500, 0}, 11);
  for (std::size_t i = 0; i < cloud.coordinates.size(); ++i) {
    if (i % 3 != 1) cloud.coordinates[i] = 0.5;
  }
  expect_sequential(cloud, GetParam());
  Cloud ascending{1, {0, 700, 0}, {}};  // equally spaced, in order
  for (int i = 0; i < 700; ++i) ascending.coordinates.push_back(i * 0x1p-6);
  expect_sequential(ascending, GetParam());
}

INSTANTIATE_TEST_SUITE_P(Neighbours, Order, testing::Values(1, 3));

TEST(OrderNumbers, MoreNeighboursThanPoints) {
  const Cloud cloud = random_cloud(2, {3, 20, 0}, 12);
  EXPECT_EQ(expect_sequential(cloud, 40), 23) << "all keys stay infinite: one point per round";
}

// Other ids for the same points change nothing but the ids.
TEST(OrderNumbers, KnowsNoIds) {
  const auto comm = Communicator::world();
  const Cloud cloud = grid_cloud(2, 21, true);
  Cloud permuted = cloud;
  const auto turned = [&](std::int64_t i) {  // inside each kind; 7 is prime to both counts
    const std::int64_t nb = cloud.counts[0], ni = cloud.counts[1];
    return i < nb ? 7 * i % nb : nb + 7 * (i - nb) % ni;
  };
  for (std::int64_t i = 0; i < cloud.size(); ++i) {
    std::copy_n(cloud.row(i), 2, permuted.coordinates.begin() + 2 * turned(i));
  }
  const auto order = [&](const Cloud& c) {
    return gather(comm, gp::maximin_order(comm, part(c, comm, Deal::blocks), 3, name_of, {}).keys);
  };
  auto plain = order(cloud);
  for (OrderKey& key : plain) {
    key.id = static_cast<std::uint64_t>(turned(static_cast<std::int64_t>(key.id)));
  }
  EXPECT_EQ(differences(order(permuted), plain), 0);
}

/// Rounds of one block without boundary, by their definition: all points that beat every open
/// point within their key.
std::int64_t count_rounds(const Cloud& cloud, int k) {
  struct Point {
    std::int64_t row;
    std::uint64_t hash;
    std::vector<double> distances;
  };
  std::vector<Point> open;
  for (std::int64_t i = 0; i < cloud.size(); ++i) {
    open.push_back({i, gp::coordinate_hash(cloud.row(i), cloud.dimension),
                    std::vector<double>(static_cast<std::size_t>(k), infinity)});
  }
  const auto distance2 = [&](const Point& a, const Point& b) {
    return gp::order_distance2(cloud.row(a.row), cloud.row(b.row), cloud.dimension);
  };
  std::int64_t rounds = 0;
  for (; !open.empty(); ++rounds) {
    std::vector<Point> chosen, rest;
    for (const Point& a : open) {
      const double key = a.distances.back();
      const bool beaten = std::ranges::any_of(open, [&](const Point& b) {
        return std::pair(-b.distances.back(), b.hash) < std::pair(-key, a.hash) &&
               distance2(a, b) < key;
      });
      (beaten ? rest : chosen).push_back(a);
    }
    for (Point& a : rest) {
      for (const Point& c : chosen) {
        if (distance2(a, c) < c.distances.back()) a.distances.push_back(distance2(a, c));
      }
      std::ranges::sort(a.distances);
      a.distances.resize(static_cast<std::size_t>(k));
    }
    open = std::move(rest);
  }
  return rounds;
}

TEST(OrderNumbers, RoundsAreThoseOfTheDefinitionOnAnyNumberOfRanks) {
  EXPECT_EQ(expect_sequential(random_cloud(2, {0, 700, 0}, 17), 3),
            count_rounds(random_cloud(2, {0, 700, 0}, 17), 3));
  EXPECT_EQ(expect_sequential(grid_cloud(2, 25, false), 3),
            count_rounds(grid_cloud(2, 25, false), 3));
  EXPECT_EQ(expect_sequential(grid_cloud(3, 8, false), 1),
            count_rounds(grid_cloud(3, 8, false), 1));
}

// Growth of the rounds is logarithmic (gp_pde 4.2: 26 to 62 for one block of 4096 points); the
// number does not depend on ranks, so the bound has room for another data set only.
TEST(OrderNumbers, RoundsAndQuestionsStayFew) {
  const auto comm = Communicator::world();
  const Cloud cloud = random_cloud(2, {0, 20000, 0}, 13);
  const gp::PointSet points = part(cloud, comm, Deal::blocks);
  EXPECT_LE(gp::maximin_order(comm, points, 3, name_of, {}).rounds, 100);
  // The same points in strips, the layout with the longest borders between ranks.
  gp::BlockPoints block{2, {}, {}, {}};
  for (std::int64_t i = 0; i < cloud.size(); ++i) {
    if (static_cast<int>(cloud.row(i)[0] * comm.size()) != comm.rank()) continue;
    block.ids.push_back(static_cast<std::uint64_t>(i));
    block.coordinates.insert(block.coordinates.end(), cloud.row(i), cloud.row(i) + 2);
  }
  block.nearest.assign(3 * block.ids.size(), infinity);
  gp::MaximinRounds rounds(comm, block, 3);
  rounds.run({});
  // Asked in vain or not, only points near a border of the rank ask: a border of 141 mean
  // distances, on both sides, each point in a few rounds.
  const std::int64_t borders = comm.size() - 1;
  EXPECT_LE(comm.sum(rounds.questions()), 141 * 40 * borders);
  if (comm.size() > 1) {
    EXPECT_GT(comm.sum(rounds.questions()), 0);
  }
}

TEST(OrderErrors, CoincidentPointsAreNamedOnAllRanks) {
  const auto comm = Communicator::world();
  Cloud cloud = random_cloud(2, {50, 300, 40}, 14);
  const auto copy = [&](std::int64_t from, std::int64_t to) {
    std::copy_n(cloud.row(from), 2, cloud.coordinates.begin() + 2 * to);
  };
  cloud.coordinates[2 * 7] = 0.25;
  cloud.coordinates[2 * 7 + 1] = 0.0;
  copy(7, 380);
  cloud.coordinates[2 * 380 + 1] = -0.0;  // the same place
  copy(120, 55);
  copy(120, 349);
  copy(12, 13);
  copy(360, 361);
  for (const Deal deal : {Deal::blocks, Deal::scattered}) {
    std::string text;
    auto code = parallel::ExitCode::success;
    try {
      gp::maximin_order(comm, part(cloud, comm, deal), 3, name_of, {});
    } catch (const parallel::Error& error) {
      text = error.what();
      code = error.code();
    }
    EXPECT_EQ(code, parallel::ExitCode::input_data);
    EXPECT_THAT(text, testing::HasSubstr("point 7 and point 380 at (0.25, 0"));
    EXPECT_THAT(text, testing::HasSubstr("point 12 and point 13"));
    EXPECT_THAT(text, testing::HasSubstr("point 55 and point 120"));
    EXPECT_THAT(text, testing::Not(testing::HasSubstr("360"))) << "three pairs are enough";
    EXPECT_THAT(text, testing::HasSubstr("Remove one"));
  }
}

TEST(OrderErrors, Arguments) {
  const auto comm = Communicator::world();
  const Cloud cloud = random_cloud(2, {0, 10, 0}, 15);
  EXPECT_THROW(gp::maximin_order(comm, part(cloud, comm, Deal::blocks), 0, name_of, {}),
               parallel::Error);
  const Cloud space_time = random_cloud(4, {0, 10, 0}, 15);
  EXPECT_THROW(gp::maximin_order(comm, part(space_time, comm, Deal::blocks), 1, name_of, {}),
               parallel::Error);
}

// The first points of both blocks of another implementation (NumPy, sequential heap; k = 3, 20
// boundary and 180 interior points), its distances and its numbers of rounds, 11 and 17. It takes
// the root in another place, so distances agree to the rounding of a root and a sum of two squares.
TEST(OrderNumbers, Oracle) {
  const auto comm = Communicator::world();
  const Cloud cloud = random_cloud(2, {20, 180, 0}, 16);
  EXPECT_EQ(gp::coordinate_hash(cloud.row(0), 2), 9053268139954592989U);
  const auto ordered = gp::maximin_order(comm, part(cloud, comm, Deal::blocks), 3, name_of, {});
  EXPECT_EQ(ordered.rounds, 11 + 17);
  const auto keys = gather(comm, ordered.keys);
  const std::vector<std::pair<std::uint64_t, double>> boundary{
      {15, infinity},          {6, infinity},           {16, infinity},
      {5, 0.8484748199882973}, {8, 0.8232529992296448}, {9, 0.7454403103313452}};
  const std::vector<std::pair<std::uint64_t, double>> interior{
      {25, 0.44276737833918123},  {180, 0.4144662494715503}, {46, 0.38456274589063844},
      {153, 0.37290792161019326}, {93, 0.3529205960192285},  {88, 0.3521052233904896},
      {105, 0.3368012329119675},  {98, 0.32497847015394815}, {60, 0.31469621735456704},
      {134, 0.3066231510104563}};
  const auto compare = [&](const auto& expected, std::size_t from) {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(keys[from + i].id, expected[i].first);
      EXPECT_DOUBLE_EQ(std::sqrt(keys[from + i].scale2), expected[i].second);
    }
  };
  ASSERT_EQ(keys.size(), 200U);  // the same keys on every rank
  compare(boundary, 0);
  compare(interior, 20);
}

TEST(OrderNumbers, HashIgnoresTheSignOfZero) {
  const std::array<double, 2> plus{0.0, 1.0}, minus{-0.0, 1.0}, other{1.0, 0.0};
  EXPECT_EQ(gp::coordinate_hash(plus.data(), 2), gp::coordinate_hash(minus.data(), 2));
  EXPECT_NE(gp::coordinate_hash(plus.data(), 2), gp::coordinate_hash(other.data(), 2));
}

// Behind all others, in their own order, with larger scales; the others stay as they are.
TEST(Ordering, DataCanBePutLast) {
  const auto comm = Communicator::world();
  const Cloud cloud = random_cloud(2, {20, 100, 30}, 4);
  gp::OrderedPoints ordered =
      gp::maximin_order(comm, part(cloud, comm, Deal::blocks), 3, name_of, [] {});
  const auto before = gather(comm, ordered.keys);
  gp::put_data_last(ordered, 4);
  const auto after = gather(comm, ordered.keys);
  ASSERT_EQ(before.size(), after.size());
  std::vector<OrderKey> expected;
  for (const bool data : {false, true}) {
    for (OrderKey key : before) {
      if ((key.id >= 120) != data) continue;
      if (data) {
        key.block = 2;
        key.scale2 *= 16;
      }
      expected.push_back(key);
    }
  }
  EXPECT_EQ(differences(after, expected), 0);
}

}  // namespace
