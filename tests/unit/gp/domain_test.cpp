// SPDX-License-Identifier: BSD-3-Clause
#include "gp/domain.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <random>

#include "gp/boundary_pieces.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {
namespace {

const Domain box1{Box{{-1}, {1}}, {}};
const Domain box2{Box{{0, 0}, {2, 1}}, {}};
const Domain box3{Box{{0, 0, 0}, {1, 2, 3}}, {}};
const Domain disk{Disk{{0.5, 0.5}, 0.25}, {}};
const Domain ball{Disk{{1, 2, 3}, 2}, {}};
const Domain l_shape{LShape{{-1, -1}, {1, 1}}, {}};
const Domain annulus{Annulus{{0, 0}, 0.5, 1}, {}};
const Domain shell{Annulus{{0, 0, 0}, 1, 3}, {}};
const Domain cheese{Box{{0, 0}, {1, 1}}, {{{0.25, 0.25}, 0.125}, {{0.75, 0.5}, 0.25 - 1e-3}}};
const Domain bored_ball{Disk{{0, 0, 0}, 1}, {{{0.5, 0, 0}, 0.25}}};

const std::vector<Domain>& all() {
  static const std::vector<Domain> domains{box1,    box2,    box3,  disk,   ball,
                                           l_shape, annulus, shell, cheese, bored_ball};
  return domains;
}

Place place(const Domain& domain, const std::vector<double>& point) {
  return place_of(domain, point.data());
}

TEST(Domain, Places) {
  EXPECT_EQ(place(box1, {0}), Place::inside);
  EXPECT_EQ(place(box1, {-1}), Place::boundary);
  EXPECT_EQ(place(box1, {1.1}), Place::outside);
  EXPECT_EQ(place(box2, {1.5, 0.5}), Place::inside);
  EXPECT_EQ(place(box2, {2, 1}), Place::boundary);
  EXPECT_EQ(place(box2, {2, 1.5}), Place::outside);  // on the line through a side, not on the side
  EXPECT_EQ(place(box3, {0.5, 2, 1}), Place::boundary);
  EXPECT_EQ(place(disk, {0.5, 0.75}), Place::boundary);
  EXPECT_EQ(place(disk, {0.7, 0.7}), Place::outside);
  EXPECT_EQ(place(ball, {1, 2, 3}), Place::inside);
  EXPECT_EQ(place(ball, {1, 2, 5}), Place::boundary);
  EXPECT_EQ(place(annulus, {0, 0}), Place::outside);
  EXPECT_EQ(place(annulus, {0, -0.5}), Place::boundary);
  EXPECT_EQ(place(annulus, {0, -0.75}), Place::inside);
  EXPECT_EQ(place(shell, {2, 0, 0}), Place::inside);
  EXPECT_EQ(place(shell, {0, 0, 0.5}), Place::outside);
}

TEST(Domain, PlacesInTheLShape) {
  EXPECT_EQ(place(l_shape, {-0.5, 0.5}), Place::inside);
  EXPECT_EQ(place(l_shape, {0.5, -0.5}), Place::inside);
  EXPECT_EQ(place(l_shape, {0.5, 0.5}), Place::outside);
  EXPECT_EQ(place(l_shape, {0, 0}), Place::boundary);  // the re-entrant corner
  EXPECT_EQ(place(l_shape, {0.5, 0}), Place::boundary);
  EXPECT_EQ(place(l_shape, {0, 0.5}), Place::boundary);
  EXPECT_EQ(place(l_shape, {-0.5, 0}), Place::inside);  // the edge's continuation
  EXPECT_EQ(place(l_shape, {1, 1}), Place::outside);    // the corner of the missing quarter
  EXPECT_EQ(place(l_shape, {0, 1}), Place::boundary);
  EXPECT_EQ(place(l_shape, {0, 1.1}), Place::outside);
}

TEST(Domain, PlacesAroundHoles) {
  EXPECT_EQ(place(cheese, {0.25, 0.25}), Place::outside);
  EXPECT_EQ(place(cheese, {0.375, 0.25}), Place::boundary);
  EXPECT_EQ(place(cheese, {0.45, 0.25}), Place::inside);
  EXPECT_EQ(place(bored_ball, {0.5, 0, 0.2}), Place::outside);
  EXPECT_EQ(place(bored_ball, {0.5, 0, 0.25}), Place::boundary);
}

TEST(Domain, ToleranceGrowsFarFromTheOrigin) {
  // At 1e6 the next double is 1e-10 away: 1e-12 of the extent would hold nobody but the end itself.
  const Domain far{Box{{1e6, 0}, {1e6 + 1, 1}}, {}};
  EXPECT_EQ(place(far, {std::nextafter(1e6 + 1, 0.0), 0.5}), Place::boundary);
  EXPECT_EQ(place(far, {1e6 + 1 - 1e-7, 0.5}), Place::inside);
  EXPECT_EQ(place(box2, {2 - 1e-12, 0.5}), Place::boundary);
  EXPECT_EQ(place(box2, {2 - 1e-11, 0.5}), Place::inside);
}

// The depth is a distance: by brute force over points on all pieces of the boundary.
TEST(Domain, DepthIsTheDistanceFromTheBoundary) {
  std::mt19937_64 draw(3);
  for (const auto& domain : all()) {
    const auto d = static_cast<std::size_t>(dimension_of(domain));
    const auto box = bounding_box(domain);
    std::vector<Coordinates> rim;
    std::uniform_real_distribution<double> unit(0, 1);
    for (const auto& piece : boundary_pieces(domain)) {
      for (int i = 0; i < (d == 1 ? 1 : 20000); ++i) {
        rim.push_back(point_on(piece, unit(draw), unit(draw)));
      }
    }
    for (int trial = 0; trial < 50; ++trial) {
      Coordinates p{};
      for (std::size_t i = 0; i < d; ++i) {
        p[i] = box[i] + (1.4 * unit(draw) - 0.2) * (box[d + i] - box[i]);
      }
      double nearest = std::numeric_limits<double>::infinity();
      for (const auto& q : rim) {
        nearest = std::min(nearest, std::hypot(p[0] - q[0], p[1] - q[1], p[2] - q[2]));
      }
      // 20000 random points leave gaps of up to about 5 % of the extent on surfaces.
      EXPECT_NEAR(std::abs(boundary_depth(domain, p.data())), nearest, 0.05 * extent_of(domain))
          << describe(domain);
      EXPECT_LE(std::abs(boundary_depth(domain, p.data())), nearest * (1 + 1e-12))
          << describe(domain);
    }
  }
}

TEST(Domain, VolumeByCounting) {
  std::mt19937_64 draw(4);
  std::uniform_real_distribution<double> unit(0, 1);
  for (const auto& domain : all()) {
    const auto d = static_cast<std::size_t>(dimension_of(domain));
    const auto box = bounding_box(domain);
    double whole = 1;
    for (std::size_t i = 0; i < d; ++i) whole *= box[d + i] - box[i];
    const int trials = 20000;
    int inside = 0;
    for (int trial = 0; trial < trials; ++trial) {
      Coordinates p{};
      for (std::size_t i = 0; i < d; ++i) p[i] = box[i] + unit(draw) * (box[d + i] - box[i]);
      inside += boundary_depth(domain, p.data()) > 0 ? 1 : 0;
    }
    // Four standard deviations of a share of 20000 draws: 4 sqrt(1/4 / 20000).
    EXPECT_NEAR(volume_of(domain) / whole, static_cast<double>(inside) / trials, 0.0142)
        << describe(domain);
  }
}

TEST(Domain, BoundingBoxesAndDimensions) {
  EXPECT_EQ(bounding_box(disk), (std::vector<double>{0.25, 0.25, 0.75, 0.75}));
  EXPECT_EQ(bounding_box(shell), (std::vector<double>{-3, -3, -3, 3, 3, 3}));
  EXPECT_EQ(bounding_box(box1), (std::vector<double>{-1, 1}));
  EXPECT_EQ(bounding_box(l_shape), (std::vector<double>{-1, -1, 1, 1}));
  EXPECT_EQ(dimension_of(box1), 1);
  EXPECT_EQ(dimension_of(cheese), 2);
  EXPECT_EQ(dimension_of(bored_ball), 3);
  EXPECT_DOUBLE_EQ(extent_of(box3), 3);
}

TEST(Domain, Descriptions) {
  EXPECT_EQ(describe(box2), "box [0, 2] x [0, 1]");
  EXPECT_EQ(describe(cheese), "box [0, 1] x [0, 1] with 2 holes");
  EXPECT_EQ(describe(bored_ball), "ball of radius 1 around (0, 0, 0) with 1 hole");
  EXPECT_EQ(describe(disk), "disk of radius 0.25 around (0.5, 0.5)");
  EXPECT_EQ(describe(l_shape), "L-shape in [-1, 1] x [-1, 1]");
  EXPECT_EQ(describe(annulus), "annulus of radii 0.5 and 1 around (0, 0)");
  EXPECT_EQ(describe(shell), "spherical shell of radii 1 and 3 around (0, 0, 0)");
}

std::string refusal(const Domain& domain) {
  try {
    check_domain(domain);
  } catch (const parallel::Error& error) {
    return error.code() == parallel::ExitCode::usage ? error.what() : "another exit code";
  }
  return "accepted";
}

TEST(Domain, SoundDomainsPass) {
  for (const auto& domain : all()) EXPECT_EQ(refusal(domain), "accepted");
}

TEST(Domain, FaultyShapes) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(refusal({Box{{0, 1}, {1, 1}}, {}}),
            "domain: the box is empty: on axis y upper (1) must be above lower (1)");
  EXPECT_EQ(refusal({Box{{0, 1}, {1}}, {}}),
            "domain: the box has 2 numbers in lower, but 1 in upper; one per axis is needed");
  EXPECT_EQ(refusal({Box{{0, nan}, {1, 1}}, {}}),
            "domain: a number in lower is nan; a finite number is needed");
  EXPECT_EQ(refusal({Box{{0, 0, 0, 0}, {1, 1, 1, 1}}, {}}),
            "domain: a box has 1 to 3 dimensions, not 4");
  EXPECT_EQ(refusal({Box{{}, {}}, {}}), "domain: a box has 1 to 3 dimensions, not 0");
  EXPECT_EQ(refusal({LShape{{0}, {1}}, {}}),
            "domain: an L-shape lies in the plane: two numbers in lower and upper, not 1");
  EXPECT_EQ(refusal({Disk{{0, 0}, 0}, {}}),
            "domain: the radius of the disk is 0; it must be positive and finite");
  EXPECT_EQ(refusal({Disk{{0}, 1}, {}}), "domain: a disk (ball) has 2 to 3 dimensions, not 1");
  EXPECT_EQ(refusal({Annulus{{0, 0}, 1, 1}, {}}),
            "domain: the annulus is empty: the inner radius (1) must be below the outer one (1)");
}

TEST(Domain, FaultyHoles) {
  const Box unit{{0, 0}, {1, 1}};
  EXPECT_EQ(refusal({unit, {{{0.5, 0.25}, 0.25}}}),
            "domain: hole 0 (radius 0.25 around (0.5, 0.25)) must lie inside the box [0, 1] x [0, "
            "1] without touching its boundary");
  EXPECT_EQ(refusal({unit, {{{0.25, 0.25}, 0.1}, {{0.25, 0.5}, 0.15}}}),
            "domain: holes 0 and 1 touch or overlap; keep them apart");
  EXPECT_EQ(refusal({unit, {{{0.25}, 0.1}}}),
            "domain: the centre of hole 0 has 1 numbers; the domain has 2 dimensions");
  EXPECT_EQ(refusal({unit, {{{0.25, 0.25}, -1}}}),
            "domain: the radius of a hole is -1; it must be positive and finite");
  EXPECT_EQ(refusal({Box{{0}, {1}}, {{{0.5}, 0.1}}}),
            "domain: a hole would cut an interval in two; solve on each part by itself");
  EXPECT_NE(refusal({Annulus{{0, 0}, 0.5, 1}, {{{0, 0}, 0.1}}}).find("must lie inside"),
            std::string::npos);
  EXPECT_NE(refusal({LShape{{0, 0}, {1, 1}}, {{{0.75, 0.75}, 0.1}}}).find("must lie inside"),
            std::string::npos);
}

TEST(BoundaryPieces, Measures) {
  const auto total = [](const Domain& domain) {
    double sum = 0;
    for (const auto& piece : boundary_pieces(domain)) sum += measure_of(piece);
    return sum;
  };
  using std::numbers::pi;
  EXPECT_DOUBLE_EQ(total(box2), 6);
  EXPECT_DOUBLE_EQ(total(box3), 22);
  EXPECT_DOUBLE_EQ(total(l_shape), 8);
  EXPECT_DOUBLE_EQ(total(annulus), 3 * pi);
  EXPECT_DOUBLE_EQ(total(shell), 40 * pi);
  EXPECT_DOUBLE_EQ(total(bored_ball), 4 * pi * (1 + 0.0625));
  EXPECT_DOUBLE_EQ(total(box1), 2);
}

}  // namespace
}  // namespace mensura::gp
