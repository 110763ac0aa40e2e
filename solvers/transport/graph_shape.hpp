// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "input/node.hpp"
#include "transport/graph.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

// What a deck's graph is, for the checks of decks and for reading them. `root`: the deck. Local.

/// In the order of the enumeration in problem.hpp.
const std::vector<std::string>& shape_names();
/// The name of the deck's cost among those of the edges.
inline constexpr const char* common_cost = "cost";

std::vector<std::string> names_of(const input::Node& root);
std::vector<char> free_of(const input::Node& root);
std::size_t place_of(const std::vector<std::string>& names, const std::string& name);
Shape shape_of(const input::Node& root);
bool has_edges(const input::Node& root);
/// The edges that the deck names, or those that its shape means.
std::vector<std::pair<std::size_t, std::size_t>> edges_of(const input::Node& root);
Graph graph_of(const input::Node& root);
/// The deck says what the graph is, or two given marginals, a single free one or a spline do.
bool has_shape(const input::Node& root);
/// There is a graph, all names are known, and all ends and all edges differ: other checks may look
/// at it.
bool is_readable(const input::Node& root);
/// Where messages about the graph point to.
input::Node graph_place(const input::Node& root);
/// The squared distance.
bool is_squared(const input::Node& cost);
/// A complete graph that is solved as a star around a hidden free centre on a grid
/// (sum_{i<j} l_i l_j |x_i - x_j|^2 = min_z sum_i l_i |x_i - z|^2): squared distances on grids.
bool has_hidden_centre(const input::Node& root);
/// One free marginal that all edges have. The graph is readable.
bool is_barycenter(const input::Node& root);

}  // namespace mensura::transport
