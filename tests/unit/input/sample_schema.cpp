// SPDX-License-Identifier: BSD-3-Clause
#include "sample_schema.hpp"

#include <algorithm>

#include "input/common.hpp"
#include "input/deck.hpp"

namespace mensura::input::test {
namespace {

const Table& component();

// The laws with their parameters; a mixture contains laws again.
Variants laws() {
  const Option mean{.key = "mean",
                    .kind = Kind::real_or_list,
                    .help = "mean of each coordinate",
                    .required = true,
                    .example = "[0, 0]"};
  const Option components{.key = "components",
                          .kind = Kind::tables,
                          .help = "laws with weights",
                          .required = true,
                          .length = ">= 1",
                          .table = component};
  return {.key = "law",
          .help = "name of the law",
          .of = {{.name = "gaussian",
                  .help = "normal law",
                  .options = {mean,
                              {.key = "covariance",
                               .kind = Kind::real_vector_or_matrix,
                               .default_value = "1",
                               .help = "scalar, diagonal or full"}}},
                 {.name = "exponential",
                  .options = {{.key = "rate",
                               .kind = Kind::real_or_list,
                               .default_value = "1",
                               .range = "> 0",
                               .help = "rate of each coordinate"}}},
                 {.name = "mixture", .options = {components}}}};
}

const Table& component() {
  static const Table table{
      .name = "component",
      .help = "One law of a mixture",
      .options = {{.key = "weight", .kind = Kind::real, .default_value = "1", .range = "> 0"}},
      .variants = {laws()}};
  return table;
}

Table generate_table() {
  return {.name = "generate",
          .help = "Points drawn from a law",
          .options = {{.key = "count",
                       .kind = Kind::integer,
                       .range = "[1, 1000000000000]",
                       .help = "number of points",
                       .required = true,
                       .example = "1000"},
                      {.key = "seed",
                       .kind = Kind::integer,
                       .range = ">= 0",
                       .help = "instead of run.seed",
                       .example = "7"}},
          .variants = {laws()}};
}

Table set_table() {
  const Variant generated{.name = "generate",
                          .options = {{.key = "generate",
                                       .kind = Kind::table,
                                       .help = "from a law",
                                       .required = true,
                                       .table = generate_table()}}};
  return {.name = "data source",
          .help = "A set of points",
          .variants = {{.of = {file_source(), generated}}}};
}

void check_names(const Node& here, const Node& root, Diagnostics& diagnostics) {
  std::vector<std::string> names;
  for (const auto& [name, set] : root["sets"].entries()) names.push_back(name);
  for (const Node& item : here["of"].items()) {
    const bool known = std::find(names.begin(), names.end(), item.text()) != names.end();
    if (!known) diagnostics.unknown_name(item, item.text(), "a name of sets", names);
  }
}

Table quantity_table() {
  const Option order{
      .key = "order", .kind = Kind::real, .range = "(0, 1)", .help = "order", .required = true};
  return {.name = "quantity",
          .help = "One quantity",
          .options = {{.key = "of",
                       .kind = Kind::texts,
                       .default_value = "[p, q]",
                       .help = "names of two sets",
                       .length = "[2, 2]"}},
          .variants = {{.key = "name",
                        .help = "which divergence",
                        .of = {{.name = "kl"},
                               {.name = "js"},
                               {.name = "renyi", .options = {order}},
                               {.name = "tsallis", .options = {order}}}},
                       {.key = "method",
                        .default_value = "one_step",
                        .of = {{.name = "one_step"},
                               {.name = "nnr",
                                .options = {{.key = "neighbours",
                                             .kind = Kind::integer,
                                             .default_value = "100",
                                             .range = "[1, 4096]"}}}}}},
          .shorthand = "name",
          .hints = {{"alpha", "the order is called 'order'"}},
          .checks = {check_names}};
}

std::vector<Option> scalar_options() {
  return {
      {.key = "confidence",
       .kind = Kind::real,
       .default_value = "0.95",
       .range = "(0, 1)",
       .help = "of the intervals"},
      {.key = "length", .kind = Kind::real, .unit = "m", .range = "> 0", .help = "length scale"},
      {.key = "title", .kind = Kind::text, .default_value = "\"\\\"no title\\\": yes\""},
      {.key = "cost",
       .kind = Kind::choice,
       .default_value = "euclidean",
       .choices = {"euclidean", "squared_euclidean"},
       .help = "cost of a step"},
      {.key = "source", .kind = Kind::expression, .default_value = "sin(pi*x)", .help = "f"},
      {.key = "velocity", .kind = Kind::expressions, .length = "[1, 3]", .variables = {"x", "t"}},
      {.key = "pause", .kind = Kind::duration, .default_value = "00:01:00", .range = "<= 3600"},
  };
}

std::vector<Option> list_options() {
  return {
      {.key = "orders", .kind = Kind::reals, .default_value = "[0.25, 0.5]", .range = "[0, 1]"},
      {.key = "grid",
       .kind = Kind::integers,
       .default_value = "[11, 11]",
       .range = ">= 2",
       .length = "[1, 3]"},
      {.key = "fit", .kind = Kind::texts, .choices = {"length", "variance", "noise"}},
      {.key = "edges",
       .kind = Kind::tuples,
       .default_value = "[[z, a, 0.5], [z, b]]",
       .elements = {{.key = "from"},
                    {.key = "to"},
                    {.key = "weight", .kind = Kind::real, .default_value = "1", .range = "> 0"}}},
      {.key = "pair",
       .kind = Kind::tuple,
       .elements = {{.key = "name"}, {.key = "count", .kind = Kind::integer}}},
      {.key = "time",
       .kind = Kind::table,
       .help = "for problems in time",
       .table = Table{.name = "time",
                      .options = {{.key = "final", .kind = Kind::real, .required = true},
                                  {.key = "step", .kind = Kind::real, .default_value = "0.1"}}}},
  };
}

}  // namespace

Schema sample_schema() {
  Schema schema{.driver = "sample",
                .help = "a driver for tests",
                .petsc_prefixes = {{"sample_newton_", "Newton's linear solves"}}};
  schema.root.options = {{.key = "sets",
                          .kind = Kind::named_tables,
                          .help = "sets of points",
                          .required = true,
                          .length = ">= 1",
                          .example = "p",
                          .table = set_table()},
                         {.key = "quantities",
                          .kind = Kind::tables,
                          .help = "what to estimate",
                          .required = true,
                          .length = ">= 1",
                          .table = quantity_table()}};
  for (auto more : {scalar_options(), list_options()}) {
    schema.root.options.insert(schema.root.options.end(), more.begin(), more.end());
  }
  add_common_sections(schema);
  return schema;
}

const char* sample_deck() {
  return R"(mensura: 1
# A comment.
sets:
  p: {file: data/p.h5, dataset: /pixels/coffee, rows: {start: 10, stop: 1e3, step: 2}}
  q:
    generate:
      law: mixture
      count: 1e6
      components:
        - {weight: 0.25, law: gaussian, mean: [0, 0, 1], covariance: [[2, 0, 0], [0, 1, 0], [0, 0, 1]]}
        - {law: exponential, rate: [1, 2, 3]}
  r: {generate: {law: gaussian, mean: 0.5, covariance: [1, 2], count: 20, seed: 7}}
quantities:
  - kl
  - {name: renyi, order: 0.5, of: [p, r], method: nnr, neighbours: 10}
  - name: js
    of: [q, r]
confidence: 9.0e-1
length: .5
title: "tab\tquote\" backslash\\ newline\n \u00e9"
cost: squared_euclidean
source: "x < 0.5 ? sin(pi*x)^2 : -x^2"
velocity: ["-x", "t"]
pause: 00:00:30
orders: [0, 0.1, 1]
grid: [3, 4, 5]
fit: [length, noise]
edges: [[z, a, 2], [z, b]]
pair: [one, 1]
time: {final: 2}
output: {folder: out/sample, fields: false}
run: {wall_time: "1-02:03:04", seed: 42}
petsc: {newton: {ksp_rtol: 1e-8, ksp_monitor: , pc_type: none, sizes: [1, 2]}}
)";
}

}  // namespace mensura::input::test
