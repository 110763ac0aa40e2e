// SPDX-License-Identifier: BSD-3-Clause
// The parts of the engine: partition, sites, reductions of lists, predictions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "parallel/random.hpp"
#include "points/memory.hpp"
#include "points/partition.hpp"
#include "points/reduce.hpp"
#include "points/sites.hpp"
#include "reference.hpp"

namespace {

using namespace mensura;
using parallel::Communicator;
using points::Neighbour;
using points::Request;
using reference::Kind;

constexpr std::uint64_t all = ~std::uint64_t{0};

TEST(Partition, SharesAreExactAndBoxesDisjoint) {
  const auto comm = Communicator::world();
  for (const std::int64_t n : {997, 20}) {
    const auto cloud = reference::make_cloud(Kind::uniform, 2, n, 1);
    auto sites = points::make_sites(reference::part(cloud, comm));
    const auto assignment = points::bisect(comm, sites);
    const auto moved = points::redistribute(comm, std::move(sites), assignment, 100);
    const auto size = static_cast<std::int64_t>(moved.size());
    // Every bisection rounds once, by less than one site.
    const double levels = std::ceil(std::log2(comm.size())) + 1e-9;
    EXPECT_LE(std::abs(static_cast<double>(size * comm.size() - n)), levels * comm.size() + 1e-9);
    EXPECT_EQ(comm.sum(size), n);
    std::int64_t wrong = 0;
    for (std::size_t i = 0; i < moved.size(); ++i) {
      for (std::size_t j = 0; j < 2; ++j) {
        if (moved.coordinates[2 * i + j] != cloud.coordinates[2 * moved.ids[i] + j]) ++wrong;
      }
    }
    EXPECT_EQ(wrong, 0);
    std::vector<double> box{2, 2, -1, -1};
    for (std::size_t i = 0; i < 2 * moved.size(); ++i) {
      box[i % 2] = std::min(box[i % 2], moved.coordinates[i]);
      box[2 + i % 2] = std::max(box[2 + i % 2], moved.coordinates[i]);
    }
    const auto boxes = comm.all_gather<double>(box);
    for (int a = 0; a < comm.size(); ++a) {
      for (int b = 0; b < a; ++b) {
        const double* p = &boxes[static_cast<std::size_t>(4 * a)];
        const double* q = &boxes[static_cast<std::size_t>(4 * b)];
        EXPECT_TRUE(p[2] < q[0] || q[2] < p[0] || p[3] < q[1] || q[3] < p[1]);
      }
    }
  }
}

TEST(Partition, CoincidentSitesMeetOnOneRank) {
  const auto comm = Communicator::world();
  const auto cloud = reference::make_cloud(Kind::lattice, 3, 2000, 2);
  auto sites =
      points::merge_coincident(points::make_sites(reference::part(cloud, comm)), cloud.offsets, 4);
  auto assignment = points::bisect(comm, sites);
  sites = points::redistribute(comm, std::move(sites), std::move(assignment), 1000);
  sites = points::merge_coincident(std::move(sites), cloud.offsets, 4);
  // Lattice points have at most 6^3 = 216 locations; nearly all occur among 2000 points.
  std::vector<std::int64_t> owners(216, 0), counts(216, 0), row(2);
  for (std::size_t i = 0; i < sites.size(); ++i) {
    const double* x = &sites.coordinates[3 * i];
    const auto cell = static_cast<std::size_t>((x[0] + 1) * 36 + (x[1] + 1) * 6 + x[2] + 1);
    ++owners[cell];
    sites.count_labels(i, cloud.offsets, row);
    counts[cell] += row[0] + row[1];
    EXPECT_LE(sites.copies(i).size(), 8U);
  }
  comm.sum(std::span<std::int64_t>(owners));
  comm.sum(std::span<std::int64_t>(counts));
  std::vector<std::int64_t> expected(216, 0);
  for (std::size_t i = 0; i < 2000; ++i) {
    const double* x = &cloud.coordinates[3 * i];
    ++expected[static_cast<std::size_t>((x[0] + 1) * 36 + (x[1] + 1) * 6 + x[2] + 1)];
  }
  EXPECT_LE(*std::ranges::max_element(owners), 1);
  EXPECT_EQ(counts, expected);
}

// Counts and distances from the helpers against brute force for every id, duplicates included.
TEST(Reduce, CountsAndDistancesOfEveryCopy) {
  const auto comm = Communicator::world();
  for (const Kind kind : {Kind::uniform, Kind::duplicates, Kind::lattice}) {
    const auto cloud = reference::make_cloud(kind, 2, 700, 2);
    points::NeighbourEngine engine(comm, reference::part(cloud, comm), 12);
    const std::vector<int> ks{1, 3, 8, 12};
    const std::vector<Request> requests{{all, 12}};
    // Per k: sum over all points of count(set 0) and of a hash of the k-th distance.
    std::vector<std::int64_t> sums(ks.size()), expected(ks.size());
    std::vector<std::int64_t> hashes(ks.size()), expected_hashes(ks.size());
    const auto hash = [](double x) { return std::bit_cast<std::int64_t>(x) >> 12; };
    std::int64_t queries = 0, disagreements = 0;
    std::vector<int> counts(ks.size());
    std::vector<double> distances(ks.size());
    engine.search(
        requests, all, 0, 1,
        [&](const points::Neighbourhood& site) {
          const auto list = site.lists[0];
          points::for_each_query(site, 0, cloud.offsets, [&](int label, std::int64_t n, int skip) {
            queries += n;
            if (skip >= 0 &&
                points::label_of(list[static_cast<std::size_t>(skip)].id, cloud.offsets) != label) {
              ++disagreements;
            }
            points::count_label(list, ks, skip, 0, static_cast<std::uint64_t>(cloud.offsets[1]),
                                counts);
            points::kth_distances2(list, ks, skip, distances);
            for (std::size_t i = 0; i < ks.size(); ++i) {
              sums[i] += n * counts[i];
              hashes[i] += n * hash(distances[i]);
            }
          });
        },
        {});
    for (std::uint64_t id = 0; comm.is_root() && id < 700; ++id) {
      const auto list = reference::nearest(cloud, id, all, 12);
      for (std::size_t i = 0; i < ks.size(); ++i) {
        for (int n = 0; n < ks[i]; ++n) {
          expected[i] +=
              list[static_cast<std::size_t>(n)].id < static_cast<std::uint64_t>(cloud.offsets[1]);
        }
        expected_hashes[i] += hash(list[static_cast<std::size_t>(ks[i] - 1)].distance2);
      }
    }
    comm.sum(std::span<std::int64_t>(sums));
    comm.sum(std::span<std::int64_t>(expected));
    comm.sum(std::span<std::int64_t>(hashes));
    comm.sum(std::span<std::int64_t>(expected_hashes));
    EXPECT_EQ(sums, expected) << cloud.name;
    EXPECT_EQ(hashes, expected_hashes) << cloud.name;
    EXPECT_EQ(comm.sum(queries), 700);
    EXPECT_EQ(comm.sum(disagreements), 0);
  }
}

TEST(Reduce, MaterialisedListsOfEveryCopy) {
  const auto comm = Communicator::world();
  const auto cloud = reference::make_cloud(Kind::duplicates, 3, 500, 2);
  points::NeighbourEngine engine(comm, reference::part(cloud, comm), 7, {.keep_all_copies = true});
  const auto lists = points::neighbour_lists(engine, {all, 7}, 2, cloud.offsets, 0, 1, {});
  EXPECT_EQ(comm.sum(static_cast<std::int64_t>(lists.ids.size())), 250);
  std::int64_t wrong = 0;
  for (std::size_t i = 0; i < lists.ids.size(); ++i) {
    const auto expected = reference::nearest(cloud, lists.ids[i], all, 7);
    for (std::size_t n = 0; n < 7; ++n) {
      const Neighbour& found = lists.rows[7 * i + n];
      if (found.id != expected[n].id || found.distance2 != expected[n].distance2) ++wrong;
    }
  }
  EXPECT_EQ(wrong, 0);
}

TEST(Reduce, SkipBeyondTheCountedPart) {
  // Ids 0..4, set = {1, 3}; the copy stands at position 3.
  const std::vector<Neighbour> list{{0, 0}, {0, 1}, {0, 2}, {0, 3}, {4, 4}};
  const std::vector<int> ks{1, 2, 3, 4};
  std::vector<int> counts(4);
  points::count_label(list, ks, 3, 3, 5, counts);  // set {3, 4}
  EXPECT_EQ(counts, (std::vector<int>{0, 0, 0, 1}));
  EXPECT_EQ(points::kth_distance2(list, 3, 3), 0.0);
  EXPECT_EQ(points::kth_distance2(list, 4, 3), 4.0);
  EXPECT_EQ(points::kth_distance2(list, 5, -1), 4.0);
  EXPECT_TRUE(std::isinf(points::kth_distance2(list, 5, 0)));
}

TEST(Memory, PredictionGrowsWithTheData) {
  const auto small = points::predict_memory(1'000'000, 3, 2, 64);
  const auto large = points::predict_memory(2'000'000, 3, 2, 64);
  EXPECT_GT(large.bytes_per_rank, small.bytes_per_rank);
  EXPECT_GE(small.bytes_per_point, 56.0);   // leaves and rows side by side at least
  EXPECT_LE(small.bytes_per_point, 150.0);  // the product's promise in three dimensions
  EXPECT_EQ(points::predict_memory(1'000'000, 3, 1, 64).remote_factor, 0.0);
  EXPECT_GT(points::predict_memory(1'000'000, 10, 64, 64).remote_factor,
            points::predict_memory(1'000'000, 3, 64, 64).remote_factor);
}

// The model behind the prediction is a grid of equal boxes; at corners and with the rounding of the
// cuts to real boxes it has been right within 30 %, so a factor of two is a defect.
TEST(Memory, RemoteFactorOfUniformData) {
  const auto comm = Communicator::world();
  const auto cloud = reference::make_cloud(Kind::uniform, 2, 8000, 1);
  points::NeighbourEngine engine(comm, reference::part(cloud, comm), 10);
  const Request request{all, 10};
  engine.search({&request, 1}, all, 0, 1, [](const points::Neighbourhood&) {}, {});
  const auto statistics = engine.statistics();
  const double measured =
      static_cast<double>(statistics.remote_queries) / static_cast<double>(statistics.queries);
  const double predicted = points::predict_memory(8000, 2, comm.size(), 10).remote_factor;
  EXPECT_LE(measured, 2 * predicted);
  EXPECT_GE(measured, predicted / 2);
}

}  // namespace
