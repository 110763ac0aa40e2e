// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "input/common.hpp"

namespace mensura::transport {

/// What a marginal is. A grid is an image of pixel centres whose longer side has length 1; a cloud
/// is weighted points.
enum class MarginalKind { grid, points };

/// Where a marginal comes from: a dataset, or a formula on a grid.
struct MarginalSpec {
  std::string name;
  MarginalKind kind = MarginalKind::grid;
  std::filesystem::path file{};
  std::string dataset{};                 ///< grid: values (w,), (h, w), (l, h, w); points: (n, d)
  input::Rows rows{};                    ///< points only
  std::string weights{};                 ///< points only: dataset (n,) of the file; empty: equal
  std::optional<std::int64_t> resize{};  ///< grid only, also of `like`: longer side in pixels
  std::optional<double> spacing{};       ///< grid only: of the pixels after resizing
  double floor = 0;  ///< mass = value / max(value) + floor, or value + floor * max(value) when kept
  std::string density{};  ///< instead of file: formula in x, y, z (x along the last axis)
  std::vector<std::int64_t> shape{};  ///< of the density's grid: (w,), (h, w) or (l, h, w)
  std::string where{};                ///< place in the deck, for messages
  bool free = false;                  ///< sought: all points of `like`, or `support` moving ones
  std::string like{};
  std::optional<std::int64_t> support{};  ///< free only: so many points of equal mass move
};

/// c(x, y). Powers are of the Euclidean distance; periodic is the squared distance on a torus;
/// coulomb is one over the distance.
enum class CostKind { squared_euclidean, power, l1, periodic, matrix, coulomb };

struct CostSpec {
  CostKind kind = CostKind::squared_euclidean;
  double power = 2;              ///< of `power`, >= 1
  std::vector<double> period{};  ///< of `periodic`: one per axis
  std::filesystem::path file{};  ///< of `matrix`: rows belong to the first node of the edge
  std::string dataset{};
};

/// weight * c(x of node `from`, y of node `to`).
struct EdgeSpec {
  std::size_t from = 0, to = 1;
  double weight = 1;
  std::optional<CostSpec> cost{};  ///< none: the problem's
};

/// How the deck gives its graph: as a named shape or by edges alone.
enum class Shape { pair, star, chain, tree, cycle, complete, edges };

/// A cubic motion through the marginals of a chain (Wasserstein splines, reference/transport 3.4).
struct SplineSpec {
  std::vector<double> times;          ///< one per marginal, ascending
  std::vector<double> lower, upper;   ///< of the velocities, per axis
  std::vector<std::int64_t> count{};  ///< grid points of the velocities, per axis
};

/// Where x_0 has to be at the end of a cycle.
struct ClosingSpec {
  std::vector<std::string> formulas{};  ///< components x, y, z of the map, in x, y, z
  std::filesystem::path file{};         ///< or a dataset (n_0, d)
  std::string dataset{};
  /// In the deck, for messages: of the list, then of every formula.
  std::vector<std::string> places{};
};

enum class Unit { spacing_squared, diameter_squared, absolute };

/// How a marginal may be missed: not at all, at a price, or the total mass is prescribed.
enum class Relaxation { none, kullback_leibler, total_variation, partial };

/// Exact methods need no regularisation: `exact` is pricing on point clouds and grids, `line` and
/// `circle` are one-dimensional, `sliced` averages `line` over directions.
enum class Method { automatic, newton, sinkhorn, exact, line, circle, sliced };

/// Entries of the plan that Newton's matrix keeps: all that are stored; those above a share of the
/// error (mass rule, reference/transport 2.3); the largest ones, a fixed number (count rule, 2.1).
enum class Hessian { full, mass, count };

/// `auto`: above so many squared spacings the plan is fat and Sinkhorn's iteration needs few
/// sweeps.
inline constexpr double fattest_newton = 2;
/// Plans with more entries per point on average are left to Sinkhorn's iteration, unless they are
/// small or the deck says newton.
inline constexpr std::int64_t most_pairs_per_point = 400;

/// A transport problem as the deck says it; no data yet.
struct Problem {
  std::vector<MarginalSpec> marginals;
  std::vector<EdgeSpec> edges;
  CostSpec cost;
  bool normalise = true;  ///< every marginal to mass one; false: keep the masses of the input
  double final_regularisation = 0.25;
  Unit unit = Unit::spacing_squared;
  Relaxation relaxation = Relaxation::none;
  double strength = 0;  ///< rho of the penalty, or the mass of a partial transport
  double tolerance = 1e-9;
  Method method = Method::automatic;
  bool divergence = false;  ///< also the two symmetric problems: Sinkhorn divergence
  bool exact = false;       ///< certificate by pricing: the gap closes to rounding
  bool reflected = false;   ///< heat kernel of the box instead of exp(-c/eps) (sinkhorn, grids)
  std::int64_t directions = 500;  ///< of sliced
  std::uint64_t seed = 1;
  std::int64_t max_sinkhorn = 100000;  ///< sweeps per regularisation
  std::int64_t max_newton = 60;        ///< steps per regularisation
  std::int64_t max_moves = 200;        ///< of the points of a free support
  /// First regularisation, in the unit of the final one; none: chosen by the extent and the levels.
  std::optional<double> initial_regularisation{};
  Hessian hessian = Hessian::full;
  double kept_per_point = 2;  ///< of the count rule
  int warm_sweeps = 20;       ///< before the first Newton step at a regularisation
  bool write_plan = true;
  Shape shape = Shape::pair;
  std::vector<double> node_weights{};  ///< of shape complete: l_i l_j is the weight of an edge
  /// One entropy per edge, times its weight like the cost and a penalty: iterative Bregman
  /// projections.
  bool per_edge = false;
  bool debiased = false;    ///< without the blur of that entropy
  std::int64_t tuples = 0;  ///< samples of the whole plan
  std::optional<ClosingSpec> closing{};
  std::optional<SplineSpec> spline{};

  /// Plans are made to be written or to be drawn from.
  bool wants_plans() const { return write_plan || tuples > 0; }
  /// Some marginal has points that move.
  bool has_free_support() const {
    return std::ranges::any_of(marginals,
                               [](const MarginalSpec& spec) { return spec.support.has_value(); });
  }
  /// A complete graph rewritten as a star around a free marginal, the last one.
  bool has_hidden_centre() const { return shape == Shape::complete && marginals.back().free; }
  /// Two given measures and one edge.
  bool is_pair() const {
    return marginals.size() == 2 && !marginals[0].free && !marginals[1].free && !spline &&
           cost.kind != CostKind::coulomb;
  }
  /// The whole plan is a dense tensor: all pairs have a cost that is not the squared distance.
  bool is_dense() const {
    return method != Method::line &&
           (cost.kind == CostKind::coulomb || (shape == Shape::complete && !has_hidden_centre()));
  }
};

}  // namespace mensura::transport
