// SPDX-License-Identifier: BSD-3-Clause
// Entries of covariance blocks against the kernel's own derivatives.
#include "gp/covariance.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "exact_kernel.hpp"
#include "functional_rows.hpp"

namespace mensura::test {
namespace {

using gp::Covariance;
using gp::Family;
using gp::Kernel;

std::vector<Functional> functionals(int dimension, int order) {
  std::mt19937_64 generator(11);
  std::vector<Functional> all = elementary(dimension, order);
  all.push_back(mixed(dimension, order, generator));
  return all;
}

/// The size of an entry: what Cauchy-Schwarz allows it.
double size_of_entry(Covariance& covariance, const Point& x, const Functional& f,
                     const Functional& g) {
  return std::sqrt(entry(covariance, x, f, x, f) * entry(covariance, x, g, x, g));
}

// Difference quotients err by (a h)^4 / 20 or so, a = sqrt(2 nu) / length < 20 here, h = 2^-15:
// below 1e-14 of the entry's scale; the covariances themselves by a few hundred roundings.
constexpr double tolerance = 1e-12;

void expect_differences(const Kernel& kernel, int dimension, int order, std::size_t count = 1) {
  SCOPED_TRACE(gp::describe(kernel) + " in " + std::to_string(dimension) + " dimensions");
  const std::vector<std::pair<Point, Point>> places{{{0.31, 0.42, 0.17}, {0.55, 0.36, 0.29}},
                                                    {{0.2, 0.7, 0.6}, {0.15, 0.67, 0.65}}};
  Covariance covariance(kernel, dimension);
  const auto all = elementary(dimension, order);
  for (std::size_t place = 0; place < count; ++place) {
    const auto& [x, y] = places[place];
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (std::size_t j = 0; j < all.size(); ++j) {
        const double expected = difference_entry(kernel, dimension, x, all[i], y, all[j]);
        EXPECT_NEAR(entry(covariance, x, all[i], y, all[j]), expected,
                    tolerance * size_of_entry(covariance, x, all[i], all[j]))
            << "functionals " << i << ", " << j;
      }
    }
  }
}

TEST(Covariance, EntriesAreBilinearInTheWeights) {
  const Kernel tensor{{{1, {{Family::matern_5_2, {0.6}, {0}}, {Family::gaussian, {0.5}, {}}}}}};
  for (const Kernel& kernel : {radial(Family::matern_7_2, 0.4), tensor}) {
    for (int d = 1; d <= 3; ++d) {
      Covariance covariance(kernel, d);
      std::mt19937_64 generator(5);
      const Functional f = mixed(d, 2, generator), g = mixed(d, 2, generator);
      const Point x{0.31, 0.42, 0.17}, y{0.55, 0.36, 0.29};
      const auto basis = elementary(d, 2);
      const auto weights = [&](const Functional& of) {
        std::vector<double> w{of.value};
        w.insert(w.end(), of.gradient.begin(), of.gradient.begin() + d);
        w.push_back(of.laplacian);
        w.insert(w.end(), of.hessian.begin(), of.hessian.begin() + d * (d + 1) / 2);
        return w;
      };
      double expected = 0;
      for (std::size_t i = 0; i < basis.size(); ++i) {
        for (std::size_t j = 0; j < basis.size(); ++j) {
          expected += weights(f)[i] * weights(g)[j] * entry(covariance, x, basis[i], y, basis[j]);
        }
      }
      // Up to 121 summands, each rounded relative to the size that the variances bound.
      EXPECT_NEAR(entry(covariance, x, f, y, g), expected,
                  1e-13 * size_of_entry(covariance, x, f, g));
    }
  }
}

TEST(Covariance, RadialFamiliesAgreeWithDifferences) {
  for (const Family family : families) {
    for (int d = 1; d <= 3; ++d) expect_differences(radial(family, 0.4), d, order_of(family), 2);
  }
}

TEST(Covariance, AnisotropicFactorsAgreeWithDifferences) {
  for (const Family family : families) {
    expect_differences({{{1.5, {{family, {0.4, 0.7}, {}}}}}}, 2, order_of(family));
  }
  expect_differences({{{1, {{Family::matern_9_2, {0.4, 0.7, 0.5}, {}}}}}}, 3, 2);
}

TEST(Covariance, ProductsAgreeWithDifferences) {
  const gp::RadialFactor rough{Family::matern_5_2, {0.5}, {}}, smooth{Family::gaussian, {0.8}, {}};
  const gp::RadialFactor stretched{Family::matern_7_2, {0.4, 0.9}, {}};
  expect_differences({{{1, {rough, smooth}}}}, 1, 2);
  expect_differences({{{1, {rough, smooth}}}}, 3, 2);
  expect_differences({{{2, {rough, stretched}}}}, 2, 2);
  expect_differences({{{1, {stretched, {Family::gaussian, {0.8, 1.8}, {}}}}}}, 2, 2);
  expect_differences({{{1, {{Family::matern_3_2, {0.6}, {0}}, {Family::matern_3_2, {0.5}, {1}}}}}},
                     2, 1);
  expect_differences({{{1,
                        {{Family::matern_5_2, {0.6}, {0}},
                         {Family::matern_7_2, {0.5}, {1}},
                         {Family::gaussian, {0.7}, {2}}}}}},
                     3, 2);
}

TEST(Covariance, SumsAgreeWithDifferences) {
  const gp::RadialFactor rough{Family::matern_5_2, {0.5}, {}}, smooth{Family::gaussian, {0.8}, {}};
  const gp::RadialFactor stretched{Family::matern_7_2, {0.4, 0.9}, {}};
  expect_differences({{{0.7, {rough}}, {1.9, {smooth}}, {0.3, {rough, smooth}}}}, 2, 2);
  expect_differences({{{0.7, {rough}}, {1.9, {stretched}}}}, 2, 2);
  expect_differences({{{0.7, {{Family::matern_5_2, {0.5}, {0}}}}, {1.9, {stretched, rough}}}}, 2,
                     2);
}

TEST(Covariance, SmallDistancesAgreeWithTheClosedForm) {
  // Where difference quotients fail: the closed form of every derivative in 113 bits. Even entries
  // keep their scale; odd ones are of the order of the distance, and keep their own digits.
  for (const Family family : families) {
    for (int d = 1; d <= 3; ++d) {
      SCOPED_TRACE(gp::family_names()[static_cast<std::size_t>(family)] + " in " +
                   std::to_string(d) + " dimensions");
      Covariance covariance(radial(family, 0.4), d);
      for (const double distance : {1e-3, 1e-6, 1e-9, 1e-12}) {
        const Point x{0, 0, 0}, y{0.6 * distance, -0.64 * distance, 0.48 * distance};
        for (const Functional& f : elementary(d, order_of(family))) {
          for (const Functional& g : elementary(d, order_of(family))) {
            const double expected = closed_entry(family, 0.4, d, x, f, y, g);
            // Where terms of a third derivative cancel, digits relative to its size are lost.
            EXPECT_NEAR(entry(covariance, x, f, y, g), expected,
                        1e-13 * std::abs(expected) + 1e-14 * std::min(1.0, 1e2 * distance) *
                                                         size_of_entry(covariance, x, f, g))
                << distance;
          }
        }
      }
    }
  }
}

TEST(Covariance, VariancesHaveTheirClosedForm) {
  for (const Family family : families) {
    for (int d = 1; d <= 3; ++d) {
      SCOPED_TRACE(gp::family_names()[static_cast<std::size_t>(family)] + " in " +
                   std::to_string(d) + " dimensions");
      const double length = 0.4, p = static_cast<double>(family) + 1;
      const bool gaussian = family == Family::gaussian;
      const double a2 = (gaussian ? 1 : 2 * p + 1) / (length * length);
      const double first = -a2 / (gaussian ? 1 : 2 * p - 1);                       // g1(0)
      const double second = a2 * a2 / (gaussian ? 1 : (2 * p - 1) * (2 * p - 3));  // g2(0)
      Covariance covariance(radial(family, length), d);
      const Point x{0.3, 0.1, 0.7};
      const auto variance = [&](const Functional& f) { return entry(covariance, x, f, x, f); };
      // Six to eight roundings in the coefficients.
      const auto near = [](double is, double should) {
        EXPECT_NEAR(is, should, 2e-15 * std::abs(should));
      };
      Functional value, gradient, laplacian, xx, xy;
      value.value = gradient.gradient[0] = laplacian.laplacian = xx.hessian[0] = 1;
      near(variance(value), 1);
      near(variance(gradient), -first);
      EXPECT_EQ(entry(covariance, x, value, x, gradient), 0);
      if (order_of(family) < 2) continue;
      near(variance(laplacian), d * (d + 2) * second);
      near(variance(xx), 3 * second);
      near(entry(covariance, x, value, x, laplacian), d * first);
      near(entry(covariance, x, xx, x, laplacian), (d + 2) * second);
      if (d == 1) continue;
      xy.hessian[1] = 1;
      near(variance(xy), second);
      EXPECT_EQ(entry(covariance, x, xy, x, xx), 0);
    }
  }
}

TEST(Covariance, LaplacianIsTheSumOfSecondDerivatives) {
  const std::array<std::array<std::size_t, 3>, 3> diagonal{{{0, 0, 0}, {0, 2, 2}, {0, 3, 5}}};
  const std::vector<Kernel> kernels{
      radial(Family::matern_5_2, 0.4),
      radial(Family::gaussian, 0.4),
      {{{1, {{Family::matern_7_2, {0.4}, {}}, {Family::gaussian, {0.8}, {0}}}}}}};
  for (const Kernel& kernel : kernels) {
    for (int d = 1; d <= 3; ++d) {
      Covariance covariance(kernel, d);
      Functional laplacian, sum;
      laplacian.laplacian = 1;
      for (std::size_t axis = 0; axis < static_cast<std::size_t>(d); ++axis) {
        sum.hessian[diagonal[static_cast<std::size_t>(d - 1)][axis]] = 1;
      }
      for (const double distance : {0.0, 1e-9, 0.1, 0.5, 3.0}) {
        const Point x{0.3, 0.4, 0.1}, y{0.3 + 0.6 * distance, 0.4 + 0.8 * distance, 0.1};
        for (const Functional& f : functionals(d, 2)) {
          // Twenty roundings relative to the size of the summands, which the variances bound.
          EXPECT_NEAR(entry(covariance, x, f, y, laplacian), entry(covariance, x, f, y, sum),
                      1e-14 * size_of_entry(covariance, x, f, laplacian));
        }
      }
    }
  }
}

TEST(Covariance, AnisotropicIsIsotropicInStretchedCoordinates) {
  // Lengths that differ by powers of two: stretching is exact, only the paths differ.
  const Kernel stretched{{{1, {{Family::matern_7_2, {0.5, 0.25}, {}}}}}};
  Covariance covariance(stretched, 2), plain(radial(Family::matern_7_2, 0.5), 2);
  const Point x{0.3, 0.2, 0}, y{0.45, 0.35, 0}, x2{0.3, 0.4, 0}, y2{0.45, 0.7, 0};
  const auto all = elementary(2, 2);
  const double factors[7] = {1, 1, 2, 0, 1, 2, 4};  // per derivative in y: 2; Laplacian: none
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < all.size(); ++j) {
      if (factors[i] == 0 || factors[j] == 0) continue;
      EXPECT_NEAR(entry(covariance, x, all[i], y, all[j]),
                  factors[i] * factors[j] * entry(plain, x2, all[i], y2, all[j]),
                  1e-14 * size_of_entry(covariance, x, all[i], all[j]));
    }
  }
}

TEST(Covariance, RadialAndGeneralProductsAgree) {
  // exp(-|z|^2) is the product of its factors per axis: the first kernel is radial throughout, the
  // second goes through products of derivative arrays. Same numbers but for some 50 roundings.
  const gp::RadialFactor matern{Family::matern_7_2, {0.4}, {}};
  for (int d = 2; d <= 3; ++d) {
    Kernel general{{{1.3, {matern}}}};
    for (int axis = 0; axis < d; ++axis) {
      general.terms[0].factors.push_back({Family::gaussian, {0.6}, {axis}});
    }
    Covariance one({{{1.3, {matern, {Family::gaussian, {0.6}, {}}}}}}, d), other(general, d);
    for (const double distance : {0.0, 1e-9, 0.1, 0.5}) {
      const Point x{0.3, 0.4, 0.1}, y{0.3 + 0.6 * distance, 0.4 - 0.7 * distance, 0.1 + distance};
      for (const Functional& f : functionals(d, 2)) {
        for (const Functional& g : functionals(d, 2)) {
          EXPECT_NEAR(entry(one, x, f, y, g), entry(other, x, f, y, g),
                      2e-14 * size_of_entry(one, x, f, g));
        }
      }
    }
  }
}

TEST(Covariance, TensorProductsAreProductsOfOneDimensionalEntries) {
  const gp::RadialFactor first{Family::matern_7_2, {0.4}, {}},
      second{Family::matern_5_2, {0.7}, {}};
  gp::RadialFactor on_x = first, on_y = second;
  on_x.axes = {0};
  on_y.axes = {1};
  Covariance tensor({{{1, {on_x, on_y}}}}, 2), x_part({{{1, {first}}}}, 1),
      y_part({{{1, {second}}}}, 1);
  const Point x{0.3, 0.4, 0}, y{0.52, 0.29, 0}, xx{0.4, 0, 0}, yy{0.29, 0, 0};
  const auto line = elementary(1, 2);  // value, first, Laplacian, second derivative
  const std::array<std::size_t, 3> by_order{0, 1, 3};
  for (const Functional& f : elementary(2, 2)) {
    for (const Functional& g : elementary(2, 2)) {
      double expected = 0;
      for (const auto& [left, a] : parts_of(2, f)) {
        for (const auto& [right, b] : parts_of(2, g)) {
          const auto at = [&](int order) {
            return line[by_order[static_cast<std::size_t>(order)]];
          };
          expected += a * b * entry(x_part, {x[0]}, at(left[0]), {y[0]}, at(right[0])) *
                      entry(y_part, xx, at(left[1]), yy, at(right[1]));
        }
      }
      EXPECT_NEAR(entry(tensor, x, f, y, g), expected, 1e-14 * size_of_entry(tensor, x, f, g));
    }
  }
}

TEST(Covariance, SumsAddUp) {
  const Kernel first{{{0.7, {{Family::matern_7_2, {0.4}, {}}}}}};
  const Kernel second{{{1.9, {{Family::matern_5_2, {0.3, 0.8}, {}}}}}};
  const Kernel both{{first.terms[0], second.terms[0]}};
  Covariance one(first, 2), other(second, 2), sum(both, 2);
  const Point x{0.3, 0.4, 0}, y{0.52, 0.29, 0};
  for (const Functional& f : functionals(2, 2)) {
    for (const Functional& g : functionals(2, 2)) {
      EXPECT_NEAR(entry(sum, x, f, y, g), entry(one, x, f, y, g) + entry(other, x, f, y, g),
                  1e-14 * size_of_entry(sum, x, f, g));
    }
  }
}

TEST(Covariance, AgreesWithTheOracle) {
  // Printed by cov() of the Python oracle gpk.py for weights (value, Laplacian, gradient) 1.7,
  // -0.8, (1.1, -0.4, 0.3) at x and -1.2, 0.6, (0.2, 0.9, -0.7) at y, length 0.35.
  struct Entry {
    Family family;
    int dimension;
    double value;
  };
  const std::vector<Entry> printed{
      {Family::matern_5_2, 1, 87.984403322980498},   {Family::matern_5_2, 2, -23.785675925134953},
      {Family::matern_5_2, 3, -118.25270433761199},  {Family::matern_7_2, 1, 31.735948717411691},
      {Family::matern_7_2, 2, -80.724764159774438},  {Family::matern_7_2, 3, -168.33029235522758},
      {Family::matern_11_2, 1, -18.917341175851558}, {Family::matern_11_2, 2, -127.93952148156872},
      {Family::matern_11_2, 3, -213.32260057730363}, {Family::gaussian, 1, -57.576852634039518},
      {Family::gaussian, 2, -152.83582914956472},    {Family::gaussian, 3, -240.88920745935039},
  };
  const Functional f{1.7, -0.8, {1.1, -0.4, 0.3}, {}}, g{-1.2, 0.6, {0.2, 0.9, -0.7}, {}};
  const Point x{0.3, 0.4, 0.1}, y{0.52, 0.29, 0.25};
  for (const Entry& line : printed) {
    Covariance covariance(radial(line.family, 0.35), line.dimension);
    Functional left = f, right = g;
    for (auto axis = static_cast<std::size_t>(line.dimension); axis < 3; ++axis) {
      left.gradient[axis] = right.gradient[axis] = 0;
    }
    // Both sides round a few dozen times, relative to summands of the size of the variances.
    EXPECT_NEAR(entry(covariance, x, left, y, right), line.value,
                1e-14 * size_of_entry(covariance, x, left, right))
        << gp::family_names()[static_cast<std::size_t>(line.family)] << " " << line.dimension;
  }
}

}  // namespace
}  // namespace mensura::test
