// SPDX-License-Identifier: BSD-3-Clause
// Small point clouds that every rank knows in full.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "gp/ordering.hpp"
#include "gp/point_set.hpp"
#include "parallel/communicator.hpp"
#include "parallel/exchange.hpp"
#include "parallel/random.hpp"

namespace mensura::test {

/// All points, the same on every rank; row = global id.
struct Cloud {
  int dimension = 2;
  std::array<std::int64_t, 3> counts{};
  std::vector<double> coordinates;
  std::vector<std::int64_t> data_counts{};  ///< of the entries of data that are told apart

  std::int64_t size() const { return counts[0] + counts[1] + counts[2]; }
  const double* row(std::int64_t i) const { return coordinates.data() + i * dimension; }
};

inline Cloud random_cloud(int dimension, std::array<std::int64_t, 3> counts, std::uint64_t seed) {
  Cloud cloud{dimension, counts, {}};
  const parallel::Stream stream(seed, "test", "cloud");
  for (std::int64_t i = 0; i < cloud.size(); ++i) {
    for (int a = 0; a < dimension; ++a) {
      cloud.coordinates.push_back(
          stream.uniform(static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(a)));
    }
  }
  return cloud;
}

/// side^dimension points in the unit cube; those on its faces come first and are the boundary.
inline Cloud grid_cloud(int dimension, int side) {
  Cloud cloud{dimension, {}, {}};
  std::int64_t total = 1;
  for (int a = 0; a < dimension; ++a) total *= side;
  for (const bool faces : {true, false}) {
    for (std::int64_t i = 0; i < total; ++i) {
      bool on_face = false;
      std::vector<double> x;
      std::int64_t rest = i;
      for (int a = 0; a < dimension; ++a, rest /= side) {
        on_face = on_face || rest % side == 0 || rest % side == side - 1;
        x.push_back(static_cast<double>(rest % side) / (side - 1));
      }
      if (on_face != faces) continue;
      cloud.coordinates.insert(cloud.coordinates.end(), x.begin(), x.end());
      ++cloud.counts[faces ? 0 : 1];
    }
  }
  return cloud;
}

/// Adds an entry of data, its points uniform in the unit cube.
inline void add_data(Cloud& cloud, std::int64_t count, std::uint64_t seed) {
  cloud.data_counts.push_back(count);
  const Cloud data = random_cloud(cloud.dimension, {0, 0, count}, seed);
  cloud.counts[2] += count;
  cloud.coordinates.insert(cloud.coordinates.end(), data.coordinates.begin(),
                           data.coordinates.end());
}

/// This rank's block of the cloud.
inline gp::PointSet part(const Cloud& cloud, const parallel::Communicator& comm) {
  gp::PointSet points{cloud.dimension, cloud.counts, {}, {}, cloud.data_counts};
  const std::int64_t n = cloud.size(), ranks = comm.size(), rank = comm.rank();
  for (std::int64_t i = n * rank / ranks; i < n * (rank + 1) / ranks; ++i) {
    points.ids.push_back(static_cast<std::uint64_t>(i));
    points.coordinates.insert(points.coordinates.end(), cloud.row(i),
                              cloud.row(i) + cloud.dimension);
  }
  return points;
}

/// Collective.
inline gp::OrderedPoints ordered(const Cloud& cloud, const parallel::Communicator& comm, int k) {
  return gp::maximin_order(
      comm, part(cloud, comm), k, [](std::uint64_t id) { return "point " + std::to_string(id); },
      [] {});
}

/// Collective. The values of all ranks on every rank, in rank order; any number per rank.
template <class T>
std::vector<T> gather_all(const parallel::Communicator& comm, const std::vector<T>& own) {
  std::vector<T> send;
  for (int r = 0; r < comm.size(); ++r) send.insert(send.end(), own.begin(), own.end());
  const std::vector<std::int64_t> counts(static_cast<std::size_t>(comm.size()),
                                         static_cast<std::int64_t>(own.size()));
  return parallel::exchange<T>(comm, send, counts).data;
}

/// Adds up hashes of records modulo 2^64, so that neither order nor rank matters.
class Fingerprint {
 public:
  void add(std::initializer_list<std::uint64_t> record) {
    std::uint64_t hash = 0x243f6a8885a308d3ULL;
    for (const std::uint64_t word : record) hash = parallel::mix(hash ^ word) + word;
    sum_ += hash;
  }
  /// Collective.
  std::uint64_t value(const parallel::Communicator& comm) const {
    std::uint64_t total = 0;
    for (const std::uint64_t part : comm.all_gather(std::span(&sum_, 1))) total += part;
    return total;
  }

 private:
  std::uint64_t sum_ = 0;
};

}  // namespace mensura::test
