// SPDX-License-Identifier: BSD-3-Clause
// The worked example of solvers/gp/EQUATIONS.md: an equation that the library does not know, solved
// with the library. The page shows the class below word for word; a test compares them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <numbers>
#include <sstream>

#include "gp/equation.hpp"
#include "gp/field.hpp"
#include "gp/gauss_newton.hpp"
#include "gp/sparse_conditioner.hpp"
#include "small_system.hpp"

namespace mensura::gp {
namespace {

// [the class]
/// Allen-Cahn in a flow: -viscosity Lap u + drift . grad u + u^3 - u = source. State rows: u and
/// the linear part, L u = -viscosity Lap u + drift . grad u.
class AllenCahn final : public Equation {
 public:
  AllenCahn(double viscosity, std::vector<FieldSpec> drift, FieldSpec source)
      : viscosity_(viscosity), drift_spec_(std::move(drift)), source_spec_(std::move(source)) {}

  int state_rows() const override { return 2; }
  FunctionalKinds kinds() const override { return {.laplacian = true, .gradient = true}; }

  void prepare(const parallel::Communicator& comm, const EquationPoints& points) override {
    const FieldPoints at = points.fields();
    source_ = evaluate(comm, source_spec_, at);
    for (const FieldSpec& component : drift_spec_) {
      drift_.push_back(evaluate(comm, component, at));
    }
  }

  Functional functional(std::size_t point, int row) const override {
    Functional f;
    if (row == 0) {
      f.value = 1;
      return f;
    }
    f.laplacian = -viscosity_;
    for (std::size_t a = 0; a < drift_.size(); ++a) f.gradient[a] = drift_[a][point];
    return f;
  }

  double linearise(std::size_t point, std::span<const double> state,
                   std::span<double> weights) const override {
    const double u = state[0], linear_part = state[1];
    weights[0] = 3 * u * u - 1;  // dF/du
    weights[1] = 1;              // dF/d(L u)
    return linear_part + u * u * u - u - source_[point];
  }

 private:
  double viscosity_;
  std::vector<FieldSpec> drift_spec_;
  FieldSpec source_spec_;
  std::vector<double> source_;              // per point
  std::vector<std::vector<double>> drift_;  // axes x points
};
// [end of the class]

constexpr double pi = std::numbers::pi;

double exact(const double* x) {
  return std::sin(pi * x[0]) * std::sin(pi * x[1]);
}

// Viscosity 1/2 in the rotating flow (y, -x); the source makes sin(pi x) sin(pi y) the solution.
AllenCahn in_a_vortex() {
  const auto field = [](const char* formula) { return FieldSpec{formula, {}, "test"}; };
  return {0.5,
          {field("y"), field("-x")},
          field("pi^2*sin(pi*x)*sin(pi*y) + pi*y*cos(pi*x)*sin(pi*y) - pi*x*sin(pi*x)*cos(pi*y) "
                "+ (sin(pi*x)*sin(pi*y))^3 - sin(pi*x)*sin(pi*y)")};
}

struct Outcome {
  double error = 0;  // largest, over all collocation points and ranks
  int steps = 0;
};

// u = 0 on the edge of the unit square, a grid with `side` points per side.
Outcome solve(const parallel::Communicator& comm, int side) {
  const auto no_poll = [] {};
  const Kernel prior = test::kernel(Family::matern_7_2, 0.5);
  const SolveSpec tolerances{.tolerance = 1e-10};
  test::SmallSystem system;
  system.pattern =
      make_pattern(comm, test::ordered(test::grid_cloud(2, side), comm, 3), {}, no_poll);
  system.equation = std::make_unique<AllenCahn>(in_a_vortex());
  system.equation->prepare(comm, test::points_of(system.pattern, PointKind::interior));
  system.layout = make_layout(comm, system.pattern, {1, system.equation->state_rows(), 1});
  test::set_weights(system);
  SparseConditioner conditioner(comm, system.pattern, system.layout, system.weights, prior,
                                FactorSpec{}, tolerances, no_poll);
  GaussNewton newton(comm, system.pattern, system.layout, *system.equation, conditioner, tolerances,
                     false);
  std::vector<double> state(static_cast<std::size_t>(system.layout.own));
  const auto own = static_cast<std::size_t>(system.pattern.own);
  newton.start(state, std::vector<double>(own), {});
  Outcome outcome;
  for (; !newton.converged() && outcome.steps < 30; ++outcome.steps) newton.step(no_poll);
  newton.mean(state);
  for (std::size_t p = 0; p < own; ++p) {
    const double u = state[static_cast<std::size_t>(system.layout.first[p])];
    outcome.error =
        std::max(outcome.error, std::abs(u - exact(&system.pattern.coordinates[2 * p])));
  }
  outcome.error = comm.max(outcome.error);
  return outcome;
}

TEST(AddedEquation, ConvergesToItsSolution) {
  const auto comm = parallel::Communicator::world();
  const Outcome coarse = solve(comm, 11), fine = solve(comm, 21);
  // Newton doubles its digits from zero: five steps to 1e-10, and one to see it.
  EXPECT_LE(coarse.steps, 7);
  EXPECT_LE(fine.steps, 7);
  // Rates of Matern 7/2 in two dimensions are about four for u; half of the sixteen remains after
  // the factor's truncation. A wrong sign or weight in the class leaves an error above 1e-2 on
  // both grids.
  EXPECT_LT(fine.error, 1e-3);
  EXPECT_GT(coarse.error / fine.error, 8);
}

// The check to write first for a new equation: linearise() gives the derivative of F.
TEST(AddedEquation, WeightsAreTheDerivative) {
  const auto comm = parallel::Communicator::world();
  AllenCahn equation = in_a_vortex();
  EquationPoints points{2, {0.3, 0.8}, {0}, comm.size(), 1};
  points.rows[0] = static_cast<std::uint64_t>(comm.rank());
  equation.prepare(comm, points);
  const std::vector<double> state{0.7, -1.3};
  std::vector<double> weights(2), unused(2);
  equation.linearise(0, state, weights);
  for (std::size_t row = 0; row < 2; ++row) {
    const double h = 1e-5;
    std::vector<double> up(state), down(state);
    up[row] += h;
    down[row] -= h;
    // Central differences: truncation h^2 = 1e-10, rounding 1e-16 / h = 1e-11.
    EXPECT_NEAR((equation.linearise(0, up, unused) - equation.linearise(0, down, unused)) / (2 * h),
                weights[row], 1e-9);
  }
}

std::string contents(const char* path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(AddedEquation, ThePageShowsThisClass) {
  const std::string here = contents(__FILE__), page = contents(PAGE);
  const std::string opening = "// [the class]\n", closing = "// [end of the class]\n";
  const auto begin = here.find(opening) + opening.size();
  const std::string shown = here.substr(begin, here.find(closing) - begin);
  ASSERT_GT(shown.size(), 1000U);
  EXPECT_NE(page.find("```cpp\n" + shown + "```\n"), std::string::npos)
      << "copy the class into " << PAGE;
}

}  // namespace
}  // namespace mensura::gp
