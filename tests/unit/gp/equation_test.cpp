// SPDX-License-Identifier: BSD-3-Clause
// The equations against closed forms: state rows, linearisation, residual of known solutions.
#include "gp/equation.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "gp/field.hpp"
#include "small_system.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using gp::EquationName;
using gp::Unknown;
using parallel::Communicator;

constexpr double pi = std::numbers::pi;

/// u and its derivatives at a point; Hessian as in Rows.
struct Taylor {
  double value = 0, laplacian = 0;
  std::array<double, 3> gradient{};
  std::array<double, 6> hessian{};
};

double apply(const gp::Functional& f, const Taylor& u) {
  double sum = f.value * u.value + f.laplacian * u.laplacian;
  for (std::size_t a = 0; a < 3; ++a) sum += f.gradient[a] * u.gradient[a];
  for (std::size_t e = 0; e < 6; ++e) sum += f.hessian[e] * u.hessian[e];
  return sum;
}

/// Random points of the unit cube, dealt out to the ranks in turn.
gp::EquationPoints deal(const Communicator& comm, int dimension, std::int64_t n) {
  const Cloud cloud = random_cloud(dimension, {0, n, 0}, 17);
  gp::EquationPoints points;
  points.dimension = dimension;
  points.total = n;
  for (std::int64_t i = comm.rank(); i < n; i += comm.size()) {
    points.rows.push_back(static_cast<std::uint64_t>(i));
    points.coordinates.insert(points.coordinates.end(), cloud.row(i), cloud.row(i) + dimension);
  }
  points.own = points.count();
  return points;
}

std::vector<double> state_of(const gp::Equation& equation, std::size_t point, const Taylor& u) {
  std::vector<double> state;
  for (int r = 0; r < equation.state_rows(); ++r) {
    state.push_back(apply(equation.functional(point, r), u));
  }
  return state;
}

/// Largest |F| over the points at the states of a function.
template <class Function>
double worst_residual(const gp::Equation& equation, const gp::EquationPoints& points,
                      const Function& u) {
  double worst = 0;
  std::vector<double> weights(static_cast<std::size_t>(equation.state_rows()));
  for (std::size_t p = 0; p < points.count(); ++p) {
    const double* x = &points.coordinates[p * static_cast<std::size_t>(points.dimension)];
    const auto state = state_of(equation, p, u(x));
    EXPECT_EQ(state[0], u(x).value) << "the first row is u";
    worst = std::max(worst, std::abs(equation.linearise(p, state, weights)));
  }
  return worst;
}

/// Largest difference of weights and central differences of F, relative to the largest weight.
double worst_weight(const gp::Equation& equation, std::size_t points) {
  const auto rows = static_cast<std::size_t>(equation.state_rows());
  const parallel::Stream stream(3, "test", "state");
  double worst = 0;
  for (std::size_t p = 0; p < points; ++p) {
    std::vector<double> state(rows), weights(rows), unused(rows);
    for (std::size_t r = 0; r < rows; ++r) state[r] = stream.normal(p, r);
    equation.linearise(p, state, weights);
    double largest = 0;
    for (const double w : weights) largest = std::max(largest, std::abs(w));
    for (std::size_t r = 0; r < rows; ++r) {
      constexpr double h = 1e-4;
      auto right = state, left = state;
      right[r] += h;
      left[r] -= h;
      const double slope =
          (equation.linearise(p, right, unused) - equation.linearise(p, left, unused)) /
          (right[r] - left[r]);
      worst = std::max(worst, std::abs(slope - weights[r]) / largest);
    }
  }
  return worst;
}

struct Named {
  std::string name;
  int dimension;
  gp::EquationSpec spec;
  int rows;
  bool linear;
};

gp::EquationSpec looking_for(Unknown unknown, double reaction, int power) {
  return inverse(elliptic("1", reaction, power, "2+x"), unknown,
                 kernel(gp::Family::matern_7_2, 0.5));
}

class Equations : public testing::TestWithParam<Named> {};

TEST_P(Equations, WeightsAreTheDerivativesOfTheResidual) {
  const auto comm = Communicator::world();
  const Named& c = GetParam();
  const auto equation = gp::make_equation(c.spec, c.dimension);
  EXPECT_EQ(equation->state_rows(), c.rows);
  EXPECT_EQ(equation->linear(), c.linear);
  const auto points = deal(comm, c.dimension, 40);
  equation->prepare(comm, points);
  if (c.spec.name == EquationName::burgers) {
    const std::vector<double> start(points.count() * 3, 0.5);
    equation->begin_step(comm, 0.1, 0.01, start);
  }
  // Truncation: F''' h^2 / 6, F''' <= 6 for the cube; rounding: epsilon |F| / h, |F| <= 1e3.
  EXPECT_LE(worst_weight(*equation, points.count()), 1e-7);
}

INSTANTIATE_TEST_SUITE_P(
    All, Equations,
    testing::Values(Named{"linear", 2, elliptic("1", 0, 3, "x"), 2, true},
                    Named{"reaction", 1, elliptic("2", 3, 1, "x"), 2, true},
                    Named{"square", 2, elliptic("1+x", 3, 2, "x"), 2, false},
                    Named{"cubic", 3, elliptic("1+x*y*z", 1, 3, "z"), 2, false},
                    Named{"burgers", 1, other(EquationName::burgers, 0.02, "x*t"), 3, false},
                    Named{"monge_ampere", 2, other(EquationName::monge_ampere, 0, "1+x"), 4, false},
                    Named{"eikonal1", 1, other(EquationName::eikonal, 0.1, "1"), 3, false},
                    Named{"eikonal2", 2, other(EquationName::eikonal, 0.1, "1"), 4, false},
                    Named{"eikonal3", 3, other(EquationName::eikonal, 0.1, "1"), 5, false},
                    Named{"source", 2, looking_for(Unknown::source, 2, 1), 3, true},
                    Named{"source3", 2, looking_for(Unknown::source, 2, 3), 3, false},
                    Named{"unknown_reaction", 2, looking_for(Unknown::reaction, 0, 2), 3, false},
                    Named{"diffusion1", 1, looking_for(Unknown::diffusion, 0, 1), 5, false},
                    Named{"diffusion2", 2, looking_for(Unknown::diffusion, 2, 3), 7, false},
                    Named{"diffusion3", 3, looking_for(Unknown::diffusion, 1, 1), 9, false}),
    [](const auto& named) { return named.param.name; });

/// The product of sin(pi k x_a) over the axes.
Taylor sines(const double* x, int dimension, int k, double amplitude) {
  Taylor u;
  std::array<double, 3> s{1, 1, 1}, c{};
  for (std::size_t a = 0; a < static_cast<std::size_t>(dimension); ++a) {
    s[a] = std::sin(pi * k * x[a]);
    c[a] = pi * k * std::cos(pi * k * x[a]);
  }
  u.value = amplitude * s[0] * s[1] * s[2];
  u.gradient = {amplitude * c[0] * s[1] * s[2], amplitude * s[0] * c[1] * s[2],
                amplitude * s[0] * s[1] * c[2]};
  u.laplacian = -dimension * pi * pi * k * k * u.value;
  return u;
}

Taylor series(const double* x, int dimension, const gp::SineSeries& spec) {
  Taylor sum;
  for (int k = 1; k <= spec.terms; ++k) {
    const Taylor term = sines(x, dimension, k, std::pow(k, -spec.decay));
    sum.value += term.value;
    sum.laplacian += term.laplacian;
    for (std::size_t a = 0; a < 3; ++a) sum.gradient[a] += term.gradient[a];
  }
  return sum;
}

// One-term series with the source written out, in every dimension.
TEST(Elliptic, SourceFromAFormula) {
  const auto comm = Communicator::world();
  const std::array<std::string, 3> sources = {
      "pi^2*sin(pi*x) + sin(pi*x)^3", "2*pi^2*sin(pi*x)*sin(pi*y) + (sin(pi*x)*sin(pi*y))^3",
      "3*pi^2*sin(pi*x)*sin(pi*y)*sin(pi*z) + (sin(pi*x)*sin(pi*y)*sin(pi*z))^3"};
  for (int d = 1; d <= 3; ++d) {
    const auto equation =
        gp::make_equation(elliptic("1", 1, 3, sources[static_cast<std::size_t>(d - 1)]), d);
    EXPECT_FALSE(equation->kinds().gradient) << "a constant coefficient needs none";
    const auto points = deal(comm, d, 50);
    equation->prepare(comm, points);
    // Rounding of numbers up to 30.
    EXPECT_LE(worst_residual(*equation, points, [&](const double* x) { return sines(x, d, 1, 1); }),
              1e-13);
  }
}

// -div(a grad u) + u^3 = f with a = 1 + x y^2 (its gradient by differences, or given).
TEST(Elliptic, ManufacturedSeriesWithVariableCoefficient) {
  const auto comm = Communicator::world();
  gp::EquationSpec spec = elliptic("1 + x*y^2", 1, 3, "");
  spec.manufactured = gp::SineSeries{3, 100};
  for (const bool given : {false, true}) {
    if (given) spec.diffusion_gradient = {field("y^2"), field("2*x*y")};
    const auto equation = gp::make_equation(spec, 2);
    EXPECT_TRUE(equation->kinds().gradient);
    const auto points = deal(comm, 2, 50);
    equation->prepare(comm, points);
    const auto exact = [&](const double* x) { return series(x, 2, *spec.manufactured); };
    // Terms up to 60: rounding, and 1e-10 for the differences of order eight.
    EXPECT_LE(worst_residual(*equation, points, exact), given ? 1e-11 : 1e-8);
    for (std::size_t p = 0; p < points.count(); ++p) {
      const double x = points.coordinates[2 * p], y = points.coordinates[2 * p + 1];
      const Taylor u = exact(&points.coordinates[2 * p]);
      const double flux =
          -(1 + x * y * y) * u.laplacian - y * y * u.gradient[0] - 2 * x * y * u.gradient[1];
      EXPECT_NEAR(apply(equation->functional(p, 1), u), flux, 1e-8);
    }
  }
}

TEST(Elliptic, DiffusionMustBePositive) {
  const auto comm = Communicator::world();
  const auto equation = gp::make_equation(elliptic("x - 0.01", 1, 3, "1"), 1);
  gp::EquationPoints points = deal(comm, 1, 40);
  if (comm.rank() == comm.size() - 1) points.coordinates.back() = 0.001;
  std::string text;
  parallel::ExitCode code = parallel::ExitCode::success;
  try {
    equation->prepare(comm, points);
  } catch (const parallel::Error& error) {
    text = error.what();
    code = error.code();
  }
  EXPECT_EQ(code, parallel::ExitCode::input_data);
  EXPECT_THAT(text, testing::HasSubstr("is -0.009"));
  EXPECT_THAT(text, testing::HasSubstr("the diffusion must be positive"));
}

TEST(MongeAmpere, ExponentialSolution) {
  const auto comm = Communicator::world();
  const auto equation = gp::make_equation(
      other(EquationName::monge_ampere, 0, "(1+(x-0.5)^2+(y-0.5)^2)*exp((x-0.5)^2+(y-0.5)^2)"), 2);
  const auto points = deal(comm, 2, 50);
  equation->prepare(comm, points);
  const auto exact = [](const double* x) {
    const double a = x[0] - 0.5, b = x[1] - 0.5;
    Taylor u;
    u.value = std::exp((a * a + b * b) / 2);
    u.hessian = {(1 + a * a) * u.value, a * b * u.value, (1 + b * b) * u.value};
    return u;
  };
  EXPECT_LE(worst_residual(*equation, points, exact), 1e-14);  // rounding of numbers near one
  // The start is convex: the linearised operator, weights on u_xx, u_xy, u_yy, is elliptic.
  std::vector<double> state(4), weights(4);
  equation->initial_state(0, state);
  equation->linearise(0, state, weights);
  EXPECT_GT(4 * weights[1] * weights[3], weights[2] * weights[2]);
}

TEST(Eikonal, LinearAndQuadraticSolutions) {
  const auto comm = Communicator::world();
  for (int d = 1; d <= 3; ++d) {
    const auto points = deal(comm, d, 30);
    const auto plain = gp::make_equation(other(EquationName::eikonal, 0.1, "1"), d);
    plain->prepare(comm, points);
    const auto linear = [](const double* x) {
      Taylor u;
      u.value = x[0];
      u.gradient[0] = 1;
      return u;
    };
    EXPECT_EQ(worst_residual(*plain, points, linear), 0);

    const std::array<std::string, 3> sources = {"x^2 - 0.1", "x^2 + y^2 - 0.2",
                                                "x^2 + y^2 + z^2 - 0.3"};
    const auto bowl = gp::make_equation(
        other(EquationName::eikonal, 0.1, sources[static_cast<std::size_t>(d - 1)]), d);
    bowl->prepare(comm, points);
    const auto quadratic = [d](const double* x) {
      Taylor u;
      u.laplacian = d;
      for (std::size_t a = 0; a < static_cast<std::size_t>(d); ++a) {
        u.value += x[a] * x[a] / 2;
        u.gradient[a] = x[a];
      }
      return u;
    };
    EXPECT_LE(worst_residual(*bowl, points, quadratic), 1e-15 * 8);  // rounding of numbers up to 3
  }
}

TEST(Burgers, InitialStateHasTheDerivatives) {
  const auto comm = Communicator::world();
  const auto equation = gp::make_equation(other(EquationName::burgers, 0.02, "0", "-sin(pi*x)"), 1);
  const auto points = deal(comm, 1, 40);
  equation->prepare(comm, points);
  for (std::size_t p = 0; p < points.count(); ++p) {
    std::array<double, 3> state{};
    equation->initial_state(p, state);
    const double x = pi * points.coordinates[p];
    EXPECT_NEAR(state[0], -std::sin(x), 1e-15);
    // Rounding of the values over h and h^2, h = 0.01; truncation (pi h)^8 is below.
    EXPECT_NEAR(state[1], -pi * std::cos(x), 1e-12);
    EXPECT_NEAR(state[2], pi * pi * std::sin(x), 1e-10);
  }
}

/// u, u_x, u_xx of a function by differences of order six over the given step.
template <class Function>
std::array<double, 3> by_differences(const Function& u, double x, double h) {
  const double one = u(x + h) - u(x - h), two = u(x + 2 * h) - u(x - 2 * h),
               three = u(x + 3 * h) - u(x - 3 * h);
  const double first = (45 * one - 9 * two + three) / (60 * h);
  const double centre = u(x);
  const double second = (270 * (u(x + h) + u(x - h)) - 27 * (u(x + 2 * h) + u(x - 2 * h)) +
                         2 * (u(x + 3 * h) + u(x - 3 * h)) - 490 * centre) /
                        (180 * h * h);
  return {centre, first, second};
}

/// Root mean square of F / 2, the residual of Crank-Nicolson, over fixed points of (0.1, 0.9).
template <class Function>
double crank_nicolson_defect(const gp::EquationSpec& spec, double step, const Function& u) {
  const auto comm = Communicator::world();
  const auto equation = gp::make_equation(spec, 1);
  gp::EquationPoints points;
  points.dimension = 1;
  points.total = 9;
  for (std::uint64_t i = 0; i < 9; ++i) {  // the same on every rank
    points.rows.push_back(i);
    points.coordinates.push_back(0.1 * static_cast<double>(i + 1));
  }
  points.own = points.count();
  equation->prepare(comm, points);
  constexpr double time = 0.2, h = 0.01;
  std::vector<double> start;
  for (const double x : points.coordinates) {
    const auto state = by_differences([&](double at) { return u(at, time); }, x, h);
    start.insert(start.end(), state.begin(), state.end());
  }
  equation->begin_step(comm, time, step, start);
  double squares = 0;
  for (std::size_t p = 0; p < points.count(); ++p) {
    const auto end =
        by_differences([&](double at) { return u(at, time + step); }, points.coordinates[p], h);
    std::array<double, 3> weights{};
    const double half = equation->linearise(p, end, weights) / 2;
    squares += half * half / 9;
  }
  return std::sqrt(squares);
}

// Halving the step divides the defect by four; the next order of the expansion is a few percent.
template <class Function>
void expect_second_order(const gp::EquationSpec& spec, const Function& u) {
  const double coarse = crank_nicolson_defect(spec, 0.02, u);
  const double middle = crank_nicolson_defect(spec, 0.01, u);
  const double fine = crank_nicolson_defect(spec, 0.005, u);
  EXPECT_GT(coarse, 1e-6) << "nothing but rounding is compared";
  EXPECT_NEAR(coarse / middle, 4, 0.3);
  EXPECT_NEAR(middle / fine, 4, 0.2);
}

TEST(Burgers, SecondOrderInTimeOnColeHopf) {
  expect_second_order(other(EquationName::burgers, 0.1, "0"),
                      [](double x, double t) { return gp::cole_hopf(x, t, 0.1); });
}

TEST(Burgers, SecondOrderInTimeWithASource) {
  // u = x sin 5t: u_t + u u_x = 5 x cos 5t + x sin^2 5t.
  expect_second_order(other(EquationName::burgers, 0.1, "5*x*cos(5*t) + x*sin(5*t)^2"),
                      [](double x, double t) { return x * std::sin(5 * t); });
}

TEST(Equation, WithoutTimeTakesNoTimeSteps) {
  const auto comm = Communicator::world();
  const auto equation = gp::make_equation(elliptic("1", 1, 3, "1"), 1);
  EXPECT_THROW(equation->begin_step(comm, 0, 0.1, {}), parallel::Error);
}

}  // namespace
