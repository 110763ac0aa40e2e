// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <vector>

namespace mensura::transport {

/// A tree of nodes: measures that are given (fixed) or sought (free).
class Tree {
 public:
  struct Edge {
    std::size_t from, to;  ///< rows and columns of the edge's kernel
  };
  struct Link {
    std::size_t edge, node;  ///< an edge of a node and who is at its other end
  };
  /// Local. Throws Error{internal} unless the edges make one tree of all nodes.
  Tree(std::vector<char> free, std::vector<Edge> edges);

  std::size_t nodes() const noexcept { return free_.size(); }
  const std::vector<Edge>& edges() const noexcept { return edges_; }
  bool free(std::size_t node) const { return free_[node] != 0; }
  const std::vector<Link>& links(std::size_t node) const { return links_[node]; }
  std::size_t degree(std::size_t node) const { return links_[node].size(); }
  /// A node with most links: where all walks begin.
  std::size_t root() const noexcept { return root_; }
  /// All nodes, every one after its parent.
  const std::vector<std::size_t>& order() const noexcept { return order_; }
  /// The link towards the root; the root has none (edge = edges().size()).
  const Link& parent(std::size_t node) const { return parents_[node]; }

 private:
  std::vector<char> free_;
  std::vector<Edge> edges_;
  std::vector<std::vector<Link>> links_;
  std::vector<std::size_t> order_;
  std::vector<Link> parents_;
  std::size_t root_ = 0;
};

}  // namespace mensura::transport
