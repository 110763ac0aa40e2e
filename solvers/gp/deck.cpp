// SPDX-License-Identifier: BSD-3-Clause
#include "gp/deck.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <numbers>

#include "gp/data_deck.hpp"
#include "gp/domain_deck.hpp"
#include "gp/equation_deck.hpp"
#include "gp/hyper_deck.hpp"
#include "gp/inverse_deck.hpp"
#include "gp/posterior_deck.hpp"
#include "gp/prior_deck.hpp"
#include "input/common.hpp"
#include "input/diagnostics.hpp"
#include "input/expression.hpp"

namespace mensura::gp {

using input::Diagnostics;
using input::Kind;
using input::Node;
using input::Option;
using input::Table;
using input::Variant;

namespace {

Option nugget() {
  return {.key = "nugget",
          .kind = Kind::real,
          .default_value = "1e-10",
          .range = "[1e-16, 1e-2]",
          .help = "added to every diagonal entry, relative to it"};
}

Table factor_table() {
  const Variant sparse{.name = "sparse",
                       .help = "sparse inverse Cholesky factor",
                       .options = {{.key = "radius",
                                    .kind = Kind::real,
                                    .default_value = "3",
                                    .range = "[1, 100]",
                                    .help = "a column keeps the rows within radius times the "
                                            "smaller length scale of the two points"},
                                   {.key = "neighbours",
                                    .kind = Kind::integer,
                                    .default_value = "3",
                                    .range = "[1, 20]",
                                    .help = "k of the k-maximin order; 1 serves in one "
                                            "dimension"}}};
  return {.name = "factor",
          .help = "The factor of the covariance matrix",
          .options = {nugget()},
          .variants = {{.key = "method",
                        .default_value = "sparse",
                        .help = "how to factor",
                        .of = {sparse,
                               {.name = "dense",
                                .help = "Cholesky factor of the whole matrix: a reference for "
                                        "small problems"}}}},
          .hints = {{"rho", "the key is radius"}, {"k", "the key is neighbours"}}};
}

Table predict_table() {
  return {.name = "predict",
          .help = "Where the mean of u is wanted; without either, at the collocation points",
          .variants = {{.of = {{.name = "grid",
                                .options = {{.key = "grid",
                                             .kind = Kind::integer_or_list,
                                             .range = "[2, 1000000]",
                                             .help = "points along the axes of the domain's "
                                                     "bounding box; one number holds for every "
                                                     "axis",
                                             .length = "[1, 3]",
                                             .example = "[101, 101]"}}},
                               {.name = "points",
                                .options = {{.key = "points",
                                             .kind = Kind::table,
                                             .help = "points (n, d) from an HDF5 file",
                                             .table = input::TableRef(point_file_table)}}}},
                        .required = false}}};
}

Table solve_table() {
  return {
      .name = "solve",
      .help = "The Gauss-Newton iteration and its linear systems",
      .options = {{.key = "tolerance",
                   .kind = Kind::real,
                   .default_value = "1e-8",
                   .range = "(0, 1)",
                   .help = "residual of the conjugate gradients, relative to the right-hand "
                           "side"},
                  {.key = "newton",
                   .kind = Kind::real,
                   .default_value = "1e-10",
                   .range = "(0, 1)",
                   .help = "relative change of u at which Gauss-Newton has converged; with warm "
                           "starts it also has when the equation holds to the tolerance"},
                  {.key = "max_newton",
                   .kind = Kind::integer,
                   .default_value = "30",
                   .range = "[1, 10000]",
                   .help = "most Gauss-Newton steps"},
                  {.key = "warm_start",
                   .kind = Kind::boolean,
                   .default_value = "true",
                   .help = "begin the conjugate gradients at the solution of the last "
                           "Gauss-Newton step and, but for time steps, go only as far as the "
                           "linearisation deserves until the last step: often half the "
                           "iterations; false: every step from the start to the tolerance"},
                  {.key = "refine",
                   .kind = Kind::integer,
                   .default_value = "0",
                   .range = "[0, 1000]",
                   .help = "most steps that refine the last linear system with the exact "
                           "covariance until its certified residual meets the tolerance, each "
                           "over all pairs of points; the mean then comes by exact kernel sums; "
                           "needs certify: true"}}};
}

void check_step(const Node& here, const Node&, Diagnostics& diagnostics) {
  if (here["step"].real() <= here["final"].real()) return;
  diagnostics.error(here["step"], fmt::format("found {}; expected at most the final time {}",
                                              here["step"].real(), here["final"].real()));
}

Table time_table() {
  return {.name = "time",
          .help = "Crank-Nicolson steps from time zero; burgers only, and required there",
          .options = {{.key = "final",
                       .kind = Kind::real,
                       .range = "> 0",
                       .help = "the last time",
                       .required = true,
                       .example = "1"},
                      {.key = "step",
                       .kind = Kind::real,
                       .range = "> 0",
                       .help = "the time step",
                       .required = true,
                       .example = "0.02"},
                      {.key = "newton_steps",
                       .kind = Kind::integer,
                       .default_value = "2",
                       .range = "[1, 100]",
                       .help = "most Gauss-Newton steps per time step"}},
          .checks = {check_step}};
}

void check_time(const Node&, const Node& root, Diagnostics& diagnostics) {
  const std::string& name = root["equation"]["name"].text();
  const bool given = root["time"].present();
  if (name == "burgers" && !given) {
    diagnostics.error(root["equation"],
                      "burgers needs the section `time`, for example time: {final: 1, step: 0.02}");
  }
  if (name != "burgers" && given) {
    diagnostics.error(root["time"], name + " does not depend on time; remove the section");
  }
}

// Of equation and inverse problem.
std::vector<FieldNode> fields_of_deck(const Node& root) {
  std::vector<FieldNode> fields = fields_of(root["equation"]);
  if (root["inverse"].present() && root["inverse"]["exact"].present()) {
    fields.push_back({"exact", root["inverse"]["exact"]});
  }
  return fields;
}

// The tables of monge_ampere and burgers know their variables; those of the others depend on the
// domain.
void check_variables(const Node&, const Node& root, Diagnostics& diagnostics) {
  const std::array<std::string, 3> axes = {"x", "y", "z"};
  const int dimension = dimension_of(root);
  const std::string& name = root["equation"]["name"].text();
  if (dimension < 1 || dimension > 3 || name == "burgers" || name == "monge_ampere") return;
  const std::array<std::string, 3> words = {"one-dimensional", "two-dimensional",
                                            "three-dimensional"};
  for (const FieldNode& field : fields_of_deck(root)) {
    const std::string formula = formula_of(field.node);
    if (formula.empty()) continue;
    const input::Expression expression(formula);
    for (auto axis = static_cast<std::size_t>(dimension); axis < axes.size(); ++axis) {
      if (!expression.uses(axes[axis])) continue;
      diagnostics.error(field.node,
                        fmt::format("found {} in a {} domain; a formula knows the "
                                    "coordinates of its domain only",
                                    axes[axis], words[static_cast<std::size_t>(dimension - 1)]));
    }
  }
}

void check_datasets(const Node&, const Node& root, Diagnostics& diagnostics) {
  const bool from_file = root["points"]["layout"].text() == "file";
  for (const FieldNode& field : fields_of_deck(root)) {
    if (!is_dataset(field.node)) continue;
    if (field.key == "exact") {
      const bool predicts = root["predict"].present() && root["predict"]["points"].present();
      if (!predicts) {
        diagnostics.error(field.node,
                          "a dataset of exact values has one number for each prediction point; "
                          "give predict: {points: {file: ..., dataset: ...}}, or a formula");
      }
    } else if (!from_file) {
      diagnostics.error(field.node,
                        fmt::format("a dataset has one number for each row of the point file; with "
                                    "layout: {} give a formula",
                                    root["points"]["layout"].text()));
    }
  }
}

void check_number_of_gradients(const Node&, const Node& root, Diagnostics& diagnostics) {
  const Node gradient = root["equation"]["diffusion_gradient"];
  const int dimension = dimension_of(root);
  if (!gradient.present() || dimension == 0 || gradient.size() == dimension) return;
  diagnostics.error(gradient, fmt::format("found {} of them in dimension {}; give one per axis",
                                          gradient.size(), dimension));
}

void check_predict(const Node&, const Node& root, Diagnostics& diagnostics) {
  if (!root["predict"].present() || !root["predict"]["grid"].present()) return;
  const Node grid = root["predict"]["grid"];
  if (!root["domain"].present()) {
    diagnostics.error(grid,
                      "a grid needs the bounding box of a domain; give the section `domain`, or "
                      "predict: {points: {file: ..., dataset: ...}}");
    return;
  }
  const auto sizes = static_cast<int>(grid.integers().size());
  const int dimension = dimension_of(root);
  if (sizes == 1 || sizes == dimension) return;
  diagnostics.error(grid, fmt::format("found {} numbers in dimension {}; give one number, or one "
                                      "per axis",
                                      sizes, dimension));
}

void check_refine(const Node&, const Node& root, Diagnostics& diagnostics) {
  const Node refine = root["solve"]["refine"];
  if (refine.integer() == 0) return;
  if (!root["certify"].flag()) {
    diagnostics.error(refine,
                      "refinement goes by the certified residual; add certify: true to the deck");
  }
  if (root["time"].present()) {
    diagnostics.error(refine,
                      "only the last linear system could be refined, and every time step has "
                      "some; remove the key (certify: true tells the residual of the last one)");
  }
}

// The same function, as far as a few points tell.
bool equals(const std::string& formula, const std::vector<std::string>& variables,
            double (*function)(double)) {
  const input::Expression expression(formula, variables);
  for (const double x : {-1.0, -0.83, -0.41, 0.0, 0.17, 0.5, 0.71, 1.0}) {
    for (const double t : {0.0, 0.3, 0.9}) {
      std::vector<double> point = {x, t};
      point.resize(variables.size());
      if (!(std::abs(expression(point) - function(x)) < 1e-12)) return false;
    }
  }
  return true;
}

void check_cole_hopf(const Node&, const Node& root, Diagnostics& diagnostics) {
  const Node equation = root["equation"];
  if (equation["name"].text() != "burgers" || !wants_cole_hopf(equation)) return;
  const auto zero = [](double) { return 0.0; };
  const auto sine = [](double x) { return -std::sin(std::numbers::pi * x); };
  const auto is = [&](const char* key, const std::vector<std::string>& variables,
                      double (*function)(double)) {
    const std::string formula = formula_of(equation[key]);
    return !formula.empty() && equals(formula, variables, function);
  };
  bool holds = is("initial", {"x"}, sine) && is("source", {"x", "t"}, zero) &&
               is("boundary", {"x", "t"}, zero);
  if (root["domain"].present()) {
    const Domain domain = domain_from(root["domain"]);
    const Box* box = std::get_if<Box>(&domain.shape);
    holds = holds && box != nullptr && box->lower == std::vector<double>{-1.0} &&
            box->upper == std::vector<double>{1.0} && domain.holes.empty();
  }
  if (holds) return;
  diagnostics.error(equation["exact"],
                    "cole_hopf is the solution for initial -sin(pi*x), source 0, boundary 0 on the "
                    "box from -1 to 1; keep to these, or give a formula in x and t");
}

Option section(const char* key, const Table& table, const char* help, bool required,
               const char* default_value = "") {
  return {.key = key,
          .kind = Kind::table,
          .default_value = default_value,
          .help = help,
          .required = required,
          .table = table};
}

input::Schema make_schema() {
  input::Schema schema;
  schema.driver = "gp";
  schema.help = "Partial differential equations on scattered points by Gaussian processes";
  schema.petsc_prefixes = {{"gp_newton_", "Gauss-Newton iteration (SNES)"},
                           {"gp_cg_", "conjugate gradients of every Gauss-Newton step (KSP)"},
                           {"gp_hyper_", "search for hyper-parameters (TAO)"}};
  schema.root.name = "deck";
  schema.root.options = {
      section("equation", equation_table(), "what u satisfies", true),
      section("domain", domain_table(), "where; may be left out with layout: file", false),
      section("points", points_table(), "the collocation points", true),
      section("prior", prior_table(), "the covariance of u", true),
      section("factor", factor_table(), "the factor of the covariance matrix", false, "{}"),
      section("predict", predict_table(), "where the mean of u is wanted", false, "{}"),
      section("solve", solve_table(), "tolerances", false, "{}"),
      section("time", time_table(), "time steps of burgers", false),
      {.key = "data",
       .kind = Kind::tables,
       .help = "measurements of u",
       .length = ">= 1",
       .table = data_table()},
      section("hyper", hyper_table(), "a fit of lengths, variance and noise", false),
      section("posterior", posterior_table(), "variance and samples; without it the mean alone",
              false),
      section("inverse", inverse_table(), "a coefficient as a second unknown", false),
      {.key = "certify",
       .kind = Kind::boolean,
       .default_value = "false",
       .help = "tell the residual of the last linear system under the exact covariance, by sums "
               "over all pairs of points"}};
  schema.root.checks = {check_shape,
                        check_domain_given,
                        check_equation_dimension,
                        check_points,
                        check_smoothness,
                        check_lengths,
                        check_axes,
                        check_variables,
                        check_datasets,
                        check_time,
                        check_number_of_gradients,
                        check_predict,
                        check_cole_hopf,
                        check_data,
                        check_hyper,
                        check_hyper_bounds,
                        check_inverse,
                        check_unknown,
                        check_data_fields,
                        check_refine};
  input::add_common_sections(schema);
  return schema;
}

FactorSpec factor_from(const Node& node) {
  FactorSpec factor;
  factor.nugget = node["nugget"].real();
  if (node["method"].text() == "dense") {
    factor.method = FactorMethod::dense;
    return factor;
  }
  factor.radius = node["radius"].real();
  factor.neighbours = static_cast<int>(node["neighbours"].integer());
  return factor;
}

PredictSpec predict_from(const Node& node, int dimension) {
  PredictSpec predict;
  if (node["points"].present()) predict.points = input::read_file_source(node["points"]);
  if (!node["grid"].present()) return predict;
  predict.grid = node["grid"].integers();
  if (predict.grid.size() == 1) {
    predict.grid.resize(static_cast<std::size_t>(dimension), predict.grid.front());
  }
  return predict;
}

TimeSpec time_from(const Node& node) {
  return {.final_time = node["final"].real(),
          .step = node["step"].real(),
          .newton_steps = static_cast<int>(node["newton_steps"].integer())};
}

}  // namespace

const input::Schema& schema() {
  static const input::Schema schema = make_schema();
  return schema;
}

Problem problem_from(const input::Deck& deck) {
  Problem problem;
  problem.equation = equation_from(deck["equation"]);
  problem.equation.inverse = inverse_from(deck.root());
  if (deck["domain"].present()) problem.domain = domain_from(deck["domain"]);
  problem.seed = input::read_run(deck.root()).seed;
  problem.layout = layout_from(deck["points"], problem.seed);
  problem.prior = kernel_from(deck["prior"]);
  if (problem.equation.inverse) {  // two priors with variances of their own
    problem.prior = scaled_kernel_from(deck["prior"]);
    problem.variance = 1;
  } else if (deck["prior"]["variance"].present()) {
    problem.variance = deck["prior"]["variance"].real();
  }
  problem.hyper = hyper_from(deck.root());
  problem.factor = factor_from(deck["factor"]);
  problem.predict = predict_from(deck["predict"], dimension_of(deck.root()));
  const Node solve = deck["solve"];
  problem.solve = {.tolerance = solve["tolerance"].real(),
                   .newton = solve["newton"].real(),
                   .max_newton = static_cast<int>(solve["max_newton"].integer()),
                   .warm_start = solve["warm_start"].flag(),
                   .refine = static_cast<int>(solve["refine"].integer())};
  problem.certify = deck["certify"].flag();
  if (deck["time"].present()) problem.time = time_from(deck["time"]);
  if (deck["posterior"].present()) problem.posterior = posterior_from(deck["posterior"]);
  if (!deck["data"].present()) return problem;
  read_data(deck["data"], problem);
  return problem;
}

}  // namespace mensura::gp
