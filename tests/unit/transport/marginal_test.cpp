// SPDX-License-Identifier: BSD-3-Clause
// Marginals against a plain serial reading of the same arrays: bitwise, whatever the number of
// ranks, since every value is made by the same operations and every sum is exact.
#include "transport/marginal.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"
#include "transport/resize.hpp"
#include "unit/output/support.hpp"

namespace {

using namespace mensura;
using namespace mensura::transport;
using mensura::test::catch_error;
using mensura::test::SharedFolder;
using parallel::Communicator;

const std::function<void()> no_poll = [] {};

double exact(const std::vector<double>& terms) {
  parallel::ExactSum sum;
  for (const double term : terms) sum.add(term);
  return sum.value();
}

class Marginals : public testing::Test {
 protected:
  Communicator comm = Communicator::world();
  SharedFolder folder{comm};
  std::string path = folder / "m.h5";

  void write(const std::string& name, const std::vector<hsize_t>& shape,
             const std::vector<double>& values) {
    if (comm.is_root()) {
      test::serial_write(path, name, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, shape, values);
    }
    comm.barrier();
  }
  MarginalSpec grid(const std::string& dataset) const {
    return {.name = "a", .file = path, .dataset = dataset, .where = "d.yaml:2:6: marginals.a"};
  }
  MarginalSpec cloud(const std::string& dataset, const std::string& weights = "") const {
    return {.name = "c",
            .kind = MarginalKind::points,
            .file = path,
            .dataset = dataset,
            .weights = weights,
            .where = "d.yaml:3:6: marginals.c"};
  }
  static MarginalSpec density(const std::string& formula, std::vector<std::int64_t> shape) {
    return {.name = "f",
            .density = formula,
            .shape = std::move(shape),
            .where = "d.yaml:4:6: marginals.f"};
  }
  Marginal load(const MarginalSpec& spec, bool normalise = true) const {
    return load_marginal(comm, spec, normalise, no_poll);
  }
  // What this rank holds is the kept part of its rows of `values`, at the pixel centres.
  void expect_grid(const Marginal& marginal, const std::vector<std::int64_t>& shape, double spacing,
                   const std::vector<double>& mass) const {
    const std::int64_t rows = shape[0];
    const auto width = static_cast<std::int64_t>(mass.size()) / rows;
    const parallel::Blocks blocks{rows, comm.size()};
    std::size_t next = 0;
    std::int64_t total = 0;
    for (std::int64_t flat = 0; flat < rows * width; ++flat) {
      const double value = mass[static_cast<std::size_t>(flat)];
      if (value == 0) continue;
      ++total;
      if (blocks.owner(flat / width) != comm.rank()) continue;
      ASSERT_LT(next, marginal.mass.size());
      EXPECT_EQ(marginal.mass[next], value) << "pixel " << flat;
      EXPECT_EQ(marginal.ids[next], static_cast<std::uint64_t>(flat));
      std::int64_t rest = flat;
      for (std::size_t axis = shape.size(); axis-- > 0;) {
        EXPECT_EQ(marginal.coordinates[next * shape.size() + axis],
                  (static_cast<double>(rest % shape[axis]) + 0.5) * spacing);
        rest /= shape[axis];
      }
      ++next;
    }
    EXPECT_EQ(next, marginal.mass.size());
    EXPECT_EQ(marginal.total, total);
    EXPECT_EQ(marginal.input_total, rows * width);
    ASSERT_TRUE(marginal.grid.has_value());
    EXPECT_EQ(marginal.grid->shape, shape);
    EXPECT_EQ(marginal.grid->origin, std::vector<double>(shape.size(), spacing / 2));
    EXPECT_EQ(marginal.grid->spacing, std::vector<double>(shape.size(), spacing));
    EXPECT_EQ(marginal.dimension, static_cast<int>(shape.size()));
  }
};

// (value / largest + floor) / sum, as the deck says it.
std::vector<double> normalised(std::vector<double> values, double floor) {
  const double largest = *std::max_element(values.begin(), values.end());
  for (double& value : values) value = value / largest + floor;
  const double total = exact(values);
  for (double& value : values) value /= total;
  return values;
}

std::vector<double> picture(std::size_t pixels) {
  std::vector<double> values(pixels);
  for (std::size_t i = 0; i < pixels; ++i) {
    values[i] = i % 5 == 2 ? 0.0 : static_cast<double>((i * i * 7 + 3) % 251);
  }
  return values;
}

TEST_F(Marginals, GridsOfOneToThreeAxes) {
  for (const std::vector<std::int64_t>& shape :
       {std::vector<std::int64_t>{11}, {6, 9}, {3, 4, 5}, {1, 7}}) {
    const std::string name =
        std::to_string(shape.size()).append("x").append(std::to_string(shape[0]));
    const auto pixels =
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    const auto values = picture(static_cast<std::size_t>(pixels));
    write(name, {shape.begin(), shape.end()}, values);
    const double spacing = 1 / static_cast<double>(*std::max_element(shape.begin(), shape.end()));
    for (const double floor : {0.0, 1e-4}) {
      MarginalSpec spec = grid(std::string("/").append(name));
      spec.floor = floor;
      const Marginal marginal = load(spec);
      expect_grid(marginal, shape, spacing, normalised(values, floor));
      EXPECT_NEAR(marginal.total_mass, 1, 1e-15);  // rounding of the masses, errors of both signs
      const double largest = *std::max_element(values.begin(), values.end());
      // One rounding of the floor and the largest value each.
      EXPECT_NEAR(marginal.input_mass,
                  exact(values) + floor * largest * static_cast<double>(pixels),
                  1e-13 * marginal.input_mass);
    }
  }
}

TEST_F(Marginals, KeptMassesAndSpacing) {
  const auto values = picture(24);
  write("g", {4, 6}, values);
  MarginalSpec spec = grid("/g");
  spec.spacing = 0.5;
  const Marginal marginal = load(spec, false);
  expect_grid(marginal, {4, 6}, 0.5, values);
  EXPECT_EQ(marginal.total_mass, exact(values));
  EXPECT_EQ(marginal.input_mass, exact(values));
}

TEST_F(Marginals, DensitiesRunAlongTheColumnsFirst) {
  // x belongs to the last axis, z to the first; the same operations here and there.
  std::vector<double> values;
  for (int l = 0; l < 2; ++l) {
    for (int h = 0; h < 3; ++h) {
      for (int w = 0; w < 4; ++w) {
        values.push_back((w + 0.5) * 0.25 + 10 * ((h + 0.5) * 0.25) + 100 * ((l + 0.5) * 0.25));
      }
    }
  }
  expect_grid(load(density("x + 10*y + 100*z", {2, 3, 4}), false), {2, 3, 4}, 0.25, values);
  values.clear();
  for (int w = 0; w < 10; ++w) values.push_back(w < 5 ? 0 : (w + 0.5) * 0.1);
  expect_grid(load(density("x < 0.5 ? 0 : x", {10}), false), {10}, 0.1, values);
}

TEST_F(Marginals, FingerprintsKnowTheContents) {
  const auto first = load(density("1 + x", {5, 7})).fingerprint;
  const auto second = load(density("1 + y", {5, 7})).fingerprint;
  EXPECT_NE(first, second);
  // The same on any number of ranks: one rank alone knows it too.
  const Communicator alone = comm.split(comm.rank(), 0);
  EXPECT_EQ(load_marginal(alone, density("1 + x", {5, 7}), true, no_poll).fingerprint, first);
}

TEST(Resize, ShapesKeepTheirProportions) {
  using Shape = std::vector<std::int64_t>;
  EXPECT_EQ(resized_shape({512, 512}, 256), (Shape{256, 256}));
  EXPECT_EQ(resized_shape({300, 451}, 100), (Shape{67, 100}));
  EXPECT_EQ(resized_shape({1, 100}, 10), (Shape{1, 10}));
  EXPECT_EQ(resized_shape({2, 3, 4}, 8), (Shape{4, 6, 8}));
}

TEST(Resize, WeightsAddUpAndKeepTheMean) {
  for (const std::int64_t n : {1, 2, 3, 7, 12}) {
    for (const std::int64_t m : {1, 2, 5, 6, 12, 30}) {
      std::vector<double> used(static_cast<std::size_t>(n), 0.0);
      for (std::int64_t j = 0; j < m; ++j) {
        const PixelWeights pixel = pixel_weights(n, m, j);
        double sum = 0;
        for (std::size_t k = 0; k < pixel.weights.size(); ++k) {
          EXPECT_GT(pixel.weights[k], 0);
          sum += pixel.weights[k];
          used[static_cast<std::size_t>(pixel.first) + k] += pixel.weights[k] / pixel.divisor;
        }
        EXPECT_EQ(sum, pixel.divisor) << n << " to " << m << ", pixel " << j;  // whole numbers
      }
      if (m > n) continue;
      // Averaging uses every old pixel alike: m / n each, to the rounding of a few divisions.
      for (const double part : used) {
        EXPECT_NEAR(part, static_cast<double>(m) / static_cast<double>(n), 1e-14);
      }
    }
  }
}

TEST_F(Marginals, ResizedDownIsTheMeanOfWholePixels) {
  const auto values = picture(12 * 18);
  write("g", {12, 18}, values);
  MarginalSpec spec = grid("/g");
  spec.resize = 6;  // 3 x 3 pixels into one
  std::vector<double> means(4 * 6, 0.0);
  for (std::size_t i = 0; i < 12; ++i) {
    for (std::size_t j = 0; j < 18; ++j) means[i / 3 * 6 + j / 3] += values[i * 18 + j];
  }
  const Marginal marginal = load(spec, false);
  ASSERT_EQ(marginal.grid->shape, (std::vector<std::int64_t>{4, 6}));
  ASSERT_EQ(marginal.grid->spacing[0], 1.0 / 6);
  for (std::size_t i = 0; i < marginal.mass.size(); ++i) {
    // Values are whole numbers, so only the two divisions by three round.
    EXPECT_NEAR(marginal.mass[i], means[marginal.ids[i]] / 9, 1e-13);
  }
  EXPECT_EQ(marginal.total, 24);
}

TEST_F(Marginals, ResizedByAnyRatioKeepsConstantsAndLines) {
  // Down by 7/5 and 10/7, and up: a constant stays one exactly, the weights being whole numbers.
  write("one", {7, 10}, std::vector<double>(70, 3.0));
  std::vector<double> slope;
  for (int i = 0; i < 7; ++i) {
    for (int j = 0; j < 10; ++j) slope.push_back(2 + (i + 0.5) * 0.1 + 3 * (j + 0.5) * 0.1);
  }
  write("slope", {7, 10}, slope);
  for (const std::int64_t longest : {5, 7, 13, 40}) {
    MarginalSpec spec = grid("/one");
    spec.resize = longest;
    const Marginal one = load(spec, false);
    for (const double mass : one.mass) EXPECT_EQ(mass, 3.0);
    EXPECT_EQ(one.total, one.input_total);
    spec.dataset = "/slope";
    const Marginal line = load(spec, false);
    const auto& shape = line.grid->shape;
    if (longest <= 10) {
      // The mean is kept by averaging, up to rounding.
      EXPECT_NEAR(line.total_mass / static_cast<double>(line.input_total), exact(slope) / 70,
                  1e-13);
      continue;
    }
    for (std::size_t k = 0; k < line.ids.size(); ++k) {
      const auto i = static_cast<std::int64_t>(line.ids[k]) / shape[1];
      const auto j = static_cast<std::int64_t>(line.ids[k]) % shape[1];
      const double y = (static_cast<double>(i) + 0.5) / static_cast<double>(shape[0]) * 0.7;
      const double x = (static_cast<double>(j) + 0.5) / static_cast<double>(shape[1]);
      // Interpolation reproduces a plane between the outer centres and is constant beyond.
      const double expected = 2 + std::clamp(y, 0.05, 0.65) + 3 * std::clamp(x, 0.05, 0.95);
      EXPECT_NEAR(line.mass[k], expected, 1e-13);
    }
  }
}

TEST_F(Marginals, ResizingDoesNotDependOnTheNumberOfRanks) {
  write("g", {9, 5, 8}, picture(360));
  const Communicator alone = comm.split(comm.rank(), 0);
  for (const std::int64_t longest : {2, 6, 7, 14}) {
    MarginalSpec spec = grid("/g");
    spec.resize = longest;
    spec.floor = 1e-3;
    const Marginal shared = load(spec);
    const Marginal whole = load_marginal(alone, spec, true, no_poll);
    ASSERT_EQ(whole.total, shared.total);
    EXPECT_EQ(whole.fingerprint, shared.fingerprint);
    EXPECT_EQ(whole.total_mass, shared.total_mass);
    for (std::size_t i = 0; i < shared.ids.size(); ++i) {
      // Nothing is dropped above a floor: the id is the place.
      EXPECT_EQ(whole.mass[shared.ids[i]], shared.mass[i]);
    }
  }
}

TEST_F(Marginals, CloudsWithWeightsAndRows) {
  std::vector<double> points, weights;
  for (int i = 0; i < 20; ++i) {
    for (int j = 0; j < 4; ++j) points.push_back(i + 0.1 * j);
    weights.push_back(i % 4 == 0 ? 0 : i);
  }
  write("p", {20, 4}, points);
  write("w", {20}, weights);
  MarginalSpec spec = cloud("/p", "/w");
  spec.rows = {3, 18, 2};  // rows 3, 5, ..., 17
  const Marginal marginal = load(spec, false);
  EXPECT_EQ(marginal.input_total, 8);
  EXPECT_EQ(marginal.total, 8);
  EXPECT_FALSE(marginal.grid.has_value());
  EXPECT_EQ(marginal.dimension, 4);
  EXPECT_EQ(marginal.total_mass, 3 + 5 + 7 + 9 + 11 + 13 + 15 + 17);
  for (std::size_t i = 0; i < marginal.ids.size(); ++i) {
    const double row = 3 + 2 * static_cast<double>(marginal.ids[i]);
    EXPECT_EQ(marginal.mass[i], row);
    EXPECT_EQ(marginal.coordinates[4 * i + 3], points[static_cast<std::size_t>(row) * 4 + 3]);
  }
  spec.rows = {};
  EXPECT_EQ(load(spec).total, 15);  // five weights are zero
  spec.floor = 0.5;
  EXPECT_EQ(load(spec).total, 20);
  const Marginal equal = load(cloud("/p"));
  for (const double mass : equal.mass) EXPECT_EQ(mass, 1.0 / 20);
  EXPECT_NE(equal.fingerprint, load(cloud("/p", "/w")).fingerprint);
  // A dataset (n,) is n points on a line.
  const Marginal line = load(cloud("/w"));
  EXPECT_EQ(line.dimension, 1);
  EXPECT_EQ(line.total, 20);
}

TEST_F(Marginals, WrongMassIsNamedWithItsPlace) {
  auto values = picture(30);
  values[7] = -2;
  values[26] = -1;
  write("negative", {5, 6}, values);
  const auto refuse = [&](const MarginalSpec& spec, const std::string& text) {
    const auto caught = catch_error([&] { load(spec); });
    EXPECT_EQ(caught.code, 3) << caught.text;
    EXPECT_EQ(caught.text, text);
  };
  refuse(grid("/negative"), "d.yaml:2:6: marginals.a: " + path +
                                ":/negative: row 1, column 1 is -2; mass is a finite number >= 0 "
                                "(2 of 30 pixels are not)");
  write("cube", {5, 3, 2}, values);
  refuse(grid("/cube"), "d.yaml:2:6: marginals.a: " + path +
                            ":/cube: pixel (1, 0, 1) is -2; mass is a finite number >= 0 (2 of 30 "
                            "pixels are not)");
  values[7] = std::nan("");
  write("nan", {5, 6}, values);
  refuse(grid("/nan"), "d.yaml:2:6: marginals.a: " + path +
                           ":/nan: row 1, column 1 is NaN; remove or replace such values");
  write("zero", {4, 4}, std::vector<double>(16, 0.0));
  MarginalSpec dark = grid("/zero");
  dark.floor = 0.1;
  refuse(dark, "d.yaml:2:6: marginals.a: " + path +
                   ":/zero has no mass: every pixel is zero; give a measure with mass");
  refuse(density("x - 0.5", {2, 8}),
         "d.yaml:4:6: marginals.f: the density 'x - 0.5': row 0, column 0 is -0.4375; mass is a "
         "finite number >= 0 (8 of 16 pixels are not)");
  refuse(density("1/(x-0.25)^2", {2}),
         "d.yaml:4:6: marginals.f: the density '1/(x-0.25)^2': pixel 0 is Inf; mass is a finite "
         "number >= 0 (1 of 2 pixels is not)");
  write("four", {2, 2, 2, 2}, std::vector<double>(16, 1.0));
  refuse(grid("/four"), "d.yaml:2:6: marginals.a: " + path +
                            ":/four is not a grid of one to three axes with pixels on each: (w,), "
                            "(h, w) or (l, h, w)");
}

TEST_F(Marginals, WrongWeightsAreNamedWithTheirRow) {
  write("p", {6, 2}, std::vector<double>(12, 0.5));
  write("w", {6}, {1, 1, 1, -3, 1, 0});
  write("five", {5}, {1, 1, 1, 1, 1});
  write("wide", {6, 2}, std::vector<double>(12, 1.0));
  write("zero", {6}, std::vector<double>(6, 0.0));
  const std::string place = "d.yaml:3:6: marginals.c: " + path;
  const auto refuse = [&](MarginalSpec spec, const std::string& text) {
    spec.rows = {1, {}, 2};
    const auto caught = catch_error([&] { load(spec); });
    EXPECT_EQ(caught.code, 3) << caught.text;
    EXPECT_EQ(caught.text, text);
  };
  refuse(cloud("/p", "/w"), place + ":/w: row 3 is -3; mass is a finite number >= 0");
  refuse(cloud("/p", "/five"),
         place + ":/five has 5 weights for the 6 points of /p; give one for each point");
  refuse(cloud("/p", "/wide"),
         place + ":/wide has 2 axes; weights need (n,), one number for each point");
  refuse(cloud("/p", "/zero"),
         place + ":/zero has no mass: every weight is zero; give a measure with mass");
}

TEST_F(Marginals, PairsMustFit) {
  const Marginal a = load(density("1 + x", {8})), b = load(density("2 - x", {9}));
  EXPECT_NO_THROW(check_pair(a, b, Relaxation::none));
  Marginal heavy = b;
  heavy.name = "heavy";
  heavy.total_mass = 1.5;
  const auto caught = catch_error([&] { check_pair(a, heavy, Relaxation::none); });
  EXPECT_EQ(caught.code, 3);
  EXPECT_NE(caught.text.find("'f' has mass 1 and 'heavy' has mass 1.5"), std::string::npos)
      << caught.text;
  EXPECT_NO_THROW(check_pair(a, heavy, Relaxation::kullback_leibler));
  EXPECT_NO_THROW(check_pair(a, heavy, Relaxation::partial, 1));
  EXPECT_EQ(catch_error([&] { check_pair(a, heavy, Relaxation::partial, 1.2); }).code, 3);
}

TEST_F(Marginals, SizesMustFitTheProblem) {
  write("p", {6, 3}, std::vector<double>(18, 0.5));
  Problem problem;
  problem.marginals = {density("1", {4, 8}), cloud("/p")};
  std::vector<MarginalSize> sizes;
  for (const auto& spec : problem.marginals) sizes.push_back(size_of(comm, spec));
  EXPECT_EQ(sizes[0].points, 32);
  EXPECT_EQ(sizes[0].dimension, 2);
  EXPECT_EQ(sizes[1].points, 6);
  EXPECT_EQ(sizes[1].dimension, 3);
  EXPECT_FALSE(sizes[1].grid.has_value());
  EXPECT_EQ(catch_error([&] { check_sizes(problem, sizes); }).code, 3);
  problem.cost.kind = CostKind::matrix;
  EXPECT_NO_THROW(check_sizes(problem, sizes));
  problem.cost = {};
  sizes[1] = sizes[0];
  EXPECT_NO_THROW(check_sizes(problem, sizes));
  problem.method = Method::line;
  EXPECT_EQ(catch_error([&] { check_sizes(problem, sizes); }).code, 3);
  problem.method = Method::automatic;
  problem.cost.kind = CostKind::periodic;
  problem.cost.period = {1};
  EXPECT_EQ(catch_error([&] { check_sizes(problem, sizes); }).code, 3);
}

}  // namespace
