// SPDX-License-Identifier: BSD-3-Clause
#include "transport/deck.hpp"

#include <algorithm>

#include "input/common.hpp"
#include "transport/deck_checks.hpp"
#include "transport/graph_deck.hpp"
#include "transport/marginal_deck.hpp"

namespace mensura::transport {

using input::Kind;
using input::Node;
using input::Option;
using input::Table;

namespace {

// In the order of the enumerations in problem.hpp.
const std::vector<std::string> method_names = {"auto", "newton", "sinkhorn", "exact",
                                               "line", "circle", "sliced"};
const std::vector<std::string> unit_names = {"spacing_squared", "diameter_squared", "absolute"};
const std::vector<std::string> cost_names = {"squared_euclidean", "power",  "l1",
                                             "periodic",          "matrix", "coulomb"};
const std::vector<std::string> hessian_names = {"full", "mass", "count"};

template <class Enumeration>
Enumeration chosen(const std::vector<std::string>& names, const Node& node) {
  return static_cast<Enumeration>(std::find(names.begin(), names.end(), node.text()) -
                                  names.begin());
}

Table cost_table() {
  return {
      .name = "cost",
      .help = "The cost of moving a unit of mass from x to y; a word stands for its name",
      .variants =
          {{.key = "name",
            .default_value = "squared_euclidean",
            .help = "which cost",
            .of = {{.name = "squared_euclidean", .help = "|x - y|^2"},
                   {.name = "power",
                    .help = "|x - y|^power, of the Euclidean distance",
                    .options = {{.key = "power",
                                 .kind = Kind::real,
                                 .range = "[1, 100]",
                                 .help = "exponent",
                                 .required = true,
                                 .example = "1.5"}}},
                   {.name = "l1", .help = "sum of |x_i - y_i|"},
                   {.name = "periodic",
                    .help = "squared distance on a torus",
                    .options = {{.key = "period",
                                 .kind = Kind::real_or_list,
                                 .range = "> 0",
                                 .help = "length of every axis, in the order of the coordinates "
                                         "(grids: slowest axis first)",
                                 .required = true,
                                 .length = ">= 1",
                                 .example = "[1, 1]"}}},
                   {.name = "matrix",
                    .help = "a matrix from an HDF5 file, for small problems",
                    .options = {input::file_option("costs.h5"),
                                input::dataset_option(
                                    "dataset (n, m): one row for each input point of the "
                                    "first marginal, one column for each of the second",
                                    "/costs")}},
                   {.name = "coulomb",
                    .help =
                        "1 / |x - y|, of strictly correlated electrons: shape pair or complete, "
                        "small problems"}}}},
      .shorthand = "name",
      .hints = {{"p", "the key is power"}, {"periods", "the key is period"}}};
}

Table regularisation_table() {
  return {.name = "regularisation",
          .help = "The entropy's factor at the end; exact methods have none",
          .options = {{.key = "final",
                       .kind = Kind::real,
                       .default_value = "0.25",
                       .range = "> 0",
                       .help = "in the units below; an eighth still costs few Newton steps"},
                      {.key = "initial",
                       .kind = Kind::real,
                       .range = "> 0",
                       .help = "where the coarsest level begins, in the same units; without it, "
                               "an eighth of the squared diameter (cost matrices: 64 times final)",
                       .example = "16"},
                      {.key = "unit",
                       .kind = Kind::choice,
                       .default_value = "spacing_squared",
                       .choices = unit_names,
                       .help = "smallest spacing (clouds: mean distance to the nearest "
                               "neighbour), diameter, or the cost's own units"}},
          .hints = {{"epsilon", "the key is final"}, {"eps", "the key is final"}}};
}

Table unbalanced_table() {
  return {.name = "unbalanced",
          .help = "Marginals may be missed at a price",
          .options = {{.key = "penalty",
                       .kind = Kind::choice,
                       .default_value = "kullback_leibler",
                       .choices = {"kullback_leibler", "total_variation"},
                       .help = "distance of the plan's marginals from the given ones"},
                      {.key = "strength",
                       .kind = Kind::real,
                       .range = "> 0",
                       .help = "factor of the penalty, in units of the cost",
                       .required = true,
                       .example = "0.1"}},
          .hints = {{"rho", "the key is strength"}}};
}

Table partial_table() {
  return {.name = "partial",
          .help = "Only a part of the mass moves: the cheapest",
          .options = {{.key = "mass",
                       .kind = Kind::real,
                       .range = "> 0",
                       .help = "how much; normalised marginals have mass 1",
                       .required = true,
                       .example = "0.5"}}};
}

Table certificate_table() {
  return {.name = "certificate",
          .help = "Bounds for the unregularised problem",
          .options = {{.key = "exact",
                       .kind = Kind::boolean,
                       .default_value = "false",
                       .help = "close the gap by pricing; up to 1e5 points"}}};
}

Table sliced_table() {
  return {.name = "sliced",
          .help = "The average over directions; method: sliced only",
          .options = {{.key = "directions",
                       .kind = Kind::integer,
                       .default_value = "500",
                       .range = "[10, 1000000000]",
                       .help = "number of random directions"}}};
}

Table spline_table() {
  return {.name = "spline",
          .help =
              "A Wasserstein spline through the marginals in the deck's order: positions are "
              "given, velocities are sought; the cost is the integral of |x''|^2",
          .options = {{.key = "times",
                       .kind = Kind::reals,
                       .help = "of the marginals, ascending",
                       .required = true,
                       .length = ">= 2",
                       .example = "[0, 1, 2]"},
                      {.key = "lower",
                       .kind = Kind::real_or_list,
                       .help = "least velocity, per axis (x, y) or the same for all",
                       .required = true,
                       .example = "-2"},
                      {.key = "upper",
                       .kind = Kind::real_or_list,
                       .help = "largest velocity",
                       .required = true,
                       .example = "2"},
                      {.key = "count",
                       .kind = Kind::integer_or_list,
                       .range = "[2, 10000]",
                       .help = "velocities between them, per axis",
                       .required = true,
                       .example = "33"}}};
}

Table solve_table() {
  return {
      .name = "solve",
      .help = "Limits of the iterations",
      .options = {{.key = "max_newton",
                   .kind = Kind::integer,
                   .default_value = "60",
                   .range = "[1, 100000]",
                   .help = "most Newton steps for each regularisation"},
                  {.key = "max_sinkhorn",
                   .kind = Kind::integer,
                   .default_value = "100000",
                   .range = "[1, 1000000000]",
                   .help = "most Sinkhorn sweeps for each regularisation"},
                  {.key = "max_moves",
                   .kind = Kind::integer,
                   .default_value = "200",
                   .range = "[1, 1000000]",
                   .help = "free supports: most moves of their points, which end when none is more "
                           "than the root of tolerance in diameters of the given points"},
                  {.key = "sweeps",
                   .kind = Kind::integer,
                   .default_value = "20",
                   .range = "[4, 1000000]",
                   .help = "Sinkhorn sweeps before the first Newton step at a regularisation"},
                  {.key = "hessian",
                   .kind = Kind::choice,
                   .default_value = "full",
                   .choices = hessian_names,
                   .help = "entries of the plan in Newton's matrix: all that matter; by the "
                           "published mass rule; the largest ones (count rule): for comparison"},
                  {.key = "kept",
                   .kind = Kind::real,
                   .default_value = "2",
                   .range = "[1, 1e6]",
                   .help = "entries per point that hessian: count keeps"}}};
}

Option section(const char* key, const Table& table, const char* help,
               const char* default_value = "") {
  return {.key = key,
          .kind = Kind::table,
          .default_value = default_value,
          .help = help,
          .table = table};
}

std::vector<Option> sections() {
  return {
      {.key = "marginals",
       .kind = Kind::named_tables,
       .help = "the measures, under names of your choice; free ones are sought",
       .required = true,
       .length = ">= 2",
       .table = marginal_table()},
      {.key = "normalise",
       .kind = Kind::boolean,
       .default_value = "true",
       .help = "every marginal to mass 1; false keeps the masses as they are"},
      section("graph", graph_table(), "which marginals are coupled"),
      section("cost", cost_table(), "the cost of moving mass", "{}"),
      {.key = "costs",
       .kind = Kind::named_tables,
       .help = "further costs for single edges, under names of your choice",
       .length = ">= 1",
       .table = cost_table()},
      {.key = "entropy",
       .kind = Kind::choice,
       .default_value = "whole",
       .choices = {"whole", "per_edge"},
       .help = "regularisation times the entropy of the whole plan relative to the product of the "
               "given marginals, points of free ones counting one each; or, for barycenters, each "
               "edge's plan has its own beside its cost and penalty, times its weight, relative to "
               "uniform points of the centre (iterative Bregman projections: blurs more, writes no "
               "plans)"},
      {.key = "debiased",
       .kind = Kind::boolean,
       .default_value = "false",
       .help = "entropy: per_edge without its blur (Janati et al. 2020)"},
      section("regularisation", regularisation_table(), "factor of the entropy", "{}"),
      {.key = "tolerance",
       .kind = Kind::real,
       .default_value = "1e-9",
       .range = "(0, 1)",
       .help = "largest L1 error of a marginal of the plan, relative to the mass; relaxed "
               "problems: residual of their optimality condition"},
      {.key = "method",
       .kind = Kind::choice,
       .default_value = "auto",
       .choices = method_names,
       .help = "newton and sinkhorn are regularised; exact, and in one dimension line and "
               "circle, are not; sliced averages line over directions"},
      section("solve", solve_table(), "limits of the iterations", "{}"),
      section("unbalanced", unbalanced_table(), "marginals may be missed at a price"),
      section("partial", partial_table(), "only a part of the mass moves"),
      {.key = "divergence",
       .kind = Kind::boolean,
       .default_value = "false",
       .help = "also the Sinkhorn divergence, from two further symmetric problems"},
      section("certificate", certificate_table(), "bounds for the unregularised problem", "{}"),
      {.key = "reflected",
       .kind = Kind::boolean,
       .default_value = "false",
       .help = "heat kernel with reflecting walls in place of exp(-cost / regularisation); "
               "grids, sinkhorn"},
      section("sliced", sliced_table(), "directions of method: sliced; 500 without it"),
      section("spline", spline_table(),
              "the marginals are one moving mass at several times: least acceleration"),
      {.key = "plan",
       .kind = Kind::boolean,
       .default_value = "true",
       .help = "write the sparse plan of every edge to results.h5"},
      {.key = "tuples",
       .kind = Kind::integer,
       .default_value = "0",
       .range = "[0, 1e12]",
       .help = "trees: so many samples of the whole plan, one point of every marginal each, go "
               "to results.h5; splines: so many paths (at most 1e6)"}};
}

input::Schema make_schema() {
  input::Schema schema;
  schema.driver = "transport";
  schema.help = "Optimal transport between two or many measures, with a certificate";
  schema.petsc_prefixes = {
      {"transport_newton_", "linear systems of the Newton steps (KSP)"},
      {"transport_tree_", "the same inside those of trees with free marginals"}};
  schema.root.name = "deck";
  schema.root.options = sections();
  schema.root.hints = {{"max_newton", "the key stands in the section solve"},
                       {"max_sinkhorn", "the key stands in the section solve"},
                       {"max_moves", "the key stands in the section solve"},
                       {"epsilon", "write regularisation: {final: ..., unit: absolute}"},
                       {"edges", "the key stands in the section graph"},
                       {"weights", "the key stands in the section graph"},
                       {"shape", "the key stands in the section graph"}};
  schema.root.checks = deck_checks();
  input::add_common_sections(schema);
  return schema;
}

CostSpec cost_from(const Node& node) {
  CostSpec cost;
  cost.kind = chosen<CostKind>(cost_names, node["name"]);
  if (cost.kind == CostKind::power) cost.power = node["power"].real();
  if (cost.power == 2 && cost.kind == CostKind::power) cost.kind = CostKind::squared_euclidean;
  if (cost.kind == CostKind::periodic) cost.period = node["period"].reals();
  if (cost.kind == CostKind::matrix) {
    cost.file = node["file"].path();
    cost.dataset = node["dataset"].text();
  }
  return cost;
}

SplineSpec spline_from(const Node& node) {
  SplineSpec spline;
  spline.times = node["times"].reals();
  spline.lower = node["lower"].reals();
  spline.upper = node["upper"].reals();
  spline.count = node["count"].integers();
  return spline;
}

void read_relaxation(const Node& root, Problem& problem) {
  if (root["partial"].present()) {
    problem.relaxation = Relaxation::partial;
    problem.strength = root["partial"]["mass"].real();
  } else if (root["unbalanced"].present()) {
    const bool entropy = root["unbalanced"]["penalty"].text() == "kullback_leibler";
    problem.relaxation = entropy ? Relaxation::kullback_leibler : Relaxation::total_variation;
    problem.strength = root["unbalanced"]["strength"].real();
  }
}

}  // namespace

const input::Schema& schema() {
  static const input::Schema schema = make_schema();
  return schema;
}

const std::string& name_of(Method method) {
  return method_names[static_cast<std::size_t>(method)];
}

Problem problem_from(const input::Deck& deck) {
  Problem problem;
  for (const auto& [name, node] : deck["marginals"].entries()) {
    problem.marginals.push_back(marginal_from(name, node));
  }
  problem.cost = cost_from(deck["cost"]);
  problem.normalise = deck["normalise"].flag();
  problem.final_regularisation = deck["regularisation"]["final"].real();
  if (deck["regularisation"]["initial"].present()) {
    problem.initial_regularisation = deck["regularisation"]["initial"].real();
  }
  problem.unit = chosen<Unit>(unit_names, deck["regularisation"]["unit"]);
  read_relaxation(deck.root(), problem);
  problem.tolerance = deck["tolerance"].real();
  problem.method = chosen<Method>(method_names, deck["method"]);
  problem.divergence = deck["divergence"].flag();
  problem.exact = deck["certificate"]["exact"].flag();
  problem.reflected = deck["reflected"].flag();
  if (deck["sliced"].present()) problem.directions = deck["sliced"]["directions"].integer();
  problem.seed = input::read_run(deck.root()).seed;
  problem.max_sinkhorn = deck["solve"]["max_sinkhorn"].integer();
  problem.max_newton = deck["solve"]["max_newton"].integer();
  problem.max_moves = deck["solve"]["max_moves"].integer();
  problem.hessian = chosen<Hessian>(hessian_names, deck["solve"]["hessian"]);
  problem.warm_sweeps = static_cast<int>(deck["solve"]["sweeps"].integer());
  problem.kept_per_point = deck["solve"]["kept"].real();
  problem.write_plan = deck["plan"].flag();
  problem.per_edge = deck["entropy"].text() == "per_edge";
  problem.debiased = deck["debiased"].flag();
  if (deck["spline"].present()) problem.spline = spline_from(deck["spline"]);
  problem.tuples = deck["tuples"].integer();
  read_graph(deck.root(), cost_from, problem);
  return problem;
}

}  // namespace mensura::transport
