// SPDX-License-Identifier: BSD-3-Clause
// Barycenters with free points: exact plans by the network simplex method, entropic ones by
// Sinkhorn's iteration.
#include "transport/free_support.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "dense.hpp"
#include "parallel/by_index.hpp"
#include "transport/network_simplex.hpp"
#include "transport/sinkhorn.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using parallel::Communicator;
using transport::Cloud;
using transport::Cost;
using transport::EdgeMap;
using transport::FreeSupport;
using transport::FreeSupportOptions;
using transport::FreeSupportReport;
using transport::SinkhornOptions;

/// Points that are free: ids in blocks of the ranks.
struct Points {
  const Communicator& comm;
  int dimension;
  std::size_t count;

  std::size_t width() const { return static_cast<std::size_t>(dimension); }
  parallel::Blocks blocks() const { return {static_cast<std::int64_t>(count), comm.size()}; }
  std::size_t first() const { return static_cast<std::size_t>(blocks().begin(comm.rank())); }
  std::size_t own_count() const { return static_cast<std::size_t>(blocks().size(comm.rank())); }
  std::vector<std::uint64_t> ids(std::size_t begin, std::size_t size) const {
    std::vector<std::uint64_t> result(size);
    std::iota(result.begin(), result.end(), std::uint64_t{begin});
    return result;
  }
  std::vector<std::uint64_t> own_ids() const { return ids(first(), own_count()); }
  /// This rank's share of all coordinates.
  std::vector<double> own(const std::vector<double>& all) const {
    const double* begin = all.data() + first() * width();
    return {begin, begin + own_count() * width()};
  }
  std::vector<double> all(std::span<const double> own_values) const {
    return transport::values_at(comm, own_ids(), own_values, dimension, ids(0, count));
  }
};

double squared_distance(const double* x, const double* y, std::size_t d) {
  double sum = 0;
  for (std::size_t a = 0; a < d; ++a) sum += (x[a] - y[a]) * (x[a] - y[a]);
  return sum;
}

/// Exact plans between as many points of equal masses, permutations; costs are rounded to 1e-9.
transport::SolveEdge exact_plans(const Points& points, const std::vector<Measure>& measures) {
  return [points, &measures](std::size_t edge, std::span<const double> positions) {
    const Measure& y = measures[edge];
    const std::vector<double> x = points.all(positions);
    const std::size_t n = points.count, d = points.width();
    transport::WholeTransport problem;
    problem.supply.assign(n, 1);
    problem.demand.assign(n, 1);
    for (std::uint32_t i = 0; i < n; ++i) {
      for (std::uint32_t j = 0; j < n; ++j) {
        const std::int64_t cost = std::llround(1e9 * squared_distance(&x[i * d], y[j], d));
        problem.arcs.push_back({i, j, cost});
        problem.half_detour = std::max(problem.half_detour, cost + 1);
      }
    }
    const transport::WholeSolution solution = network_simplex(problem);
    std::vector<double> images(x.size());
    EdgeMap result;
    for (std::size_t arc = 0; arc < problem.arcs.size(); ++arc) {
      if (solution.flow[arc] == 0) continue;
      const auto& [i, j, cost] = problem.arcs[arc];
      std::copy_n(y[j], d, &images[i * d]);
      result.value += squared_distance(&x[i * d], y[j], d) / static_cast<double>(n);
    }
    result.map = points.own(images);
    return result;
  };
}

/// Entropic plans, warm-started from step to step.
class EntropicPlans {
 public:
  EntropicPlans(const Points& points, const std::vector<Measure>& measures, double epsilon)
      : points_(points), measures_(measures), epsilon_(epsilon) {
    for (const Measure& measure : measures_) {
      clouds_.push_back(cloud_of(points.comm, measure));
      potentials_.emplace_back(clouds_.back().own(), 0.0);
    }
  }
  EdgeMap operator()(std::size_t edge, std::span<const double> positions) {
    const std::vector<double> mass(points_.own_count(), 1.0 / static_cast<double>(points_.count));
    const Cloud z =
        transport::make_cloud(points_.comm, points_.dimension, {positions.begin(), positions.end()},
                              mass, points_.own_ids());
    const auto kernel =
        make_blocked_kernel(points_.comm, z, clouds_[edge], Cost({}, 1, points_.dimension));
    SinkhornOptions options;
    options.epsilon = epsilon_;
    options.tolerance = 1e-12;
    std::vector<double> f(z.own(), 0.0);
    const auto report =
        sinkhorn(points_.comm, *kernel, z, clouds_[edge], options, f, potentials_[edge], {});
    EXPECT_TRUE(report.converged) << report.error_l1;
    return {map(edge, positions), report.dual_objective};
  }

 private:
  // Rows that are exact need the potential of the columns only.
  std::vector<double> map(std::size_t edge, std::span<const double> positions) const {
    const Measure& y = measures_[edge];
    const auto g = everywhere(points_.comm, clouds_[edge], y, potentials_[edge]);
    const std::size_t d = points_.width();
    std::vector<double> result;
    for (std::size_t i = 0; i < positions.size(); i += d) {
      std::vector<double> exponents(y.size()), mean(d, 0.0);
      for (std::size_t j = 0; j < y.size(); ++j) {
        exponents[j] =
            std::log(y.mass[j]) + (g[j] - squared_distance(&positions[i], y[j], d)) / epsilon_;
      }
      const double top = std::ranges::max(exponents);
      double sum = 0;
      for (std::size_t j = 0; j < y.size(); ++j) {
        const double share = std::exp(exponents[j] - top);
        sum += share;
        for (std::size_t a = 0; a < d; ++a) mean[a] += share * y[j][a];
      }
      for (const double value : mean) result.push_back(value / sum);
    }
    return result;
  }

  Points points_;
  const std::vector<Measure>& measures_;
  std::vector<Cloud> clouds_;
  std::vector<std::vector<double>> potentials_;
  double epsilon_;
};

Measure equal_masses(int dimension, std::vector<double> coordinates) {
  const std::size_t count = coordinates.size() / static_cast<std::size_t>(dimension);
  Measure result{dimension, std::move(coordinates),
                 std::vector<double>(count, 1.0 / static_cast<double>(count)),
                 std::vector<std::uint64_t>(count)};
  std::iota(result.ids.begin(), result.ids.end(), std::uint64_t{0});
  return result;
}

/// Values are exact to `error`.
void expect_falls(const FreeSupportReport& report, double error) {
  EXPECT_EQ(report.rises, 0);
  EXPECT_LE(report.largest_rise, error);
  EXPECT_EQ(report.objectives.size(), static_cast<std::size_t>(report.steps));
  for (std::size_t i = 1; i < report.objectives.size(); ++i) {
    EXPECT_LE(report.objectives[i], report.objectives[i - 1] + error);
  }
}

FreeSupportOptions options_of(std::vector<double> weights, int dimension, double tolerance) {
  FreeSupportOptions options;
  options.weights = std::move(weights);
  options.dimension = dimension;
  options.tolerance = tolerance;
  return options;
}

const FreeSupportReport& solve(FreeSupport& problem, const transport::SolveEdge& plans) {
  while (!problem.finished()) problem.advance(plans);
  return problem.report();
}

TEST(FreeSupport, TranslatesHaveTheMeanTranslate) {
  // From any start: the plans to translates of one cloud are one permutation, and one step finds
  // what the next one confirms. Rounding of sums of three terms of size 5 is left.
  const Communicator comm = Communicator::world();
  const Points points{comm, 2, 60};
  const Measure base = random_measure(2, points.count, 8);
  const double shifts[3][2] = {{2.0, 0.5}, {-1.0, 1.5}, {0.3, -4.0}};
  const std::vector<double> weights{1, 2, 1};  // normalised inside
  std::vector<Measure> measures;
  std::vector<double> expected = base.coordinates;
  double value = 0;
  for (std::size_t a = 0; a < 2; ++a) {
    double mean = 0, square = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      mean += weights[k] / 4 * shifts[k][a];
      square += weights[k] / 4 * shifts[k][a] * shifts[k][a];
    }
    for (std::size_t i = a; i < expected.size(); i += 2) expected[i] += mean;
    value += square - mean * mean;
  }
  for (const auto& shift : shifts) {
    std::vector<double> moved = base.coordinates;
    for (std::size_t i = 0; i < moved.size(); ++i) moved[i] += shift[i % 2];
    measures.push_back(equal_masses(2, std::move(moved)));
  }
  FreeSupport problem(comm, points.own(random_measure(2, points.count, 5).coordinates),
                      options_of(weights, 2, 1e-12));
  const FreeSupportReport& report = solve(problem, exact_plans(points, measures));
  EXPECT_TRUE(report.converged) << report.move;
  EXPECT_EQ(report.steps, 2);
  expect_falls(report, 1e-12);
  EXPECT_NEAR(report.objectives.back(), value, 1e-12);
  const auto found = points.all(problem.positions());
  for (std::size_t i = 0; i < points.count; ++i) {
    double nearest = 1;
    for (std::size_t j = 0; j < points.count; ++j) {
      nearest = std::min(nearest, squared_distance(&found[2 * j], &expected[2 * i], 2));
    }
    EXPECT_LT(nearest, 1e-24);
  }
}

using Matrix = std::array<double, 4>;
Matrix times(const Matrix& a, const Matrix& b) {
  return {a[0] * b[0] + a[1] * b[2], a[0] * b[1] + a[1] * b[3], a[2] * b[0] + a[3] * b[2],
          a[2] * b[1] + a[3] * b[3]};
}
double determinant(const Matrix& a) {
  return a[0] * a[3] - a[1] * a[2];
}
Matrix inverse(const Matrix& a) {
  const double d = determinant(a);
  return {a[3] / d, -a[1] / d, -a[2] / d, a[0] / d};
}
/// Cayley and Hamilton.
Matrix root(const Matrix& a) {
  const double s = std::sqrt(determinant(a)), t = std::sqrt(a[0] + a[3] + 2 * s);
  return {(a[0] + s) / t, a[1] / t, a[2] / t, (a[3] + s) / t};
}
/// The map from N(0, s) to N(0, c).
Matrix optimal_map(const Matrix& s, const Matrix& c) {
  const Matrix r = root(s), back = inverse(r);
  return times(back, times(root(times(r, times(c, r))), back));
}
/// Reference transport 5.1.
Matrix bures_barycenter(const std::vector<Matrix>& c, const std::vector<double>& w) {
  Matrix s{1, 0, 0, 1};
  for (int step = 0; step < 200; ++step) {
    Matrix mean{};
    for (std::size_t k = 0; k < c.size(); ++k) {
      const Matrix map = optimal_map(s, c[k]);
      for (std::size_t i = 0; i < 4; ++i) mean[i] += w[k] * map[i];
    }
    s = times(mean, times(s, mean));
  }
  return s;
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

/// Normal-like points, mean zero and covariance exactly one.
std::vector<double> standard_cloud(std::size_t count) {
  const parallel::Stream stream(4, "test", "normal");
  std::vector<double> points;
  double mean[2] = {0, 0};
  for (std::size_t i = 0; i < 2 * count; ++i) {
    double sum = -6;
    for (std::uint64_t k = 0; k < 12; ++k) sum += stream.uniform(i, k);
    points.push_back(sum);
    mean[i % 2] += sum / static_cast<double>(count);
  }
  for (std::size_t i = 0; i < points.size(); ++i) points[i] -= mean[i % 2];
  return images(inverse(root(covariance(points))), points);
}

struct Bures {
  std::vector<Matrix> covariances{{2.0, 0.6, 0.6, 0.5}, {0.4, -0.2, -0.2, 1.5}, {1.0, 0, 0, 1.0}};
  std::vector<double> weights{0.3, 0.5, 0.2};
  Matrix s = bures_barycenter(covariances, weights);
  std::vector<double> base, exact;
  std::vector<Measure> measures;

  explicit Bures(std::size_t count) : base(standard_cloud(count)), exact(images(root(s), base)) {
    for (const Matrix& c : covariances) {
      measures.push_back(equal_masses(2, images(optimal_map(s, c), exact)));
    }
  }
};

TEST(FreeSupport, AffineImagesStayWhereTheyAre) {
  // The clouds are images of one cloud z under the optimal maps between normal laws, gradients of
  // convex functions whose mean is the identity: z is a fixed point, and, as plans do not change by
  // small moves, the answer for starts nearby, after one step.
  const Communicator comm = Communicator::world();
  const Points points{comm, 2, 100};
  const Bures bures(points.count);
  const parallel::Stream stream(6, "test", "perturbation");
  Matrix mean{};
  for (std::size_t k = 0; k < 3; ++k) {
    const Matrix map = optimal_map(bures.s, bures.covariances[k]);
    const Matrix c = covariance(bures.measures[k].coordinates);
    for (std::size_t i = 0; i < 4; ++i) {
      mean[i] += bures.weights[k] * map[i];
      EXPECT_NEAR(c[i], bures.covariances[k][i], 1e-12);
    }
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(mean[i], i % 3 == 0 ? 1 : 0, 1e-12);
  std::vector<double> start = bures.exact;
  for (std::size_t i = 0; i < start.size(); ++i) start[i] += 2e-3 * (stream.uniform(i, 0) - 0.5);
  FreeSupport problem(comm, points.own(start), options_of(bures.weights, 2, 1e-11));
  const FreeSupportReport& report = solve(problem, exact_plans(points, bures.measures));
  EXPECT_TRUE(report.converged) << report.move;
  EXPECT_EQ(report.steps, 2);
  expect_falls(report, 1e-12);
  const auto found = points.all(problem.positions());
  for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], bures.exact[i], 1e-11);
  // W2^2 between the laws is that between the clouds.
  double value = 0;
  for (std::size_t k = 0; k < 3; ++k) {
    const Matrix r = root(bures.s), cross = root(times(r, times(bures.covariances[k], r)));
    value += bures.weights[k] * (bures.s[0] + bures.s[3] + bures.covariances[k][0] +
                                 bures.covariances[k][3] - 2 * (cross[0] + cross[3]));
  }
  EXPECT_NEAR(report.objectives.back(), value, 1e-11);
}

TEST(FreeSupport, CloudsOfNormalLawsHaveTheirBarycenter) {
  // From the points of one of them, whose plans to the others are the affine maps already, and from
  // unrelated points, whose first plans are not: both end where the plans are, and the covariance
  // is that of the laws without a sampling error.
  const Communicator comm = Communicator::world();
  const Points points{comm, 2, 100};
  const Bures bures(points.count);
  std::vector<double> unrelated = random_measure(2, points.count, 12).coordinates;
  for (double& x : unrelated) x = 4 * x - 2;
  double objectives[2];
  for (const bool related : {true, false}) {
    FreeSupport problem(comm, points.own(related ? bures.measures[0].coordinates : unrelated),
                        options_of(bures.weights, 2, 1e-11));
    const FreeSupportReport& report = solve(problem, exact_plans(points, bures.measures));
    EXPECT_TRUE(report.converged) << report.move << " after " << report.steps;
    EXPECT_LT(report.steps, 20);
    expect_falls(report, 1e-8);  // costs are rounded
    const Matrix found = covariance(points.all(problem.positions()));
    for (const std::size_t i : {0, 1, 3}) {
      EXPECT_NEAR(found[i], bures.s[i], 1e-10);
    }
    objectives[related ? 0 : 1] = report.objectives.back();
  }
  EXPECT_NEAR(objectives[1], objectives[0], 1e-10);
}

TEST(FreeSupport, EntropicPlansPullThePointsTogether) {
  // Of a normal law of variance v as the only measure (or of translates of it) the entropic map
  // from N(0, t) is the identity for t = v - eps / 2 (reference transport 5.2): the cloud shrinks
  // by that much, and to a point where that is negative.
  const Communicator comm = Communicator::world();
  const Points points{comm, 1, 200};
  const auto quantiles = [&](double shift) {
    std::vector<double> result;
    for (std::size_t i = 0; i < points.count; ++i) {
      const double share = (static_cast<double>(i) + 0.5) / static_cast<double>(points.count);
      double low = -8, high = 8;
      for (int step = 0; step < 60; ++step) {
        const double middle = (low + high) / 2;
        (std::erfc(-middle / std::sqrt(2.0)) / 2 < share ? low : high) = middle;
      }
      result.push_back(low + shift);
    }
    return equal_masses(1, std::move(result));
  };
  const auto moments = [](const std::vector<double>& values) {
    double mean = 0, variance = 0;
    const auto n = static_cast<double>(values.size());
    for (const double x : values) mean += x / n;
    for (const double x : values) variance += (x - mean) * (x - mean) / n;
    return std::array{mean, variance};
  };
  const std::vector<Measure> measures{quantiles(-1), quantiles(2)};
  const double variance = moments(measures[0].coordinates)[1];  // near 1
  for (const double epsilon : {0.2, 2.5}) {
    EntropicPlans plans(points, measures, epsilon);
    FreeSupport problem(comm, points.own(quantiles(0).coordinates),
                        options_of({2, 1}, 1, epsilon < 2 ? 2e-3 : 1e-8));
    const FreeSupportReport& report = solve(problem, std::ref(plans));
    EXPECT_TRUE(report.converged) << report.move << " after " << report.steps;
    expect_falls(report, 1e-10);
    const auto found = points.all(problem.positions());
    EXPECT_NEAR(moments(found)[0], 0, 1e-9);
    // What the tolerance and 200 points in place of a density leave; collapsed, nothing.
    const double expected = std::max(0.0, variance - epsilon / 2);
    EXPECT_NEAR(moments(found)[1], expected, expected > 0 ? 2e-3 : 1e-12);
  }
}

TEST(FreeSupport, SaysWhenTheObjectiveRises) {
  // A solver whose values do not belong to its maps; the other way round nothing is said.
  const Communicator comm = Communicator::world();
  const Points points{comm, 1, 8};
  FreeSupportOptions options = options_of({1}, 1, 1e-3);
  options.max_steps = 5;
  for (const double growth : {1.0, -1.0}) {
    double value = 10;
    FreeSupport problem(comm, points.own(random_measure(1, 8, 1).coordinates), options);
    const FreeSupportReport& report =
        solve(problem, [&](std::size_t /*edge*/, std::span<const double> positions) {
          EdgeMap answer{{positions.begin(), positions.end()}, value += growth};
          for (double& x : answer.map) x += 0.1;
          return answer;
        });
    EXPECT_FALSE(report.converged);
    EXPECT_EQ(report.steps, 5);
    EXPECT_NEAR(report.move, 0.1, 1e-12);
    EXPECT_EQ(report.rises, growth > 0 ? 4 : 0);
    EXPECT_DOUBLE_EQ(report.largest_rise, growth > 0 ? 1 : 0);
  }
}

TEST(FreeSupport, GoesOnFromAState) {
  const Communicator comm = Communicator::world();
  const Points points{comm, 2, 50};
  const Bures bures(points.count);
  const auto plans = exact_plans(points, bures.measures);
  const FreeSupportOptions options = options_of(bures.weights, 2, 1e-11);
  const std::vector<double> start = points.own(random_measure(2, points.count, 12).coordinates);
  FreeSupport whole(comm, start, options);
  solve(whole, plans);
  ASSERT_GT(whole.report().steps, 2);
  FreeSupport first(comm, start, options), second(comm, start, options);
  for (int i = 0; i < 5; ++i) first.advance(plans);  // in the middle of the second step
  EXPECT_EQ(first.edge(), 2U);
  second.resume(first.state(), first.report());
  solve(second, plans);
  EXPECT_EQ(second.positions(), whole.positions());
  EXPECT_EQ(second.report().objectives, whole.report().objectives);
}

TEST(FreeSupport, RefusesMapsThatAreNotFinite) {
  const Communicator comm = Communicator::world();
  const Points points{comm, 1, 8};
  FreeSupport problem(comm, points.own(random_measure(1, 8, 1).coordinates),
                      options_of({1, 1}, 1, 1e-3));
  try {
    problem.advance([&](std::size_t /*edge*/, std::span<const double> positions) {
      EdgeMap answer{{positions.begin(), positions.end()}, 1};
      if (comm.rank() == comm.size() - 1) answer.map.back() = std::nan("");
      return answer;
    });
    FAIL() << "nothing was thrown";
  } catch (const parallel::Error& error) {
    EXPECT_EQ(error.code(), parallel::ExitCode::numerical);
    EXPECT_THAT(error.what(), testing::HasSubstr("measure 0"));
  }
}

}  // namespace
