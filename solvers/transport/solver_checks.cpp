// SPDX-License-Identifier: BSD-3-Clause
#include "transport/solver_checks.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string>

#include "input/diagnostics.hpp"
#include "transport/closing.hpp"
#include "transport/graph_shape.hpp"
#include "transport/marginal_deck.hpp"

namespace mensura::transport {

using input::Diagnostics;
using input::Node;

namespace {

// The first edge with a cost of its own: its place.
std::optional<Node> first_own_cost(const Node& root) {
  if (!has_edges(root)) return std::nullopt;
  for (const Node& edge : root["graph"]["edges"].items()) {
    const Node name = edge.items()[3];
    if (name.text() != common_cost) return name;
  }
  return std::nullopt;
}

// Costs of single edges are there for edges.
void check_costs(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!root["costs"].present()) return;
  const auto costs = root["costs"].entries();
  std::set<std::string> used;
  if (has_edges(root)) {
    for (const Node& edge : root["graph"]["edges"].items()) used.insert(edge.items()[3].text());
  }
  // An edge with an unknown name may mean any of them.
  const bool known = std::ranges::all_of(used, [&](const std::string& name) {
    return name == common_cost ||
           std::ranges::any_of(costs, [&](const auto& cost) { return cost.first == name; });
  });
  for (const auto& [name, cost] : costs) {
    if (name == common_cost) {
      diagnostics.error(cost, "edges know the deck's common cost by this name; expected another");
    } else if (known && !used.contains(name)) {
      diagnostics.error(cost, fmt::format("no edge has the cost '{}'; name it in graph.edges: "
                                          "[from, to, weight, {}], or remove it",
                                          name, name));
    }
  }
}

// Electrons are all alike and all repel each other.
void check_coulomb(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (root["costs"].present()) {
    for (const auto& [name, cost] : root["costs"].entries()) {
      if (cost["name"].text() != "coulomb") continue;
      diagnostics.error(cost, "coulomb is for all pairs; expected it as the deck's common cost");
    }
  }
  if (root["cost"]["name"].text() != "coulomb") return;
  const Shape shape = shape_of(root);
  if (shape != Shape::pair && shape != Shape::complete) {
    diagnostics.error(graph_place(root),
                      "electrons repel each other in all pairs; expected graph: {shape: complete} "
                      "for cost: coulomb (or shape: pair for two)");
    return;
  }
  if (has_edges(root) && shape == Shape::pair) {
    diagnostics.error(root["graph"]["edges"],
                      "found edges and cost: coulomb, which every pair has; leave them out");
  }
  if (root["graph"].present() && root["graph"]["weights"].present()) {
    diagnostics.error(root["graph"]["weights"],
                      "found weights and cost: coulomb; electrons are all alike, every pair has "
                      "weight 1: leave them out");
  }
  if (root["method"].text() != "line" && root["regularisation"]["unit"].text() != "absolute") {
    const Node regularisation = root["regularisation"];
    diagnostics.error(regularisation.given() ? regularisation : root["cost"],
                      "a Coulomb cost is one over a length; give regularisation: {final: ..., "
                      "unit: absolute}");
  }
}

// All pairs, and not squared distances on grids: the whole plan is a dense tensor.
void check_tensor(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (shape_of(root) != Shape::complete || root["method"].text() == "line" ||
      has_hidden_centre(root)) {
    return;
  }
  constexpr std::size_t most_nodes = 5;
  const std::size_t nodes = names_of(root).size();
  if (nodes <= most_nodes) return;
  const bool squared = is_squared(root["cost"]);
  diagnostics.error(
      graph_place(root),
      fmt::format("found {} marginals in a complete graph{}; the whole plan is a "
                  "tensor then: expected at most {}, or method: line where they lie "
                  "on one{}",
                  nodes,
                  squared ? ", some of them points" : " with cost: " + root["cost"]["name"].text(),
                  most_nodes, squared ? ", or a free marginal with support in their middle" : ""));
}

// The name of a cost in the graph that is not the squared distance.
std::optional<std::string> other_cost(const Node& root) {
  if (!is_squared(root["cost"])) return root["cost"]["name"].text();
  if (!has_edges(root) || !root["costs"].present()) return std::nullopt;
  for (const Node& edge : root["graph"]["edges"].items()) {
    const std::string& name = edge.items()[3].text();
    for (const auto& [key, cost] : root["costs"].entries()) {
      if (key == name && !is_squared(cost)) return cost["name"].text();
    }
  }
  return std::nullopt;
}

// One entropy per edge belongs to barycenters and sweeps.
void check_entropy(const Node&, const Node& root, Diagnostics& diagnostics) {
  const bool per_edge = root["entropy"].text() == "per_edge";
  if (root["debiased"].flag() && !per_edge) {
    diagnostics.error(root["debiased"],
                      "only the entropy of each edge blurs so that it can be debiased; expected "
                      "entropy: per_edge beside it");
  }
  if (!per_edge || !is_readable(root)) return;
  if (!is_barycenter(root)) {
    diagnostics.error(
        root["entropy"],
        "one entropy per edge is for barycenters; expected a star with a free centre");
  }
  if (root["method"].text() == "newton") {
    diagnostics.error(root["method"],
                      "iterative Bregman projections are sweeps; expected auto or sinkhorn");
  }
  if (root["debiased"].flag() && root["unbalanced"].present()) {
    diagnostics.error(root["debiased"], "found unbalanced beside it; expected one of them");
  }
  if (root["debiased"].flag() && first_own_cost(root)) {
    diagnostics.error(*first_own_cost(root),
                      "found an edge with a cost of its own and debiased: true; the centre's plan "
                      "with itself needs one cost for all edges");
  }
  if (root["tuples"].integer() > 0) {
    diagnostics.error(root["tuples"],
                      "one entropy per edge has no plan of the whole; samples need entropy: whole");
  }
}

// Points that move are those of a barycenter: their best places are means.
void check_support(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!is_readable(root)) return;
  for (const auto& [name, marginal] : root["marginals"].entries()) {
    if (!marginal["free"].present() || !marginal["support"].present()) continue;
    const Node support = marginal["support"];
    if (!is_barycenter(root)) {
      diagnostics.error(support,
                        "points that move are for barycenters; expected a star with this "
                        "marginal as its centre");
      continue;
    }
    if (const auto cost = other_cost(root)) {
      diagnostics.error(support, fmt::format("points move to means, which are best for squared "
                                             "distances; expected cost: squared_euclidean, not {}",
                                             *cost));
    }
    const auto refuse = [&](const Node& place, const char* text) {
      diagnostics.error(
          place, fmt::format("found support: {} for '{}'; {}", support.integer(), name, text));
    };
    if (root["entropy"].text() == "per_edge") {
      refuse(root["entropy"],
             "plans to points that move have an entropy each without it: leave entropy out");
    }
    if (root["unbalanced"].present()) {
      refuse(root["unbalanced"],
             "points that move have a mass of their own: leave out one of them");
    }
    if (root["tuples"].integer() > 0) {
      refuse(root["tuples"], "samples need a centre whose points are given: leave out one of them");
    }
  }
}

// Barycenters on a line are averages of quantile functions.
void check_line(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (root["method"].text() != "line" || !is_readable(root) || !is_barycenter(root)) return;
  const auto own = first_own_cost(root);
  if (!is_squared(root["cost"]) || own) {
    diagnostics.error(own ? *own : root["cost"],
                      "barycenters on a line are known for squared distances; expected cost: "
                      "squared_euclidean for all edges, or another method than line");
  }
  if (root["entropy"].text() == "per_edge") {
    diagnostics.error(root["entropy"], "line is exact: it has no entropy; leave entropy out");
  }
  for (const auto& [name, marginal] : root["marginals"].entries()) {
    for (const char* key : {"support", "resize"}) {
      if (!marginal["free"].present() || !marginal[key].present()) continue;
      diagnostics.error(
          marginal[key],
          fmt::format("line finds the points of a barycenter by itself; leave {} out", key));
    }
  }
}

void check_whole_cycle(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (shape_of(root) != Shape::cycle) return;
  const Node graph = root["graph"];
  if (const auto own = first_own_cost(root)) {
    diagnostics.error(*own, "a cycle has one cost; expected the deck's common one on every edge");
  }
  const bool formulas = graph["closing"].present();
  if (!formulas && !graph["closing_map"].present()) return;
  if (has_edges(root)) {
    diagnostics.error(graph["edges"],
                      "found edges and a closing map, which belongs to the last edge; expected the "
                      "marginals in the cycle's order, and weights in place of edges");
  }
  if (!formulas) return;
  // Files say their dimension when they are read; all marginals have the same.
  for (const auto& [name, marginal] : root["marginals"].entries()) {
    const int dimension = dimension_of(marginal);
    if (dimension == 0) continue;
    for (const auto& [formula, text] :
         closing_complaints(graph["closing"].texts(), name, dimension)) {
      diagnostics.error(formula ? graph["closing"].items()[*formula] : graph["closing"], text);
    }
    return;
  }
}

// Samples go from marginal to marginal along a tree; a spline's are paths.
void check_tuples(const Node&, const Node& root, Diagnostics& diagnostics) {
  const Node tuples = root["tuples"];
  if (tuples.integer() == 0) return;
  if (root["spline"].present()) {
    constexpr std::int64_t most_paths = 1'000'000;
    if (tuples.integer() > most_paths) {
      diagnostics.error(tuples, fmt::format("found {}; expected at most {} paths of a spline",
                                            tuples.integer(), most_paths));
    }
    return;
  }
  const Shape shape = shape_of(root);
  const bool line = root["method"].text() == "line";
  if (shape != Shape::cycle && root["cost"]["name"].text() != "coulomb" &&
      !(shape == Shape::complete && !has_hidden_centre(root)) &&
      !(line && is_readable(root) && is_barycenter(root))) {
    return;
  }
  diagnostics.error(
      tuples,
      "samples are drawn along trees of regularised plans, and from splines; expected "
      "one of these, or no tuples");
}

void check_spline_graph(const Node& root, Diagnostics& diagnostics) {
  const Node graph = root["graph"];
  if (!graph.present()) return;
  if (has_edges(root)) {
    diagnostics.error(graph["edges"],
                      "a spline goes through the marginals in the deck's order; leave edges out");
    return;
  }
  if (graph["shape"].present() && shape_of(root) != Shape::chain) {
    diagnostics.error(graph["shape"],
                      fmt::format("found {} and a spline, which is a chain; expected shape: chain, "
                                  "or no graph",
                                  graph["shape"].text()));
  }
  if (graph["weights"].present()) {
    diagnostics.error(graph["weights"],
                      "the times weigh the pieces of a spline; leave weights out");
  }
}

// One value, or one for each axis of the densities; lower below upper.
void check_velocities(const Node& root, Diagnostics& diagnostics) {
  const Node spline = root["spline"];
  int dimension = 0;
  for (const auto& [name, marginal] : root["marginals"].entries()) {
    dimension = std::max(dimension, dimension_of(marginal));
  }
  if (dimension > 2) {
    diagnostics.error(spline, fmt::format("found marginals of dimension {}; splines are for one or "
                                          "two, since their points have velocities too",
                                          dimension));
    return;
  }
  std::size_t axes = static_cast<std::size_t>(dimension);
  const auto fits = [&](const char* key, std::size_t size) {
    if (size == 1) return true;
    if (size > 2 || (axes != 0 && size != axes)) {
      diagnostics.error(spline[key],
                        fmt::format("found {} numbers; expected one for each axis ({}), or one for "
                                    "all",
                                    size, axes == 0 ? "one or two" : std::to_string(axes)));
      return false;
    }
    axes = size;
    return true;
  };
  const std::vector<double> lower = spline["lower"].reals(), upper = spline["upper"].reals();
  bool good = fits("lower", lower.size());
  good = fits("upper", upper.size()) && good;
  good = fits("count", spline["count"].integers().size()) && good;
  if (!good) return;
  for (std::size_t a = 0; a < std::max(lower.size(), upper.size()); ++a) {
    const double low = lower[lower.size() == 1 ? 0 : a], high = upper[upper.size() == 1 ? 0 : a];
    if (low < high) continue;
    diagnostics.error(spline["upper"],
                      fmt::format("found {} and lower {}; expected lower < upper", high, low));
    return;
  }
}

void check_spline(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!root["spline"].present()) return;
  const Node spline = root["spline"];
  check_spline_graph(root, diagnostics);
  const std::vector<double> times = spline["times"].reals();
  const std::size_t nodes = names_of(root).size();
  if (times.size() != nodes) {
    diagnostics.error(spline["times"], fmt::format("found {} times and {} marginals; expected one "
                                                   "for each",
                                                   times.size(), nodes));
  } else if (std::ranges::adjacent_find(times, std::greater_equal<>()) != times.end()) {
    diagnostics.error(spline["times"],
                      "the times do not ascend; expected each above the one before");
  }
  for (const auto& [name, marginal] : root["marginals"].entries()) {
    if (!marginal["free"].present()) continue;
    diagnostics.error(marginal["free"],
                      fmt::format("'{}' is free; a spline goes through given marginals: leave it "
                                  "out",
                                  name));
  }
  if (!is_squared(root["cost"])) {
    diagnostics.error(root["cost"],
                      fmt::format("found {} and a spline, whose cost is the integral of |x''|^2; "
                                  "leave cost out",
                                  root["cost"]["name"].text()));
  }
  if (root["method"].text() == "newton") {
    diagnostics.error(root["method"], "splines are solved by sweeps; expected auto or sinkhorn");
  }
  check_velocities(root, diagnostics);
}

}  // namespace

std::vector<input::Check> solver_checks() {
  return {check_costs, check_coulomb,     check_tensor, check_entropy, check_support,
          check_line,  check_whole_cycle, check_spline, check_tuples};
}

}  // namespace mensura::transport
