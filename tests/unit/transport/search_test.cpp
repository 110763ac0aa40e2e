// SPDX-License-Identifier: BSD-3-Clause
// Exact searches for pairs and c-transforms against brute force in long double.
#include "transport/search.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>
#include <string>

#include "dense.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using parallel::Communicator;
using parallel::Stream;
using transport::Cloud;
using transport::Cost;
using transport::CostKind;
using transport::CostSpec;
using transport::Pairs;

struct NamedCost {
  std::string name;
  CostSpec spec;
  double weight = 1;
};

std::vector<NamedCost> costs(int dimension, double size = 1) {
  const auto of = [](CostKind kind, double power) {
    CostSpec spec;
    spec.kind = kind;
    spec.power = power;
    return spec;
  };
  CostSpec torus = of(CostKind::periodic, 2);
  // Shorter than the box, so that pairs wrap more than once.
  for (int j = 0; j < dimension; ++j) torus.period.push_back(size * (0.4 + 0.35 * j));
  return {{"squared", of(CostKind::squared_euclidean, 2), 2.5},
          {"power 1", of(CostKind::power, 1)},
          {"power 1.5", of(CostKind::power, 1.5), 0.3},
          {"power 3", of(CostKind::power, 3)},
          {"l1", of(CostKind::l1, 2), 2.5},
          {"periodic", torus}};
}

// The cost by its definition.
Wide dense_cost(const NamedCost& cost, int dimension, const double* x, const double* y) {
  Wide squares = 0, sum = 0;
  for (int j = 0; j < dimension; ++j) {
    Wide d = std::abs(Wide(x[j]) - y[j]);
    if (cost.spec.kind == CostKind::periodic) {
      const Wide period = cost.spec.period[static_cast<std::size_t>(j)];
      d -= std::floor(d / period) * period;
      d = std::min(d, period - d);
    }
    squares += d * d;
    sum += d;
  }
  if (cost.spec.kind == CostKind::l1) return cost.weight * sum;
  if (cost.spec.kind == CostKind::power) {
    return cost.weight * std::pow(squares, Wide(cost.spec.power) / 2);
  }
  return cost.weight * squares;
}

enum class Shape { random, clustered, duplicated, lattice };

// Points of the unit cube, times `size`, from `corner` on.
Measure points(Shape shape, int dimension, std::size_t count, std::uint64_t seed, double size = 1,
               double corner = 0) {
  Measure result = random_measure(dimension, count, seed);
  const auto d = static_cast<std::size_t>(dimension);
  const Stream stream(seed, "test", "shape");
  for (std::size_t i = 0; i < count * d; ++i) {
    double& x = result.coordinates[i];
    if (shape == Shape::clustered) {
      const auto cluster = static_cast<std::uint64_t>(i / d) % 5;
      x = stream.uniform(cluster, i % d) + 1e-3 * (x - 0.5);
    } else if (shape == Shape::duplicated) {
      x = stream.uniform(static_cast<std::uint64_t>(i / d) % 7, i % d);
    } else if (shape == Shape::lattice) {
      x = std::floor(x * 6) / 8;
    }
    x = corner + size * x;
  }
  return result;
}

std::vector<double> own_values(const Cloud& cloud, const Measure& measure,
                               const std::vector<double>& all) {
  std::vector<double> result;
  for (const std::size_t i : places(cloud, measure)) result.push_back(all[i]);
  return result;
}

// Two measures and their clouds.
struct Clouds {
  Clouds(const Communicator& comm_, Measure a_, Measure b_)
      : comm(comm_),
        a(std::move(a_)),
        b(std::move(b_)),
        x(cloud_of(comm, a)),
        y(cloud_of(comm, b)) {}
  const Communicator& comm;
  Measure a, b;
  Cloud x, y;
};

// All a test needs: clouds, and their costs from every point to every point.
struct Setting {
  Setting(const Clouds& clouds, const NamedCost& named)
      : comm(clouds.comm),
        a(clouds.a),
        b(clouds.b),
        x(clouds.x),
        y(clouds.y),
        cost(named.spec, named.weight, a.dimension) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      for (std::size_t j = 0; j < b.size(); ++j) {
        c.push_back(dense_cost(named, a.dimension, a[i], b[j]));
        largest = std::max(largest, static_cast<double>(c.back()));
      }
    }
  }
  Wide at(std::size_t i, std::size_t j) const { return c[i * b.size() + j]; }

  const Communicator& comm;
  const Measure &a, &b;
  const Cloud &x, &y;
  Cost cost;
  std::vector<Wide> c;
  double largest = 0;
};

using Fields = std::vector<std::vector<double>>;

// The columns found for every own row, as places in b; structure checked on the way.
std::vector<std::set<std::size_t>> columns_of(const Setting& s, const Pairs& pairs) {
  std::vector<std::uint64_t> numbers(s.y.own()), wanted(pairs.numbers.begin(), pairs.numbers.end());
  std::iota(numbers.begin(), numbers.end(), static_cast<std::uint64_t>(s.y.first));
  const std::vector<double> ids(s.y.ids.begin(), s.y.ids.end());
  const std::vector<double> found = transport::values_at(s.comm, numbers, ids, 1, wanted);
  EXPECT_EQ(std::set(wanted.begin(), wanted.end()).size(), wanted.size());
  EXPECT_EQ(pairs.starts.size(), s.x.own() + 1);
  EXPECT_EQ(pairs.cost.size(), pairs.columns.size());
  const std::vector<std::size_t> rows = places(s.x, s.a);
  std::vector<std::set<std::size_t>> result(s.x.own());
  for (std::size_t i = 0; i < s.x.own(); ++i) {
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      const auto j = static_cast<std::size_t>(found[pairs.columns[k]]);
      EXPECT_TRUE(result[i].insert(j).second) << "a pair twice";
      // Products and one power of doubles.
      const auto c = static_cast<double>(s.at(rows[i], j));
      EXPECT_NEAR(pairs.cost[k], c, 1e-14 * c + 1e-300);
    }
  }
  return result;
}

// The pairs found are those whose value is at most `cut`, none missing, and none more than rounding
// above it.
void expect_pairs(const Setting& s, const Fields& f, const Fields& g, double cut, double rounding,
                  const std::string& what) {
  std::vector<std::vector<double>> own_f, own_g;
  for (const auto& field : f) own_f.push_back(own_values(s.x, s.a, field));
  for (const auto& field : g) own_g.push_back(own_values(s.y, s.b, field));
  Pairs pairs;
  ASSERT_TRUE(find_pairs(s.comm, s.x, {own_f.begin(), own_f.end()}, s.y,
                         {own_g.begin(), own_g.end()}, s.cost, cut, 1 << 20U, pairs))
      << what;
  const auto found = columns_of(s, pairs);
  const std::vector<std::size_t> rows = places(s.x, s.a);
  std::int64_t missing = 0, wrong = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < s.b.size(); ++j) {
      Wide least = std::numeric_limits<Wide>::infinity();
      for (std::size_t k = 0; k < f.size(); ++k) {
        least = std::min(least, s.at(rows[i], j) - f[k][rows[i]] - g[k][j]);
      }
      const bool is_there = found[i].contains(j);
      missing += least <= cut && !is_there;
      wrong += least > cut + rounding && is_there;
    }
  }
  EXPECT_EQ(missing, 0) << what;
  EXPECT_EQ(wrong, 0) << what;
}

// A cut that `share` of all pairs pass, in the middle of a gap wider than rounding.
double cut_for(const Setting& s, const Fields& f, const Fields& g, double share) {
  std::vector<double> values;
  for (std::size_t i = 0; i < s.a.size(); ++i) {
    for (std::size_t j = 0; j < s.b.size(); ++j) {
      Wide least = std::numeric_limits<Wide>::infinity();
      for (std::size_t k = 0; k < f.size(); ++k) {
        least = std::min(least, s.at(i, j) - f[k][i] - g[k][j]);
      }
      values.push_back(static_cast<double>(least));
    }
  }
  std::sort(values.begin(), values.end());
  auto at = static_cast<std::size_t>(share * static_cast<double>(values.size()));
  while (at + 1 < values.size() && values[at + 1] - values[at] < 1e-9 * s.largest) ++at;
  return at + 1 < values.size() ? (values[at] + values[at + 1]) / 2 : values[at] + 1;
}

std::vector<double> random_values(std::size_t count, double size, const char* name) {
  const Stream stream(3, "test", name);
  std::vector<double> result;
  for (std::size_t i = 0; i < count; ++i) result.push_back(size * stream.uniform(i, 0));
  return result;
}

// Potentials that touch the cost at some pairs, as those of a plan do.
std::pair<std::vector<double>, std::vector<double>> touching(const Setting& s, double epsilon) {
  std::vector<double> f(s.a.size(), 0.0), g(s.b.size(), 0.0);
  const auto update = [&](std::size_t i, std::size_t j) {
    return static_cast<double>(s.at(i, j)) - f[i] - g[j];
  };
  // Hard transforms with a little of the masses: as far apart as soft ones, and cheap.
  for (std::size_t i = 0; i < f.size(); ++i) {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t j = 0; j < g.size(); ++j) least = std::min(least, update(i, j));
    f[i] = least + epsilon * s.a.mass[i];
  }
  for (std::size_t j = 0; j < g.size(); ++j) {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < f.size(); ++i) least = std::min(least, update(i, j));
    g[j] = least + epsilon * s.b.mass[j];
  }
  return {f, g};
}

void expect_transforms(const Setting& s, const std::vector<double>& g, double epsilon,
                       const std::string& what) {
  const std::vector<double> own_g = own_values(s.y, s.b, g);
  const auto hard = hard_transform(s.comm, s.x, s.y, own_g, s.cost);
  const auto soft = soft_transform(s.comm, s.x, s.y, own_g, epsilon, s.cost);
  double size = s.largest;
  for (const double value : g) size = std::max(size, std::abs(value));
  const std::vector<std::size_t> rows = places(s.x, s.a);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    Wide least = std::numeric_limits<Wide>::infinity(), top = least, sum = 0;
    for (std::size_t j = 0; j < s.b.size(); ++j) {
      least = std::min(least, s.at(rows[i], j) - g[j]);
      top = std::min(top, s.at(rows[i], j) - g[j] - epsilon * std::log(Wide(s.b.mass[j])));
    }
    for (std::size_t j = 0; j < s.b.size(); ++j) {
      sum += s.b.mass[j] * std::exp((g[j] - s.at(rows[i], j) + top) / epsilon);
    }
    EXPECT_NEAR(hard[i], static_cast<double>(least), 1e-14 * size) << what;
    // Terms of 1e-15 of the sum are left out; the exponents round relative to their size.
    EXPECT_NEAR(soft[i], static_cast<double>(top - epsilon * std::log(sum)), 1e-12 * size) << what;
  }
}

void expect_all(const Communicator& comm, int dimension, const Measure& a, const Measure& b,
                const std::string& shape, double size = 1) {
  const Clouds clouds(comm, a, b);
  for (const NamedCost& named : costs(dimension, size)) {
    const Setting s(clouds, named);
    const double epsilon = 0.02 * s.largest + 1e-300;
    const auto [f, g] = touching(s, epsilon);
    const std::string what = named.name + ", " + shape + ", d = " + std::to_string(dimension);
    expect_pairs(s, {f}, {g}, cut_for(s, {f}, {g}, 0.1), 0, what + ", potentials that touch");
    const auto u = random_values(a.size(), s.largest, "u");
    const auto v = random_values(b.size(), s.largest, "v");
    expect_pairs(s, {f, u}, {g, v}, cut_for(s, {f, u}, {g, v}, 0.3), 0,
                 what + ", two fields, one random");
    expect_transforms(s, g, epsilon, what);
    expect_transforms(s, v, 0.1 * epsilon, what + ", random");
  }
}

TEST(Search, PairsAndTransformsOfAllCosts) {
  const Communicator comm = Communicator::world();
  for (const int dimension : {1, 2, 3, 5}) {
    expect_all(comm, dimension, points(Shape::random, dimension, 43, 1),
               points(Shape::random, dimension, 57, 2), "random");
    expect_all(comm, dimension, points(Shape::clustered, dimension, 43, 1),
               points(Shape::duplicated, dimension, 57, 2), "clustered and duplicated");
  }
}

TEST(Search, FewerPointsThanRanks) {
  const Communicator comm = Communicator::world();
  for (const int dimension : {1, 2, 5}) {
    expect_all(comm, dimension, points(Shape::random, dimension, 1, 1),
               points(Shape::random, dimension, 40, 2), "one against many");
    expect_all(comm, dimension, points(Shape::random, dimension, 40, 1),
               points(Shape::random, dimension, 1, 2), "many against one");
    expect_all(comm, dimension, points(Shape::random, dimension, 2, 1),
               points(Shape::random, dimension, 3, 2), "few");
  }
}

TEST(Search, FarFromTheOriginAndVerySmall) {
  // Differences of the coordinates are exact to their own size, wherever the points are.
  const Communicator comm = Communicator::world();
  expect_all(comm, 2, points(Shape::random, 2, 40, 1, 1, 1e6),
             points(Shape::random, 2, 50, 2, 1, 1e6), "far away");
  for (const double size : {1e-6, 1e6}) {
    expect_all(comm, 3, points(Shape::random, 3, 40, 1, size),
               points(Shape::clustered, 3, 50, 2, size), "size " + std::to_string(size), size);
  }
}

TEST(Search, TiesWithTheCutAreFound) {
  // On a lattice without potentials many costs equal the cut, or differ in the last bits. A pair
  // above it must exceed it by more than the search's allowance for rounding.
  const Communicator comm = Communicator::world();
  for (const double size : {1.0, 1e-8}) {
    for (const int dimension : {1, 3}) {
      const Clouds clouds(comm, points(Shape::lattice, dimension, 80, 1, size),
                          points(Shape::lattice, dimension, 90, 2, size));
      for (const NamedCost& named : costs(dimension, size)) {
        const Setting s(clouds, named);
        const Fields zero_a{std::vector<double>(80, 0.0)}, zero_b{std::vector<double>(90, 0.0)};
        const double near[3] = {size / 8, 0, 0}, origin[3] = {};
        const double cut = s.cost(near, origin);
        expect_pairs(s, zero_a, zero_b, cut, 1e-12 * (size + s.largest),
                     named.name + ", size " + std::to_string(size));
      }
    }
  }
}

TEST(Search, TooManyPairsAreNoticedOnAllRanks) {
  const Communicator comm = Communicator::world();
  const NamedCost squared = costs(2)[0];
  const Clouds clouds(comm, points(Shape::clustered, 2, 200, 1),
                      points(Shape::clustered, 2, 200, 2));
  const Setting s(clouds, squared);
  const std::vector<double> f(s.x.own(), 0.0), g(s.y.own(), 0.0);
  const auto find = [&](std::int64_t most) {
    Pairs pairs;
    return find_pairs(comm, s.x, {f}, s.y, {g}, s.cost, 100, most, pairs);
  };
  const std::int64_t largest_share = comm.max(static_cast<std::int64_t>(s.x.own())) * 200;
  EXPECT_TRUE(find(largest_share));
  EXPECT_FALSE(find(largest_share - 1));
  EXPECT_FALSE(find(0));
}

}  // namespace
