// SPDX-License-Identifier: BSD-3-Clause
// problem_from, field by field, and what a dry run predicts. Numbers of decks are compared exactly:
// reading a deck computes nothing.
#include "transport/deck.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "parallel/error.hpp"
#include "transport/prediction.hpp"

namespace mensura::transport {
namespace {

using Numbers = std::vector<double>;
using Counts = std::vector<std::int64_t>;

Problem problem_of(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return problem_from(input::parse_deck("/decks/deck.yaml", text, schema(), overrides));
}

const char* const small =
    "marginals:\n"
    "  a: {file: c.h5, dataset: /grey/a}\n"
    "  b: {density: \"x + y\", shape: [4, 8], floor: 1e-4, spacing: 0.5}\n";

TEST(TransportDeck, DefaultsOfTheSmallestDeck) {
  const Problem problem = problem_of(small);
  ASSERT_EQ(problem.marginals.size(), 2U);
  const MarginalSpec& a = problem.marginals[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.kind, MarginalKind::grid);
  EXPECT_EQ(a.file, "/decks/c.h5");
  EXPECT_EQ(a.dataset, "/grey/a");
  EXPECT_EQ(a.where, "/decks/deck.yaml:2:6: marginals.a");
  EXPECT_FALSE(a.resize.has_value());
  EXPECT_FALSE(a.spacing.has_value());
  EXPECT_EQ(a.floor, 0);
  EXPECT_TRUE(a.density.empty());
  const MarginalSpec& b = problem.marginals[1];
  EXPECT_EQ(b.density, "x + y");
  EXPECT_EQ(b.shape, (Counts{4, 8}));
  EXPECT_EQ(b.floor, 1e-4);
  EXPECT_EQ(b.spacing.value(), 0.5);
  EXPECT_TRUE(b.file.empty());
  ASSERT_EQ(problem.edges.size(), 1U);
  EXPECT_EQ(problem.edges[0].from, 0U);
  EXPECT_EQ(problem.edges[0].to, 1U);
  EXPECT_EQ(problem.edges[0].weight, 1);
  EXPECT_EQ(problem.cost.kind, CostKind::squared_euclidean);
  EXPECT_TRUE(problem.normalise);
  EXPECT_EQ(problem.final_regularisation, 0.25);
  EXPECT_EQ(problem.unit, Unit::spacing_squared);
  EXPECT_EQ(problem.relaxation, Relaxation::none);
  EXPECT_EQ(problem.tolerance, 1e-9);
  EXPECT_EQ(problem.method, Method::automatic);
  EXPECT_FALSE(problem.divergence);
  EXPECT_FALSE(problem.exact);
  EXPECT_FALSE(problem.reflected);
  EXPECT_EQ(problem.directions, 500);
  EXPECT_EQ(problem.seed, 1U);
  EXPECT_EQ(problem.max_sinkhorn, 100000);
  EXPECT_EQ(problem.max_newton, 60);
  EXPECT_EQ(problem.warm_sweeps, 20);
  EXPECT_TRUE(problem.write_plan);
}

TEST(TransportDeck, TheSquareOfTheDistanceHasOneName) {
  const Problem problem = problem_of(
      "marginals:\n"
      "  p: {file: c.h5, points: /p}\n"
      "  q: {file: c.h5, points: /q}\n"
      "cost: {name: power, power: 2}\n");
  EXPECT_EQ(problem.cost.kind, CostKind::squared_euclidean);
}

TEST(TransportDeck, EveryKey) {
  const Problem problem = problem_of(
      "marginals:\n"
      "  p: {file: c.h5, dataset: /p, kind: points, weights: /w, rows: {start: 1, stop: 9, step: "
      "2}}\n"
      "  q: {file: c.h5, points: /q, floor: 0.5}\n"
      "graph: {edges: [[q, p, 0.5]]}\n"
      "normalise: false\n"
      "cost: {name: power, power: 1.5}\n"
      "regularisation: {final: 1e-3, unit: diameter_squared}\n"
      "tolerance: 1e-6\n"
      "method: sinkhorn\n"
      "solve: {max_newton: 7, max_sinkhorn: 1e6, sweeps: 50}\n"
      "unbalanced: {penalty: total_variation, strength: 0.1}\n"
      "divergence: true\n"
      "plan: false\n"
      "run: {seed: 5}\n");
  const MarginalSpec& p = problem.marginals[0];
  EXPECT_EQ(p.kind, MarginalKind::points);
  EXPECT_EQ(p.weights, "/w");
  EXPECT_EQ(p.rows.start, 1);
  EXPECT_EQ(p.rows.stop.value(), 9);
  EXPECT_EQ(p.rows.step, 2);
  const MarginalSpec& q = problem.marginals[1];  // by its short form
  EXPECT_EQ(q.kind, MarginalKind::points);
  EXPECT_EQ(q.dataset, "/q");
  EXPECT_EQ(problem.marginals[1].rows.step, 1);
  EXPECT_FALSE(problem.marginals[1].rows.stop.has_value());
  EXPECT_EQ(problem.edges[0].from, 1U);
  EXPECT_EQ(problem.edges[0].to, 0U);
  EXPECT_EQ(problem.edges[0].weight, 0.5);
  EXPECT_FALSE(problem.normalise);
  EXPECT_EQ(problem.cost.kind, CostKind::power);
  EXPECT_EQ(problem.cost.power, 1.5);
  EXPECT_EQ(problem.final_regularisation, 1e-3);
  EXPECT_EQ(problem.unit, Unit::diameter_squared);
  EXPECT_EQ(problem.tolerance, 1e-6);
  EXPECT_EQ(problem.method, Method::sinkhorn);
  EXPECT_EQ(problem.max_newton, 7);
  EXPECT_EQ(problem.max_sinkhorn, 1000000);
  EXPECT_EQ(problem.warm_sweeps, 50);
  EXPECT_EQ(problem.relaxation, Relaxation::total_variation);
  EXPECT_EQ(problem.strength, 0.1);
  EXPECT_TRUE(problem.divergence);
  EXPECT_FALSE(problem.write_plan);
  EXPECT_EQ(problem.seed, 5U);
}

TEST(TransportDeck, EveryWord) {
  const auto method = [](const std::string& word, const std::string& cost) {
    return problem_of("marginals: {a: {file: c.h5, dataset: /a}, b: {file: c.h5, dataset: /b}}",
                      {"method=" + word, "cost=" + cost})
        .method;
  };
  EXPECT_EQ(method("auto", "l1"), Method::automatic);
  EXPECT_EQ(method("newton", "l1"), Method::newton);
  EXPECT_EQ(method("exact", "l1"), Method::exact);
  EXPECT_EQ(method("line", "l1"), Method::line);
  EXPECT_EQ(method("circle", "{name: periodic, period: 2}"), Method::circle);
  EXPECT_EQ(method("sliced", "squared_euclidean"), Method::sliced);
  for (const auto m : {Method::automatic, Method::newton, Method::sinkhorn, Method::exact,
                       Method::line, Method::circle, Method::sliced}) {
    const bool around = m == Method::circle;
    EXPECT_EQ(method(name_of(m), around ? "{name: periodic, period: 2}" : "squared_euclidean"), m);
  }
  EXPECT_EQ(problem_of(small, {"cost=l1"}).cost.kind, CostKind::l1);
  const CostSpec torus = problem_of(small, {"cost={name: periodic, period: [1, 2]}"}).cost;
  EXPECT_EQ(torus.kind, CostKind::periodic);
  EXPECT_EQ(torus.period, (Numbers{1, 2}));
  const Problem matrix = problem_of(small, {"cost={name: matrix, file: m.h5, dataset: /m}",
                                            "regularisation={final: 0.1, unit: absolute}"});
  EXPECT_EQ(matrix.cost.kind, CostKind::matrix);
  EXPECT_EQ(matrix.cost.file, "/decks/m.h5");
  EXPECT_EQ(matrix.cost.dataset, "/m");
  EXPECT_EQ(matrix.unit, Unit::absolute);
  const Problem partial = problem_of(small, {"partial={mass: 0.25}"});
  EXPECT_EQ(partial.relaxation, Relaxation::partial);
  EXPECT_EQ(partial.strength, 0.25);
  const Problem priced = problem_of(small, {"unbalanced={strength: 2}"});
  EXPECT_EQ(priced.relaxation, Relaxation::kullback_leibler);
  EXPECT_EQ(priced.strength, 2);
  EXPECT_EQ(problem_of(small, {"graph={shape: pair}"}).edges.size(), 1U);
  EXPECT_TRUE(problem_of(small, {"certificate={exact: true}"}).exact);
  EXPECT_TRUE(problem_of(small, {"reflected=true"}).reflected);
  EXPECT_EQ(problem_of(small, {"method=sliced", "sliced={directions: 20}"}).directions, 20);
  // Several shapes and resized files are told apart.
  EXPECT_EQ(problem_of(small, {"marginals.a.resize=64"}).marginals[0].resize.value(), 64);
}

MarginalSize grid_of(std::int64_t h, std::int64_t w) {
  const double spacing = 1.0 / static_cast<double>(std::max(h, w));
  return {h * w, 2, output::RegularGrid{{h, w}, {spacing / 2, spacing / 2}, {spacing, spacing}}};
}

TEST(TransportPrediction, RegularisationInUnitsOfTheCost) {
  Problem problem = problem_of(small);
  const std::vector<MarginalSize> sizes{grid_of(32, 64), grid_of(16, 16)};
  // The smaller spacing is 1/64.
  EXPECT_DOUBLE_EQ(absolute_regularisation(problem, sizes).value(), 0.25 / (64 * 64));
  problem.unit = Unit::absolute;
  EXPECT_EQ(absolute_regularisation(problem, sizes).value(), 0.25);
  problem.unit = Unit::diameter_squared;  // sides 1 and 1: the first is as wide, the second as high
  EXPECT_DOUBLE_EQ(absolute_regularisation(problem, sizes).value(), 0.25 * 2);
  const std::vector<MarginalSize> clouds{{1000, 3, {}}, {500, 3, {}}};
  problem.unit = Unit::spacing_squared;
  EXPECT_FALSE(absolute_regularisation(problem, clouds).has_value());
}

TEST(TransportPrediction, MemoryOfImagesAndClouds) {
  Problem problem = problem_of(small);
  const std::vector<MarginalSize> million{grid_of(1024, 1024), grid_of(1024, 1024)};
  const Footprint need = footprint(problem, million, 1);
  // The measured counts at the squared spacing, and the 10 GB that a pair of such images may take.
  EXPECT_NEAR(need.plan_per_row, 76, 1e-9);
  EXPECT_NEAR(need.laplacian_per_row, 140, 1e-9);
  EXPECT_GT(need.bytes_per_rank, 7e9);
  EXPECT_LT(need.bytes_per_rank, 11e9);
  // Shares of ranks, and growth with the regularisation: an area in two dimensions.
  EXPECT_NEAR(static_cast<double>(footprint(problem, million, 8).bytes_per_rank),
              static_cast<double>(need.bytes_per_rank) / 8, 1);
  problem.final_regularisation = 4;
  EXPECT_EQ(footprint(problem, million, 1).plan_per_row, 0);  // left to Sinkhorn's iteration
  problem.method = Method::newton;
  EXPECT_NEAR(footprint(problem, million, 1).plan_per_row, 304, 1e-9);
  // Kernels that are summed on the fly keep nothing per pair.
  problem.method = Method::sinkhorn;
  EXPECT_EQ(footprint(problem, million, 1).plan_per_row, 0);
  const std::vector<MarginalSize> clouds{{100000, 16, {}}, {100000, 16, {}}};
  problem.method = Method::automatic;
  EXPECT_LT(footprint(problem, clouds, 1).bytes_per_rank, 500e6);
  problem.cost.kind = CostKind::matrix;
  EXPECT_GE(footprint(problem, clouds, 1).bytes_per_rank, 80e9);  // 8 bytes for every pair
}

}  // namespace
}  // namespace mensura::transport
