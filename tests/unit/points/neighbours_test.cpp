// SPDX-License-Identifier: BSD-3-Clause
// The engine against brute force, bit by bit: no tolerance anywhere, since both sides compute the
// same sums in the same order.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "parallel/error.hpp"
#include "reference.hpp"

namespace {

using namespace mensura;
using parallel::Communicator;
using points::NeighbourEngine;
using points::Request;
using reference::Cloud;
using reference::Kind;

constexpr std::uint64_t all = ~std::uint64_t{0};

void expect_exact(const Cloud& cloud, const std::vector<Request>& requests,
                  points::EngineOptions options = {}, std::uint64_t stride = 1) {
  const auto comm = Communicator::world();
  int largest = 1;
  for (const Request& r : requests) largest = std::max(largest, r.neighbours);
  options.keep_all_copies = true;  // so that every id has its own list
  NeighbourEngine engine(comm, reference::part(cloud, comm), largest, options);
  const auto found = reference::search(engine, requests, cloud);
  EXPECT_EQ(reference::differences(found, requests, cloud, stride), 0) << cloud.name;
  EXPECT_EQ(found.disordered, 0) << cloud.name;
  std::int64_t lists = 0;
  for (const auto& of_request : found.lists) lists += static_cast<std::int64_t>(of_request.size());
  EXPECT_EQ(comm.sum(lists), cloud.size() * static_cast<std::int64_t>(requests.size()));
  EXPECT_EQ(comm.sum(found.points), cloud.size());
  EXPECT_EQ(engine.statistics().queries, engine.statistics().sites);
}

TEST(Neighbours, EveryDimension) {
  for (const int d : {1, 2, 3, 4, 5, 6, 7, 8, 17, 32}) {
    expect_exact(reference::make_cloud(Kind::uniform, d, 500, 2), {{all, 8}, {1, 3}, {2, 3}});
  }
}

TEST(Neighbours, EveryNumberOfNeighbours) {
  for (const int k : {1, 8, 64, 300, 599}) {
    expect_exact(reference::make_cloud(Kind::uniform, 3, 600, 2), {{all, k}}, {}, 3);
  }
  expect_exact(reference::make_cloud(Kind::uniform, 2, 4200, 2), {{all, 4096}}, {}, 97);
}

TEST(Neighbours, Duplicates) {
  for (const int d : {1, 3, 8}) {
    expect_exact(reference::make_cloud(Kind::duplicates, d, 800, 3), {{all, 10}, {4, 5}, {3, 20}});
  }
}

TEST(Neighbours, LatticeWithMassiveTies) {
  for (const int d : {1, 2, 3, 5}) {
    expect_exact(reference::make_cloud(Kind::lattice, d, 900, 2), {{all, 1}, {all, 64}, {2, 9}}, {},
                 2);
  }
  expect_exact(reference::make_cloud(Kind::lattice, 17, 700, 2), {{all, 30}, {1, 9}}, {}, 2);
}

TEST(Neighbours, ConstantData) {
  expect_exact(reference::make_cloud(Kind::constant, 3, 300, 2), {{all, 20}, {2, 7}});
}

TEST(Neighbours, OutlierAndClusters) {
  expect_exact(reference::make_cloud(Kind::outlier, 3, 700, 2), {{all, 16}});
  expect_exact(reference::make_cloud(Kind::clusters, 3, 1000, 2), {{all, 40}, {1, 5}}, {}, 2);
}

TEST(Neighbours, DisjointSets) {
  // Every query has to cross the gap to find the other set.
  expect_exact(reference::make_cloud(Kind::disjoint, 2, 600, 2), {{1, 6}, {2, 6}, {all, 12}});
  expect_exact(reference::make_cloud(Kind::disjoint, 3, 600, 2), {{all, 12}, {1, 6}, {2, 6}});
}

TEST(Neighbours, ManySets) {
  expect_exact(reference::make_cloud(Kind::duplicates, 2, 640, 64),
               {{all, 9}, {std::uint64_t{1} << 63U, 4}, {0x5555555555555555ULL, 12}});
}

TEST(Neighbours, FewerPointsThanRanks) {
  for (const std::int64_t n : {2, 3, 5}) {
    expect_exact(reference::make_cloud(Kind::uniform, 3, n, 1), {{all, static_cast<int>(n) - 1}});
  }
  expect_exact(reference::make_cloud(Kind::uniform, 3, 100, 2), {{all, 99}, {1, 60}});
}

TEST(Neighbours, SmallLeavesAndLargeLeaves) {
  for (const std::int64_t leaf : {8, 16, 64, 128}) {
    expect_exact(reference::make_cloud(Kind::duplicates, 3, 700, 2), {{all, 12}, {2, 4}},
                 {.leaf_size = leaf});
  }
}

TEST(Neighbours, HeavySitesKeepFewIdsAndAllCounts) {
  const auto comm = Communicator::world();
  const auto cloud = reference::make_cloud(Kind::constant, 2, 1000, 2);
  NeighbourEngine engine(comm, reference::part(cloud, comm), 4);
  std::int64_t sites = 0, kept = 0, first = 0, second = 0;
  const std::vector<Request> requests{{all, 4}, {2, 4}};
  const auto found = reference::search(engine, requests, cloud);
  EXPECT_EQ(reference::differences(found, requests, cloud), 0);
  engine.search(requests, all, 0, 1,
                [&](const points::Neighbourhood& site) {
                  ++sites;
                  kept += static_cast<std::int64_t>(site.copies.size());
                  first += site.copies_per_label[0];
                  second += site.copies_per_label[1];
                  EXPECT_EQ(site.lists[0].size(), 5U);
                  EXPECT_EQ(site.lists[1].size(), 5U);
                },
                {});
  EXPECT_EQ(comm.sum(sites), 1);
  EXPECT_EQ(comm.sum(kept), 10);  // k + 1 of either set
  EXPECT_EQ(comm.sum(first), 500);
  EXPECT_EQ(comm.sum(second), 500);
  const auto statistics = engine.statistics();
  EXPECT_EQ(statistics.sites, 1);
  EXPECT_EQ(statistics.coincident, 1000);
}

TEST(Neighbours, TooManyNeighboursIsAUsageError) {
  const auto comm = Communicator::world();
  const auto cloud = reference::make_cloud(Kind::uniform, 3, 40, 2);
  try {
    NeighbourEngine engine(comm, reference::part(cloud, comm), 64);
    ADD_FAILURE() << "no error";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::usage);
    EXPECT_STREQ(error.what(),
                 "k = 64 neighbours asked for, but the union of the sets holds only 40 points; "
                 "lower `neighbours`");
  }
}

TEST(Neighbours, NotFiniteCoordinateOnOneRankFailsOnAll) {
  const auto comm = Communicator::world();
  auto cloud = reference::make_cloud(Kind::uniform, 2, 50, 1);
  cloud.coordinates[2 * 17 + 1] = std::numeric_limits<double>::quiet_NaN();
  try {
    NeighbourEngine engine(comm, reference::part(cloud, comm), 5);
    ADD_FAILURE() << "no error";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::input_data);
    EXPECT_THAT(error.what(), testing::HasSubstr("point 17 has the coordinate nan in column 1"));
  }
}

TEST(Neighbours, FailingVisitorFailsOnAllRanks) {
  const auto comm = Communicator::world();
  const auto cloud = reference::make_cloud(Kind::uniform, 2, 300, 1);
  NeighbourEngine engine(comm, reference::part(cloud, comm), 5);
  const Request request{all, 5};
  EXPECT_THROW(engine.search({&request, 1}, all, 0, 1,
                             [](const points::Neighbourhood& site) {
                               if (site.copies.front() == 123) {
                                 throw parallel::Error(parallel::ExitCode::numerical, "visitor");
                               }
                             },
                             {}),
               parallel::Error);
}

}  // namespace
