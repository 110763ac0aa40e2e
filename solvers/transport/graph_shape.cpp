// SPDX-License-Identifier: BSD-3-Clause
#include "transport/graph_shape.hpp"

#include <algorithm>
#include <set>

namespace mensura::transport {

using input::Node;

const std::vector<std::string>& shape_names() {
  static const std::vector<std::string> names = {"pair", "star",  "chain",
                                                 "tree", "cycle", "complete"};
  return names;
}

std::vector<std::string> names_of(const Node& root) {
  std::vector<std::string> names;
  for (const auto& [name, marginal] : root["marginals"].entries()) names.push_back(name);
  return names;
}

std::vector<char> free_of(const Node& root) {
  std::vector<char> free;
  for (const auto& [name, marginal] : root["marginals"].entries()) {
    free.push_back(static_cast<char>(marginal["free"].present() && marginal["free"].flag()));
  }
  return free;
}

std::size_t place_of(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
}

Shape shape_of(const Node& root) {
  const Node graph = root["graph"];
  const std::vector<char> free = free_of(root);
  if (graph.present() && graph["shape"].present()) {
    return static_cast<Shape>(place_of(shape_names(), graph["shape"].text()));
  }
  if (graph.present() && graph["edges"].present()) return Shape::edges;
  if (root["spline"].present()) return Shape::chain;
  if (free.size() == 2 && std::ranges::count(free, 1) == 0) return Shape::pair;
  return Shape::star;
}

bool has_edges(const Node& root) {
  return root["graph"].present() && root["graph"]["edges"].present();
}

std::vector<std::pair<std::size_t, std::size_t>> edges_of(const Node& root) {
  std::vector<std::pair<std::size_t, std::size_t>> edges;
  const std::vector<std::string> names = names_of(root);
  const std::size_t nodes = names.size();
  if (has_edges(root)) {
    for (const Node& edge : root["graph"]["edges"].items()) {
      const auto parts = edge.items();
      edges.emplace_back(place_of(names, parts[0].text()), place_of(names, parts[1].text()));
    }
    return edges;
  }
  const std::vector<char> free = free_of(root);
  const auto middle = std::ranges::find(free, 1);
  const std::size_t centre =
      middle == free.end() ? 0 : static_cast<std::size_t>(middle - free.begin());
  switch (shape_of(root)) {
    case Shape::pair:
      edges.emplace_back(0, 1);
      break;
    case Shape::star:
      for (std::size_t k = 0; k < nodes; ++k) {
        if (k != centre) edges.emplace_back(centre, k);
      }
      break;
    case Shape::complete:
      for (std::size_t i = 0; i < nodes; ++i) {
        for (std::size_t j = i + 1; j < nodes; ++j) edges.emplace_back(i, j);
      }
      break;
    default:
      for (std::size_t k = 1; k < nodes; ++k) edges.emplace_back(k - 1, k);
      if (shape_of(root) == Shape::cycle) edges.emplace_back(nodes - 1, 0);
  }
  return edges;
}

Graph graph_of(const Node& root) {
  return {free_of(root), edges_of(root)};
}

bool has_shape(const Node& root) {
  const Node graph = root["graph"];
  if (graph.present()) return graph["shape"].present() || graph["edges"].present();
  const std::vector<char> free = free_of(root);
  const auto sought = std::ranges::count(free, 1);
  return root["spline"].present() || sought == 1 || (sought == 0 && free.size() == 2);
}

bool is_readable(const Node& root) {
  if (!has_shape(root)) return false;
  const std::size_t nodes = names_of(root).size();
  std::set<std::pair<std::size_t, std::size_t>> seen;
  return std::ranges::all_of(edges_of(root), [&](const auto& edge) {
    return edge.first < nodes && edge.second < nodes && edge.first != edge.second &&
           seen.insert(std::minmax(edge.first, edge.second)).second;
  });
}

Node graph_place(const Node& root) {
  const Node graph = root["graph"];
  if (!graph.present()) return root["marginals"];
  return graph["shape"].present() ? graph["shape"] : graph["edges"];
}

bool is_squared(const Node& cost) {
  const std::string& name = cost["name"].text();
  return name == "squared_euclidean" || (name == "power" && cost["power"].real() == 2);
}

bool has_hidden_centre(const Node& root) {
  if (shape_of(root) != Shape::complete || root["method"].text() == "line") return false;
  const auto marginals = root["marginals"].entries();
  return is_squared(root["cost"]) && std::ranges::none_of(marginals, [](const auto& entry) {
           return entry.second["kind"].present() && entry.second["kind"].text() == "points";
         });
}

bool is_barycenter(const Node& root) {
  const Graph graph = graph_of(root);
  const Shape shape = shape_of(root);
  if (shape != Shape::star && shape != Shape::edges) return false;
  const auto middle = centre(graph);
  return middle && graph.free[*middle] != 0;
}

}  // namespace mensura::transport
