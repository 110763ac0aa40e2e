// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <vector>

#include "input/node.hpp"
#include "input/schema.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// The section `graph` of a transport deck: which marginals are coupled.
input::Table graph_table();

/// Local. Reads shape, edges, weights and closing map into a problem whose marginals are there; a
/// complete graph of quadratic costs becomes a star with a free centre of its own (Agueh and
/// Carlier 2011: sum over pairs of l_i l_j |x_i - x_j|^2 = min over z of sum l_i |x_i - z|^2). Edge
/// costs are names under `costs`, resolved by `cost_of`.
void read_graph(const input::Node& root, const std::function<CostSpec(const input::Node&)>& cost_of,
                Problem& problem);

/// Checks of the graph: names, the declared shape, connection, cycles, free nodes, weights; and of
/// what goes with problems of many marginals.
std::vector<input::Check> graph_checks();

/// Local. The deck is about two given measures and nothing else.
bool is_pair(const input::Node& root);

}  // namespace mensura::transport
