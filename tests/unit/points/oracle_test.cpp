// SPDX-License-Identifier: BSD-3-Clause
// nanoflann as an independent oracle on a case that is too large for brute force.
#include <gtest/gtest.h>

#include <algorithm>
#include <nanoflann.hpp>

#include "reference.hpp"

namespace {

using namespace mensura;
using parallel::Communicator;
using reference::Kind;

struct Adaptor {
  const reference::Cloud& cloud;
  std::size_t kdtree_get_point_count() const { return static_cast<std::size_t>(cloud.size()); }
  double kdtree_get_pt(std::size_t i, std::size_t j) const {
    return cloud.coordinates[i * static_cast<std::size_t>(cloud.dimension) + j];
  }
  template <class Box>
  bool kdtree_get_bbox(Box&) const {
    return false;
  }
};

// nanoflann sums four dimensions at a time, so distances agree to rounding only: a sum of five
// squares has a relative error of at most 7 units of 2^-53, on either side.
constexpr double tolerance = 14 * 0x1p-53;

void compare(int dimension, Kind kind, int k) {
  const auto comm = Communicator::world();
  const auto cloud = reference::make_cloud(kind, dimension, 20000, 2);
  using Metric = nanoflann::L2_Simple_Adaptor<double, Adaptor>;
  using Index = nanoflann::KDTreeSingleIndexAdaptor<Metric, Adaptor, -1, std::size_t>;
  const Adaptor adaptor{cloud};
  Index index(dimension, adaptor, nanoflann::KDTreeSingleIndexAdaptorParams(10));
  index.buildIndex();
  points::NeighbourEngine engine(comm, reference::part(cloud, comm), k);
  const points::Request request{~std::uint64_t{0}, k};
  std::int64_t wrong = 0, visited = 0;
  const auto n = static_cast<std::size_t>(k) + 1;
  std::vector<std::size_t> ids(n);
  std::vector<double> distances(n);
  engine.search({&request, 1}, ~std::uint64_t{0}, 0, 1,
                [&](const points::Neighbourhood& site) {
                  for (const auto count : site.copies_per_label) visited += count;
                  const std::size_t count =
                      index.knnSearch(site.position.data(), n, ids.data(), distances.data());
                  if (count != site.lists[0].size()) ++wrong;
                  for (std::size_t i = 0; i < std::min(count, site.lists[0].size()); ++i) {
                    const double ours = site.lists[0][i].distance2;
                    if (std::abs(ours - distances[i]) > tolerance * std::max(ours, distances[i]))
                      ++wrong;
                  }
                },
                {});
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(comm.sum(visited), cloud.size());
}

TEST(Oracle, Uniform) {
  compare(3, Kind::uniform, 64);
}
TEST(Oracle, Duplicates) {
  compare(2, Kind::duplicates, 20);
}
TEST(Oracle, Clusters) {
  compare(3, Kind::clusters, 10);
}
TEST(Oracle, FiveDimensions) {
  compare(5, Kind::uniform, 8);
}

}  // namespace
