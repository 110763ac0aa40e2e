// SPDX-License-Identifier: BSD-3-Clause
// Barycenters of points that move as parts of a graph: where they begin, closed forms, collapse,
// restarts.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "linear/petsc.hpp"
#include "parts.hpp"
#include "transport/support_start.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using namespace mensura::transport;

// Points of a square lattice, each moved by a fifth of the spacing at most: no two come close, so
// that small regularisations make permutations of all plans.
Measure lattice(std::size_t side) {
  const parallel::Stream stream(3, "test", "lattice");
  Measure result{2, {}, {}, {}};
  for (std::size_t i = 0; i < side * side; ++i) {
    const double at[2] = {static_cast<double>(i / side), static_cast<double>(i % side)};
    for (std::uint64_t a = 0; a < 2; ++a) {
      result.coordinates.push_back((at[a] + 0.4 * stream.uniform(i, a) + 0.3) /
                                   static_cast<double>(side));
    }
    result.ids.push_back(i);
    result.mass.push_back(1);
  }
  return uniform(result);
}

std::vector<double> quantiles(std::size_t count, double shift) {
  std::vector<double> result;
  for (std::size_t i = 0; i < count; ++i) {
    const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(count);
    double low = -8, high = 8;
    for (int step = 0; step < 60; ++step) {
      const double middle = (low + high) / 2;
      (std::erfc(-middle / std::sqrt(2.0)) / 2 < share ? low : high) = middle;
    }
    result.push_back(low + shift);
  }
  return result;
}

class FreeSupportPartTest : public ::testing::Test {
 protected:
  static Measure with(const Measure& like, std::vector<double> coordinates) {
    Measure result = like;
    result.coordinates = std::move(coordinates);
    return result;
  }
  std::vector<double> places(const Answer& answer, const Measure& start) const {
    const NodeAnswer& node = answer.nodes[0];
    EXPECT_TRUE(node.free_places);
    return everywhere(comm, node, start, node.coordinates, node.dimension);
  }
  static void expect_falls(const Answer& answer, double error) {
    for (std::size_t s = 1; s < answer.history.size(); ++s) {
      EXPECT_LE(answer.history[s].dual_objective, answer.history[s - 1].dual_objective + error);
    }
  }

  const parallel::Communicator comm = parallel::Communicator::world();
  const linear::PetscSession session{comm, {}, {}};
};

// Plans between translates are one permutation whatever the start: the mean translate after one
// step. Costs of exchanges are 2 (spacing / 2)^2 at least, 50 regularisations: exp(-50) of the mass
// is elsewhere. The start is drawn from the first leaf.
TEST_F(FreeSupportPartTest, TranslatesHaveTheMeanTranslate) {
  const Measure base = lattice(7);
  const double shifts[3][2] = {{2.0, 0.5}, {-1.0, 1.5}, {0.3, -4.0}};
  StarTask star{{base}, {0.25, 0.5, 0.25}, 2e-4};
  std::vector<double> expected = base.coordinates;
  double value = 0;
  for (std::size_t a = 0; a < 2; ++a) {
    double mean = 0, square = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      mean += star.weights[k] * shifts[k][a];
      square += star.weights[k] * shifts[k][a] * shifts[k][a];
    }
    for (std::size_t i = a; i < expected.size(); i += 2) expected[i] += mean;
    value += square - mean * mean;
  }
  for (const auto& shift : shifts) {
    std::vector<double> moved = base.coordinates;
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += shift[i % 2];
    star.nodes.push_back(with(base, std::move(moved)));
  }
  const Marginal start = support_marginal(comm, "z", marginal_of(comm, star.nodes[1], "a"),
                                          static_cast<std::int64_t>(base.size()), 1, [] {});
  star.nodes[0].coordinates = values_at(comm, start.ids, start.coordinates, 2, base.ids);
  star.problem.tolerance = 1e-11;
  const Answer answer = solve(*part_of_star(comm, star));
  ASSERT_TRUE(answer.converged) << answer.advice;
  EXPECT_LE(answer.history.size(), 3U);
  const std::vector<double> found = places(answer, star.nodes[0]);
  // Drawn one from each leaf's point, in their order.
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-8);
  EXPECT_NEAR(answer.cost_linear, value, 1e-8);
  EXPECT_NEAR(answer.primal_rounded, value, 1e-8);
  EXPECT_NEAR(answer.cost_regularised, value + star.epsilon * std::log(49.0), 1e-8);
  EXPECT_TRUE(std::isnan(answer.dual) && std::isnan(answer.gap_absolute));
  ASSERT_EQ(answer.plans.size(), 3U);
  for (const PlanAnswer& plan : answer.plans) EXPECT_EQ(plan.rows_node, 0U);
  for (std::size_t k = 1; k <= 3; ++k) {  // every leaf's points go to their partners
    const auto map = everywhere(comm, answer.nodes[k], base, answer.nodes[k].map, 2);
    for (std::size_t i = 0; i < map.size(); ++i) EXPECT_NEAR(map[i], expected[i], 1e-8);
  }
}

using Matrix = std::array<double, 4>;
Matrix times(const Matrix& a, const Matrix& b) {
  return {a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2],
          a[2] * b[1] + a[3] * b[3]};
}
Matrix inverse(const Matrix& a) {
  const double d = a[0] * a[3] - a[1] * a[2];
  return {a[3] / d, -a[1] / d, -a[2] / d, a[0] / d};
}
/// Cayley and Hamilton.
Matrix root(const Matrix& a) {
  const double s = std::sqrt(a[0] * a[3] - a[1] * a[2]), t = std::sqrt(a[0] + a[3] + 2 * s);
  return {(a[0] + s) / t, a[1] / t, a[2] / t, (a[3] + s) / t};
}
/// The map from N(0, s) to N(0, c).
Matrix optimal_map(const Matrix& s, const Matrix& c) {
  const Matrix r = root(s), back = inverse(r);
  return times(back, times(root(times(r, times(c, r))), back));
}
std::vector<double> images(const Matrix& a, const std::vector<double>& points) {
  std::vector<double> result;
  for (std::size_t i = 0; i < points.size(); i += 2) {
    result.push_back(a[0] * points[i] + a[1] * points[i + 1]);
    result.push_back(a[2] * points[i] + a[3] * points[i + 1]);
  }
  return result;
}
Matrix covariance(const std::vector<double>& points) {
  Matrix result{};
  double mean[2] = {0, 0};
  const double n = static_cast<double>(points.size()) / 2;
  for (std::size_t i = 0; i < points.size(); ++i) mean[i % 2] += points[i] / n;
  for (std::size_t i = 0; i < points.size(); i += 2) {
    const double x = points[i] - mean[0], y = points[i + 1] - mean[1];
    result[0] += x * x / n, result[1] += x * y / n, result[3] += y * y / n;
  }
  result[2] = result[1];
  return result;
}

// Images of one cloud under the optimal maps from N(0, s) to N(0, c_k), s being the Bures mean
// (reference transport 5.1): the cloud of covariance s is a fixed point, and found from nearby,
// with the value of the laws. Exchanges cost 2 (x - y).A(x - y) > 0.02, 40 regularisations.
TEST_F(FreeSupportPartTest, AffineImagesHaveTheirBuresMean) {
  const std::vector<Matrix> laws{{2.0, 0.6, 0.6, 0.5}, {0.4, -0.2, -0.2, 1.5}, {1, 0, 0, 1}};
  StarTask star{{lattice(8)}, {0.3, 0.5, 0.2}, 5e-4};
  std::vector<double> base = star.nodes[0].coordinates;
  double mean[2] = {0, 0};
  for (std::size_t i = 0; i < base.size(); ++i) mean[i % 2] += base[i] / 64;
  for (std::size_t i = 0; i < base.size(); ++i) base[i] -= mean[i % 2];
  base = images(inverse(root(covariance(base))), base);
  Matrix s{1, 0, 0, 1};
  for (int step = 0; step < 200; ++step) {
    Matrix map{};
    for (std::size_t k = 0; k < 3; ++k) {
      for (std::size_t i = 0; i < 4; ++i) map[i] += star.weights[k] * optimal_map(s, laws[k])[i];
    }
    s = times(map, times(s, map));
  }
  const std::vector<double> exact = images(root(s), base);
  double value = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    star.nodes.push_back(with(star.nodes[0], images(optimal_map(s, laws[k]), exact)));
    const Matrix r = root(s), cross = root(times(r, times(laws[k], r)));
    value += star.weights[k] * (s[0] + s[3] + laws[k][0] + laws[k][3] - 2 * (cross[0] + cross[3]));
  }
  const parallel::Stream stream(6, "test", "perturbation");
  star.nodes[0].coordinates = exact;
  for (std::size_t i = 0; i < exact.size(); ++i) {
    star.nodes[0].coordinates[i] += 2e-2 * (stream.uniform(i, 0) - 0.5);
  }
  star.problem.tolerance = 1e-11;
  const Answer answer = solve(*part_of_star(comm, star));
  ASSERT_TRUE(answer.converged) << answer.advice;
  const std::vector<double> found = places(answer, star.nodes[0]);
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], exact[i], 1e-7);
  const Matrix c = covariance(found);
  for (const std::size_t i : {0, 1, 3}) EXPECT_NEAR(c[i], s[i], 1e-7);
  EXPECT_NEAR(answer.cost_linear, value, 1e-7);
  expect_falls(answer, 1e-10);
}

// Entropic plans between normal laws pull the points together by eps / 2 of variance, to one spot
// where that is more than they have (reference transport 5.2); here by sums against kernels, the
// plans being fat.
TEST_F(FreeSupportPartTest, FatPlansPullThePointsTogether) {
  const std::size_t count = 120;
  Measure line{1, quantiles(count, 0), {}, {}};
  for (std::size_t i = 0; i < count; ++i) line.ids.push_back(i), line.mass.push_back(1);
  line = uniform(line);
  const auto moments = [](const std::vector<double>& values) {
    double mean = 0, square = 0;
    for (const double x : values) mean += x / static_cast<double>(values.size());
    for (const double x : values) {
      square += (x - mean) * (x - mean) / static_cast<double>(values.size());
    }
    return std::array{mean, square};
  };
  const double variance = moments(line.coordinates)[1];
  for (const double epsilon : {0.4, 2.5}) {
    StarTask star{{line, with(line, quantiles(count, -1)), with(line, quantiles(count, 2))},
                  {2.0 / 3, 1.0 / 3},
                  epsilon};
    star.problem.tolerance = epsilon < 2 ? 1e-8 : 1e-10;
    const Answer answer = solve(*part_of_star(comm, star));
    ASSERT_TRUE(answer.converged) << answer.advice;
    EXPECT_EQ(answer.method, "sinkhorn");
    const auto [mean, spread] = moments(places(answer, line));
    EXPECT_NEAR(mean, 0, 1e-6);
    // What points in place of a density leave; of the collapse the square of some last moves, 1e-5
    // of the diameter 8 each.
    EXPECT_NEAR(spread, std::max(0.0, variance - epsilon / 2), epsilon < 2 ? 4e-3 : 1e-7);
    expect_falls(answer, 1e-7);
  }
}

// Every point of a cloud of equal masses once, in the order of the input; on a grid as many in a
// pixel as its mass says, one more or less; the same for any number of ranks.
TEST_F(FreeSupportPartTest, StartsAreDrawnByMass) {
  const Measure cloud = lattice(9);
  const Marginal points = support_marginal(comm, "z", marginal_of(comm, cloud, "a"), 81, 5, [] {});
  EXPECT_EQ(points.total, 81);
  const auto drawn = values_at(comm, points.ids, points.coordinates, 2, cloud.ids);
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    EXPECT_NEAR(drawn[i], cloud.coordinates[i], 0.05 * 0.2);
    EXPECT_NE(drawn[i], cloud.coordinates[i]);
  }
  const output::RegularGrid grid{{6, 5}, {0.1, 0.1}, {0.2, 0.2}};
  const Measure image = grid_measure(grid, [](const auto& x) { return x[0] * x[0] + 0.3 * x[1]; });
  Marginal like = marginal_of(comm, image, "a");
  like.grid = grid;
  const std::int64_t count = 1000;
  const Marginal many = support_marginal(comm, "z", like, count, 5, [] {});
  std::vector<std::uint64_t> all(count);
  std::iota(all.begin(), all.end(), std::uint64_t{0});
  const auto places = values_at(comm, many.ids, many.coordinates, 2, all);
  std::vector<double> hits(image.size(), 0);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto row = static_cast<std::size_t>(places[2 * i] / 0.2);
    hits.at(row * 5 + static_cast<std::size_t>(places[2 * i + 1] / 0.2)) += 1;
  }
  for (std::size_t i = 0; i < hits.size(); ++i) EXPECT_NEAR(hits[i], 1000 * image.mass[i], 2);
  const parallel::Communicator alone = comm.split(comm.rank(), 0);
  const Marginal here = support_marginal(
      alone, "z",
      [&] {
        Marginal m = marginal_of(alone, image, "a");
        m.grid = grid;
        return m;
      }(),
      count, 5, [] {});
  EXPECT_EQ(here.coordinates, places);
  const Measure spot{1, {3, 3}, {0.5, 0.5}, {0, 1}};
  try {
    support_marginal(comm, "z", marginal_of(comm, spot, "a"), 4, 5, [] {});
    FAIL() << "nothing was thrown";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::input_data);
    EXPECT_THAT(error.what(), testing::HasSubstr("'a'"));
  }
}

// In the middle of an edge, between edges, between steps, and where the results are being made.
TEST_F(FreeSupportPartTest, GoesOnFromWhatItSaved) {
  StarTask star{{lattice(5), random_measure(2, 40, 2), random_measure(2, 35, 3)}, {0.5, 0.5}, 4e-3};
  star.problem.tolerance = 1e-5;
  auto whole = part_of_star(comm, star);
  int advances = 0, second_edge = 0;
  for (; !whole->finished(); ++advances) {
    whole->advance([] {});
    const bool here = whole->line().find("step 2 of the points") != std::string::npos &&
                      whole->line().find("edge 2 of 2; ") != std::string::npos;
    if (here) second_edge = advances + 1;  // the last of it
  }
  ASSERT_GT(second_edge, 0);
  const Answer expected = whole->describe([] {});
  ASSERT_TRUE(expected.converged) << expected.advice;
  ASSERT_GT(expected.history.size(), 2U);
  for (const int stop : {3, second_edge - 3, second_edge, advances - 1}) {
    auto first = part_of_star(comm, star);
    for (int i = 0; i < stop; ++i) first->advance([] {});
    if (!first->begun()) continue;
    auto second = part_of_star(comm, star);
    second->restore(first->save());
    const Answer answer = solve(*second);
    EXPECT_EQ(answer.nodes[0].coordinates, expected.nodes[0].coordinates) << stop;
    EXPECT_EQ(answer.nodes[1].potential, expected.nodes[1].potential) << stop;
    EXPECT_EQ(answer.history.size(), expected.history.size()) << stop;
    EXPECT_EQ(answer.reason, expected.reason) << stop;
    EXPECT_EQ(answer.method, expected.method) << stop;
  }
  // Too few moves.
  star.problem.max_moves = 1;
  const Answer answer = solve(*part_of_star(comm, star));
  EXPECT_FALSE(answer.converged);
  EXPECT_THAT(answer.advice, testing::HasSubstr("solve.max_moves"));
}

}  // namespace
