// SPDX-License-Identifier: BSD-3-Clause
#include "transport/prediction.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include "output/memory.hpp"
#include "transport/deck.hpp"

namespace mensura::transport {

namespace {

// Entries per row of the plan and of the assembled Laplacian on images at the squared spacing,
// which the finest level starts from: measured at 256 x 256 and 512 x 512, smooth images and
// photographs.
constexpr double plan_at_spacing = 76, laplacian_at_spacing = 140;
// Cost, value and column; the Laplacian's own rows, PETSc's and hypre's copies and the hierarchy
// (measured: 8 kB per pixel in all).
constexpr double bytes_per_entry = 20, bytes_per_laplacian_entry = 45;
// Clouds, trees, potentials, coarse levels, the input.
constexpr double bytes_per_point = 500;
// Ids, coordinates, masses, potential and map of a marginal that waits.
constexpr double bytes_per_result = 150;
// Of exact lines and slices: positions, mass, keys on both sides of a sort.
constexpr double bytes_per_sorted_point = 160;
// Of the exact solution's linear program: pairs near the optimum (9 in two dimensions, 19 in three,
// more in others), each in the search, on its way and in the simplex method.
constexpr double bytes_per_priced_pair = 120, priced_pairs_per_row = 20;
// Of samples: positions as they are drawn and in the order of the results; a node's questions and
// answers on their way.
constexpr double bytes_per_position = 16, bytes_per_draw = 100;
// Up to here the supports of plans stay sparse.
constexpr int most_sparse_dimension = 3;

// Volume of the ball of this radius, 1 <= d <= 3.
double ball(int dimension, double radius) {
  switch (dimension) {
    case 1:
      return 2 * radius;
    case 2:
      return std::numbers::pi * radius * radius;
    default:
      return 4 * std::numbers::pi / 3 * radius * radius * radius;
  }
}

// The measured neighbourhoods of images as balls, in another dimension and at another
// regularisation (in squared spacings).
double entries_per_row(double measured, int dimension, double squares) {
  const double radius = std::sqrt(measured / std::numbers::pi * squares);
  return std::max(ball(dimension, radius), 2.0 * dimension + 1);
}

bool stores_plan(const Problem& problem, std::span<const MarginalSize> sizes) {
  const bool entropic = problem.method == Method::automatic || problem.method == Method::newton ||
                        problem.method == Method::exact;
  return entropic && problem.cost.kind != CostKind::matrix && !problem.reflected &&
         sizes[0].dimension <= most_sparse_dimension;
}

std::optional<double> least_spacing(std::span<const MarginalSize> sizes) {
  std::optional<double> least;
  for (const MarginalSize& size : sizes) {
    if (!size.grid) return std::nullopt;
    for (const double h : size.grid->spacing) least = std::min(least.value_or(h), h);
  }
  return least;
}

// Squared spacings in the regularisation at the peak: never less than one, where the finest level
// starts.
double peak_squares(const Problem& problem, std::span<const MarginalSize> sizes) {
  if (problem.unit == Unit::spacing_squared) return std::max(1.0, problem.final_regularisation);
  const auto absolute = absolute_regularisation(problem, sizes);
  const auto h = least_spacing(sizes);
  return absolute && h ? std::max(1.0, *absolute / (*h * *h)) : 1.0;
}

std::string size_line(const MarginalSpec& spec, const MarginalSize& size) {
  if (!size.grid) {
    return fmt::format("{}: {} points in {} dimension(s)", spec.name, size.points, size.dimension);
  }
  return fmt::format("{}: grid {}, {} pixels with spacing {:.6g}", spec.name,
                     fmt::join(size.grid->shape, " x "), size.points, size.grid->spacing[0]);
}

std::string regularisation_line(const Problem& problem, std::span<const MarginalSize> sizes) {
  static constexpr std::array<const char*, 3> units = {"squared spacings", "squared diameters", ""};
  const auto absolute = absolute_regularisation(problem, sizes);
  if (problem.unit == Unit::absolute) return fmt::format("regularisation {:.6g}", *absolute);
  const char* unit = units[static_cast<std::size_t>(problem.unit)];
  return absolute ? fmt::format("regularisation {:.6g} ({:g} {})", *absolute,
                                problem.final_regularisation, unit)
                  : fmt::format("regularisation {:g} {}, measured on the points",
                                problem.final_regularisation, unit);
}

bool is_regularised(Method method) {
  return method == Method::automatic || method == Method::newton || method == Method::sinkhorn;
}

// Borders of the ranks' regions travel in every iteration of the linear solves; without a stored
// plan, the points of one marginal in every sweep.
double communication(const Problem& problem, std::span<const MarginalSize> sizes, int ranks) {
  if (ranks == 1) return 0;
  const double points = static_cast<double>(sizes[0].points + sizes[1].points);
  const double moved = 200 * points;  // from the file's order to the ranks' regions and back
  if (!is_regularised(problem.method) && problem.method != Method::exact) {
    return problem.method == Method::sliced
               ? moved + 32 * points * static_cast<double>(problem.directions)
               : moved;
  }
  const double d = sizes[0].dimension;
  if (!stores_plan(problem, sizes)) return moved + 8 * (d + 1) * points * ranks * 200;
  const double border = 2 * d * std::pow(points / ranks, (d - 1) / d) * ranks;
  // About ten steps on each of three regularisations, fifteen iterations each, four levels' worth
  // of messages.
  return moved + 10 * 3 * 15 * 4 * 8 * 8 * border;
}

}  // namespace

std::optional<double> absolute_regularisation(const Problem& problem,
                                              std::span<const MarginalSize> sizes) {
  if (problem.unit == Unit::absolute) return problem.final_regularisation;
  if (problem.unit == Unit::spacing_squared) {
    const auto h = least_spacing(sizes);
    if (!h) return std::nullopt;
    return problem.final_regularisation * *h * *h;
  }
  // All grids begin at the origin: the longest sides are those of both together.
  std::vector<double> sides(static_cast<std::size_t>(sizes[0].dimension), 0.0);
  for (const MarginalSize& size : sizes) {
    if (!size.grid || size.grid->shape.size() != sides.size()) return std::nullopt;
    for (std::size_t axis = 0; axis < sides.size(); ++axis) {
      sides[axis] = std::max(
          sides[axis], static_cast<double>(size.grid->shape[axis]) * size.grid->spacing[axis]);
    }
  }
  double squares = 0;
  for (const double side : sides) squares += side * side;
  return problem.final_regularisation * squares;
}

namespace {

// Of the edge between two measures.
Footprint pair_footprint(const Problem& problem, std::span<const MarginalSize> sizes, int ranks) {
  Footprint result;
  const auto rows = static_cast<double>(sizes[0].points);
  const auto columns = static_cast<double>(sizes[1].points);
  double bytes = 0;
  if (problem.method == Method::line || problem.method == Method::circle ||
      problem.method == Method::sliced) {
    bytes = (bytes_per_sorted_point + 8.0 * sizes[0].dimension) * (rows + columns);
  } else {
    bytes = (bytes_per_point + 32.0 * sizes[0].dimension) * (rows + columns);
    if (problem.cost.kind == CostKind::matrix) bytes += 8 * rows * columns;
    if (stores_plan(problem, sizes)) {
      const int d = sizes[0].dimension;
      const double squares = peak_squares(problem, sizes);
      const double plan = std::min(columns, entries_per_row(plan_at_spacing, d, squares));
      // Fatter plans are not stored unless the deck insists.
      if (problem.method == Method::newton ||
          (squares <= fattest_newton && plan <= static_cast<double>(most_pairs_per_point))) {
        result.plan_per_row = plan;
        result.laplacian_per_row =
            std::min(rows, entries_per_row(laplacian_at_spacing, d, squares));
      }
      bytes += rows * (bytes_per_entry * result.plan_per_row +
                       bytes_per_laplacian_entry * result.laplacian_per_row);
    }
  }
  bytes /= ranks;
  // The linear program of the exact solution is on one rank.
  if (problem.method == Method::exact || problem.exact) {
    bytes += bytes_per_priced_pair * priced_pairs_per_row * rows;
  }
  result.bytes_per_rank = static_cast<std::int64_t>(bytes);
  return result;
}

}  // namespace

namespace {

// The tensor's sums over one node, their shares of a Newton step, the dense Hessian and its factor,
// all costs.
std::int64_t dense_bytes(std::span<const MarginalSize> sizes, int ranks) {
  double tuples = 1, points = 0, pairs = 0;
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    const auto n = static_cast<double>(sizes[k].points);
    if (k + 1 < sizes.size()) tuples *= n;
    pairs += n * points;
    points += n;
  }
  return static_cast<std::int64_t>(8 * (4 * tuples / ranks + 2 * points * points + 3 * pairs));
}

// Messages of both directions for every own column, and the matrices of costs.
std::int64_t cycle_bytes(std::span<const MarginalSize> sizes, int ranks) {
  const auto columns = static_cast<double>(sizes[0].points);
  double bytes = 0;
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    const auto n = static_cast<double>(sizes[k].points);
    const auto next = static_cast<double>(sizes[(k + 1) % sizes.size()].points);
    bytes += 8 * (2 * n * columns / ranks + n * next);
  }
  return static_cast<std::int64_t>(bytes);
}

// Phase space at both ends of every edge: coordinates, masses, ids, messages, trees.
std::int64_t spline_bytes(const Problem& problem, std::span<const MarginalSize> sizes, int ranks) {
  double bytes = 0;
  for (const MarginalSize& size : sizes) {
    double velocities = 1;
    for (int a = 0; a < size.dimension; ++a) {
      const auto& count = problem.spline->count;
      velocities *=
          static_cast<double>(count[std::min(static_cast<std::size_t>(a), count.size() - 1)]);
    }
    bytes += 2 * (bytes_per_point / 2 + 32.0 * size.dimension) * static_cast<double>(size.points) *
             velocities;
  }
  return static_cast<std::int64_t>(bytes / ranks);
}

}  // namespace

// The plans of a tree's edges are all there at once, those to a free support one after another;
// with an entropy for each edge there are none. Regularisations of trees count relative to the
// heaviest weight.
Footprint footprint(const Problem& problem, std::span<const MarginalSize> sizes, int ranks) {
  if (problem.is_pair()) return pair_footprint(problem, sizes, ranks);
  if (problem.is_dense()) return {0, 0, dense_bytes(sizes, ranks)};
  if (problem.shape == Shape::cycle) return {0, 0, cycle_bytes(sizes, ranks)};
  if (problem.spline) return {0, 0, spline_bytes(problem, sizes, ranks)};
  const bool by_edges = problem.per_edge || problem.has_free_support();
  double heaviest = 0;
  for (const EdgeSpec& edge : problem.edges) heaviest = std::max(heaviest, edge.weight);
  Footprint sum;
  for (const EdgeSpec& edge : problem.edges) {
    Problem pair = problem;
    if (problem.per_edge) pair.method = Method::sinkhorn;
    if (!by_edges && heaviest > 0) pair.final_regularisation /= heaviest;
    const std::array<MarginalSize, 2> ends{sizes[edge.from], sizes[edge.to]};
    const Footprint one = pair_footprint(pair, ends, ranks);
    sum.plan_per_row = std::max(sum.plan_per_row, one.plan_per_row);
    sum.laplacian_per_row = std::max(sum.laplacian_per_row, one.laplacian_per_row);
    sum.bytes_per_rank = problem.has_free_support()
                             ? std::max(sum.bytes_per_rank, one.bytes_per_rank)
                             : sum.bytes_per_rank + one.bytes_per_rank;
  }
  if (!problem.has_free_support()) return sum;
  // All plans are kept for the results, and all marginals all the time.
  double more = 0;
  for (const EdgeSpec& edge : problem.edges) {
    const auto rows = static_cast<double>(sizes[edge.from].points + sizes[edge.to].points);
    more += rows * (bytes_per_result + (problem.write_plan ? 16 * sum.plan_per_row : 0));
  }
  sum.bytes_per_rank += static_cast<std::int64_t>(more / ranks);
  return sum;
}

std::int64_t sample_bytes(const Problem& problem, std::span<const MarginalSize> sizes, int ranks) {
  const auto count = static_cast<double>(problem.tuples);
  const auto nodes = static_cast<double>(sizes.size());
  // Positions and velocities, drawn and sorted.
  if (problem.spline) return static_cast<std::int64_t>(count * nodes * 32 * sizes[0].dimension);
  return static_cast<std::int64_t>(count / ranks * (bytes_per_position * nodes + bytes_per_draw));
}

run::Prediction predict(const Problem& problem, const parallel::Communicator& comm) {
  const std::vector<MarginalSize> sizes = sizes_of(comm, problem);
  check_sizes(problem, sizes);
  const Footprint need = footprint(problem, sizes, comm.size());
  run::Prediction prediction;
  const std::int64_t samples = sample_bytes(problem, sizes, comm.size());
  prediction.memory_bytes = need.bytes_per_rank + samples;
  if (samples > need.bytes_per_rank) {
    prediction.name = fmt::format("this run with tuples: {}", problem.tuples);
  }
  // Potentials with the state of the stages.
  prediction.checkpoint_bytes = 1 << 16;
  for (const EdgeSpec& edge : problem.edges) {
    prediction.checkpoint_bytes += 16 * (sizes[edge.from].points + sizes[edge.to].points);
  }
  for (const EdgeSpec& edge : problem.edges) {
    const std::array<MarginalSize, 2> ends{sizes[edge.from], sizes[edge.to]};
    prediction.communication_bytes +=
        static_cast<std::int64_t>(communication(problem, ends, comm.size()));
  }
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    prediction.lines.push_back(size_line(problem.marginals[i], sizes[i]));
  }
  if (is_regularised(problem.method)) {
    // Points that move have no spacing yet.
    std::vector<MarginalSize> still;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      if (!problem.marginals[i].support) still.push_back(sizes[i]);
    }
    prediction.lines.push_back(regularisation_line(problem, still));
  }
  if (problem.tuples > 0) {
    prediction.lines.push_back(fmt::format("{} per rank for {} {}", output::format_bytes(samples),
                                           problem.tuples, problem.spline ? "paths" : "samples"));
  }
  if (need.plan_per_row > 0) {
    prediction.lines.push_back(
        fmt::format("about {:.0f} entries per row of the plan and {:.0f} of the Laplacian at the "
                    "peak, if the sparse Newton method is used",
                    need.plan_per_row, need.laplacian_per_row));
  }
  return prediction;
}

}  // namespace mensura::transport
