// SPDX-License-Identifier: BSD-3-Clause
// Of concern to the pattern only.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <vector>

#include "gp/ordering.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// The name of a supernode: it knows positions and scales, not ranks.
struct SupernodeKey {
  std::uint32_t block = 0;
  std::int32_t level = 0;
  std::array<std::int64_t, 3> cell{};
  auto operator<=>(const SupernodeKey&) const = default;
};

/// The rule that groups columns (reference gp_pde 4.3): levels of the scale by a fixed ratio below
/// the largest finite one of the block, cells of a regular grid per level.
class SupernodeRule {
 public:
  /// Collective: agrees on the largest finite scales and on the origin of the cells.
  SupernodeRule(const parallel::Communicator& comm, const OrderedPoints& ordered, double ratio,
                double cell);

  SupernodeKey key_of(const OrderKey& order, const double* x) const;
  /// Centre of the cell: where the partition over ranks puts the supernode.
  std::array<double, 3> centre(const SupernodeKey& key) const;
  /// The centre's place on a Morton curve over the bounding box of all points.
  std::uint64_t morton(const SupernodeKey& key) const;

 private:
  double length(std::uint32_t block, std::int32_t level) const;
  int dimension_;
  std::array<double, order_blocks> cell_;  // by block, in level lengths
  std::array<double, 3> lower_{}, extent_{};
  std::array<std::vector<double>, order_blocks> lengths_;  // by block: level lengths, descending
};

}  // namespace mensura::gp
