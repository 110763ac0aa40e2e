// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "transport/problem.hpp"

namespace mensura::transport {

/// Which marginals are coupled: nodes that are fixed or free and edges between them.
struct Graph {
  std::vector<char> free;                                  ///< one per node
  std::vector<std::pair<std::size_t, std::size_t>> edges;  ///< ends
  std::size_t nodes() const noexcept { return free.size(); }
};

Graph graph_of(const Problem& problem);

/// Local. Two nodes of which none can be reached from the other; none: the graph is connected.
std::optional<std::pair<std::size_t, std::size_t>> disconnected(const Graph& graph);
/// Local. The first edge that closes a cycle (two edges between the same nodes do).
std::optional<std::size_t> closing_edge(const Graph& graph);
/// Local. A free node with one edge at most: nothing holds its mass.
std::optional<std::size_t> free_leaf(const Graph& graph);
/// Local. Every node has two edges and all lie on one cycle.
bool is_cycle(const Graph& graph);
/// Local. The node that all edges share; for a single edge the free end, or the first.
std::optional<std::size_t> centre(const Graph& graph);
/// Local. No node has more than two edges, and there is no cycle.
bool is_chain(const Graph& graph);

/// A part of a tree that can be solved by itself: at its fixed nodes a tree falls apart, because
/// the plan is a product of the parts' plans over the marginals they share
/// (reference/transport 3.1). Nodes and edges ascend.
struct Component {
  std::vector<std::size_t> nodes, edges;
};

/// Local. The parts of a tree in the order of their first edges.
std::vector<Component> components(const Graph& graph);

}  // namespace mensura::transport
