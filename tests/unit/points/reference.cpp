// SPDX-License-Identifier: BSD-3-Clause
#include "reference.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>

#include "parallel/random.hpp"

namespace reference {

using parallel::mix;
using points::Neighbour;

namespace {

std::uint64_t hash_list(std::uint64_t request, std::uint64_t id,
                        const std::vector<Neighbour>& list) {
  std::uint64_t hash = mix(id + 0x1234567ULL * (request + 1));
  for (const Neighbour& n : list) {
    hash = mix(hash ^ std::bit_cast<std::uint64_t>(n.distance2)) + mix(n.id + 17);
  }
  return hash >> 8U;  // room for the sum of all lists in 63 bits
}

double coordinate(Kind kind, std::int64_t i, int j, int d, std::int64_t size, bool second_half) {
  const auto counter = static_cast<std::uint64_t>(i * d + j);
  const double u = uniform(counter);
  switch (kind) {
    case Kind::uniform:
      return u;
    case Kind::duplicates:
      return i % 10 == 9 ? uniform(static_cast<std::uint64_t>((i / 20) * d + j)) : u;
    case Kind::lattice:
      return std::floor(u * (d == 1 ? 40 : d < 4 ? 6 : 3)) - 1;
    case Kind::constant:
      return i % 2 == 0 ? 0.0 : -0.0;
    case Kind::outlier:
      return i == size / 2 ? 1e12 : u;
    case Kind::clusters:
      return std::floor(uniform(static_cast<std::uint64_t>(i)) * 5) + 1e-6 * u;
    case Kind::disjoint:
      return u + (second_half && j == 0 ? 5.0 : 0.0);
  }
  return u;
}

}  // namespace

double uniform(std::uint64_t counter) {
  return (static_cast<double>(mix(counter * 0x9e3779b97f4a7c15ULL + 99) >> 11U) + 0.5) * 0x1p-53;
}

Cloud make_cloud(Kind kind, int dimension, std::int64_t size, int labels) {
  Cloud cloud;
  cloud.dimension = dimension;
  cloud.name = "kind " + std::to_string(static_cast<int>(kind)) + " d " +
               std::to_string(dimension) + " n " + std::to_string(size);
  for (int l = 0; l <= labels; ++l) cloud.offsets.push_back(size * l / labels);
  for (std::int64_t i = 0; i < size; ++i) {
    for (int j = 0; j < dimension; ++j) {
      cloud.coordinates.push_back(coordinate(kind, i, j, dimension, size, i >= size / 2));
    }
  }
  return cloud;
}

points::LabelledPoints part(const Cloud& cloud, const parallel::Communicator& comm) {
  points::LabelledPoints p;
  p.dimension = cloud.dimension;
  p.offsets = cloud.offsets;
  const auto d = static_cast<std::size_t>(cloud.dimension);
  for (std::uint64_t id = 0; id < static_cast<std::uint64_t>(cloud.size()); ++id) {
    if (static_cast<int>(mix(id + 5) % static_cast<std::uint64_t>(comm.size())) != comm.rank())
      continue;
    p.ids.push_back(id);
    p.coordinates.insert(p.coordinates.end(), &cloud.coordinates[id * d],
                         &cloud.coordinates[id * d] + d);
  }
  return p;
}

std::vector<Neighbour> nearest(const Cloud& cloud, std::uint64_t id, std::uint64_t labels, int k) {
  struct Key {
    double distance2;
    std::uint64_t mixed, id;
    auto operator<=>(const Key&) const = default;
  };
  std::vector<Key> all;
  const auto d = static_cast<std::size_t>(cloud.dimension);
  for (std::uint64_t other = 0; other < static_cast<std::uint64_t>(cloud.size()); ++other) {
    const auto label = static_cast<unsigned>(points::label_of(other, cloud.offsets));
    if (other == id || ((labels >> label) & 1U) == 0) continue;
    double sum = 0.0;
    for (std::size_t j = 0; j < d; ++j) {
      const double gap = cloud.coordinates[id * d + j] - cloud.coordinates[other * d + j];
      sum += gap * gap;
    }
    all.push_back({sum, mix(other), other});
  }
  const auto count = std::min(all.size(), static_cast<std::size_t>(k));
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), all.end());
  std::vector<Neighbour> list;
  for (std::size_t i = 0; i < count; ++i) list.push_back({all[i].distance2, all[i].id});
  return list;
}

Found search(points::NeighbourEngine& engine, const std::vector<points::Request>& requests,
             const Cloud& cloud, std::uint64_t query_labels, std::int64_t batch,
             std::int64_t batches) {
  Found found;
  found.lists.resize(requests.size());
  engine.search(
      requests, query_labels, batch, batches,
      [&](const points::Neighbourhood& site) {
        for (const auto count : site.copies_per_label) found.points += count;
        for (std::size_t r = 0; r < requests.size(); ++r) {
          const auto list = site.lists[r];
          if (!std::is_sorted(list.begin(), list.end()) ||
              list.size() > static_cast<std::size_t>(requests[r].neighbours) + 1) {
            ++found.disordered;
          }
          for (const std::uint64_t id : site.copies) {
            const auto label = static_cast<unsigned>(points::label_of(id, cloud.offsets));
            if (((query_labels >> label) & 1U) == 0) continue;
            std::vector<Neighbour> others;
            for (const Neighbour& n : list) {
              if (n.id != id) others.push_back(n);
            }
            if (others.size() > static_cast<std::size_t>(requests[r].neighbours)) others.pop_back();
            if (!found.lists[r].emplace(id, std::move(others)).second) ++found.disordered;
          }
        }
      },
      [&] { ++found.polls; });
  return found;
}

std::int64_t differences(const Found& found, const std::vector<points::Request>& requests,
                         const Cloud& cloud, std::uint64_t stride) {
  std::int64_t wrong = 0;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    for (const auto& [id, list] : found.lists[r]) {
      if (id % stride != 0) continue;
      const auto expected = nearest(cloud, id, requests[r].labels, requests[r].neighbours);
      const bool equal = std::ranges::equal(list, expected, [](const auto& a, const auto& b) {
        return a.id == b.id && std::bit_cast<std::uint64_t>(a.distance2) ==
                                   std::bit_cast<std::uint64_t>(b.distance2);
      });
      if (!equal && ++wrong == 1) {
        std::fprintf(stderr, "%s: request %zu of id %llu: %zu entries, expected %zu\n",
                     cloud.name.c_str(), r, static_cast<unsigned long long>(id), list.size(),
                     expected.size());
      }
    }
  }
  return wrong;
}

std::int64_t fingerprint(const parallel::Communicator& comm, const Lists& lists) {
  std::uint64_t sum = 0;
  for (std::size_t r = 0; r < lists.size(); ++r) {
    for (const auto& [id, list] : lists[r]) sum += hash_list(r, id, list);
  }
  return comm.sum(static_cast<std::int64_t>(sum));
}

std::int64_t brute_force_fingerprint(const Cloud& cloud,
                                     const std::vector<points::Request>& requests) {
  std::uint64_t sum = 0;
  for (std::size_t r = 0; r < requests.size(); ++r) {
    for (std::uint64_t id = 0; id < static_cast<std::uint64_t>(cloud.size()); ++id) {
      sum += hash_list(r, id, nearest(cloud, id, requests[r].labels, requests[r].neighbours));
    }
  }
  return static_cast<std::int64_t>(sum);
}

}  // namespace reference
