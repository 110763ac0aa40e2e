// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/deck.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "divergence/law_deck.hpp"
#include "divergence/one_step.hpp"
#include "divergence/tables.hpp"
#include "input/common.hpp"

namespace mensura::divergence {

using input::Diagnostics;
using input::Kind;
using input::Node;
using input::Option;
using input::Table;
using input::Variants;

const std::vector<std::string>& method_names() {
  static const std::vector<std::string> names = {"one_step", "nnr", "wkv", "gaussian"};
  return names;
}

const std::string& name_of(Method method) {
  return method_names()[static_cast<std::size_t>(method)];
}

namespace {

Method method_from(const std::string& name) {
  const auto& names = method_names();
  return static_cast<Method>(std::find(names.begin(), names.end(), name) - names.begin());
}

std::vector<std::string> names_of_sets(const Node& root) {
  std::vector<std::string> names;
  for (const auto& [name, set] : root["sets"].entries()) names.push_back(name);
  return names;
}

void check_pair(const Node& here, const Node& root, Diagnostics& diagnostics) {
  const auto names = names_of_sets(root);
  const auto pair = here["of"].items();
  for (const Node& name : pair) {
    if (std::find(names.begin(), names.end(), name.text()) == names.end()) {
      diagnostics.unknown_name(name, name.text(), "a name under sets", names);
    }
  }
  if (pair.size() == 2 && pair[0].text() == pair[1].text()) {
    diagnostics.error(
        here["of"], fmt::format("found '{}' twice; expected two different sets (D(p || p) is zero)",
                                pair[0].text()));
  }
}

void check_order_key(const Node& here, const Node&, Diagnostics& diagnostics) {
  const auto quantity = quantity_from(here["name"].text());
  if (!quantity) return;
  const Node order = here["order"];
  if (takes_order(*quantity) && !order.present()) {
    diagnostics.error(here,
                      fmt::format("{} needs `order`, a number in (0, 1), for example order: 0.5",
                                  here["name"].text()));
  }
  if (!takes_order(*quantity) && order.given()) {
    diagnostics.error(order, fmt::format("{} takes no order; remove the key{}", here["name"].text(),
                                         *quantity == Quantity::kl ? ", or ask for renyi" : ""));
  }
}

void check_method(const Node& here, const Node&, Diagnostics& diagnostics) {
  const auto quantity = quantity_from(here["name"].text());
  if (!quantity) return;
  const std::string method = here["method"].text();
  if (method == "wkv" && *quantity != Quantity::kl && *quantity != Quantity::jeffreys) {
    diagnostics.error(here["method"],
                      fmt::format("wkv estimates kl and jeffreys, not {}; use one_step or nnr",
                                  here["name"].text()));
  }
  if (method == "gaussian" && *quantity == Quantity::js) {
    diagnostics.error(here["method"],
                      "js has no closed form between Gaussians; use one_step or nnr");
  }
}

void check_list_of_neighbours(const Node& here, const Node&, Diagnostics& diagnostics) {
  if (here["method"].text() != "one_step") return;
  const auto values = here["neighbours"].integers();
  if (values.size() < 3) {
    diagnostics.error(
        here["neighbours"],
        fmt::format("found {} values; expected at least 3, since one_step extrapolates over them",
                    values.size()));
  } else if (!std::is_sorted(values.begin(), values.end(), std::less_equal<>())) {
    diagnostics.error(here["neighbours"], "expected strictly ascending numbers of neighbours");
  }
}

Table quantity_table() {
  Table table;
  table.name = "quantity";
  table.help = "One divergence D(p || q)";
  table.options = {
      {.key = "name",
       .kind = Kind::choice,
       .choices = quantity_names(),
       .help = "what to estimate; logarithms are natural",
       .required = true},
      {.key = "of",
       .kind = Kind::texts,
       .help = "names of two sets; [p, q] means D(p || q)",
       .required = true,
       .length = "[2, 2]",
       .example = "[p, q]"},
      {.key = "order",
       .kind = Kind::real,
       .range = "(0, 1)",
       .help = "order a of renyi, alpha, tsallis: J_a = integral of p^a q^(1-a)",
       .example = "0.5"},
  };
  Variants methods;
  methods.key = "method";
  methods.default_value = "one_step";
  methods.help = "estimator";
  methods.of = {
      {.name = "one_step",
       .help =
           "count ratios with exact binomial de-biasing and extrapolation; intervals that cover",
       .options = {{.key = "neighbours",
                    .kind = Kind::integers,
                    .default_value = "[8, 12, 16, 24, 32, 48, 64]",
                    .range = "[2, 256]",
                    .help = "ascending numbers of neighbours to extrapolate over"}}},
      {.name = "nnr",
       .help = "nearest-neighbour ratios as published (any sizes, both directions)",
       .options = {{.key = "neighbours",
                    .kind = Kind::integer,
                    .range = "[2, 4096]",
                    .help = "k; without it the square root of the smaller set's size, at most 4096",
                    .example = "100"},
                   {.key = "density_ratio",
                    .kind = Kind::real,
                    .range = "(0, 1)",
                    .help = "C_L/C_U of the paper: clips the ratio to [c, 1/c]; off by default",
                    .example = "1e-6"}}},
      {.name = "wkv",
       .help =
           "distances to the k-th neighbour in each set; kl and jeffreys; needs data without ties",
       .options = {{.key = "neighbours",
                    .kind = Kind::integer,
                    .default_value = "5",
                    .range = "[3, 2048]",
                    .help = "k; the bias bar compares with 2k"}}},
      {.name = "gaussian",
       .help = "closed form between the Gaussians with the sample moments",
       .options = {}},
  };
  table.variants = {methods};
  table.checks = {check_pair, check_order_key, check_method, check_list_of_neighbours};
  return table;
}

Table set_table() {
  Table table;
  table.name = "set";
  table.help = "A sample set: rows of an HDF5 dataset, or points drawn from a law";
  Variants source;
  source.help = "where the points come from";
  source.of = {input::file_source(),
               {.name = "generate",
                .help = "draw the points; the same on any number of ranks",
                .options = {{.key = "generate",
                             .kind = Kind::table,
                             .help = "law, its parameters, count and seed",
                             .table = generated_table()}}}};
  table.variants = {source};
  return table;
}

void check_dimensions(const Node&, const Node& root, Diagnostics& diagnostics) {
  const auto sets = root["sets"].entries();
  const auto dimension = [&](const std::string& name) {
    for (const auto& [key, set] : sets) {
      if (key != name || !set["generate"].present()) continue;
      try {
        return dimension_of(law_from(set["generate"]));
      } catch (const parallel::Error&) {
        return 0;  // the law's own check reports it
      }
    }
    return 0;
  };
  for (const Node& quantity : root["quantities"].items()) {
    const auto of = quantity["of"].texts();
    if (of.size() != 2) continue;
    const int p = dimension(of[0]);
    const int q = dimension(of[1]);
    if (p != 0 && q != 0 && p != q) {
      diagnostics.error(quantity["of"],
                        fmt::format("'{}' has dimension {} and '{}' has dimension {}; "
                                    "expected equal dimensions",
                                    of[0], p, of[1], q));
    }
  }
}

input::Schema make_schema() {
  input::Schema schema;
  schema.driver = "divergence";
  schema.help = "How far apart are sample sets? Divergences with error bars";
  Table search;
  search.name = "search";
  search.help = "How the neighbour search is cut into pieces; no result depends on it";
  search.options = {
      {.key = "batches",
       .kind = Kind::integer,
       .default_value = "0",
       .range = "[0, 1000000]",
       .help = "pieces between two safe points (signals, checkpoints); 0: chosen from the number "
               "of points"},
      {.key = "remote_buffer_mib",
       .kind = Kind::integer,
       .default_value = "16",
       .unit = "MiB",
       .range = "[1, 65536]",
       .help = "memory per rank for questions to other ranks"},
  };
  schema.root.name = "deck";
  schema.root.options = {
      {.key = "sets",
       .kind = Kind::named_tables,
       .help = "the sample sets, under names of your choice",
       .required = true,
       .length = ">= 2",
       .table = set_table()},
      {.key = "quantities",
       .kind = Kind::tables,
       .help = "what to estimate",
       .required = true,
       .length = ">= 1",
       .table = quantity_table()},
      {.key = "confidence",
       .kind = Kind::real,
       .default_value = "0.95",
       .range = "(0, 1)",
       .help = "level of the reported intervals"},
      {.key = "whitening",
       .kind = Kind::boolean,
       .default_value = "true",
       .help = "map both sets of a pair by the affine map that makes their pooled covariance the "
               "identity"},
      {.key = "search",
       .kind = Kind::table,
       .default_value = "{}",
       .help = "pieces and memory of the neighbour search",
       .table = search},
  };
  schema.root.checks = {check_dimensions};
  input::add_common_sections(schema);
  return schema;
}

SampleSet sample_set(const std::string& name, const Node& node, std::uint64_t default_seed) {
  SampleSet set;
  set.name = name;
  if (!node["generate"].present()) {
    set.file = input::read_file_source(node);
    return set;
  }
  const Node generate = node["generate"];
  set.law = law_from(generate);
  set.count = generate["count"].integer();
  set.seed = generate["seed"].present() ? static_cast<std::uint64_t>(generate["seed"].integer())
                                        : default_seed;
  return set;
}

Request request_from(const Node& node, const std::vector<std::string>& names) {
  Request request;
  request.quantity = *quantity_from(node["name"].text());
  if (node["order"].present()) request.order = node["order"].real();
  const auto of = node["of"].texts();
  for (std::size_t i = 0; i < 2; ++i) {
    request.of[i] =
        static_cast<std::size_t>(std::find(names.begin(), names.end(), of[i]) - names.begin());
  }
  request.method = method_from(node["method"].text());
  request.where = node.mark().text() + ": " + node.key_path();
  switch (request.method) {
    case Method::one_step:
      for (const auto k : node["neighbours"].integers()) {
        request.neighbours.push_back(static_cast<int>(k));
      }
      break;
    case Method::nnr:
      if (node["density_ratio"].present()) request.density_ratio = node["density_ratio"].real();
      [[fallthrough]];
    case Method::wkv:
      if (node["neighbours"].present()) {
        request.neighbours = {static_cast<int>(node["neighbours"].integer())};
      }
      break;
    case Method::gaussian:
      break;
  }
  return request;
}

}  // namespace

const input::Schema& schema() {
  static const input::Schema schema = make_schema();
  return schema;
}

Problem problem_from(const input::Deck& deck) {
  Problem problem;
  const auto run = input::read_run(deck.root());
  const auto names = names_of_sets(deck.root());
  for (const auto& [name, node] : deck["sets"].entries()) {
    problem.sets.push_back(sample_set(name, node, run.seed));
  }
  for (const Node& node : deck["quantities"].items()) {
    problem.requests.push_back(request_from(node, names));
  }
  problem.confidence = deck["confidence"].real();
  problem.whitening = deck["whitening"].flag();
  problem.batches = deck["search"]["batches"].integer();
  problem.remote_buffer_bytes = deck["search"]["remote_buffer_mib"].integer() << 20;
  return problem;
}

}  // namespace mensura::divergence
