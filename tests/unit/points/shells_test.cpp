// SPDX-License-Identifier: BSD-3-Clause
// The counts at the distance of a list's last entry are complete and know nothing of ranks.
#include <gtest/gtest.h>

#include <vector>

#include "reference.hpp"

namespace {

using namespace mensura;
using parallel::Communicator;
using points::Request;
using reference::Cloud;
using reference::Kind;

constexpr std::uint64_t all = ~std::uint64_t{0};

std::vector<std::int64_t> brute_force_shell(const Cloud& cloud, std::span<const double> position,
                                            double distance2, std::uint64_t labels) {
  std::vector<std::int64_t> counts(cloud.offsets.size() - 1, 0);
  const std::size_t d = position.size();
  for (std::uint64_t id = 0; id < static_cast<std::uint64_t>(cloud.size()); ++id) {
    const auto label = static_cast<std::size_t>(points::label_of(id, cloud.offsets));
    double sum = 0.0;
    for (std::size_t j = 0; j < d; ++j) {
      const double gap = position[j] - cloud.coordinates[id * d + j];
      sum += gap * gap;
    }
    if (sum == distance2 && ((labels >> label) & 1U) != 0) ++counts[label];
  }
  return counts;
}

void expect_complete_shells(const Cloud& cloud, const std::vector<Request>& requests, int largest,
                            points::EngineOptions options) {
  const auto comm = Communicator::world();
  points::NeighbourEngine engine(comm, reference::part(cloud, comm), largest, options);
  std::int64_t wrong = 0, full = 0;
  engine.search(requests, all, 0, 1,
                [&](const points::Neighbourhood& site) {
                  for (std::size_t r = 0; r < requests.size(); ++r) {
                    const auto list = site.lists[r];
                    const auto shell = site.last_shells[r];
                    const std::vector<std::int64_t> found(shell.begin(), shell.end());
                    if (list.size() <= static_cast<std::size_t>(requests[r].neighbours)) {
                      wrong += found != std::vector<std::int64_t>(found.size(), 0) ? 1 : 0;
                      continue;
                    }
                    ++full;
                    wrong += found != brute_force_shell(cloud, site.position, list.back().distance2,
                                                        requests[r].labels)
                                 ? 1
                                 : 0;
                  }
                },
                {});
  EXPECT_EQ(comm.sum(wrong), 0) << cloud.name;
  EXPECT_GT(comm.sum(full), 0) << cloud.name;
}

class Shells : public testing::TestWithParam<Kind> {};

TEST_P(Shells, AreComplete) {
  const auto cloud = reference::make_cloud(GetParam(), 2, 900, 3);
  for (const int k : {1, 6, 40}) {
    // The second list is derived from the first one, the third and fourth are mostly searched for.
    const std::vector<Request> requests{{all, k}, {3, 1}, {1, k}, {4, k}};
    expect_complete_shells(cloud, requests, k, {});
    expect_complete_shells(cloud, requests, k, {.leaf_size = 4, .remote_buffer_bytes = 1});
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, Shells,
                         testing::Values(Kind::uniform, Kind::duplicates, Kind::lattice,
                                         Kind::constant, Kind::clusters, Kind::disjoint));

}  // namespace
