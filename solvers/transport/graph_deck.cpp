// SPDX-License-Identifier: BSD-3-Clause
#include "transport/graph_deck.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <optional>

#include "input/common.hpp"
#include "input/diagnostics.hpp"
#include "transport/graph.hpp"
#include "transport/graph_shape.hpp"
#include "transport/solver_checks.hpp"

namespace mensura::transport {

using input::Diagnostics;
using input::Kind;
using input::Node;
using input::Option;
using input::Table;

namespace {

// Weights of a barycenter sum to one.
constexpr double weight_tolerance = 1e-9;

void check_shape_given(const Node& here, const Node& root, Diagnostics& diagnostics) {
  if (here["graph"].present()) {
    const Node graph = here["graph"];
    if (!graph["shape"].present() && !graph["edges"].present()) {
      diagnostics.error(graph, "found neither shape nor edges; expected one of them");
    }
    return;
  }
  if (has_shape(root)) return;
  diagnostics.error(root["marginals"],
                    fmt::format("found {} marginals and no graph; expected graph: {{shape: ...}} "
                                "or graph: {{edges: [...]}}: how are they coupled?",
                                names_of(root).size()));
}

void check_edges(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!has_edges(root)) return;
  const std::vector<std::string> names = names_of(root);
  std::vector<std::string> costs{common_cost};
  if (root["costs"].present()) {
    for (const auto& [name, cost] : root["costs"].entries()) costs.push_back(name);
  }
  std::vector<std::pair<std::string, std::string>> seen;
  for (const Node& edge : root["graph"]["edges"].items()) {
    const auto ends = edge.items();
    for (std::size_t end = 0; end < 2; ++end) {
      const std::string& name = ends[end].text();
      if (std::ranges::find(names, name) != names.end()) continue;
      diagnostics.unknown_name(ends[end], name, "a name under marginals", names);
    }
    if (std::ranges::find(costs, ends[3].text()) == costs.end()) {
      diagnostics.unknown_name(ends[3], ends[3].text(), "a name under costs", costs);
    }
    const auto pair = std::minmax(ends[0].text(), ends[1].text());
    if (ends[0].text() == ends[1].text()) {
      diagnostics.error(
          edge, fmt::format("found '{}' at both ends; expected two marginals", ends[0].text()));
    } else if (std::ranges::find(seen, std::pair<std::string, std::string>(pair)) != seen.end()) {
      diagnostics.error(edge, fmt::format("found a second edge between '{}' and '{}'; expected one",
                                          pair.first, pair.second));
    }
    seen.emplace_back(pair);
  }
}

// A declared shape and the edges must agree.
void check_declared(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!is_readable(root)) return;
  const Graph graph = graph_of(root);
  const Node place = graph_place(root);
  const auto fails = [&](bool wrong, const std::string& text) {
    if (wrong) diagnostics.error(place, text);
    return wrong;
  };
  switch (shape_of(root)) {
    case Shape::pair:
      fails(graph.nodes() != 2 || graph.edges.size() != 1,
            fmt::format("found {} marginals and {} edges; expected 2 marginals and 1 edge for a "
                        "pair",
                        graph.nodes(), graph.edges.size()));
      return;
    case Shape::star:
      if (std::ranges::count(graph.free, 1) > 1) {
        fails(true,
              "found several free marginals; expected one, the centre of the star; use "
              "edges for other trees");
        return;
      }
      fails(!closing_edge(graph) && !centre(graph),
            "the edges share no common marginal; expected a centre that all of them have");
      return;
    case Shape::chain:
      fails(!is_chain(graph) && !closing_edge(graph) && !disconnected(graph),
            "a marginal has more than two edges; expected a chain");
      return;
    case Shape::cycle:
      if (fails(graph.nodes() < 3,
                fmt::format("found {} marginals; expected three or more for a cycle",
                            graph.nodes()))) {
        return;
      }
      if (fails(std::ranges::count(graph.free, 1) > 0,
                "found a free marginal; expected all marginals of a cycle to be given")) {
        return;
      }
      fails(!is_cycle(graph), "the edges are not one cycle through all marginals");
      return;
    case Shape::complete:
      if (fails(std::ranges::count(graph.free, 1) > 0,
                "found a free marginal; expected all marginals of a complete graph to be given")) {
        return;
      }
      fails(has_edges(root), "found edges; a complete graph has all of them: give weights instead");
      return;
    default:
      return;
  }
}

void check_connected(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!is_readable(root) || shape_of(root) == Shape::pair) return;
  const auto apart = disconnected(graph_of(root));
  if (!apart) return;
  const std::vector<std::string> names = names_of(root);
  diagnostics.error(graph_place(root),
                    fmt::format("no way of edges leads from '{}' to '{}'; expected a connected "
                                "graph: add an edge, or remove what is apart",
                                names[apart->first], names[apart->second]));
}

void check_cycle(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!is_readable(root)) return;
  const Shape shape = shape_of(root);
  if (shape == Shape::cycle || shape == Shape::complete) return;
  const Graph graph = graph_of(root);
  const auto closing = closing_edge(graph);
  if (!closing || !has_edges(root)) return;
  const std::vector<std::string> names = names_of(root);
  diagnostics.error(
      root["graph"]["edges"].items()[*closing],
      fmt::format("the edge between '{}' and '{}' closes a cycle; expected a tree{}",
                  names[graph.edges[*closing].first], names[graph.edges[*closing].second],
                  is_cycle(graph) ? ": a cycle is shape: cycle" : ""));
}

void check_free_nodes(const Node&, const Node& root, Diagnostics& diagnostics) {
  const std::vector<std::string> names = names_of(root);
  const std::vector<char> free = free_of(root);
  std::vector<std::string> given;
  for (std::size_t k = 0; k < names.size(); ++k) {
    if (free[k] == 0) given.push_back(names[k]);
  }
  if (given.empty()) {
    diagnostics.error(root["marginals"], "all marginals are free; expected some that are given");
    return;
  }
  for (const auto& [name, marginal] : root["marginals"].entries()) {
    if (!marginal["free"].present()) continue;
    if (!marginal["free"].flag()) {
      diagnostics.error(marginal["free"],
                        "found false; expected true, or a source (file or density) in its place");
    }
    if (std::ranges::find(given, marginal["like"].text()) == given.end()) {
      diagnostics.unknown_name(marginal["like"], marginal["like"].text(),
                               "a given marginal, on whose points this one lives", given);
    }
  }
  if (!is_readable(root) || root["spline"].present()) return;
  const auto leaf = free_leaf(graph_of(root));
  if (leaf && !disconnected(graph_of(root))) {
    diagnostics.error(root["marginals"][names[*leaf]],
                      fmt::format("the free marginal '{}' is a leaf: nothing says what it should "
                                  "be; expected two edges or more",
                                  names[*leaf]));
  }
}

// The given weights, of the edges or of the list.
std::vector<double> weights_of(const Node& root) {
  std::vector<double> weights;
  if (has_edges(root)) {
    for (const Node& edge : root["graph"]["edges"].items()) {
      weights.push_back(edge.items()[2].real());
    }
  } else if (root["graph"].present() && root["graph"]["weights"].present()) {
    weights = root["graph"]["weights"].reals();
  }
  return weights;
}

void check_weights(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!root["graph"].present() || !is_readable(root)) return;
  const Node graph = root["graph"];
  const std::vector<double> weights = weights_of(root);
  const bool complete = shape_of(root) == Shape::complete;
  if (complete && has_edges(root)) return;  // said already
  if (graph["weights"].present()) {
    if (has_edges(root)) {
      diagnostics.error(graph["weights"],
                        "found weights beside edges; expected them in the edges: [from, to, "
                        "weight]");
      return;
    }
    const std::size_t wanted = complete ? graph_of(root).nodes() : edges_of(root).size();
    if (weights.size() != wanted) {
      diagnostics.error(graph["weights"],
                        fmt::format("found {} weights; expected {}, one for each {}",
                                    weights.size(), wanted, complete ? "marginal" : "edge"));
      return;
    }
  }
  if (weights.empty() || !(complete || is_barycenter(root))) return;
  double sum = 0;
  for (const double weight : weights) sum += weight;
  if (std::abs(sum - 1) <= weight_tolerance) return;
  diagnostics.error(
      has_edges(root) ? graph["edges"] : graph["weights"],
      fmt::format("the weights sum to {:.12g}; expected 1 to 1e-9 (a third is 0.3333333333) for {}",
                  sum,
                  complete ? "a complete graph"
                           : "a barycenter (declare shape: tree where edges are meant with "
                             "factors as they stand)"));
}

void check_closing(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!root["graph"].present()) return;
  const Node graph = root["graph"];
  const bool formulas = graph["closing"].present(), map = graph["closing_map"].present();
  if (!formulas && !map) return;
  const Node& place = formulas ? graph["closing"] : graph["closing_map"];
  if (formulas && map) {
    diagnostics.error(place, "found closing and closing_map; expected one of them");
  } else if (shape_of(root) != Shape::cycle) {
    diagnostics.error(place, "only a cycle has a closing map; expected shape: cycle");
  }
}

// Two given measures have many methods; graphs have the regularised ones.
void check_pair_only(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (is_pair(root)) return;
  const bool electrons = root["cost"]["name"].text() == "coulomb";
  std::string found =
      fmt::format("among {} marginals; it goes with two given ones", names_of(root).size());
  if (electrons) {
    found = "and cost: coulomb, which it does not know";
  } else if (root["spline"].present()) {
    found = "and a spline; it goes with two given marginals alone";
  } else if (shape_of(root) == Shape::complete) {
    found = "in a complete graph; it goes with two given marginals and shape: pair";
  }
  const auto refuse = [&](const Node& place, const char* what) {
    diagnostics.error(place, fmt::format("found {} {}", what, found));
  };
  if (root["partial"].present()) refuse(root["partial"], "partial transport");
  if (root["divergence"].flag()) refuse(root["divergence"], "a Sinkhorn divergence");
  if (root["reflected"].flag()) refuse(root["reflected"], "the reflected kernel");
  if (root["certificate"]["exact"].flag()) {
    refuse(root["certificate"]["exact"], "an exact certificate");
  }
  if (root["cost"]["name"].text() == "matrix") refuse(root["cost"], "a cost matrix");
  const std::string& method = root["method"].text();
  if (method == "exact" || method == "circle" || method == "sliced") {
    refuse(root["method"], ("method: " + method).c_str());
  }
  // Electrons have a check of their own.
  if (method == "line" && !electrons && shape_of(root) != Shape::complete && is_readable(root) &&
      !is_barycenter(root)) {
    diagnostics.error(root["method"],
                      "line solves complete graphs of marginals on a line and barycenters; "
                      "expected shape: complete, a star with a free centre, or another method");
  }
  if (!root["unbalanced"].present()) return;
  if (root["unbalanced"]["penalty"].text() != "kullback_leibler") {
    diagnostics.error(root["unbalanced"]["penalty"],
                      "graphs know the kullback_leibler penalty only");
  }
  if (is_readable(root) && !is_barycenter(root)) {
    diagnostics.error(root["unbalanced"],
                      "among many marginals, those around a free centre may be missed at a price; "
                      "expected a star with a free centre");
  }
}

}  // namespace

bool is_pair(const Node& root) {
  const std::vector<char> free = free_of(root);
  return free.size() == 2 && std::ranges::count(free, 1) == 0 && !root["spline"].present() &&
         shape_of(root) != Shape::complete && root["cost"]["name"].text() != "coulomb";
}

Table graph_table() {
  const std::vector<Option> edge = {
      {.key = "from", .kind = Kind::text, .help = "a marginal: rows of the plan"},
      {.key = "to", .kind = Kind::text, .help = "another one: columns"},
      {.key = "weight",
       .kind = Kind::real,
       .default_value = "1",
       .range = "> 0",
       .help = "factor of the cost"},
      {.key = "cost",
       .kind = Kind::text,
       .default_value = common_cost,
       .help = "a name under costs; cost is the deck's common one"}};
  return {
      .name = "graph",
      .help =
          "Which marginals are coupled; without the section, two given ones are a pair, and one "
          "free one is the centre of all others",
      .options = {
          {.key = "shape",
           .kind = Kind::choice,
           .choices = shape_names(),
           .help = "what the graph is; without edges, the marginals in the deck's order: star "
                   "around the free one (or the first), chain and cycle one after another, "
                   "cycle with the last and the first too, complete with all pairs (squared "
                   "distances on "
                   "grids by a hidden free marginal named centre, others by the whole plan as a "
                   "dense tensor)",
           .example = "star"},
          {.key = "edges",
           .kind = Kind::tuples,
           .help = "[from, to, weight, cost] each; around a single free marginal the weights sum "
                   "to one",
           .length = ">= 1",
           .example = "[[z, a, 0.5], [z, b, 0.5]]",
           .elements = edge},
          {.key = "weights",
           .kind = Kind::reals,
           .range = "> 0",
           .help = "without edges: of the edges of a star, chain or cycle in their order; of a "
                   "complete graph of the marginals (sum one; an edge has the product). Without "
                   "it: equal with sum one around a free centre and for complete graphs, else 1",
           .length = ">= 1",
           .example = "[0.5, 0.5]"},
          {.key = "closing",
           .kind = Kind::expressions,
           .help = "cycles: where the last edge ends instead of x_0, components x, y, z",
           .length = "[1, 3]",
           .example = "[\"1 - x\"]",
           .variables = {"x", "y", "z"}},
          {.key = "closing_map",
           .kind = Kind::table,
           .help = "cycles: the same from a file, one row for every input point of the first "
                   "marginal",
           .table = Table{.name = "closing_map",
                          .help = "A dataset (n, d), coordinates as the marginals' have them",
                          .options = {input::file_option("maps.h5"),
                                      input::dataset_option("dataset (n, d)", "/closing")}}}}};
}

std::vector<input::Check> graph_checks() {
  std::vector<input::Check> checks = {check_shape_given, check_edges,   check_declared,
                                      check_connected,   check_cycle,   check_free_nodes,
                                      check_weights,     check_closing, check_pair_only};
  const std::vector<input::Check> of_solvers = solver_checks();
  checks.insert(checks.end(), of_solvers.begin(), of_solvers.end());
  return checks;
}

namespace {

void read_weights(const Node& root, const std::function<CostSpec(const Node&)>& cost_of,
                  Problem& problem) {
  const std::vector<double> weights = weights_of(root);
  const auto edges = edges_of(root);
  const bool shared = problem.shape == Shape::star && is_barycenter(root);
  for (std::size_t e = 0; e < edges.size(); ++e) {
    EdgeSpec edge{edges[e].first, edges[e].second, 1, std::nullopt};
    if (!weights.empty()) {
      edge.weight = weights[e];
    } else if (shared) {
      edge.weight = 1 / static_cast<double>(edges.size());
    }
    if (has_edges(root)) {
      const std::string& name = root["graph"]["edges"].items()[e].items()[3].text();
      if (name != common_cost) edge.cost = cost_of(root["costs"][name]);
    }
    problem.edges.push_back(edge);
  }
}

// l_i l_j is the weight of every pair (electrons: one), or the pairs meet at a hidden centre.
void read_complete(const Node& root, Problem& problem) {
  const std::size_t nodes = problem.marginals.size();
  problem.node_weights = weights_of(root);
  if (problem.node_weights.empty()) {
    problem.node_weights.assign(nodes, 1 / static_cast<double>(nodes));
  }
  if (problem.cost.kind == CostKind::coulomb) problem.node_weights.assign(nodes, 1);
  if (!has_hidden_centre(root)) {
    for (const auto& [i, j] : edges_of(root)) {
      problem.edges.push_back(
          {i, j, problem.node_weights[i] * problem.node_weights[j], std::nullopt});
    }
    return;
  }
  MarginalSpec centre;
  centre.name = "centre";
  while (std::ranges::any_of(problem.marginals,
                             [&](const MarginalSpec& spec) { return spec.name == centre.name; })) {
    centre.name += "_";
  }
  centre.free = true;
  centre.like = problem.marginals[0].name;
  problem.marginals.push_back(centre);
  for (std::size_t k = 0; k < nodes; ++k) {
    problem.edges.push_back({nodes, k, problem.node_weights[k], std::nullopt});
  }
}

}  // namespace

void read_graph(const Node& root, const std::function<CostSpec(const Node&)>& cost_of,
                Problem& problem) {
  problem.shape = shape_of(root);
  problem.edges.clear();
  if (problem.shape == Shape::complete) {
    read_complete(root, problem);
  } else {
    read_weights(root, cost_of, problem);
  }
  if (!root["graph"].present()) return;
  const Node graph = root["graph"];
  if (graph["closing"].present()) {
    problem.closing = ClosingSpec{graph["closing"].texts(), {}, {}, {}};
    const auto place = [](const Node& node) { return node.mark().text() + ": " + node.key_path(); };
    problem.closing->places.push_back(place(graph["closing"]));
    for (const Node& formula : graph["closing"].items()) {
      problem.closing->places.push_back(place(formula));
    }
  } else if (graph["closing_map"].present()) {
    problem.closing = ClosingSpec{
        {}, graph["closing_map"]["file"].path(), graph["closing_map"]["dataset"].text(), {}};
  }
}

}  // namespace mensura::transport
