// SPDX-License-Identifier: BSD-3-Clause
// problem_from, field by field. Numbers are compared exactly: reading a deck computes nothing.
#include "gp/deck.hpp"

#include <gtest/gtest.h>

#include "parallel/error.hpp"

namespace mensura::gp {
namespace {

using Numbers = std::vector<double>;
using Counts = std::vector<std::int64_t>;

Problem problem_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return problem_from(input::parse_deck("/decks/deck.yaml", text, schema(), overrides));
}

const char* const small =
    "equation: {name: elliptic, source: \"x + y\"}\n"
    "domain: {box: {lower: [0, -1], upper: [1, 2]}}\n"
    "points: {layout: grid, per_side: 21}\n"
    "prior: {length: 0.3}\n";

TEST(GpDeck, DefaultsOfTheSmallestDeck) {
  const Problem problem = problem_of(small);
  EXPECT_EQ(problem.equation.name, EquationName::elliptic);
  EXPECT_EQ(problem.equation.diffusion.expression, "1");
  EXPECT_TRUE(problem.equation.diffusion_gradient.empty());
  EXPECT_EQ(problem.equation.reaction, 0.0);
  EXPECT_EQ(problem.equation.power, 1);
  EXPECT_EQ(problem.equation.source.expression, "x + y");
  EXPECT_EQ(problem.equation.source.where, "/decks/deck.yaml:1:36: equation.source");
  EXPECT_FALSE(problem.equation.source.file.has_value());
  EXPECT_EQ(problem.equation.boundary.expression, "0");
  EXPECT_FALSE(problem.equation.exact.present());
  EXPECT_FALSE(problem.equation.initial.present());
  EXPECT_FALSE(problem.equation.manufactured.has_value());
  EXPECT_FALSE(problem.equation.cole_hopf);
  const auto& box = std::get<Box>(problem.domain.value().shape);
  EXPECT_EQ(box.lower, (Numbers{0, -1}));
  EXPECT_EQ(box.upper, (Numbers{1, 2}));
  EXPECT_TRUE(problem.domain->holes.empty());
  EXPECT_EQ(std::get<GridLayout>(problem.layout).per_side, Counts{21});
  ASSERT_EQ(problem.prior.terms.size(), 1U);
  ASSERT_EQ(problem.prior.terms[0].factors.size(), 1U);
  EXPECT_EQ(problem.prior.terms[0].weight, 1.0);
  EXPECT_EQ(problem.prior.terms[0].factors[0].family, Family::matern_7_2);
  EXPECT_EQ(problem.prior.terms[0].factors[0].length, Numbers{0.3});
  EXPECT_TRUE(problem.prior.terms[0].factors[0].axes.empty());
  EXPECT_EQ(problem.factor.method, FactorMethod::sparse);
  EXPECT_EQ(problem.factor.radius, 3.0);
  EXPECT_EQ(problem.factor.neighbours, 3);
  EXPECT_EQ(problem.factor.nugget, 1e-10);
  EXPECT_EQ(problem.solve.tolerance, 1e-8);
  EXPECT_EQ(problem.solve.newton, 1e-10);
  EXPECT_EQ(problem.solve.max_newton, 30);
  EXPECT_EQ(problem.solve.refine, 0);
  EXPECT_FALSE(problem.certify);
  EXPECT_FALSE(problem.time.has_value());
  EXPECT_TRUE(problem.data.empty());
  EXPECT_TRUE(problem.predict.grid.empty());
  EXPECT_FALSE(problem.predict.points.has_value());
}

TEST(GpDeck, EllipticWithEverything) {
  const Problem problem = problem_of(
      "equation:\n"
      "  name: elliptic\n"
      "  diffusion: \"1 + x*z\"\n"
      "  diffusion_gradient: [\"z\", {expression: \"0\"}, \"x\"]\n"
      "  reaction: -2.5\n"
      "  power: 3\n"
      "  source: \"0\"\n"
      "  boundary: {expression: \"y\"}\n"
      "  exact: \"y\"\n"
      "domain: {disk: {centre: [1, 2, 3], radius: 4}, holes: [{centre: [1, 2, 3.5], radius: "
      "0.5}]}\n"
      "points: {layout: random, interior: 1e4, boundary: 400}\n"
      "prior:\n"
      "  kernel: sum\n"
      "  terms:\n"
      "    - {kernel: gaussian, length: [0.1, 0.2, 0.3], weight: 2}\n"
      "    - kernel: product\n"
      "      factors:\n"
      "        - {kernel: matern_5_2, length: 0.4, axes: [2, 0]}\n"
      "        - {kernel: matern_11_2, length: 0.5}\n"
      "factor: {radius: 2.5, neighbours: 1, nugget: 1e-15}\n"
      "predict: {grid: 7}\n"
      "solve: {tolerance: 1e-12, newton: 1e-6, max_newton: 5}\n"
      "data:\n"
      "  - {file: a.h5, points: /xyz, values: /u, noise: 1e-3}\n"
      "  - {file: /data/b.h5, points: /p, values: /v, noise: 2}\n"
      "run: {seed: 17}\n");
  const EquationSpec& equation = problem.equation;
  EXPECT_EQ(equation.diffusion.expression, "1 + x*z");
  ASSERT_EQ(equation.diffusion_gradient.size(), 3U);
  EXPECT_EQ(equation.diffusion_gradient[0].expression, "z");
  EXPECT_EQ(equation.diffusion_gradient[1].expression, "0");
  EXPECT_EQ(equation.diffusion_gradient[2].where,
            "/decks/deck.yaml:4:48: equation.diffusion_gradient.2");
  EXPECT_EQ(equation.reaction, -2.5);
  EXPECT_EQ(equation.power, 3);
  EXPECT_EQ(equation.boundary.expression, "y");
  EXPECT_EQ(equation.exact.expression, "y");
  const auto& disk = std::get<Disk>(problem.domain.value().shape);
  EXPECT_EQ(disk.centre, (Numbers{1, 2, 3}));
  EXPECT_EQ(disk.radius, 4.0);
  ASSERT_EQ(problem.domain->holes.size(), 1U);
  EXPECT_EQ(problem.domain->holes[0].centre, (Numbers{1, 2, 3.5}));
  EXPECT_EQ(problem.domain->holes[0].radius, 0.5);
  const auto& layout = std::get<RandomLayout>(problem.layout);
  EXPECT_EQ(layout.interior, 10000);
  EXPECT_EQ(layout.boundary, 400);
  EXPECT_EQ(layout.seed, 17U);  // run.seed
  ASSERT_EQ(problem.prior.terms.size(), 2U);
  const KernelTerm& first = problem.prior.terms[0];
  EXPECT_EQ(first.weight, 2.0);
  ASSERT_EQ(first.factors.size(), 1U);
  EXPECT_EQ(first.factors[0].family, Family::gaussian);
  EXPECT_EQ(first.factors[0].length, (Numbers{0.1, 0.2, 0.3}));
  const KernelTerm& second = problem.prior.terms[1];
  EXPECT_EQ(second.weight, 1.0);
  ASSERT_EQ(second.factors.size(), 2U);
  EXPECT_EQ(second.factors[0].family, Family::matern_5_2);
  EXPECT_EQ(second.factors[0].axes, (std::vector<int>{0, 2}));
  EXPECT_EQ(second.factors[1].family, Family::matern_11_2);
  EXPECT_EQ(second.factors[1].length, Numbers{0.5});
  EXPECT_TRUE(second.factors[1].axes.empty());
  EXPECT_EQ(problem.factor.radius, 2.5);
  EXPECT_EQ(problem.factor.neighbours, 1);
  EXPECT_EQ(problem.factor.nugget, 1e-15);
  EXPECT_EQ(problem.predict.grid, (Counts{7, 7, 7}));
  EXPECT_EQ(problem.solve.tolerance, 1e-12);
  EXPECT_EQ(problem.solve.newton, 1e-6);
  EXPECT_EQ(problem.solve.max_newton, 5);
  ASSERT_EQ(problem.data.size(), 2U);
  EXPECT_EQ(problem.data[0].points.file, "/decks/a.h5");
  EXPECT_EQ(problem.data[0].points.dataset, "/xyz");
  EXPECT_EQ(problem.data[0].values.file, "/decks/a.h5");
  EXPECT_EQ(problem.data[0].values.dataset, "/u");
  EXPECT_EQ(problem.data[0].noise, 1e-3);
  EXPECT_EQ(problem.data[0].where, "/decks/deck.yaml:24:5: data.0");
  EXPECT_EQ(problem.data[1].values.file, "/data/b.h5");
  EXPECT_EQ(problem.data[1].noise, 2.0);
}

TEST(GpDeck, BurgersWithColeHopf) {
  const Problem problem = problem_of(
      "equation: {name: burgers, viscosity: 0.02, exact: cole_hopf}\n"
      "domain: {box: {lower: -1, upper: 1}}\n"
      "points: {layout: random, interior: 99, boundary: 2, seed: 5}\n"
      "prior: {kernel: matern_5_2, length: 0.1}\n"
      "factor: {method: dense}\n"
      "time: {final: 0.5, step: 0.02, newton_steps: 4}\n");
  const EquationSpec& equation = problem.equation;
  EXPECT_EQ(equation.name, EquationName::burgers);
  EXPECT_EQ(equation.viscosity, 0.02);
  EXPECT_EQ(equation.initial.expression, "-sin(pi*x)");
  EXPECT_EQ(equation.source.expression, "0");
  EXPECT_EQ(equation.boundary.expression, "0");
  EXPECT_TRUE(equation.cole_hopf);
  EXPECT_FALSE(equation.exact.present());
  EXPECT_EQ(std::get<Box>(problem.domain.value().shape).lower, Numbers{-1});
  EXPECT_EQ(std::get<RandomLayout>(problem.layout).seed, 5U);
  EXPECT_EQ(problem.factor.method, FactorMethod::dense);
  ASSERT_TRUE(problem.time.has_value());
  EXPECT_EQ(problem.time->final_time, 0.5);
  EXPECT_EQ(problem.time->step, 0.02);
  EXPECT_EQ(problem.time->newton_steps, 4);
}

TEST(GpDeck, BurgersWithAFormula) {
  const Problem problem = problem_of(
      "equation: {name: burgers, viscosity: 1, initial: \"x\", boundary: \"x/(1 + t)\", exact: "
      "\"x/(1 + t)\"}\n"
      "domain: {box: {lower: 0, upper: 1}}\n"
      "points: {layout: grid, per_side: [11]}\n"
      "prior: {length: 1}\n"
      "time: {final: 1, step: 1}\n");
  EXPECT_FALSE(problem.equation.cole_hopf);
  EXPECT_EQ(problem.equation.exact.expression, "x/(1 + t)");
  EXPECT_EQ(problem.equation.initial.expression, "x");
  EXPECT_EQ(problem.time.value().newton_steps, 2);
}

TEST(GpDeck, ColeHopfTakesEqualFormulas) {
  const Problem problem = problem_of(
      "equation: {name: burgers, viscosity: 1, initial: \"-cos(pi*(x - 1/2))\", boundary: \"0*t\", "
      "exact: cole_hopf}\n"
      "domain: {box: {lower: -1, upper: 1}}\n"
      "points: {layout: grid, per_side: 11}\n"
      "prior: {length: 1}\n"
      "time: {final: 1, step: 1}\n");
  EXPECT_TRUE(problem.equation.cole_hopf);
}

TEST(GpDeck, TheOtherEquations) {
  const std::string rest =
      "domain: {annulus: {centre: [1, 0], inner: 0.25, outer: 2}}\n"
      "points: {layout: grid, per_side: [11, 12]}\n"
      "prior: {kernel: product, factors: [{length: 0.1, axes: [0]}, {length: 0.2, axes: [1]}]}\n";
  const Problem eikonal = problem_of("equation: {name: eikonal}\n" + rest);
  EXPECT_EQ(eikonal.equation.name, EquationName::eikonal);
  EXPECT_EQ(eikonal.equation.viscosity, 0.1);
  EXPECT_EQ(eikonal.equation.source.expression, "1");
  EXPECT_EQ(eikonal.equation.boundary.expression, "0");
  const auto& annulus = std::get<Annulus>(eikonal.domain.value().shape);
  EXPECT_EQ(annulus.centre, (Numbers{1, 0}));
  EXPECT_EQ(annulus.inner, 0.25);
  EXPECT_EQ(annulus.outer, 2.0);
  EXPECT_EQ(std::get<GridLayout>(eikonal.layout).per_side, (Counts{11, 12}));
  ASSERT_EQ(eikonal.prior.terms.at(0).factors.size(), 2U);
  EXPECT_EQ(eikonal.prior.terms[0].factors[1].axes, std::vector<int>{1});
  const Problem monge = problem_of(
      "equation: {name: monge_ampere, source: \"1\", boundary: \"x^2\", exact: \"y\"}\n" + rest);
  EXPECT_EQ(monge.equation.name, EquationName::monge_ampere);
  EXPECT_EQ(monge.equation.boundary.expression, "x^2");
  EXPECT_EQ(monge.equation.exact.expression, "y");
  EXPECT_FALSE(monge.equation.diffusion.present());
}

TEST(GpDeck, ManufacturedSeriesReplacesTheFields) {
  const Problem problem = problem_of(
      small, {"equation={name: elliptic, manufactured: {series: {decay: 3, terms: 100}}}",
              "domain={l_shape: {lower: [-1, -1], upper: [1, 1]}}", "predict.grid=[5, 6]"});
  ASSERT_TRUE(problem.equation.manufactured.has_value());
  EXPECT_EQ(problem.equation.manufactured->decay, 3.0);
  EXPECT_EQ(problem.equation.manufactured->terms, 100);
  EXPECT_FALSE(problem.equation.source.present());
  EXPECT_FALSE(problem.equation.boundary.present());
  EXPECT_FALSE(problem.equation.exact.present());
  EXPECT_EQ(std::get<LShape>(problem.domain.value().shape).lower, (Numbers{-1, -1}));
  EXPECT_EQ(problem.predict.grid, (Counts{5, 6}));
}

TEST(GpDeck, DarcyInverse) {
  const Problem problem = problem_of(
      "equation: {name: darcy_inverse, source: \"1\"}\n"
      "domain: {box: {lower: [0, 0], upper: [1, 1]}}\n"
      "points: {layout: grid, per_side: 21}\n"
      "prior: {length: 0.3, variance: 1e-3}\n"
      "inverse:\n"
      "  prior: {kernel: sum, variance: 2, terms: [{length: 0.4}, {length: 0.1, weight: 0.5}]}\n"
      "  exact: \"x*y\"\n"
      "data:\n"
      "  - {file: s.h5, points: /x, values: /u, noise: 0.1}\n"
      "  - {file: s.h5, points: /wells, values: /w, noise: 0.2, field: log_permeability}\n");
  EXPECT_EQ(problem.equation.name, EquationName::darcy_inverse);
  EXPECT_EQ(problem.equation.boundary.expression, "0");
  const InverseSpec& inverse = problem.equation.inverse.value();
  EXPECT_EQ(inverse.unknown, Unknown::diffusion);
  EXPECT_EQ(inverse.name, "log_permeability");
  EXPECT_EQ(inverse.exact.expression, "x*y");
  EXPECT_EQ(problem.prior.terms.at(0).weight, 1e-3);
  ASSERT_EQ(inverse.prior.terms.size(), 2U);
  EXPECT_EQ(inverse.prior.terms[0].weight, 2.0);
  EXPECT_EQ(inverse.prior.terms[1].weight, 1.0);
  EXPECT_EQ(inverse.prior.terms[1].factors.at(0).length, Numbers{0.1});
  const Prior priors = problem.priors();
  ASSERT_TRUE(priors.second.has_value());
  EXPECT_EQ(priors.second->terms.size(), 2U);
  ASSERT_EQ(problem.data.size(), 2U);
  EXPECT_FALSE(problem.data[0].of_second);
  EXPECT_TRUE(problem.data[1].of_second);
}

TEST(GpDeck, UnknownCoefficientsOfElliptic) {
  const std::string rest =
      "domain: {box: {lower: [0, 0], upper: [1, 1]}}\n"
      "points: {layout: grid, per_side: 21}\n"
      "prior: {length: 0.3}\n"
      "data: [{file: s.h5, points: /x, values: /u, noise: 0.1}]\n";
  const auto inverse_of = [&](const std::string& equation, const std::string& unknown) {
    const Problem problem = problem_of("equation: {name: elliptic" + equation + "}\n" + rest +
                                       "inverse: {unknown: " + unknown +
                                       ", prior: {kernel: matern_3_2, length: 0.5}}\n");
    return problem.equation.inverse.value();
  };
  EXPECT_EQ(inverse_of("", "source").unknown, Unknown::source);
  EXPECT_EQ(inverse_of("", "source").name, "source");
  EXPECT_EQ(inverse_of(", source: \"1\", power: 3", "reaction").unknown, Unknown::reaction);
  const InverseSpec diffusion = inverse_of(", source: \"1\", reaction: 2", "diffusion");
  EXPECT_EQ(diffusion.unknown, Unknown::diffusion);
  EXPECT_EQ(diffusion.name, "log_diffusion");
  EXPECT_FALSE(diffusion.exact.present());
  EXPECT_FALSE(problem_of(small).equation.inverse.has_value());
  EXPECT_FALSE(problem_of(small).priors().second.has_value());
}

TEST(GpDeck, PointsAndFieldsFromFiles) {
  const Problem problem = problem_of(
      "equation:\n"
      "  name: elliptic\n"
      "  diffusion: {file: fields.h5, dataset: /a}\n"
      "  diffusion_gradient: [{file: fields.h5, dataset: /a_x}, \"0\"]\n"
      "  source: {file: fields.h5, dataset: /f}\n"
      "  boundary: {file: /data/g.h5, dataset: /g}\n"
      "  exact: {file: fields.h5, dataset: /u}\n"
      "points:\n"
      "  layout: file\n"
      "  interior: {file: cloud.h5, dataset: /interior, rows: {start: 5, stop: 50, step: 3}}\n"
      "  boundary: {file: cloud.h5, dataset: /boundary}\n"
      "prior: {kernel: matern_9_2, length: [0.1, 0.2, 0.3]}\n"
      "predict: {points: {file: stations.h5, dataset: /xyz}}\n");
  EXPECT_FALSE(problem.domain.has_value());
  const auto& layout = std::get<FileLayout>(problem.layout);
  EXPECT_EQ(layout.interior.file, "/decks/cloud.h5");
  EXPECT_EQ(layout.interior.dataset, "/interior");
  EXPECT_EQ(layout.interior.rows.start, 5);
  EXPECT_EQ(layout.interior.rows.stop, 50);
  EXPECT_EQ(layout.interior.rows.step, 3);
  EXPECT_EQ(layout.boundary.dataset, "/boundary");
  EXPECT_FALSE(layout.boundary.rows.stop.has_value());
  const EquationSpec& equation = problem.equation;
  EXPECT_TRUE(equation.diffusion.expression.empty());
  EXPECT_EQ(equation.diffusion.file.value().dataset, "/a");
  EXPECT_EQ(equation.diffusion_gradient.at(0).file.value().dataset, "/a_x");
  EXPECT_EQ(equation.diffusion_gradient.at(1).expression, "0");
  EXPECT_EQ(equation.source.file.value().file, "/decks/fields.h5");
  EXPECT_EQ(equation.boundary.file.value().file, "/data/g.h5");
  EXPECT_EQ(equation.exact.file.value().dataset, "/u");
  EXPECT_EQ(problem.prior.terms.at(0).factors.at(0).family, Family::matern_9_2);
  EXPECT_EQ(problem.predict.points.value().file, "/decks/stations.h5");
  EXPECT_EQ(problem.predict.points->dataset, "/xyz");
}

TEST(GpDeck, FilesAreNamedForTheCheckThatTheyExist) {
  const auto deck = input::parse_deck(
      "deck.yaml",
      "equation: {name: eikonal, source: {file: f.h5, dataset: /f}}\n"
      "points: {layout: file, interior: {file: missing.h5, dataset: /i}, boundary: {file: "
      "missing.h5, dataset: /b}}\n"
      "prior: {length: 1}\n",
      schema());
  EXPECT_EQ(input::input_files(deck).size(), 3U);  // f.h5 and missing.h5 twice
}

TEST(GpDeck, PetscOptionsTakeTheDriversPrefix) {
  const auto deck = input::parse_deck("deck.yaml", small, schema(), {"petsc.cg.ksp_rtol=1e-12"});
  const auto options = input::petsc_options(deck.root(), "gp_");
  ASSERT_EQ(options.size(), 1U);
  EXPECT_EQ(options[0].first, "-gp_cg_ksp_rtol");
  EXPECT_EQ(options[0].second, "1e-12");
}

// The page of defaults becomes a problem once the keys without default are given.
TEST(GpDeck, PrintedDefaultsAreADeck) {
  const std::string page = input::print_defaults(schema());
  const Problem problem =
      problem_of(page, {"equation.source=1", "domain={box: {lower: [0, 0], upper: [1, 1]}}"});
  EXPECT_EQ(problem.equation.diffusion.expression, "1");
  EXPECT_EQ(std::get<GridLayout>(problem.layout).per_side, Counts{101});
  EXPECT_EQ(problem.prior.terms.at(0).factors.at(0).length, Numbers{0.3});
}

TEST(GpDeck, CertificateAndRefinement) {
  const Problem problem = problem_of(small, {"certify=true", "solve.refine=7"});
  EXPECT_TRUE(problem.certify);
  EXPECT_EQ(problem.solve.refine, 7);
  EXPECT_FALSE(problem_of(small, {"certify=false"}).certify);
}

}  // namespace
}  // namespace mensura::gp
