// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"
#include "points/neighbours.hpp"

/// Serial brute force in the exact order (distance2, mix(id), id), and deterministic data.
namespace reference {

using namespace mensura;

/// Uniform on (0, 1), a function of the counter alone.
double uniform(std::uint64_t counter);

/// A whole data set, the same on every rank.
struct Cloud {
  std::string name;
  int dimension = 1;
  std::vector<double> coordinates;
  std::vector<std::int64_t> offsets;
  std::int64_t size() const { return offsets.back(); }
};

enum class Kind { uniform, duplicates, lattice, constant, outlier, clusters, disjoint };
Cloud make_cloud(Kind kind, int dimension, std::int64_t size, int labels);

/// This rank's part: ids in a scrambled deal that depends on the number of ranks; some ranks may
/// get nothing when there are few points.
points::LabelledPoints part(const Cloud& cloud, const parallel::Communicator& comm);

/// The first k others of point `id` among the labels, in the exact order.
std::vector<points::Neighbour> nearest(const Cloud& cloud, std::uint64_t id, std::uint64_t labels,
                                       int k);

/// What the engine says for every kept copy: request -> id -> list without itself. Rank-local.
using Lists = std::vector<std::map<std::uint64_t, std::vector<points::Neighbour>>>;
struct Found {
  Lists lists;
  std::int64_t points = 0;  ///< sum of copies_per_label
  std::int64_t polls = 0;
  std::int64_t disordered = 0;  ///< lists that are not ascending or have the wrong length
};
Found search(points::NeighbourEngine& engine, const std::vector<points::Request>& requests,
             const Cloud& cloud, std::uint64_t query_labels = ~std::uint64_t{0},
             std::int64_t batch = 0, std::int64_t batches = 1);

/// Number of this rank's lists that differ in any bit from brute force (first ones are printed).
/// Every `stride`-th id only.
std::int64_t differences(const Found& found, const std::vector<points::Request>& requests,
                         const Cloud& cloud, std::uint64_t stride = 1);

/// Order-free fingerprint of all lists over all ranks. Collective.
std::int64_t fingerprint(const parallel::Communicator& comm, const Lists& lists);
/// The same for brute force, computed on this rank alone.
std::int64_t brute_force_fingerprint(const Cloud& cloud,
                                     const std::vector<points::Request>& requests);

}  // namespace reference
