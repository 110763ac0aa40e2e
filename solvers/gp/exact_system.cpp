// SPDX-License-Identifier: BSD-3-Clause
#include "gp/exact_system.hpp"

#include <mpi.h>

#include <cstdint>
#include <numeric>

namespace mensura::gp {

namespace {

Rows own_rows(const StateRows& state) {
  std::vector<std::int32_t> points(static_cast<std::size_t>(state.pattern.own));
  std::iota(points.begin(), points.end(), 0);
  return RowGatherer(state.pattern, state.layout, state.weights).gather(points);
}

std::span<const std::uint64_t> own_ids(const Pattern& pattern) {
  return std::span(pattern.ids).first(static_cast<std::size_t>(pattern.own));
}

}  // namespace

ExactSystem::ExactSystem(const parallel::Communicator& comm, const StateRows& rows)
    : comm_(comm),
      state_(rows),
      covariance_(rows.prior, rows.pattern.dimension),
      rows_(own_rows(rows)),
      sums_(comm, rows.prior, rows_, own_ids(rows.pattern),
            rows.pattern.counts[0] + rows.pattern.counts[1] + rows.pattern.counts[2]) {}

void ExactSystem::measure(const Measurements& measurements) {
  lift_ = measurements.lift;
  diagonal_.assign(static_cast<std::size_t>(state_.pattern.own), 0.0);
  RowGatherer gatherer(state_.pattern, state_.layout, state_.weights);
  std::vector<double> block;
  for (std::size_t p = 0; p < diagonal_.size(); ++p) {
    const std::array<std::int32_t, 1> point{static_cast<std::int32_t>(p)};
    const auto n = static_cast<std::size_t>(state_.layout.rows_of(p)), stride = (n + 7) / 8 * 8;
    const double* lift = &lift_[static_cast<std::size_t>(state_.layout.first[p])];
    block.resize(n * stride);
    covariance_.symmetric(gatherer.gather(point), block.data(), stride);
    double variance = 0;
    for (std::size_t i = 0; i < n; ++i) {
      variance += lift[i] * lift[i] * block[i * stride + i];
      for (std::size_t j = i + 1; j < n; ++j) {
        variance += 2 * lift[i] * lift[j] * block[i * stride + j];
      }
    }
    diagonal_[p] = state_.nugget * variance;
    if (!measurements.noise.empty()) diagonal_[p] += measurements.noise[p];
  }
}

void ExactSystem::sum(const Rows& targets, std::span<const double> alpha, std::span<double> rows,
                      const std::function<void()>& poll) {
  std::vector<double> lifted(lift_.size());
  for (std::size_t p = 0; p < alpha.size(); ++p) {
    for (auto r = static_cast<std::size_t>(state_.layout.first[p]);
         r < static_cast<std::size_t>(state_.layout.first[p + 1]); ++r) {
      lifted[r] = lift_[r] * alpha[p];
    }
  }
  const double start = MPI_Wtime();
  sums_.apply(targets, lifted, rows, poll);
  seconds_ += comm_.max(MPI_Wtime() - start);
}

void ExactSystem::apply(std::span<const double> alpha, std::span<double> result,
                        std::span<double> rows, const std::function<void()>& poll) {
  sum(rows_, alpha, rows, poll);
  for (std::size_t p = 0; p < alpha.size(); ++p) {
    double fitted = 0;
    for (auto r = static_cast<std::size_t>(state_.layout.first[p]);
         r < static_cast<std::size_t>(state_.layout.first[p + 1]); ++r) {
      fitted += lift_[r] * rows[r];
    }
    result[p] = fitted + diagonal_[p] * alpha[p];
  }
}

std::vector<double> ExactSystem::mean_at(std::span<const double> coordinates,
                                         const Functional& functional,
                                         std::span<const double> alpha,
                                         const std::function<void()>& poll) {
  const auto d = static_cast<std::size_t>(state_.pattern.dimension);
  Rows targets;
  targets.dimension = state_.pattern.dimension;
  for (std::size_t i = 0; i < coordinates.size() / d; ++i) {
    for (std::size_t a = 0; a < d; ++a) targets.coordinate[a].push_back(coordinates[i * d + a]);
    targets.point.push_back(static_cast<std::int32_t>(i));
  }
  each_kind([&](std::vector<double>& column,
                const double& weight) { column.assign(targets.rows(), weight); },
            targets, functional);
  std::vector<double> mean(targets.rows());
  sum(targets, alpha, mean, poll);
  return mean;
}

}  // namespace mensura::gp
