// SPDX-License-Identifier: BSD-3-Clause
#include "gp/dense_conditioner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "gp/pieces_of_work.hpp"
#include "linear/dense.hpp"
#include "output/memory.hpp"
#include "parallel/by_index.hpp"
#include "parallel/exchange.hpp"

namespace mensura::gp {

namespace {

constexpr std::size_t rows_at_once = 256;

std::size_t round_up(std::size_t n) {
  return (n + 7) / 8 * 8;
}

}  // namespace

DenseConditioner::DenseConditioner(const parallel::Communicator& comm, const Pattern& pattern,
                                   const RowLayout& layout, const RowWeights& weights,
                                   const Prior& prior, double nugget)
    : comm_(comm),
      pattern_(pattern),
      layout_(layout),
      weights_(weights),
      covariance_(prior, pattern.dimension),
      nugget_(nugget),
      total_(pattern.counts[0] + pattern.counts[1] + pattern.counts[2]) {
  if (total_ > most_rows) {
    throw parallel::Error(
        parallel::ExitCode::too_large,
        fmt::format("factor.method: dense is a reference for at most {} points, and there are {}; "
                    "use method: sparse",
                    most_rows, total_));
  }
  output::check_memory(comm, total_ * total_ * 8, "the dense covariance matrix");
  const auto d = static_cast<std::size_t>(pattern.dimension);
  coordinates_ =
      replicate(std::span(pattern.coordinates).first(static_cast<std::size_t>(pattern.own) * d),
                pattern.dimension);
}

// Rows of own points, on every rank in the order of the global ids.
std::vector<double> DenseConditioner::replicate(std::span<const double> own_rows, int width) const {
  const std::vector<std::uint64_t> ids(pattern_.ids.begin(), pattern_.ids.begin() + pattern_.own);
  const auto block = parallel::to_blocks(comm_, own_rows, width, ids, total_);
  std::vector<double> send;
  for (int rank = 0; rank < comm_.size(); ++rank)
    send.insert(send.end(), block.begin(), block.end());
  const std::vector<std::int64_t> counts(static_cast<std::size_t>(comm_.size()),
                                         static_cast<std::int64_t>(block.size()));
  return parallel::exchange<double>(comm_, send, counts).data;
}

// The functionals that a lift measures, of all points: one combined functional per own point, its
// weights side by side.
Rows DenseConditioner::measured_rows(std::span<const double> lift) const {
  constexpr std::size_t kinds = number_of_kinds;
  const auto own = static_cast<std::size_t>(pattern_.own);
  const auto n = static_cast<std::size_t>(total_);
  std::vector<double> mine(own * kinds, 0.0);
  for (std::size_t p = 0; p < own; ++p) {
    std::size_t kind = 0;
    each_kind(
        [&](const std::vector<double>& values) {
          for (auto r = static_cast<std::size_t>(layout_.first[p]);
               !values.empty() && r < static_cast<std::size_t>(layout_.first[p + 1]); ++r) {
            mine[p * kinds + kind] += lift[r] * values[r];
          }
          ++kind;
        },
        weights_);
  }
  const auto all = replicate(mine, static_cast<int>(kinds));
  Rows rows;
  rows.dimension = pattern_.dimension;
  std::size_t kind = 0;
  const auto fill = [&](const std::vector<double>& values, std::vector<double>& to) {
    if (comm_.max(static_cast<std::int64_t>(!values.empty())) > 0) {
      for (std::size_t i = 0; i < n; ++i) to.push_back(all[i * kinds + kind]);
    }
    ++kind;
  };
  each_kind(fill, weights_, rows);
  const auto d = static_cast<std::size_t>(pattern_.dimension);
  for (std::size_t i = 0; i < n; ++i) {
    rows.point.push_back(static_cast<std::int32_t>(i));
    for (std::size_t a = 0; a < d; ++a) rows.coordinate[a].push_back(coordinates_[i * d + a]);
  }
  return rows;
}

// Cholesky factor of the rows' covariance (row-major, upper). `added`: to the diagonal; or empty.
std::vector<double> DenseConditioner::cholesky(const Rows& rows, std::span<const double> added,
                                               const char* what,
                                               const std::function<void()>& poll) {
  const std::size_t n = rows.rows(), stride = round_up(n);
  std::vector<double> matrix(n * stride);
  covariance_.symmetric(rows, matrix.data(), stride);
  for (std::size_t i = 0; i < n; ++i) matrix[i * stride + i] *= 1 + nugget_;
  for (std::size_t i = 0; i < added.size(); ++i) matrix[i * stride + i] += added[i];
  poll();
  SpreadPolls polls(comm_, std::pow(static_cast<double>(n), 3) / 3, poll);
  const std::size_t good =
      linear::cholesky_in_pieces(n, matrix.data(), stride, [&](double flops) { polls.did(flops); });
  polls.finish();
  parallel::agree(comm_, [&] {
    if (good < n) {
      throw parallel::Error(
          parallel::ExitCode::numerical,
          fmt::format("the dense covariance matrix of {} {} is not positive definite in double "
                      "precision (row {}): raise factor.nugget (now {:g}), or take a rougher "
                      "kernel or a shorter prior.length",
                      n, what, good, nugget_));
    }
  });
  poll();
  return matrix;
}

// Takes functionals and noise, and factors their covariance.
void DenseConditioner::factor(const Measurements& measurements, const std::function<void()>& poll) {
  const auto own = static_cast<std::size_t>(pattern_.own);
  noise_ =
      replicate(measurements.noise.empty() ? std::vector<double>(own, 0.0) : measurements.noise, 1);
  Rows measured = measured_rows(measurements.lift);
  matrix_ = {};  // the new one takes its place in memory
  matrix_ = cholesky(measured, noise_, "measurements", poll);
  lift_ = measurements.lift;
  measured_ = std::move(measured);
}

void DenseConditioner::adopt(const Measurements& measurements, const std::function<void()>& poll) {
  factor(measurements, poll);
}

SolveReport DenseConditioner::condition(const Measurements& measurements, double /*distance*/,
                                        std::span<double> state,
                                        const std::function<void()>& poll) {
  const auto own = static_cast<std::size_t>(pattern_.own);
  const auto n = static_cast<std::size_t>(total_);
  const auto value = replicate(measurements.value, 1);
  factor(measurements, poll);
  const std::size_t stride = round_up(n);
  alpha_ = value;
  log_determinant_ = 0;
  SolveReport report;
  double size = 0;
  for (std::size_t i = 0; i < n; ++i) {
    size += value[i] * value[i];
    log_determinant_ += 2 * std::log(matrix_[i * stride + i]);
  }
  linear::solve_upper_transposed(n, matrix_.data(), stride, 1, alpha_.data(), n);
  linear::solve_upper(n, matrix_.data(), stride, 1, alpha_.data(), n);

  // The state of the own rows, and the residual, by exact sums.
  const auto fitted = sums(measured_);
  double rest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double gap = value[i] - fitted[i] - noise_[i] * alpha_[i];
    rest += gap * gap;
    report.quadratic += value[i] * alpha_[i];
  }
  report.residual = size > 0 ? std::sqrt(rest / size) : std::sqrt(rest);
  RowGatherer gatherer(pattern_, layout_, weights_);
  std::vector<std::int32_t> points;
  std::size_t done = 0;
  for (std::size_t p = 0; p < own; ++p) {
    points.push_back(static_cast<std::int32_t>(p));
    if (points.size() < rows_at_once && p + 1 < own) continue;
    const auto values = sums(gatherer.gather(points));
    std::copy(values.begin(), values.end(), state.begin() + static_cast<std::ptrdiff_t>(done));
    done += values.size();
    points.clear();
  }
  return report;
}

void DenseConditioner::precondition(std::span<const double> r, std::span<double> z,
                                    const std::function<void()>& /*poll*/) {
  const auto n = static_cast<std::size_t>(total_), stride = round_up(n);
  auto all = replicate(r, 1);
  linear::solve_upper_transposed(n, matrix_.data(), stride, 1, all.data(), n);
  linear::solve_upper(n, matrix_.data(), stride, 1, all.data(), n);
  for (std::size_t p = 0; p < z.size(); ++p) z[p] = all[pattern_.ids[p]];
}

// k(rows, measurements) alpha.
std::vector<double> DenseConditioner::sums(const Rows& rows) {
  const std::size_t n = alpha_.size(), stride = round_up(n);
  std::vector<double> result(rows.rows()), block(rows_at_once * stride);
  Rows piece;
  piece.dimension = rows.dimension;
  for (std::size_t begin = 0; begin < rows.rows(); begin += rows_at_once) {
    const std::size_t end = std::min(rows.rows(), begin + rows_at_once);
    piece.clear();
    const auto copy = [&](const std::vector<double>& from, std::vector<double>& to) {
      if (!from.empty()) {
        to.assign(from.begin() + static_cast<std::ptrdiff_t>(begin),
                  from.begin() + static_cast<std::ptrdiff_t>(end));
      }
    };
    each_kind(copy, rows, piece);
    for (std::size_t r = begin; r < end; ++r) {
      piece.point.push_back(static_cast<std::int32_t>(r - begin));
      for (std::size_t a = 0; a < static_cast<std::size_t>(rows.dimension); ++a) {
        piece.coordinate[a].push_back(rows.coordinate[a][static_cast<std::size_t>(rows.point[r])]);
      }
    }
    covariance_.cross(piece, measured_, block.data(), stride);
    for (std::size_t r = begin; r < end; ++r) {
      double sum = 0;
      for (std::size_t j = 0; j < n; ++j) sum += block[(r - begin) * stride + j] * alpha_[j];
      result[r] = sum;
    }
  }
  return result;
}

std::vector<double> DenseConditioner::mean_at(std::span<const double> coordinates,
                                              const Functional& functional) {
  const auto d = static_cast<std::size_t>(pattern_.dimension);
  Rows rows;
  rows.dimension = pattern_.dimension;
  for (std::size_t i = 0; i < coordinates.size() / d; ++i) {
    for (std::size_t a = 0; a < d; ++a) rows.coordinate[a].push_back(coordinates[i * d + a]);
    rows.point.push_back(static_cast<std::int32_t>(i));
  }
  each_kind([&](std::vector<double>& column,
                const double& weight) { column.assign(rows.rows(), weight); },
            rows, functional);
  return sums(rows);
}

ConditionerMemory DenseConditioner::memory() const {
  if (alpha_.empty()) return {};
  ConditionerMemory memory;
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_.own); ++p) {
    memory.solution.push_back(alpha_[pattern_.ids[p]]);
  }
  memory.factorised = lift_;
  return memory;
}

void DenseConditioner::remember(const ConditionerMemory& memory) {
  alpha_ = replicate(memory.solution, 1);
  lift_ = memory.factorised;
  measured_ = measured_rows(lift_);
}

void DenseConditioner::record(output::Value& entry) const {
  entry["method"] = "dense";
  entry["rows"] = total_;
}

}  // namespace mensura::gp
