// SPDX-License-Identifier: BSD-3-Clause
// Batches, rank independence, and many small rounds.
#include <gtest/gtest.h>

#include <set>

#include "parallel/exchange.hpp"
#include "parallel/random.hpp"
#include "reference.hpp"

namespace {

using namespace mensura;
using parallel::Communicator;
using points::NeighbourEngine;
using points::Request;
using reference::Kind;

constexpr std::uint64_t all = ~std::uint64_t{0};

TEST(Batches, PartitionTheWorkAlikeOnAllRankCounts) {
  const auto comm = Communicator::world();
  const auto cloud = reference::make_cloud(Kind::duplicates, 2, 1500, 2);
  NeighbourEngine engine(comm, reference::part(cloud, comm), 6);
  const std::vector<Request> requests{{all, 6}};
  constexpr std::int64_t batches = 5;
  std::int64_t visited = 0, misplaced = 0;
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    engine.search(
        requests, all, batch, batches,
        [&](const points::Neighbourhood& site) {
          for (const auto count : site.copies_per_label) visited += count;
          const std::uint64_t first = site.copies.front();
          // The rule knows the first copy only, hence nothing of ranks.
          if (parallel::mix(parallel::mix(first)) % batches != static_cast<std::uint64_t>(batch)) {
            ++misplaced;
          }
          for (const std::uint64_t id : site.copies) {
            if (parallel::mix(id) < parallel::mix(first)) ++misplaced;
          }
        },
        {});
  }
  EXPECT_EQ(comm.sum(visited), cloud.size());
  EXPECT_EQ(comm.sum(misplaced), 0);
}

TEST(Batches, QueryLabelsChooseTheSites) {
  const auto comm = Communicator::world();
  const auto cloud = reference::make_cloud(Kind::uniform, 3, 900, 3);
  NeighbourEngine engine(comm, reference::part(cloud, comm), 6);
  const std::vector<Request> requests{{all, 6}};
  const auto found = reference::search(engine, requests, cloud, 0b010);
  EXPECT_EQ(comm.sum(found.points), 300);
  EXPECT_EQ(reference::differences(found, requests, cloud), 0);
}

class RankIndependence : public testing::TestWithParam<Kind> {};

TEST_P(RankIndependence, FingerprintEqualsSerialBruteForce) {
  const auto comm = Communicator::world();
  for (const int d : {1, 3}) {
    const auto cloud = reference::make_cloud(GetParam(), d, 1000, 2);
    const std::vector<Request> requests{{all, 24}, {1, 5}, {2, 5}};
    points::EngineOptions options;
    options.keep_all_copies = true;
    NeighbourEngine engine(comm, reference::part(cloud, comm), 24, options);
    reference::Lists lists(requests.size());
    for (std::int64_t batch = 0; batch < 3; ++batch) {
      auto found = reference::search(engine, requests, cloud, all, batch, 3);
      for (std::size_t r = 0; r < requests.size(); ++r) lists[r].merge(found.lists[r]);
    }
    const std::int64_t expected =
        comm.is_root() ? reference::brute_force_fingerprint(cloud, requests) : 0;
    EXPECT_EQ(reference::fingerprint(comm, lists), comm.sum(expected)) << cloud.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, RankIndependence,
                         testing::Values(Kind::duplicates, Kind::lattice, Kind::clusters));

TEST(Rounds, TinyBuffersMakeManyRoundsAndTheSameLists) {
  const auto comm = Communicator::world();
  const auto cloud = reference::make_cloud(Kind::uniform, 5, 1500, 2);
  points::EngineOptions options;
  options.remote_buffer_bytes = 1;  // every group of queries is a round of its own
  NeighbourEngine engine(comm, reference::part(cloud, comm), 20, options);
  const std::vector<Request> requests{{all, 20}, {2, 4}};
  const auto found = reference::search(engine, requests, cloud);
  EXPECT_EQ(reference::differences(found, requests, cloud, 7), 0);
  EXPECT_EQ(comm.sum(found.points), cloud.size());
  // In five dimensions nearly every group asks another rank: at least a third of them ends a round.
  if (comm.size() > 1) {
    EXPECT_GE(found.polls, 1500 / comm.size() / 32 / 3);
    EXPECT_GT(engine.statistics().remote_queries, 100);
  }
  EXPECT_EQ(comm.min(found.polls), comm.max(found.polls));
}

TEST(Rounds, LoweredMessageLimit) {
  const auto comm = Communicator::world();
  const auto old_limit = parallel::message_limit();
  parallel::set_message_limit(100);
  const auto cloud = reference::make_cloud(Kind::duplicates, 3, 900, 2);
  NeighbourEngine engine(comm, reference::part(cloud, comm), 30);
  const std::vector<Request> requests{{all, 30}};
  const auto found = reference::search(engine, requests, cloud);
  parallel::set_message_limit(old_limit);
  EXPECT_EQ(reference::differences(found, requests, cloud, 5), 0);
  EXPECT_EQ(comm.sum(found.points), cloud.size());
}

}  // namespace
