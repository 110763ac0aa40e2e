// SPDX-License-Identifier: BSD-3-Clause
#include "transport/edge_system.hpp"

#include <array>

#include "parallel/exact_sum.hpp"

namespace mensura::transport {

EdgeSystem::EdgeSystem(const SparsePlan& plan, std::span<const double> row_extra,
                       std::span<const double> column_extra, const Options& options)
    : plan_(plan),
      singular_(options.singular),
      laplacian_(plan, row_extra, column_extra),
      solver_(laplacian_, LaplacianSolver::Use::tree, options.shift, options.least_share,
              options.accuracy),
      right_(static_cast<std::size_t>(laplacian_.own())) {}

double EdgeSystem::entries_per_row() const {
  return static_cast<double>(laplacian_.assembled_entries()) /
         static_cast<double>(laplacian_.total());
}

bool EdgeSystem::solve(std::span<const double> rows, std::span<const double> columns,
                       std::vector<double>& f, std::vector<double>& g) {
  const std::span<const double> sums = plan_.row_sums();
  f.resize(plan_.x().own());
  g.resize(plan_.y().own());
  laplacian_.right_hand_side(rows, columns, right_);
  if (singular_) {
    std::array<parallel::ExactSum, 2> totals;
    for (const double value : right_) totals[0].add(value);
    for (const double value : sums) totals[1].add(value);
    parallel::reduce(plan_.comm(), totals);
    const double excess = totals[0].value() / totals[1].value();
    for (std::size_t i = 0; i < sums.size(); ++i) right_[i] -= excess * sums[i];
  }
  const bool good = solver_.solve(right_, solution_);
  laplacian_.back(solution_, columns, f, g);
  if (!singular_) return good;
  std::array<parallel::ExactSum, 2> moments;
  for (std::size_t i = 0; i < f.size(); ++i) {
    moments[0].add(sums[i] * f[i]);
    moments[1].add(sums[i]);
  }
  parallel::reduce(plan_.comm(), moments);
  const double mean = moments[0].value() / moments[1].value();
  for (double& value : f) value -= mean;
  for (double& value : g) value += mean;
  return good;
}

}  // namespace mensura::transport
