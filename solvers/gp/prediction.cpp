// SPDX-License-Identifier: BSD-3-Clause
#include "gp/prediction.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gp/certificate.hpp"
#include "gp/equation.hpp"
#include "gp/mean.hpp"
#include "gp/updated_conditioner.hpp"
#include "parallel/exact_sum.hpp"

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

// Numbers of a posterior, all ranks together: vectors of the subspace at points, modes and samples
// at prediction points.
struct PosteriorSize {
  double at_points = 0, modes = 0, samples = 0;
};

PosteriorSize posterior_size(const Problem& problem, const CollocationSize& size) {
  const PosteriorSpec& spec = *problem.posterior;
  const auto in_eights = [](std::int64_t n) { return static_cast<double>((n + 7) / 8 * 8); };
  const double fields = problem.equation.inverse ? 2 : 1;
  const double targets = fields * static_cast<double>(size.targets);
  const double modes = spec.variance == VarianceMethod::modes ? in_eights(spec.modes) : 0;
  const double samples = spec.write_samples ? in_eights(spec.samples) : 0;
  return {fields * modes * static_cast<double>(size.counts[1]), modes * targets, samples * targets};
}

// Bytes of a rank: the subspace twice while it is made orthogonal, its exact inner products, the
// samples three times while they are written, and the maps to the prediction points.
double posterior_bytes(const Problem& problem, const CollocationSize& size, int rows, int ranks) {
  if (!problem.posterior) return 0;
  const PosteriorSize numbers = posterior_size(problem, size);
  const double fields = problem.equation.inverse ? 2 : 1;
  const double modes = problem.posterior->variance == VarianceMethod::modes
                           ? static_cast<double>(problem.posterior->modes + 7)
                           : 0;
  return sizeof(double) * (2 * numbers.at_points + numbers.modes + 3 * numbers.samples) / ranks +
         fields * Interpolation::bytes(size.dimension, rows, size.targets, ranks) +
         sizeof(parallel::ExactSum) * modes * modes;
}

std::string posterior_line(const Problem& problem, const CollocationSize& size) {
  const PosteriorSpec& spec = *problem.posterior;
  const auto blocks = [](std::int64_t n) { return (n + 7) / 8; };
  const std::int64_t fields = problem.equation.inverse ? 2 : 1;
  const std::int64_t variance =
      blocks(spec.variance == VarianceMethod::modes ? spec.modes : fields * size.targets);
  return fmt::format(
      "posterior at {} points: {} blocks of eight solves for variances, {} for {} samples",
      size.targets, variance, blocks(spec.samples), spec.samples);
}

// In int64_t whatever the size.
std::int64_t whole(double bytes) {
  return static_cast<std::int64_t>(std::min(bytes, 0x1p62));
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
    const auto total = static_cast<double>(result.rows);
    const bool blocks = problem.posterior.has_value() || size.averages > 0;
    result.bytes_per_rank = whole(8 * points * points + (blocks ? 8 * total * total : 0) +
                                  200 * points + posterior_bytes(problem, size, rows, ranks) +
                                  UpdatedConditioner::bytes(result.rows, size.averages, ranks));
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
  result.bytes_per_rank += whole(posterior_bytes(problem, size, rows, ranks));
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
  if (problem.posterior) {
    const PosteriorSize numbers = posterior_size(problem, size);
    // A checkpoint has places for two fields of every point.
    const double at_points = numbers.at_points * (problem.equation.inverse ? 1 : 2);
    prediction.checkpoint_bytes +=
        whole(sizeof(double) * (at_points + numbers.modes + numbers.samples));
    prediction.lines.push_back(posterior_line(problem, size));
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
