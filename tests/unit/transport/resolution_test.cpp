// SPDX-License-Identifier: BSD-3-Clause
// Every kind of part refuses costs that are not finite, and regularisations that doubles do not
// resolve beside them, before it makes stages.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "graph_parts.hpp"
#include "linear/petsc.hpp"
#include "transport/regularisation.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using namespace mensura::transport;

class Resolution : public GraphParts {
 protected:
  enum class Kind { pair, star, per_edge, support, cycle, tensor, spline };

  Task task_of(Kind kind) const {
    Task task;
    task.nodes = {line(7), line(8), line(9)};
    switch (kind) {
      case Kind::pair:
        task.nodes.pop_back();
        task.edges = {{0, 1, 1, std::nullopt}};
        task.shape = Shape::chain;
        break;
      case Kind::cycle:
        task.edges = {{0, 1, 1, std::nullopt}, {1, 2, 1, std::nullopt}, {2, 0, 1, std::nullopt}};
        task.shape = Shape::cycle;
        break;
      case Kind::tensor:
        task.edges = all_pairs({0.5, 0.3, 0.2});
        task.cost = {.kind = CostKind::power, .power = 1.5};
        break;
      case Kind::spline:
        task.edges = {{0, 1, 1, std::nullopt}, {1, 2, 1, std::nullopt}};
        task.shape = Shape::chain;
        break;
      default:
        task.edges = {{0, 2, 0.5, std::nullopt}, {1, 2, 0.5, std::nullopt}};
        task.shape = Shape::star;
        task.free = 2;
    }
    return task;
  }
  Problem problem_of(Kind kind, const Task& task) const {
    Problem problem = GraphParts::problem_of(task);
    problem.per_edge = kind == Kind::per_edge;
    if (kind == Kind::support) problem.marginals[2].support = 9;
    if (kind == Kind::spline) problem.spline = SplineSpec{{0, 1, 2}, {-1}, {1}, {5}};
    return problem;
  }
  std::string refusal(const Task& task, const Problem& problem) const {
    try {
      solve(task, problem);
    } catch (const parallel::Error& error) {
      EXPECT_EQ(error.code(), parallel::ExitCode::input_data) << error.what();
      return error.what();
    }
    return "accepted";
  }
  static void expect_words(const std::string& text, const std::vector<std::string>& words) {
    for (const std::string& word : words) {
      EXPECT_NE(text.find(word), std::string::npos) << word << " in: " << text;
    }
    EXPECT_EQ(text.find("exact"), std::string::npos) << "graphs have no exact method: " << text;
    EXPECT_EQ(text.find("to inf"), std::string::npos) << text;
  }

  const linear::PetscSession session{comm, {}, {}};
};

TEST_F(Resolution, CostsThatOverflowNameTheirMarginals) {
  for (const Kind kind : {Kind::pair, Kind::star, Kind::per_edge, Kind::support, Kind::cycle,
                          Kind::tensor, Kind::spline}) {
    SCOPED_TRACE(static_cast<int>(kind));
    Task task = task_of(kind);
    task.nodes[1].coordinates[3] = 1e250;
    expect_words(refusal(task, problem_of(kind, task)), {"'b'", "not finite", "scale"});
  }
}

TEST_F(Resolution, RegularisationsBelowRoundingNameTheLeastOne) {
  for (const Kind kind : {Kind::pair, Kind::star, Kind::per_edge, Kind::support, Kind::cycle,
                          Kind::tensor, Kind::spline}) {
    SCOPED_TRACE(static_cast<int>(kind));
    Task task = task_of(kind);
    task.epsilon = 1e-300;
    expect_words(refusal(task, problem_of(kind, task)),
                 {"1e-300 is below what doubles resolve", "raise regularisation.final", "e-1"});
  }
}

// Errors of rounding would not be smaller from a milder start: trees try none, as pairs do.
TEST_F(Resolution, TreesDoNotInsertStagesForRounding) {
  Task task = task_of(Kind::star);
  task.nodes = {random_measure(1, 8, 1), random_measure(1, 8, 2), random_measure(1, 8, 1)};
  task.epsilon = 1e-12;
  std::vector<Marginal> marginals;
  const Problem problem = GraphParts::problem_of(task);
  for (std::size_t k = 0; k < 3; ++k) {
    marginals.push_back(marginal(task.nodes[k], problem.marginals[k].name, 1));
  }
  const auto part = make_part(comm, problem, marginals, task.epsilon, [] {});
  while (!part->finished()) part->advance([] {});
  EXPECT_FALSE(part->converged());
  const auto history = part->history();
  EXPECT_LT(history.back().newton, problem.max_newton / 2);  // a standstill
  for (std::size_t s = 1; s < history.size(); ++s) {
    EXPECT_LT(history[s].regularisation, history[s - 1].regularisation);
  }
}

TEST_F(Resolution, WeightsAndClosingMapsCount) {
  Task task = task_of(Kind::cycle);
  task.edges[1].weight = 1e300;
  expect_words(refusal(task, GraphParts::problem_of(task)), {"'b' and 'c'", "doubles resolve"});
  task.edges[1].weight = 1;
  Problem problem = GraphParts::problem_of(task);
  problem.closing = ClosingSpec{.formulas = {"1e50*x"}};
  expect_words(refusal(task, problem), {"'c' and 'a', moved by graph.closing", "doubles resolve"});
  problem.closing = ClosingSpec{.formulas = {"x*1e200"}};
  expect_words(refusal(task, problem), {"'c' and 'a', moved by graph.closing", "not finite"});
}

TEST_F(Resolution, FirstRegularisationsAreFinite) {
  Problem problem;
  EXPECT_EQ(first_regularisation(problem, 0.5, 7), 7);
  problem.initial_regularisation = 3;
  problem.final_regularisation = 0.25;
  EXPECT_EQ(first_regularisation(problem, 0.5, 7), 6);
  problem.initial_regularisation = 1e308;
  problem.final_regularisation = 1e-10;
  EXPECT_THROW(first_regularisation(problem, 0.5, 7), parallel::Error);
}

}  // namespace
