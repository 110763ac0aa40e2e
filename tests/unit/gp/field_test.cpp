// SPDX-License-Identifier: BSD-3-Clause
// Fields from formulas and datasets, and the closed-form solutions.
#include "gp/field.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "unit/output/support.hpp"

namespace {

using namespace mensura;
using namespace mensura::gp;
using mensura::test::catch_error;
using mensura::test::Part;
using mensura::test::SharedFolder;
using parallel::Communicator;
using std::numbers::pi;

FieldSpec formula(const std::string& text) {
  return {.expression = text, .where = "deck.yaml:3:9: equation.source"};
}

// This rank's part of n x n points (i / n, j / n), i and j from 1, dealt round robin.
struct Grid {
  std::vector<double> coordinates;
  std::vector<std::uint64_t> rows;
  std::int64_t total;
  Grid(const Communicator& comm, int n) : total(n * n) {
    for (int k = comm.rank(); k < n * n; k += comm.size()) {
      coordinates.push_back((k / n + 1.0) / n);
      coordinates.push_back((k % n + 1.0) / n);
      rows.push_back(static_cast<std::uint64_t>(k));
    }
  }
  FieldPoints points(double time = 0) const { return {2, coordinates, rows, total, time}; }
};

TEST(Fields, Formulas) {
  const auto comm = Communicator::world();
  const Grid grid(comm, 60);  // 3600 points: several pieces on one rank
  const auto values = evaluate(comm, formula("x + 10*y + 100*t"), grid.points(2));
  ASSERT_EQ(values.size(), grid.rows.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(values[i], grid.coordinates[2 * i] + 10 * grid.coordinates[2 * i + 1] + 200);
  }
}

TEST(Fields, RanksWithoutPoints) {
  const auto comm = Communicator::world();
  const std::vector<double> one{0.5};
  const FieldPoints points{
      1, comm.rank() == comm.size() - 1 ? one : std::vector<double>{}, {}, 0, 0};
  EXPECT_EQ(evaluate(comm, formula("2*x"), points).size(), points.coordinates.size());
  EXPECT_EQ(evaluate_gradient(comm, formula("2*x"), points).size(), points.coordinates.size());
}

TEST(Fields, ValuesThatAreNotFinite) {
  const auto comm = Communicator::world();
  const Grid grid(comm, 8);
  // 1 / 0 on the line x = 1/2: the first point on it, whoever has it.
  auto caught = catch_error([&] { evaluate(comm, formula("y/(x-0.5)"), grid.points()); });
  EXPECT_EQ(caught.code, 3);
  EXPECT_EQ(caught.text,
            "deck.yaml:3:9: equation.source: the formula 'y/(x-0.5)' is Inf at (0.5, 0.125); a "
            "finite number is needed at every point (8 values are not finite)");
  caught = catch_error(
      [&] { evaluate(comm, formula("sqrt(0.2-t-x) - log(abs(y-1))"), grid.points(0.1)); });
  EXPECT_EQ(caught.code, 3);
  EXPECT_EQ(caught.text,
            "deck.yaml:3:9: equation.source: the formula 'sqrt(0.2-t-x) - log(abs(y-1))' is NaN at "
            "(0.125, 0.125), t = 0.1; a finite number is needed at every point (64 values are not "
            "finite)");
}

TEST(Fields, FormulasThatDoNotFit) {
  const auto comm = Communicator::world();
  const Grid grid(comm, 2);
  auto caught = catch_error([&] { evaluate(comm, formula("x + z"), grid.points()); });
  EXPECT_EQ(caught.code, 2);
  EXPECT_EQ(caught.text,
            "deck.yaml:3:9: equation.source: the formula 'x + z' uses z, but the points have 2 "
            "coordinates");
  caught = catch_error([&] { evaluate(comm, formula("x +"), grid.points()); });
  EXPECT_EQ(caught.code, 2);
  EXPECT_EQ(catch_error([&] { evaluate(comm, FieldSpec{}, grid.points()); }).code, 70);
}

class DatasetFields : public testing::Test {
 protected:
  Communicator comm = Communicator::world();
  SharedFolder folder{comm};
  std::string path = folder / "f.h5";
  void write(const std::string& name, const std::vector<hsize_t>& shape,
             const std::vector<double>& values) {
    if (comm.is_root()) {
      test::serial_write(path, name, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, shape, values);
    }
    comm.barrier();
  }
  FieldSpec field(const std::string& name, const input::Rows& rows = {}) const {
    return {.file = input::FileSource{path, name, rows},
            .where = "deck.yaml:4:9: equation.boundary"};
  }
};

TEST_F(DatasetFields, ByRow) {
  std::vector<double> values(36);
  for (std::size_t i = 0; i < 36; ++i) values[i] = static_cast<double>(i * i);
  write("flat", {36}, values);
  write("column", {36, 1}, values);
  const Grid grid(comm, 6);
  for (const auto* name : {"/flat", "/column"}) {
    const auto read = evaluate(comm, field(name), grid.points());
    ASSERT_EQ(read.size(), grid.rows.size());
    for (std::size_t i = 0; i < read.size(); ++i) {
      EXPECT_EQ(read[i], static_cast<double>(grid.rows[i] * grid.rows[i]));
    }
  }
  const Grid small(comm, 3);  // every fourth row
  const auto read =
      evaluate(comm, field("/flat", {.start = 1, .stop = {}, .step = 4}), small.points());
  for (std::size_t i = 0; i < read.size(); ++i) {
    const auto row = static_cast<double>(1 + 4 * small.rows[i]);
    EXPECT_EQ(read[i], row * row);
  }
}

TEST_F(DatasetFields, ShapesThatDoNotFit) {
  write("short", {3}, {1, 2, 3});
  write("wide", {2, 2}, {1, 2, 3, 4});
  const Grid grid(comm, 2);
  auto caught = catch_error([&] { evaluate(comm, field("/short"), grid.points()); });
  EXPECT_EQ(caught.code, 3);
  EXPECT_EQ(caught.text, "deck.yaml:4:9: equation.boundary: " + path +
                             ":/short has 3 rows, but there are 4 points; one row per point, in "
                             "the order of the points, is needed");
  caught = catch_error([&] { evaluate(comm, field("/wide"), grid.points()); });
  EXPECT_EQ(caught.code, 3);
  EXPECT_EQ(caught.text, "deck.yaml:4:9: equation.boundary: " + path +
                             ":/wide has 2 columns; a field has one number per point: shape (n,) "
                             "or (n, 1)");
}

TEST(Gradients, OfSmoothFormulas) {
  const auto comm = Communicator::world();
  const Grid grid(comm, 40);
  const auto gradient =
      evaluate_gradient(comm, formula("exp(sin(5*pi*x*y)) + t*x"), grid.points(3));
  ASSERT_EQ(gradient.size(), grid.coordinates.size());
  for (std::size_t i = 0; i < grid.rows.size(); ++i) {
    const double x = grid.coordinates[2 * i];
    const double y = grid.coordinates[2 * i + 1];
    const double factor = std::exp(std::sin(5 * pi * x * y)) * 5 * pi * std::cos(5 * pi * x * y);
    // Rounding: one unit in the last place of values up to 6 over a step of 1/8192, times the sum
    // of the weights, 6e-16 x 8192 x 4; truncation is below it.
    EXPECT_NEAR(gradient[2 * i], factor * y + 3, 4e-11);
    EXPECT_NEAR(gradient[2 * i + 1], factor * x, 4e-11);
  }
}

TEST(Gradients, OfConstantsAndFineWaves) {
  const auto comm = Communicator::world();
  const Grid grid(comm, 10);
  for (const double slope : evaluate_gradient(comm, formula("7"), grid.points())) {
    EXPECT_EQ(slope, 0);
  }
  const auto gradient = evaluate_gradient(comm, formula("sin(200*x)"), grid.points());
  for (std::size_t i = 0; i < grid.rows.size(); ++i) {
    // Truncation of order eight: 200 (200 / 8192)^8 / 630 = 4e-14; rounding 1e-16 x 8192 x 4.
    EXPECT_NEAR(gradient[2 * i], 200 * std::cos(200 * grid.coordinates[2 * i]), 1e-10);
  }
}

TEST(Gradients, KinksAndJumpsAreRefused) {
  const auto comm = Communicator::world();
  const Grid grid(comm, 8);
  // The kink runs through the points x = 1/2, where central differences of any step give zero.
  auto caught = catch_error([&] { evaluate_gradient(comm, formula("abs(x-0.5)"), grid.points()); });
  EXPECT_EQ(caught.code, 3);
  EXPECT_EQ(caught.text,
            "deck.yaml:3:9: equation.source: the formula 'abs(x-0.5)' has no reliable gradient at "
            "(0.5, 0.125): two step sizes differ by 2.0e+00 where gradients reach 1.0e+00 (8 "
            "points in all); it may have a kink or a jump, give its gradient as "
            "diffusion_gradient");
  caught =
      catch_error([&] { evaluate_gradient(comm, formula("1 + step(y-0.4999)"), grid.points()); });
  EXPECT_EQ(caught.code, 3);
  EXPECT_NE(caught.text.find("no reliable gradient at (0.125, 0.5)"), std::string::npos)
      << caught.text;
  caught = catch_error([&] { evaluate_gradient(comm, formula("sqrt(1-x)"), grid.points()); });
  EXPECT_EQ(caught.code, 3);
  EXPECT_NE(caught.text.find("at (1, 0.125): it is not finite within"), std::string::npos)
      << caught.text;
}

// sin(pi y) and cos(pi y) in long double, the argument reduced exactly to a quarter turn to both
// sides: near sin = 0 the rounding of pi would show otherwise.
long double sine(long double y) {
  long double r = std::remainder(y, 2.0L);
  if (r > 0.5L) r = 1 - r;
  if (r < -0.5L) r = -1 - r;
  return std::sin(std::numbers::pi_v<long double> * r);
}
long double cosine(long double y) {
  return std::cos(std::numbers::pi_v<long double> * std::remainder(y, 2.0L));
}

struct Series {
  long double u = 0, laplacian = 0;
  std::vector<long double> gradient;
};

Series direct_series(const SineSeries& series, std::span<const double> x) {
  const auto d = x.size();
  Series sum;
  sum.gradient.resize(d);
  const auto pi_l = std::numbers::pi_v<long double>;
  for (int k = series.terms; k >= 1; --k) {
    const long double weight = std::pow(static_cast<long double>(k), -series.decay);
    long double product = weight;
    for (const double xi : x) product *= sine(k * static_cast<long double>(xi));
    sum.u += product;
    sum.laplacian -= pi_l * pi_l * k * k * static_cast<long double>(d) * product;
    for (std::size_t i = 0; i < d; ++i) {
      long double slope = weight * pi_l * k;
      for (std::size_t j = 0; j < d; ++j) {
        slope *= j == i ? cosine(k * static_cast<long double>(x[j]))
                        : sine(k * static_cast<long double>(x[j]));
      }
      sum.gradient[i] += slope;
    }
  }
  return sum;
}

TEST(SineSeries, AgreesWithDirectSummation) {
  // Points near multiples of 1, where recurrences lose digits, outside [0, 1], and any number left
  // over by the vector lanes.
  const std::vector<double> ticks{0.5,  1e-9, 1 - 1e-9,    0x1p-40, 0.25, 1.0 / 3, -0.3,
                                  3.71, 1.0,  0.123456789, 0.9,     0.0,  0.7};
  for (int d = 1; d <= 3; ++d) {
    for (const auto& series : {SineSeries{6, 600}, SineSeries{3, 100}, SineSeries{1.5, 333}}) {
      std::vector<double> x;
      for (std::size_t i = 0; i < ticks.size(); ++i) {
        for (int axis = 0; axis < d; ++axis) {
          x.push_back(ticks[(i + static_cast<std::size_t>(5 * axis)) % ticks.size()]);
        }
      }
      std::vector<double> u(ticks.size()), laplacian(ticks.size()), gradient(x.size());
      sine_series(series, d, x, u, gradient, laplacian);
      for (std::size_t i = 0; i < ticks.size(); ++i) {
        const auto width = static_cast<std::size_t>(d);
        const auto exact = direct_series(series, std::span(x).subspan(i * width, width));
        // Each term carries up to 16 rotations of two roundings per axis: 16 x 3 x 2 x 1.1e-16
        // relative to the sum of all terms' sizes, below zeta(decay - power).
        double sizes = 0, slopes = 0, bends = 0;
        for (int k = 1; k <= series.terms; ++k) {
          sizes += std::pow(k, -series.decay);
          slopes += pi * std::pow(k, 1 - series.decay);
          bends += d * pi * pi * std::pow(k, 2 - series.decay);
        }
        EXPECT_NEAR(u[i], static_cast<double>(exact.u), 1e-14 * sizes) << d << ' ' << i;
        EXPECT_NEAR(laplacian[i], static_cast<double>(exact.laplacian), 1e-14 * bends);
        for (std::size_t axis = 0; axis < width; ++axis) {
          EXPECT_NEAR(gradient[i * width + axis], static_cast<double>(exact.gradient[axis]),
                      1e-14 * slopes);
        }
      }
    }
  }
}

TEST(SineSeries, SmallValuesKeepTheirDigits) {
  // u near the corner is a product of two small sines; absolute accuracy alone would lose it.
  const std::vector<double> x{1e-9, 1 - 0x1p-40};
  std::vector<double> u(1);
  sine_series({6, 600}, 2, x, u, {}, {});
  const auto exact = static_cast<double>(direct_series({6, 600}, x).u);
  EXPECT_NEAR(u[0], exact, 1e-13 * std::abs(exact));
}

TEST(SineSeries, StopsWhereTermsVanishAndZeroAtTheBoundary) {
  // k^-40 leaves nothing after a few terms.
  std::vector<double> u(2), laplacian(2);
  sine_series({40, 1000000}, 1, std::vector<double>{0.5, 1.0}, u, {}, laplacian);
  EXPECT_DOUBLE_EQ(u[0], 1 - std::pow(3.0, -40));
  EXPECT_DOUBLE_EQ(laplacian[0], -pi * pi * (1 - std::pow(3.0, -38)));
  EXPECT_EQ(u[1], 0);
}

// The same bits whatever the neighbours in a vector are.
TEST(SineSeries, ValuesDoNotDependOnTheBatch) {
  std::vector<double> x, together(19);
  for (int i = 0; i < 38; ++i) x.push_back(0.013 + i * 0.0257);
  sine_series({}, 2, x, together, {}, {});
  for (std::size_t i = 0; i < together.size(); ++i) {
    std::vector<double> alone(1), gradient(2);
    sine_series({}, 2, std::span(x).subspan(2 * i, 2), alone, gradient, {});
    EXPECT_EQ(alone[0], together[i]);
  }
}

// Simpson's rule on the integrals over z itself, in long double. Beyond the reach the integrands
// are below e^-60; 4000 intervals put at least eight into the width of the narrowest peak.
double cole_hopf_by_simpson(double x, double t, double nu) {
  const long double pi_l = std::numbers::pi_v<long double>;
  const long double reach = std::sqrt(4 * nu * t * (60 + 1 / (pi * nu)));
  const int n = 4000;
  long double top = 0, bottom = 0;
  for (int i = 0; i <= n; ++i) {
    const long double y = reach * (2.0L * i / n - 1);
    const long double z = x - y;
    const long double s = -(std::cos(pi_l * z) + 1) / (2 * pi_l * nu) - y * y / (4.0L * nu * t);
    const long double weight = (i == 0 || i == n ? 1 : (i % 2 == 1 ? 4 : 2)) *
                               std::exp(s + (1 + std::cos(pi_l * (0.0L + x))) / (2 * pi_l * nu));
    top += weight * std::sin(pi_l * z);
    bottom += weight;
  }
  return static_cast<double>(-top / bottom);
}

TEST(ColeHopf, AgreesWithSimpson) {
  for (const double nu : {0.001, 0.02, 0.1, 2.0}) {
    for (const double t : {1e-6, 0.04, 0.3, 1.0, 5.0}) {
      for (const double x : {-1.0, -0.61, -0.01, 0.0, 0.02, 0.5, 0.97}) {
        EXPECT_NEAR(cole_hopf(x, t, nu), cole_hopf_by_simpson(x, t, nu), 1e-10)
            << "nu " << nu << " t " << t << " x " << x;
      }
    }
  }
}

TEST(ColeHopf, AgreesWithGaussHermite) {
  // The formula of the published script with 140 Gauss-Hermite nodes (numpy.polynomial.hermite); 80
  // nodes differ from these by less than 2e-13.
  struct Value {
    double nu, t, x, u;
  };
  for (const auto& [nu, t, x, u] :
       {Value{0.02, 0.1, -0.7, 0.659980638980146}, Value{0.02, 0.1, 0.6, -0.825836360219245},
        Value{0.02, 0.5, 0.05, -0.721458114534459}, Value{0.02, 0.5, 0.6, -0.471850135316482},
        Value{0.02, 1, -0.7, 0.224123213361407}, Value{0.02, 1, 0.05, -0.481272217527273},
        Value{0.1, 0.1, 0.05, -0.188085180198624}, Value{0.1, 0.5, -0.7, 0.322193010390508},
        Value{0.1, 0.5, 0.6, -0.419034459007944}}) {
    EXPECT_NEAR(cole_hopf(x, t, nu), u, 1e-12) << "nu " << nu << " t " << t << " x " << x;
  }
}

TEST(ColeHopf, SolvesBurgers) {
  // Central differences of order four in x and two in t: steps that leave 1e-5 of the terms' size.
  for (const double nu : {0.02, 0.1}) {
    for (const double t : {0.1, 0.5}) {
      for (const double x : {-0.8, -0.3, 0.1, 0.45}) {
        const double h = 2e-3 * nu / 0.02;
        const double k = 1e-4;
        const auto u = [&](int i, int j) { return cole_hopf(x + i * h, t + j * k, nu); };
        const double u_t = (8 * (u(0, 1) - u(0, -1)) - (u(0, 2) - u(0, -2))) / (12 * k);
        const double u_x = (8 * (u(1, 0) - u(-1, 0)) - (u(2, 0) - u(-2, 0))) / (12 * h);
        const double u_xx =
            (16 * (u(1, 0) + u(-1, 0)) - (u(2, 0) + u(-2, 0)) - 30 * u(0, 0)) / (12 * h * h);
        const double size = std::abs(u_t) + std::abs(u(0, 0) * u_x) + nu * std::abs(u_xx);
        EXPECT_NEAR(u_t + u(0, 0) * u_x, nu * u_xx, 1e-5 * size) << nu << ' ' << t << ' ' << x;
      }
    }
  }
}

TEST(ColeHopf, StartBoundaryAndSymmetry) {
  for (const double x : {-0.9, -0.2, 0.3}) {
    EXPECT_EQ(cole_hopf(x, 0, 0.02), -std::sin(pi * x));
    // u_t is of the order of pi: after 1e-12 nothing has changed beyond 1e-10.
    EXPECT_NEAR(cole_hopf(x, 1e-12, 0.02), -std::sin(pi * x), 1e-10);
    EXPECT_NEAR(cole_hopf(-x, 0.7, 0.005), -cole_hopf(x, 0.7, 0.005), 1e-13);
  }
  // The shock gets as steep as the viscosity allows; all three values are zero by symmetry.
  for (const double nu : {1e-5, 0.001, 0.02, 1.0}) {
    for (const double x : {-1.0, 0.0, 1.0}) EXPECT_NEAR(cole_hopf(x, 1, nu), 0, 1e-10) << nu;
  }
  // After the shock and away from it the inviscid limit holds: u = -sin(pi (x - u t)).
  const double u = cole_hopf(0.5, 0.4, 1e-5);
  EXPECT_NEAR(u, -std::sin(pi * (0.5 - 0.4 * u)), 1e-4);
}

}  // namespace
