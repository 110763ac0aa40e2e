// SPDX-License-Identifier: BSD-3-Clause
#include "gp/equation_deck.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "input/diagnostics.hpp"
#include "input/expression.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

using input::Diagnostics;
using input::Kind;
using input::Node;
using input::Option;
using input::Table;
using input::TableRef;
using input::Variant;

namespace {

constexpr const char* cole_hopf_word = "cole_hopf";

const std::vector<std::string> field_keys = {"diffusion", "initial", "source", "boundary", "exact"};

Table make_field(const std::vector<std::string>& variables, Kind kind = Kind::expression) {
  const Option formula{
      .key = "expression",
      .kind = kind,
      .help = kind == Kind::expression ? "a formula" : "a formula in x, t, or the word cole_hopf",
      .required = true,
      .example = "\"0\"",
      .variables = variables};
  const std::vector<Option> dataset = {
      input::file_option(),
      input::dataset_option(
          "dataset (n,) with one number for each point, in the order of the point file",
          "/source")};
  return {
      .name = "field",
      .help = "A function on the domain: a formula, or, with layout: file, one number per point",
      .variants = {{.of = {{.name = "expression", .options = {formula}},
                           {.name = "file", .options = dataset}}}},
      .shorthand = "expression"};
}

// One table for each set of variables, so that the reference describes each once.
const Table& field_in_x() {
  static const Table table = make_field({"x"});
  return table;
}
const Table& field_in_xt() {
  static const Table table = make_field({"x", "t"});
  return table;
}
const Table& field_in_xy() {
  static const Table table = make_field({"x", "y"});
  return table;
}
const Table& field_in_space() {
  static const Table table = make_field({"x", "y", "z"});
  return table;
}

// Text, because cole_hopf is no formula: this check takes the place of the reader's.
void check_exact_word(const Node& here, const Node&, Diagnostics& diagnostics) {
  const Node formula = here["expression"];
  if (!formula.present() || formula.text() == cole_hopf_word) return;
  const std::string wrong = input::expression_error(formula.text(), {"x", "t"});
  if (wrong.empty()) return;
  const std::string meant = input::suggestion(formula.text(), {cole_hopf_word});
  diagnostics.error(formula, meant.empty() ? wrong + " (or the word cole_hopf)" : wrong + meant);
}

const Table& exact_in_time() {
  static const Table table = [] {
    Table made = make_field({"x", "t"}, Kind::text);
    made.checks = {check_exact_word};
    return made;
  }();
  return table;
}

Option field(const char* key, TableRef table, const char* default_value, const char* help,
             bool required = false, const char* example = "") {
  return {.key = key,
          .kind = Kind::table,
          .default_value = default_value,
          .help = help,
          .required = required,
          .example = example,
          .table = std::move(table)};
}

Option exact_field(TableRef table) {
  return field("exact", std::move(table), "",
               "the solution, for error_l2 and error_linf; a dataset goes with predict.points",
               false, "\"sin(pi*x)*sin(pi*y)\"");
}

Table series_table() {
  return {.name = "series",
          .help =
              "u = sum over k = 1 ... terms of k^(-decay) times the product of sin(pi k x_i) "
              "over the axes",
          .options = {{.key = "decay",
                       .kind = Kind::real,
                       .default_value = "6",
                       .range = "> 0",
                       .help = "how fast the terms fall"},
                      {.key = "terms",
                       .kind = Kind::integer,
                       .default_value = "600",
                       .range = "[1, 100000]",
                       .help = "number of terms"}}};
}

Table manufactured_table() {
  return {.name = "manufactured",
          .help = "A solution with known derivatives, from which source, boundary and exact follow",
          .options = {{.key = "series",
                       .kind = Kind::table,
                       .help = "a sine series",
                       .required = true,
                       .table = series_table()}}};
}

Variant elliptic() {
  return {
      .name = "elliptic",
      .help = "-div(diffusion grad u) + reaction u^power = source, in 1, 2 or 3 dimensions",
      .options = {
          field("diffusion", field_in_space, "\"1\"", "positive coefficient"),
          {.key = "diffusion_gradient",
           .kind = Kind::tables,
           .help = "its derivative along every axis, for a diffusion with kinks or from a dataset; "
                   "without it, differences of the formula",
           .length = "[1, 3]",
           .example = "[\"0\", \"0\"]",
           .table = TableRef(field_in_space)},
          {.key = "reaction",
           .kind = Kind::real,
           .default_value = "0",
           .help = "coefficient of u^power"},
          {.key = "power",
           .kind = Kind::integer,
           .default_value = "1",
           .range = "[1, 9]",
           .help = "power of u"},
          field("source", field_in_space, "", "right-hand side; required unless manufactured",
                false, "\"2*pi^2*sin(pi*x)*sin(pi*y)\""),
          field("boundary", field_in_space, "", "u on the boundary; without it 0", false, "\"0\""),
          exact_field(field_in_space),
          {.key = "manufactured",
           .kind = Kind::table,
           .help = "in place of source, boundary and exact",
           .table = manufactured_table()},
      }};
}

Variant burgers() {
  return {
      .name = "burgers",
      .help = "u_t + u u_x - viscosity u_xx = source, in one dimension and time",
      .options = {
          {.key = "viscosity",
           .kind = Kind::real,
           .range = "> 0",
           .help = "coefficient of u_xx",
           .required = true,
           .example = "0.02"},
          field("initial", field_in_x, "\"-sin(pi*x)\"", "u at time zero"),
          field("source", field_in_xt, "\"0\"", "right-hand side"),
          field("boundary", field_in_xt, "\"0\"", "u at the ends"),
          field("exact", exact_in_time, "",
                "the solution, for error_l2 and error_linf at the final time; cole_hopf: that of "
                "initial -sin(pi*x) and boundary 0 on [-1, 1]",
                false, cole_hopf_word),
      }};
}

Variant monge_ampere() {
  return {.name = "monge_ampere",
          .help = "determinant of the Hessian of u = source, in two dimensions; u is convex",
          .options = {
              field("source", field_in_xy, "", "right-hand side, positive", true, "\"1\""),
              field("boundary", field_in_xy, "", "u on the boundary", true, "\"(x^2 + y^2)/2\""),
              exact_field(field_in_xy)}};
}

Variant eikonal() {
  return {.name = "eikonal",
          .help = "|grad u|^2 - viscosity Lap u = source, in 1, 2 or 3 dimensions",
          .options = {{.key = "viscosity",
                       .kind = Kind::real,
                       .default_value = "0.1",
                       .range = "> 0",
                       .help = "coefficient of the Laplacian"},
                      field("source", field_in_space, "\"1\"", "right-hand side"),
                      field("boundary", field_in_space, "\"0\"", "u on the boundary"),
                      exact_field(field_in_space)}};
}

Variant darcy_inverse() {
  return {.name = "darcy_inverse",
          .help =
              "-div(a grad u) = source with unknown permeability a = e^w, in 1, 2 or 3 "
              "dimensions: u and w from measurements of u; the section inverse has the prior "
              "of w",
          .options = {field("source", field_in_space, "\"0\"", "right-hand side"),
                      field("boundary", field_in_space, "\"0\"", "u on the boundary"),
                      exact_field(field_in_space)}};
}

void check_manufactured(const Node& here, const Node& root, Diagnostics& diagnostics) {
  if (here["name"].text() != "elliptic") return;
  if (!here["manufactured"].present()) {
    const Node inverse = root["inverse"];
    const bool unknown = inverse.present() && inverse["unknown"].text() == "source";
    if (here["source"].present() || unknown) return;
    diagnostics.error(here,
                      "elliptic needs `source`, for example source: \"1\", or a known solution: "
                      "manufactured: {series: {}}");
    return;
  }
  for (const char* key : {"source", "boundary", "exact"}) {
    if (!here[key].present()) continue;
    diagnostics.error(here[key], fmt::format("the manufactured solution gives `{}` already; remove "
                                             "`{}` or `manufactured`",
                                             key, key));
  }
}

void check_gradient(const Node& here, const Node&, Diagnostics& diagnostics) {
  if (here["name"].text() != "elliptic") return;
  const Node diffusion = here["diffusion"];
  const Node gradient = here["diffusion_gradient"];
  if (gradient.present() && !diffusion.given()) {
    diagnostics.error(gradient,
                      "found a gradient of the default diffusion 1; give `diffusion` too");
  }
  if (!gradient.present() && is_dataset(diffusion)) {
    diagnostics.error(diffusion,
                      "a dataset cannot be differentiated; give `diffusion_gradient`, one formula "
                      "or dataset per axis");
  }
}

FieldSpec constant(const std::string& formula, const Node& equation, const std::string& key) {
  return {.expression = formula,
          .where = fmt::format("{}: {}.{}", equation.mark().text(), equation.key_path(), key)};
}

SineSeries series_from(const Node& series) {
  return {.decay = series["decay"].real(), .terms = static_cast<int>(series["terms"].integer())};
}

EquationName name_from(const std::string& word) {
  const auto& names = equation_names();
  return static_cast<EquationName>(std::find(names.begin(), names.end(), word) - names.begin());
}

void read_elliptic(const Node& node, EquationSpec& equation) {
  for (const Node& entry : node["diffusion_gradient"].present() ? node["diffusion_gradient"].items()
                                                                : std::vector<Node>{}) {
    equation.diffusion_gradient.push_back(field_from(entry));
  }
  equation.reaction = node["reaction"].real();
  equation.power = static_cast<int>(node["power"].integer());
  if (node["manufactured"].present()) {
    equation.manufactured = series_from(node["manufactured"]["series"]);
  } else if (!equation.boundary.present()) {
    equation.boundary = constant("0", node, "boundary");
  }
}

}  // namespace

const Table& field_table() {
  return field_in_space();
}

FieldSpec field_from(const Node& node) {
  if (!node.present()) return {};
  FieldSpec spec{.where = node.mark().text() + ": " + node.key_path()};
  spec.expression = formula_of(node);
  if (is_dataset(node)) {
    spec.file = input::FileSource{node["file"].path(), node["dataset"].text(), {}};
  }
  return spec;
}

const Table& equation_table() {
  static const Table table = [] {
    Table made;
    made.name = "equation";
    made.help = "What u satisfies";
    made.variants = {{.key = "name",
                      .help = "the equation",
                      .of = {elliptic(), burgers(), monge_ampere(), eikonal(), darcy_inverse()}}};
    made.hints = {{"nu", "the key is viscosity"},
                  {"epsilon", "the key is viscosity"},
                  {"rhs", "the key is source"},
                  {"forcing", "the key is source"},
                  {"solution", "the key is exact"}};
    made.checks = {check_manufactured, check_gradient};
    return made;
  }();
  return table;
}

std::vector<FieldNode> fields_of(const Node& equation) {
  std::vector<FieldNode> fields;
  for (const std::string& key : field_keys) {
    if (equation[key].present()) fields.push_back({key, equation[key]});
  }
  const Node gradient = equation["diffusion_gradient"];
  if (!gradient.present()) return fields;
  for (const Node& entry : gradient.items()) fields.push_back({"diffusion_gradient", entry});
  return fields;
}

std::string formula_of(const Node& field) {
  const Node formula = field["expression"];
  return formula.present() ? formula.text() : std::string{};
}

bool is_dataset(const Node& field) {
  const Node file = field["file"];
  return file.present() && !file.path().empty();
}

bool wants_cole_hopf(const Node& equation) {
  return equation["exact"].present() && formula_of(equation["exact"]) == cole_hopf_word;
}

EquationSpec equation_from(const Node& node) {
  EquationSpec equation;
  equation.name = name_from(node["name"].text());
  equation.diffusion = field_from(node["diffusion"]);
  equation.initial = field_from(node["initial"]);
  equation.source = field_from(node["source"]);
  equation.boundary = field_from(node["boundary"]);
  equation.cole_hopf = wants_cole_hopf(node);
  if (!equation.cole_hopf) equation.exact = field_from(node["exact"]);
  if (node["viscosity"].present()) equation.viscosity = node["viscosity"].real();
  if (equation.name == EquationName::elliptic) read_elliptic(node, equation);
  return equation;
}

}  // namespace mensura::gp
