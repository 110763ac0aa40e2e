// SPDX-License-Identifier: BSD-3-Clause
#include "gp/prediction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gp/certificate.hpp"
#include "gp/equation.hpp"
#include "gp/mean.hpp"
#include "gp/updated_conditioner.hpp"

namespace mensura::gp {

namespace {

// Points per column over radius^d neighbours^(d/2), supernodes' fill included. Measured at radius 3
// (1-D: 1.7 and 2.3 for 1 and 3 neighbours; 2-D grids: 2.1) and 2.5 (3-D, 3 neighbours: 1.35
// and 1.43).
constexpr std::array<double, 4> columns_by_dimension = {0, 2.0, 2.1, 1.4};
// Bytes per point beside the factors: coordinates, order, pattern, vectors, input.
constexpr double bytes_per_point = 400;
constexpr double bytes_per_nonzero = 12;
// Lanczos vectors of the log determinant: blocks of eight for about a dozen steps.
constexpr double determinant_bytes = 12 * 64;

double columns_of(const Problem& problem, int dimension) {
  const auto d = static_cast<std::size_t>(dimension);
  return columns_by_dimension[d] * std::pow(problem.factor.radius, dimension) *
         std::pow(problem.factor.neighbours, 0.5 * dimension);
}

}  // namespace

double data_reach(const Problem& problem, const CollocationSize& size) {
  constexpr double most = 4, most_data = 300;
  const auto data = static_cast<double>(size.counts[2]);
  if (data == 0) return 1;
  const double part = data / (static_cast<double>(size.counts[0] + size.counts[1]) + data);
  const double near = part * columns_of(problem, size.dimension);
  return std::clamp(std::pow(most_data / near, 1.0 / size.dimension), 1.0, most);
}

Footprint footprint(const Problem& problem, const CollocationSize& size, int ranks) {
  Footprint result;
  const double points = static_cast<double>(size.counts[0] + size.counts[1] + size.counts[2]);
  const int rows = make_equation(problem.equation, size.dimension)->state_rows();
  result.rows = size.counts[0] + size.counts[1] * rows + size.counts[2];
  if (problem.factor.method == FactorMethod::dense) {
    result.nonzeros_per_row = 0.5 * points;
    result.bytes_per_rank = static_cast<std::int64_t>(8 * points * points + 200 * points);
    return result;
  }
  const double columns = columns_of(problem, size.dimension);
  // A factor is triangular: where all see all, a row has half of the others and itself.
  const auto total = static_cast<double>(result.rows);
  result.nonzeros_per_row = std::min(columns * rows, 0.5 * (total + 1));
  double nonzeros =
      result.nonzeros_per_row * total + std::min(columns, 0.5 * (points + 1)) * points;
  // Columns of data hold other data and, through their supernodes, more of the points around.
  if (size.counts[2] > 0) {
    const auto data = static_cast<double>(size.counts[2]);
    const double far = columns * std::pow(data_reach(problem, size), size.dimension);
    nonzeros += 2 * data * std::min(total, 3 * columns * rows + far * data / points);
  }
  const double block = std::min(2 * columns * rows, total);
  result.bytes_per_rank =
      static_cast<std::int64_t>((bytes_per_nonzero * nonzeros +
                                 (bytes_per_point + determinant_bytes + 120.0 * rows) * points) /
                                    ranks +
                                sizeof(double) * block * block);
  result.bytes_per_rank +=
      static_cast<std::int64_t>(UpdatedConditioner::bytes(result.rows, size.averages, ranks));
  if (!problem.predict.grid.empty() || problem.predict.points) {
    const auto share = static_cast<std::int64_t>(points / ranks);
    result.bytes_per_rank += static_cast<std::int64_t>(
        Interpolation::bytes(size.dimension, rows, mean_targets_at_once(share), 1));
  }
  return result;
}

std::int64_t state_bytes(std::int64_t points, int state_rows) {
  const int numbers = 3 * state_rows + 1;
  return points * numbers * std::int64_t{sizeof(double)} + (1 << 16);
}

run::Prediction predict(const Problem& problem, const parallel::Communicator& comm) {
  const CollocationSize size = collocation_size(comm, problem);
  const Footprint need = footprint(problem, size, comm.size());
  const std::int64_t points = size.counts[0] + size.counts[1] + size.counts[2];
  const int rows = make_equation(problem.equation, size.dimension)->state_rows();
  run::Prediction prediction;
  prediction.memory_bytes = need.bytes_per_rank;
  prediction.checkpoint_bytes = state_bytes(points, rows);
  // Points move twice; every conjugate-gradient iteration sends the border of the ranks' regions
  // four times, about 10 widths of the finest spacing.
  const double d = size.dimension;
  const double border =
      comm.size() > 1
          ? 10 * std::pow(static_cast<double>(points) / comm.size(), (d - 1) / d) * comm.size()
          : 0;
  const double solves =
      problem.time ? problem.time->final_time / problem.time->step * problem.time->newton_steps : 5;
  if (comm.size() > 1) {
    prediction.communication_bytes = static_cast<std::int64_t>(200.0 * static_cast<double>(points) +
                                                               solves * 15 * 4 * 8 * rows * border);
  }
  prediction.lines.push_back(
      fmt::format("{}{} points in {} dimension(s): {} on the boundary, {} inside, {} with data",
                  size.exact ? "" : "about ", points, size.dimension, size.counts[0],
                  size.counts[1], size.counts[2]));
  prediction.lines.push_back(
      fmt::format("{} functionals, about {:.0f} nonzeros per row of the factor", need.rows,
                  need.nonzeros_per_row));
  if (size.averages > 0) {
    prediction.lines.push_back(
        fmt::format("{} averages: {} solves of eight systems for each of about {} steps",
                    size.averages, (size.averages + 7) / 8, 5));
  }
  if (problem.certify) {
    prediction.checkpoint_bytes += Certificate::bytes(points, rows);
    prediction.lines.push_back(fmt::format(
        "certificate: {:.2g} pairs of points{}, about 5e8 per second and core",
        static_cast<double>(points) * static_cast<double>(points),
        problem.solve.refine > 0
            ? fmt::format(", and as many again for each of up to {} steps", problem.solve.refine)
            : ""));
  }
  return prediction;
}

}  // namespace mensura::gp
