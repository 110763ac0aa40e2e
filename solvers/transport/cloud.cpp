// SPDX-License-Identifier: BSD-3-Clause
#include "transport/cloud.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "parallel/by_index.hpp"
#include "parallel/exchange.hpp"
#include "parallel/random.hpp"
#include "points/partition.hpp"

namespace mensura::transport {

namespace {

// Sites per leaf of the tree: what a leaf costs in distance tests against what a node costs.
constexpr std::int64_t leaf_size = 8;
// Bytes of one round while points change their ranks.
constexpr std::int64_t piece_bytes = std::int64_t{64} << 20U;

// The rank where a point's values can be asked for.
int home_of(std::uint64_t id, int ranks) {
  return static_cast<int>(parallel::mix(id) % static_cast<std::uint64_t>(ranks));
}

// Positions of `ids` grouped by their home, and how many go to every rank.
struct Routing {
  std::vector<std::size_t> order;
  std::vector<std::int64_t> counts;
};
Routing route(std::span<const std::uint64_t> ids, int ranks) {
  Routing result;
  result.order.resize(ids.size());
  result.counts.assign(static_cast<std::size_t>(ranks), 0);
  for (const std::uint64_t id : ids) ++result.counts[static_cast<std::size_t>(home_of(id, ranks))];
  std::vector<std::size_t> next(result.counts.size(), 0);
  for (std::size_t r = 1; r < next.size(); ++r) {
    next[r] = next[r - 1] + static_cast<std::size_t>(result.counts[r - 1]);
  }
  for (std::size_t i = 0; i < ids.size(); ++i) {
    result.order[next[static_cast<std::size_t>(home_of(ids[i], ranks))]++] = i;
  }
  return result;
}

std::vector<std::uint64_t> chosen(std::span<const std::uint64_t> ids,
                                  const std::vector<std::size_t>& order) {
  std::vector<std::uint64_t> result;
  result.reserve(order.size());
  for (const std::size_t i : order) result.push_back(ids[i]);
  return result;
}

std::vector<double> chosen_rows(std::span<const double> values, std::size_t width,
                                const std::vector<std::size_t>& order) {
  std::vector<double> result;
  result.reserve(order.size() * width);
  for (const std::size_t i : order) {
    result.insert(result.end(), values.begin() + static_cast<std::ptrdiff_t>(i * width),
                  values.begin() + static_cast<std::ptrdiff_t>((i + 1) * width));
  }
  return result;
}

std::vector<std::int64_t> times(std::vector<std::int64_t> counts, std::int64_t width) {
  for (std::int64_t& count : counts) count *= width;
  return counts;
}

// Positions that sort the ids.
std::vector<std::size_t> sorted_order(std::span<const std::uint64_t> ids) {
  std::vector<std::size_t> order(ids.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return ids[a] < ids[b]; });
  return order;
}

}  // namespace

Cloud make_cloud(const parallel::Communicator& comm, int dimension, std::vector<double> coordinates,
                 std::span<const double> mass, std::span<const std::uint64_t> ids) {
  Cloud cloud;
  cloud.dimension = dimension;
  const auto count = static_cast<std::int64_t>(ids.size());
  cloud.total = comm.sum(count);
  const auto begin = static_cast<std::uint64_t>(comm.exclusive_scan(count));
  // Points travel under the number of their row; mass and id follow by it.
  std::vector<std::uint64_t> numbers(ids.size());
  std::iota(numbers.begin(), numbers.end(), begin);
  std::vector<double> rows;
  rows.reserve(2 * ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    rows.push_back(mass[i]);
    rows.push_back(std::bit_cast<double>(ids[i]));
  }
  rows = parallel::to_blocks(comm, rows, 2, numbers, cloud.total);
  points::Sites sites;
  parallel::agree(comm, [&] {
    sites = points::make_sites({dimension, std::move(coordinates), numbers, {0, cloud.total}});
  });
  points::Assignment assignment = points::bisect(comm, sites);
  sites = points::redistribute(comm, std::move(sites), std::move(assignment), piece_bytes);
  const std::vector<std::int64_t> offsets{0, cloud.total};
  parallel::agree(comm, [&] { cloud.tree = points::build_tree(sites, leaf_size, offsets); });
  const auto own = static_cast<std::uint32_t>(sites.ids.size());
  cloud.first = comm.exclusive_scan(static_cast<std::int64_t>(own));
  rows = parallel::fetch_rows(comm, rows, cloud.total, 2, sites.ids);
  parallel::agree(comm, [&] {
    for (std::uint32_t i = 0; i < own; ++i) {
      for (int j = 0; j < dimension; ++j) {
        cloud.coordinates.push_back(cloud.tree.coordinate(i, j));
      }
      cloud.mass.push_back(rows[2 * std::size_t{i}]);
      cloud.log_mass.push_back(std::log(rows[2 * std::size_t{i}]));
      cloud.ids.push_back(std::bit_cast<std::uint64_t>(rows[2 * std::size_t{i} + 1]));
    }
  });
  return cloud;
}

std::vector<double> Box::centre() const {
  std::vector<double> result(lower.size());
  for (std::size_t j = 0; j < result.size(); ++j) result[j] = (upper[j] + lower[j]) / 2;
  return result;
}

std::vector<double> Box::half() const {
  std::vector<double> result(lower.size());
  for (std::size_t j = 0; j < result.size(); ++j) result[j] = (upper[j] - lower[j]) / 2;
  return result;
}

Box box_of(int dimension, std::span<const double> coordinates) {
  const auto d = static_cast<std::size_t>(dimension);
  Box box;
  box.lower.assign(d, std::numeric_limits<double>::infinity());
  box.upper.assign(d, -std::numeric_limits<double>::infinity());
  for (std::size_t i = 0; i < coordinates.size(); ++i) {
    box.lower[i % d] = std::min(box.lower[i % d], coordinates[i]);
    box.upper[i % d] = std::max(box.upper[i % d], coordinates[i]);
  }
  return box;
}

Box box_around(const parallel::Communicator& comm, std::span<const Cloud* const> clouds) {
  Box box = box_of(clouds.front()->dimension, {});
  for (const Cloud* cloud : clouds) {
    const Box one = box_of(cloud->dimension, cloud->coordinates);
    for (std::size_t j = 0; j < box.lower.size(); ++j) {
      box.lower[j] = std::min(box.lower[j], one.lower[j]);
      box.upper[j] = std::max(box.upper[j], one.upper[j]);
    }
  }
  comm.min(std::span(box.lower));
  comm.max(std::span(box.upper));
  return box;
}

std::vector<double> values_at(const parallel::Communicator& comm,
                              std::span<const std::uint64_t> have, std::span<const double> values,
                              int width, std::span<const std::uint64_t> wanted) {
  const auto w = static_cast<std::size_t>(width);
  const Routing out = route(have, comm.size());
  const auto ids = parallel::exchange<std::uint64_t>(comm, chosen(have, out.order), out.counts);
  const auto rows =
      parallel::exchange<double>(comm, chosen_rows(values, w, out.order), times(out.counts, width));
  const Routing ask = route(wanted, comm.size());
  const auto asked = parallel::exchange<std::uint64_t>(comm, chosen(wanted, ask.order), ask.counts);
  std::vector<double> replies;
  parallel::agree(comm, [&] {
    const std::vector<std::size_t> order = sorted_order(ids.data);
    replies.reserve(asked.data.size() * w);
    for (const std::uint64_t id : asked.data) {
      const auto found =
          std::lower_bound(order.begin(), order.end(), id,
                           [&](std::size_t i, std::uint64_t value) { return ids.data[i] < value; });
      parallel::require(found != order.end() && ids.data[*found] == id, "the id is known");
      for (std::size_t j = 0; j < w; ++j) replies.push_back(rows.data[*found * w + j]);
    }
  });
  const auto answer = parallel::exchange<double>(comm, replies, times(asked.counts, width));
  std::vector<double> result(wanted.size() * w);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::copy_n(&answer.data[i * w], w, &result[ask.order[i] * w]);
  }
  return result;
}

}  // namespace mensura::transport
