// SPDX-License-Identifier: BSD-3-Clause
#include "gp/collocation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>

#include "collocated.hpp"
#include "gp/boundary_pieces.hpp"
#include "unit/output/support.hpp"

namespace {

using namespace mensura;
using namespace mensura::gp;
using mensura::test::catch_error;
using mensura::test::Collocated;
using mensura::test::SharedFolder;
using parallel::Communicator;
using std::numbers::pi;

const Domain square{Box{{0, 0}, {1, 1}}, {}};
const Domain l_shape{LShape{{-1, -1}, {1, 1}}, {{{-0.5, -0.5}, 0.2}}};
const Domain bored_square{Box{{0, 0}, {1, 1}}, {{{0.5, 0.5}, 0.2}, {{0.2, 0.8}, 0.1}}};
const Domain thin_annulus{Annulus{{1, 2}, 0.95, 1}, {}};
const Domain bored_ball{Disk{{0, 0, 0}, 1}, {{{0.25, 0, 0}, 0.4}}};
const Domain bored_cube{Box{{0, 0, 0}, {1, 1, 1}}, {{{0.5, 0.5, 0.5}, 0.3}}};

struct Case {
  std::string name;
  Problem problem;
};

Problem grid(const Domain& domain, std::vector<std::int64_t> per_side) {
  return {.domain = domain, .layout = GridLayout{std::move(per_side)}};
}
Problem random(const Domain& domain, std::int64_t interior, std::int64_t boundary) {
  return {.domain = domain, .layout = RandomLayout{interior, boundary, 5}};
}

std::vector<Case> generated() {
  return {{"grid square", grid(square, {12})},
          {"grid rectangle", grid({Box{{0, -1}, {2, 1}}, {}}, {9, 14})},
          {"grid interval", grid({Box{{-1}, {1}}, {}}, {33})},
          {"grid cube", grid({Box{{0, 0, 0}, {1, 1, 2}}, {}}, {5, 6, 7})},
          {"grid disk", grid({Disk{{0.5, 0.5}, 0.5}, {}}, {31})},
          {"grid L odd", grid(l_shape, {41})},
          {"grid L even", grid(l_shape, {42})},
          {"grid bored square", grid(bored_square, {40})},
          {"grid annulus", grid({Annulus{{0, 0}, 0.5, 1}, {}}, {41})},
          {"grid bored ball", grid(bored_ball, {21})},
          {"grid bored cube", grid(bored_cube, {17})},
          {"grid shell", grid({Annulus{{0, 0, 0}, 0.5, 1}, {}}, {21})},
          {"random square", random(square, 500, 80)},
          {"random interval", random({Box{{2}, {3}}, {}}, 50, 80)},
          {"random cube", random({Box{{0, 0, 0}, {1, 2, 3}}, {}}, 300, 200)},
          {"random L", random(l_shape, 500, 200)},
          {"random bored square", random(bored_square, 500, 200)},
          {"random thin annulus", random(thin_annulus, 500, 200)},
          {"random bored ball", random(bored_ball, 300, 200)},
          {"random shell", random({Annulus{{0, 0, 0}, 0.9, 1}, {}}, 300, 200)}};
}

TEST(Collocation, TheSameOnAnyNumberOfRanks) {
  const auto comm = Communicator::world();
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  for (const auto& [name, problem] : generated()) {
    const Collocated shared(comm, problem);
    const Collocated alone(self, problem);
    EXPECT_EQ(shared.set.counts, alone.set.counts) << name;
    EXPECT_EQ(shared.points, alone.points) << name;  // to the bit
  }
}

TEST(Collocation, PointsLieWhereTheyBelong) {
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  for (const auto& [name, problem] : generated()) {
    const Collocated cloud(self, problem);
    ASSERT_GT(cloud.set.counts[0], 0) << name;
    ASSERT_GT(cloud.set.counts[1], 0) << name;
    for (std::size_t id = 0; id < cloud.total(); ++id) {
      const auto expected = id < cloud.boundary() ? Place::boundary : Place::inside;
      ASSERT_EQ(place_of(*problem.domain, cloud[id].data()), expected)
          << name << ", " << name_of_point(problem, cloud.set, id);
    }
  }
}

TEST(Collocation, NoTwoPointsCoincide) {
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  for (const auto& [name, problem] : generated()) {
    const Collocated cloud(self, problem);
    std::vector<std::vector<double>> sorted;
    for (std::size_t id = 0; id < cloud.total(); ++id) {
      sorted.emplace_back(cloud[id].begin(), cloud[id].end());
    }
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end()) << name;
  }
}

// Every point of a grid layout has its nearest neighbour at about the spacing h: not nearer than
// half a spacing (the rule for interior points near curved boundaries; a lattice on a curved
// surface is a little denser in places), not farther than one and a half.
TEST(Collocation, GridSpacing) {
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  const std::array<std::pair<Problem, double>, 7> cases{
      {{grid({Disk{{0.5, 0.5}, 0.5}, {}}, {31}), 1.0 / 30},
       {grid(l_shape, {41}), 0.05},
       {grid(l_shape, {42}), 2.0 / 41},
       {grid(bored_square, {40}), 1.0 / 39},
       {grid({Annulus{{0, 0}, 0.5, 1}, {}}, {41}), 0.05},
       {grid(bored_ball, {21}), 0.1},
       {grid(bored_cube, {17}), 1.0 / 16}}};
  for (const auto& [problem, h] : cases) {
    const Collocated cloud(self, problem);
    for (std::size_t a = 0; a < cloud.total(); ++a) {
      double nearest = 1e300;
      for (std::size_t b = 0; b < cloud.total(); ++b) {
        if (a != b) nearest = std::min(nearest, cloud.distance(a, b));
      }
      ASSERT_GT(nearest, 0.49 * h) << describe(*problem.domain) << " point " << a;
      ASSERT_LT(nearest, 1.5 * h) << describe(*problem.domain) << " point " << a;
    }
  }
}

TEST(Collocation, UnitSquareGridIsTheReferenceGrid) {
  const auto comm = Communicator::world();
  const int n = 49;
  const Collocated cloud(comm, grid(square, {n + 1}));
  const double h = 1.0 / n;
  ASSERT_EQ(cloud.set.counts, (std::array<std::int64_t, 3>{4 * n, (n - 1) * (n - 1), 0}));
  for (std::size_t k = 0; k < static_cast<std::size_t>((n - 1) * (n - 1)); ++k) {
    ASSERT_EQ(cloud[cloud.boundary() + k][0], static_cast<double>(k / (n - 1) + 1) * h);
    ASSERT_EQ(cloud[cloud.boundary() + k][1], static_cast<double>(k % (n - 1) + 1) * h);
  }
  int ends = 0;
  for (std::size_t k = 0; k < cloud.boundary(); ++k) {
    const bool on_x = cloud[k][0] == 0 || cloud[k][0] == 1;  // exactly
    const bool on_y = cloud[k][1] == 0 || cloud[k][1] == 1;
    ASSERT_TRUE(on_x || on_y);
    ends += on_x && on_y ? 1 : 0;
  }
  EXPECT_EQ(ends, 4);
}

TEST(Collocation, CountsOfGrids) {
  const auto comm = Communicator::world();
  const auto counts = [&](const Problem& problem) {
    const auto size = collocation_size(comm, problem);
    const auto set = make_points(comm, problem, {});
    if (size.exact) {
      EXPECT_EQ(size.counts, set.counts);
    }
    return set.counts;
  };
  using Counts = std::array<std::int64_t, 3>;
  EXPECT_EQ(counts(grid({Box{{-1}, {1}}, {}}, {201})), (Counts{2, 199, 0}));
  EXPECT_EQ(counts(grid(square, {3})), (Counts{8, 1, 0}));
  EXPECT_EQ(counts(grid({Box{{0, 0, 0}, {1, 1, 1}}, {}}, {4, 5, 6})),
            (Counts{4 * 5 * 6 - 2 * 3 * 4, 2 * 3 * 4, 0}));
  EXPECT_EQ(counts(random({Box{{0}, {1}}, {}}, 20, 9)), (Counts{2, 20, 0}));
  // The L-shape without its hole: three quarters of 39 x 39 inner points less the two edges.
  const Domain plain{LShape{{-1, -1}, {1, 1}}, {}};
  EXPECT_EQ(counts(grid(plain, {41})), (Counts{160, 39 * 39 - 20 * 20, 0}));
  const auto size = collocation_size(comm, grid(bored_square, {100}));
  EXPECT_FALSE(size.exact);
  const auto set = make_points(comm, grid(bored_square, {100}), {});
  EXPECT_EQ(size.counts[0], set.counts[0]);
  // Half a spacing along all boundaries separates the estimate from the count: 2 % here.
  EXPECT_NEAR(static_cast<double>(size.counts[1]), static_cast<double>(set.counts[1]), 300);
}

TEST(Collocation, BlocksAndPolls) {
  const auto comm = Communicator::world();
  int polls = 0;
  const auto set = make_points(comm, grid(square, {600}), [&] {
    ++polls;
    comm.barrier();  // hangs when ranks poll a different number of times
  });
  EXPECT_GE(polls, 2);
  const parallel::Blocks rim{set.counts[0], comm.size()};
  const parallel::Blocks inner{set.counts[1], comm.size()};
  ASSERT_EQ(static_cast<std::int64_t>(set.ids.size()),
            rim.size(comm.rank()) + inner.size(comm.rank()));
  for (std::size_t i = 0; i < set.ids.size(); ++i) {
    const auto id = static_cast<std::int64_t>(set.ids[i]);
    const bool on_rim = id < set.counts[0];
    ASSERT_EQ(on_rim ? rim.owner(id) : inner.owner(id - set.counts[0]), comm.rank());
  }
}

// sum (observed - expected)^2 / expected over equally likely bins.
double chi_square(const std::vector<int>& bins) {
  const double total = std::accumulate(bins.begin(), bins.end(), 0);
  const double expected = total / static_cast<double>(bins.size());
  double sum = 0;
  for (const int observed : bins) sum += (observed - expected) * (observed - expected) / expected;
  return sum;
}
// Four standard deviations above the mean of the distribution: one seed in 15000 beyond it.
double chi_square_limit(std::size_t bins) {
  const auto freedom = static_cast<double>(bins - 1);
  return freedom + 4 * std::sqrt(2 * freedom) + 5;
}

TEST(RandomPoints, UniformAlongAllPiecesOfTheBoundary) {
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  const Collocated cloud(self, random(l_shape, 1, 20000));
  const auto pieces = boundary_pieces(l_shape);  // six edges, one circle
  double whole = 0;
  for (const auto& piece : pieces) whole += measure_of(piece);
  std::vector<int> bins(100);
  for (std::size_t id = 0; id < cloud.boundary(); ++id) {
    const double x = cloud[id][0];
    const double y = cloud[id][1];
    double before = 0;
    double at = -1;
    for (const auto& piece : pieces) {
      if (const auto* edge = std::get_if<Segment>(&piece)) {
        const double along = std::abs(x - edge->a[0]) + std::abs(y - edge->a[1]);
        const double rest = std::abs(x - edge->b[0]) + std::abs(y - edge->b[1]);
        if (std::abs(along + rest - measure_of(piece)) < 1e-12) at = before + along;
      } else if (std::hypot(x + 0.5, y + 0.5) < 0.21) {
        at = before + 0.2 * (std::atan2(y + 0.5, x + 0.5) + pi);
      }
      before += measure_of(piece);
    }
    ASSERT_GE(at, 0);
    ++bins[std::min<std::size_t>(99, static_cast<std::size_t>(at / whole * 100))];
  }
  EXPECT_LT(chi_square(bins), chi_square_limit(100));
}

TEST(RandomPoints, UniformOnSpheresAndFaces) {
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  const Collocated ball(self, random({Disk{{0, 0, 0}, 2}, {}}, 1, 10000));
  std::vector<int> bins(64);  // eight bands of equal area, eight sectors
  for (std::size_t id = 0; id < ball.boundary(); ++id) {
    const auto band = static_cast<std::size_t>((ball[id][2] / 2 + 1) * 4);
    const auto sector =
        static_cast<std::size_t>((std::atan2(ball[id][1], ball[id][0]) / pi + 1) * 4);
    ++bins[8 * std::min<std::size_t>(band, 7) + std::min<std::size_t>(sector, 7)];
  }
  EXPECT_LT(chi_square(bins), chi_square_limit(64));

  const Collocated brick(self, random({Box{{0, 0, 0}, {1, 1, 2}}, {}}, 1, 10000));
  std::vector<int> cells(40);  // ten halves of unit squares: two ends, four sides of two; quarters
  for (std::size_t id = 0; id < brick.boundary(); ++id) {
    const double x = brick[id][0];
    const double y = brick[id][1];
    const double z = brick[id][2];
    const auto half = [](double v) { return static_cast<std::size_t>(v >= 0.5 ? 1 : 0); };
    std::size_t unit_square = 0;
    std::size_t quarter = 0;
    if (z == 0 || z == 2) {
      unit_square = z == 0 ? 0 : 1;
      quarter = 2 * half(x) + half(y);
    } else {
      const std::size_t side = x == 0 ? 0 : (x == 1 ? 1 : (y == 0 ? 2 : 3));
      unit_square = 2 + 2 * side + (z >= 1 ? 1 : 0);
      quarter = 2 * half(side < 2 ? y : x) + half(z - std::floor(z));
    }
    ++cells[4 * unit_square + quarter];
  }
  EXPECT_LT(chi_square(cells), chi_square_limit(40));
}

TEST(RandomPoints, UniformInside) {
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  const Collocated flat(self, random(square, 10000, 4));
  std::vector<int> bins(100);
  for (std::size_t id = flat.boundary(); id < flat.total(); ++id) {
    ++bins[10 * static_cast<std::size_t>(flat[id][0] * 10) +
           static_cast<std::size_t>(flat[id][1] * 10)];
  }
  EXPECT_LT(chi_square(bins), chi_square_limit(100));

  const Collocated ring(self, random(thin_annulus, 10000, 4));
  std::vector<int> sectors(64);  // eight rings of equal area, eight sectors
  for (std::size_t id = ring.boundary(); id < ring.total(); ++id) {
    const double x = ring[id][0] - 1;
    const double y = ring[id][1] - 2;
    const double share = (x * x + y * y - 0.95 * 0.95) / (1 - 0.95 * 0.95);
    const auto sector = static_cast<std::size_t>((std::atan2(y, x) / pi + 1) * 4);
    ++sectors[8 * std::min<std::size_t>(static_cast<std::size_t>(share * 8), 7) +
              std::min<std::size_t>(sector, 7)];
  }
  EXPECT_LT(chi_square(sectors), chi_square_limit(64));
}

TEST(RandomPoints, SeedsAndPrefixes) {
  const auto self = Communicator::duplicate(MPI_COMM_SELF);
  const Collocated few(self, random(square, 10, 5));
  const Collocated many(self, random(square, 20, 9));
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(few[5 + i][0], many[9 + i][0]);
    EXPECT_EQ(few[5 + i][1], many[9 + i][1]);
  }
  auto other = random(square, 10, 5);
  std::get<RandomLayout>(other.layout).seed = 6;
  EXPECT_NE(Collocated(self, other).points, few.points);
}

TEST(Layouts, Refusals) {
  const auto comm = Communicator::world();
  const auto refusal = [&](const Problem& problem) {
    const auto caught = catch_error([&] { make_points(comm, problem, {}); });
    EXPECT_EQ(caught.code, 2);
    return caught.text;
  };
  EXPECT_EQ(refusal(grid(square, {2})),
            "points: per_side is 2; a grid with points inside needs at least 3");
  EXPECT_EQ(refusal(grid(square, {5, 5, 5})),
            "points: per_side has 3 numbers; one for all axes or 2, one per axis of the box [0, 1] "
            "x [0, 1], are needed");
  EXPECT_EQ(refusal(random(square, 0, 4)),
            "points: 0 interior and 4 boundary points; at least one of each is needed");
  EXPECT_EQ(refusal({.layout = GridLayout{{5}}}),
            "domain: it is missing; the layout grid makes points inside it");
  EXPECT_EQ(refusal(grid({Annulus{{0, 0}, 0.9, 1}, {}}, {4})),
            "points: no grid point lies half a spacing inside the domain; raise per_side");
  EXPECT_EQ(refusal(grid({Box{{0}, {0}}, {}}, {4})),
            "domain: the box is empty: on axis x upper (0) must be above lower (0)");
}

TEST(Layouts, TooLarge) {
  const auto comm = Communicator::world();
  // Memory for a few thousand points; nothing is allocated before the check.
  ::setenv("MENSURA_MEMORY_LIMIT", "1M", 1);
  for (const auto& problem : {grid(square, {1000000}), grid(bored_square, {1500}),
                              random(square, 1000000000000, 4), random(square, 10, 1000000)}) {
    const auto caught = catch_error([&] { make_points(comm, problem, {}); });
    EXPECT_EQ(caught.code, 7);
    EXPECT_NE(caught.text.find("needs"), std::string::npos) << caught.text;
  }
  ::unsetenv("MENSURA_MEMORY_LIMIT");
  const auto caught =
      catch_error([&] { collocation_size(comm, grid(square, {3000000000, 3000000000})); });
  EXPECT_EQ(caught.code, 7);
  EXPECT_EQ(caught.text,
            "points: the grid has 9.00e+18 points, more than can be numbered; choose a smaller "
            "per_side");
}

}  // namespace
