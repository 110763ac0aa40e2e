// SPDX-License-Identifier: BSD-3-Clause
#include "transport/graph.hpp"

#include <algorithm>
#include <numeric>

namespace mensura::transport {

namespace {

// Sets of nodes (or edges) that belong together.
class Sets {
 public:
  explicit Sets(std::size_t count) : parents_(count) {
    std::iota(parents_.begin(), parents_.end(), std::size_t{0});
  }
  std::size_t find(std::size_t k) {
    while (parents_[k] != k) k = parents_[k] = parents_[parents_[k]];
    return k;
  }
  /// False when they belonged together before.
  bool join(std::size_t a, std::size_t b) {
    a = find(a);
    b = find(b);
    parents_[std::max(a, b)] = std::min(a, b);
    return a != b;
  }

 private:
  std::vector<std::size_t> parents_;
};

std::vector<std::size_t> degrees(const Graph& graph) {
  std::vector<std::size_t> result(graph.nodes(), 0);
  for (const auto& [from, to] : graph.edges) {
    ++result[from];
    ++result[to];
  }
  return result;
}

}  // namespace

Graph graph_of(const Problem& problem) {
  Graph graph;
  for (const MarginalSpec& marginal : problem.marginals) {
    graph.free.push_back(static_cast<char>(marginal.free));
  }
  for (const EdgeSpec& edge : problem.edges) graph.edges.emplace_back(edge.from, edge.to);
  return graph;
}

std::optional<std::pair<std::size_t, std::size_t>> disconnected(const Graph& graph) {
  Sets sets(graph.nodes());
  for (const auto& [from, to] : graph.edges) sets.join(from, to);
  for (std::size_t k = 1; k < graph.nodes(); ++k) {
    if (sets.find(k) != sets.find(0)) return std::pair(std::size_t{0}, k);
  }
  return std::nullopt;
}

std::optional<std::size_t> closing_edge(const Graph& graph) {
  Sets sets(graph.nodes());
  for (std::size_t e = 0; e < graph.edges.size(); ++e) {
    if (!sets.join(graph.edges[e].first, graph.edges[e].second)) return e;
  }
  return std::nullopt;
}

std::optional<std::size_t> free_leaf(const Graph& graph) {
  const std::vector<std::size_t> degree = degrees(graph);
  for (std::size_t k = 0; k < graph.nodes(); ++k) {
    if (graph.free[k] != 0 && degree[k] < 2) return k;
  }
  return std::nullopt;
}

bool is_cycle(const Graph& graph) {
  const std::vector<std::size_t> degree = degrees(graph);
  return graph.nodes() >= 3 && !disconnected(graph) &&
         std::ranges::all_of(degree, [](std::size_t d) { return d == 2; });
}

std::optional<std::size_t> centre(const Graph& graph) {
  const std::vector<std::size_t> degree = degrees(graph);
  std::optional<std::size_t> found;
  for (std::size_t k = 0; k < graph.nodes(); ++k) {
    if (degree[k] != graph.edges.size()) continue;
    if (!found || (graph.free[k] != 0 && graph.free[*found] == 0)) found = k;
  }
  return found;
}

bool is_chain(const Graph& graph) {
  const std::vector<std::size_t> degree = degrees(graph);
  return !closing_edge(graph) && !disconnected(graph) &&
         std::ranges::all_of(degree, [](std::size_t d) { return d <= 2; });
}

std::vector<Component> components(const Graph& graph) {
  // Edges that meet at a free node belong together.
  Sets sets(graph.edges.size());
  std::vector<std::optional<std::size_t>> first(graph.nodes());
  for (std::size_t e = 0; e < graph.edges.size(); ++e) {
    for (const std::size_t k : {graph.edges[e].first, graph.edges[e].second}) {
      if (graph.free[k] == 0) continue;
      if (first[k]) sets.join(*first[k], e);
      first[k] = e;
    }
  }
  std::vector<Component> result;
  std::vector<std::optional<std::size_t>> place(graph.edges.size());
  for (std::size_t e = 0; e < graph.edges.size(); ++e) {
    auto& at = place[sets.find(e)];
    if (!at) {
      at = result.size();
      result.emplace_back();
    }
    Component& part = result[*at];
    part.edges.push_back(e);
    part.nodes.push_back(graph.edges[e].first);
    part.nodes.push_back(graph.edges[e].second);
  }
  for (Component& part : result) {
    std::ranges::sort(part.nodes);
    const auto rest = std::ranges::unique(part.nodes);
    part.nodes.erase(rest.begin(), rest.end());
  }
  return result;
}

}  // namespace mensura::transport
