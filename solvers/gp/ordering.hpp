// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gp/point_set.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

inline constexpr std::size_t order_blocks = 3;
inline constexpr std::uint32_t data_block = 2;  ///< the last one

/// The place of a point in the elimination order: the block of the boundary first, inside a block
/// descending key, then ascending hash, then ascending id (which only decides when two 64-bit
/// hashes agree).
struct OrderKey {
  std::uint32_t block = 0;  ///< 0: boundary; 1: the others; 2: data that were put last
  double scale2 = 0;        ///< squared key at choice: distance to the k-th nearest chosen point
  std::uint64_t hash = 0;   ///< of the coordinates' bits; knows neither file order nor rank
  std::uint64_t id = 0;
};
/// True when a comes before b.
bool before(const OrderKey& a, const OrderKey& b) noexcept;

/// Points with their place in the k-maximin order.
struct OrderedPoints {
  PointSet points;             ///< distributed over the ranks by recursive bisection
  std::vector<OrderKey> keys;  ///< of every local point
  std::int64_t rounds = 0;     ///< parallel rounds, both blocks
  double data_reach = 1;       ///< factor in the scales of data (put_data_last)
};

/// Local. SplitMix64 chain over the bits of the coordinates (-0 counts as 0).
std::uint64_t coordinate_hash(const double* coordinates, int dimension) noexcept;

/// Local. Squared distance as the order uses it: sum of squared differences in axis order, no
/// fused operations.
double order_distance2(const double* a, const double* b, int dimension) noexcept;

/// Collective. Exact k-maximin order: boundary points first, then interior and data points
/// together, starting from the distances to those of the boundary. Equal, bit for bit, to the
/// sequential farthest-point order (priority: larger key, then smaller hash) on any number of
/// ranks, and so is the number of rounds: a point may be chosen in a round when it has the highest
/// priority among all unchosen points in the open ball of its own key (reference: gp_pde 4.2).
/// k >= 1; dimension 1, 2 or 3. Memory O(N / P) beside O(P) boxes. Coordinates -0 become 0.
/// `name_of` turns any global id into words for messages ("boundary row 3 of points.h5:/b"); it is
/// called on all ranks. Throws Error{input_data} on all ranks when two points coincide, and names
/// them; Error{usage} for k or dimension out of range. `poll` is called collectively every round
/// and may be empty.
OrderedPoints maximin_order(const parallel::Communicator& comm, PointSet points, int k,
                            const std::function<std::string(std::uint64_t)>& name_of,
                            const std::function<void()>& poll);

/// Local. Puts data points behind all others, in the order and with `reach` times the scale that
/// they have. The equation's functionals do not screen values or slopes of u from each other: what
/// data still have to say when boundary and equation are known hangs together over long distances.
/// As the last ones they are conditioned on all that is near and on each other far out; among the
/// boundary or interior points they make a factor that preconditions little (tests count
/// iterations).
void put_data_last(OrderedPoints& ordered, double reach);

}  // namespace mensura::gp
