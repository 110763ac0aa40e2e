// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "points/tree.hpp"
#include "transport/cost.hpp"

namespace mensura::transport {

/// What searches know of the nodes of a tree of points with fields (potentials). With
/// phi(x) = w |x - o|^2 - F(x) for the squared Euclidean cost w |x - y|^2 and phi(x) = -F(x) for
/// all others, a node A with centre x0 and half widths r has for each field
///   phi(x) >= value + slope . (x - x0)  and  -F(x) >= flat  for all its points x.
/// Slopes make lower bounds of c - F - G tight to the square of the node's size along an optimal
/// map (reference/transport_robust 1, SUPPORT). One record per node, in preorder:
///   centre[d], half[d], then per field: value, flat, slope[d].
struct NodeBounds {
  int dimension = 0, fields = 0;
  std::vector<double> records;
  /// Per node: the points [begin, end) below it and its right child (0: a leaf; the left child is
  /// the next node).
  struct Node {
    std::uint32_t begin, end, right;
  };
  std::vector<Node> nodes;
  /// The point below each node that attains `value` of field 0.
  std::vector<std::uint32_t> best;

  std::size_t stride() const noexcept {
    return static_cast<std::size_t>(2 * dimension + fields * (2 + dimension));
  }
  const double* record(std::uint32_t node) const noexcept { return &records[node * stride()]; }
};

/// Local. `coordinates` (points x d) and fields in the order of the tree; `origin`: d numbers near
/// the points, the same for all sets that meet in a search.
NodeBounds bounds_of(const points::Tree& tree, std::span<const double> coordinates,
                     const std::vector<std::span<const double>>& fields, const Cost& cost,
                     const double* origin);

/// Lower bound of c(x, y) - F_k(x) - G_k(y) over two nodes given by their records. D = 0: any
/// dimension.
template <int D>
double pair_bound(const Cost& cost, const double* a, const double* b, int field) noexcept;

/// Lower bound, over x in a node and y in another, of
/// [c(x, y) - G(y)] - [c(x, z) - G(z)] for a point z (coordinates relative to the origin; `level`
/// is G(z)): how much worse than z all of the node is for all x. Field 0 of `b`.
template <int D>
double difference_bound(const Cost& cost, const double* a, const double* b, const double* z,
                        double level) noexcept;

}  // namespace mensura::transport
