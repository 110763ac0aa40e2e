// SPDX-License-Identifier: BSD-3-Clause
#include "gp/supernodes.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mensura::gp {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
// Enough levels of ratio 1.05 or more for scales 1e13 apart; finer points share the last one.
constexpr std::size_t most_levels = 640;

}  // namespace

SupernodeRule::SupernodeRule(const parallel::Communicator& comm, const OrderedPoints& ordered,
                             double ratio, double cell)
    : dimension_(ordered.points.dimension) {
  // Data see far, but their supernodes are hardly larger for that, since the points around all
  // members join in the rows: with cells in the reach's proportion 1e3 data among 1e4 points made
  // the factor ten times dearer.
  constexpr double larger = 1.5;
  cell_.fill(cell);
  cell_[data_block] = std::min(1.0, larger / ordered.data_reach) * cell;
  const auto d = static_cast<std::size_t>(dimension_);
  std::array<double, 3> lower{infinity, infinity, infinity};
  std::array<double, 3> upper{-infinity, -infinity, -infinity};
  std::array<double, order_blocks> largest{}, smallest{};
  smallest.fill(infinity);
  for (std::size_t i = 0; i < ordered.keys.size(); ++i) {
    for (std::size_t a = 0; a < d; ++a) {
      lower[a] = std::min(lower[a], ordered.points.coordinates[i * d + a]);
      upper[a] = std::max(upper[a], ordered.points.coordinates[i * d + a]);
    }
    const OrderKey& key = ordered.keys[i];
    if (!std::isfinite(key.scale2)) continue;
    largest[key.block] = std::max(largest[key.block], key.scale2);
    smallest[key.block] = std::min(smallest[key.block], key.scale2);
  }
  comm.min(lower);
  comm.max(upper);
  comm.max(largest);
  comm.min(smallest);
  lower_ = lower;
  for (std::size_t a = 0; a < d; ++a) extent_[a] = std::max(upper[a] - lower[a], 0.0);
  for (std::size_t block = 0; block < order_blocks; ++block) {
    double length = largest[block] > 0 ? std::sqrt(largest[block]) : 1.0;
    const double least = std::isfinite(smallest[block]) ? std::sqrt(smallest[block]) : length;
    auto& lengths = lengths_[block];
    lengths.push_back(length);
    while (length > least && lengths.size() < most_levels) lengths.push_back(length /= ratio);
  }
}

double SupernodeRule::length(std::uint32_t block, std::int32_t level) const {
  return lengths_[block][static_cast<std::size_t>(level)];
}

SupernodeKey SupernodeRule::key_of(const OrderKey& order, const double* x) const {
  SupernodeKey key;
  key.block = order.block;
  // The last level whose length is not below the scale: L_(q+1) < l <= L_q.
  const auto& lengths = lengths_[order.block];
  const double scale = std::sqrt(order.scale2);
  const auto below = std::upper_bound(lengths.begin(), lengths.end(), scale, std::greater<>());
  auto level = static_cast<std::int32_t>(below - lengths.begin()) - 1;
  level = std::max(level, 0);
  if (level > 0 && lengths[static_cast<std::size_t>(level)] < scale) --level;
  key.level = level;
  const double side = cell_[key.block] * length(key.block, level);
  for (std::size_t a = 0; a < static_cast<std::size_t>(dimension_); ++a) {
    key.cell[a] = static_cast<std::int64_t>(std::floor((x[a] - lower_[a]) / side));
  }
  return key;
}

std::array<double, 3> SupernodeRule::centre(const SupernodeKey& key) const {
  std::array<double, 3> result{};
  const double side = cell_[key.block] * length(key.block, key.level);
  for (std::size_t a = 0; a < static_cast<std::size_t>(dimension_); ++a) {
    result[a] = lower_[a] + (static_cast<double>(key.cell[a]) + 0.5) * side;
  }
  return result;
}

std::uint64_t SupernodeRule::morton(const SupernodeKey& key) const {
  constexpr int bits = 20;
  const auto x = centre(key);
  std::array<std::uint64_t, 3> lattice{};
  for (std::size_t a = 0; a < static_cast<std::size_t>(dimension_); ++a) {
    const double place = extent_[a] > 0 ? (x[a] - lower_[a]) / extent_[a] : 0.0;
    lattice[a] = static_cast<std::uint64_t>(std::clamp(place, 0.0, 1.0) * ((1 << bits) - 1));
  }
  std::uint64_t code = 0;
  for (int bit = bits - 1; bit >= 0; --bit) {
    for (std::size_t a = 0; a < static_cast<std::size_t>(dimension_); ++a) {
      code = (code << 1U) | ((lattice[a] >> static_cast<unsigned>(bit)) & 1U);
    }
  }
  return code;
}

}  // namespace mensura::gp
