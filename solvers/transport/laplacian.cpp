// SPDX-License-Identifier: BSD-3-Clause
#include "transport/laplacian.hpp"

#include <algorithm>

namespace mensura::transport {

namespace {

// A column is heavy when it has more than this many times the mean number of entries
// (transport_robust 3).
constexpr double heavy_degree = 4;

}  // namespace

Laplacian::Laplacian(const SparsePlan& plan, std::span<const double> row_extra,
                     std::span<const double> column_extra)
    : plan_(plan),
      row_extra_(row_extra.begin(), row_extra.end()),
      column_extra_(column_extra.begin(), column_extra.end()),
      rows_(plan.row_sums().begin(), plan.row_sums().end()),
      columns_(plan.column_sums().begin(), plan.column_sums().end()),
      own_rows_(static_cast<std::int64_t>(plan.x().own())) {
  for (std::size_t i = 0; i < row_extra_.size(); ++i) rows_[i] += row_extra_[i];
  for (std::size_t j = 0; j < column_extra_.size(); ++j) columns_[j] += column_extra_[j];
  const Pairs& pairs = plan.pairs();
  std::vector<double> used(plan.ghosts().size(), 0.0), degree(plan.y().own());
  for (const std::uint32_t column : pairs.columns) ++used[column];
  plan.ghosts().add(used, degree);
  const double limit = heavy_degree * std::max(1.0, static_cast<double>(plan.total()) /
                                                        static_cast<double>(plan.y().total));
  is_heavy_.assign(degree.size(), 0);
  for (std::size_t j = 0; j < degree.size(); ++j) {
    if (degree[j] <= limit) continue;
    is_heavy_[j] = 1;
    heavy_.push_back(static_cast<std::int64_t>(j));
  }
  own_heavy_ = static_cast<std::int64_t>(heavy_.size());
  heavy_total_ = plan.comm().sum(own_heavy_);
  total_ = plan.x().total + heavy_total_;
  // Diagonal: R_i - sum over light columns of P_ij^2 / C_j.
  std::vector<double> inverse(columns_.size(), 0.0), ghost(plan.ghosts().size());
  for (std::size_t j = 0; j < inverse.size(); ++j) {
    if (is_heavy_[j] == 0 && columns_[j] > 0) inverse[j] = 1 / columns_[j];
  }
  plan.ghosts().forward(inverse, ghost);
  for (std::size_t i = 0; i < plan.x().own(); ++i) {
    double sum = rows_[i];
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      sum -= plan.values()[k] * plan.values()[k] * ghost[pairs.columns[k]];
    }
    // A row that is alone with its column cancels to rounding: keep a scale for the shift.
    diagonal_.push_back(std::max(sum, 1e-12 * rows_[i]));
  }
  for (const std::int64_t j : heavy_) diagonal_.push_back(columns_[static_cast<std::size_t>(j)]);
}

void Laplacian::apply(double shift, std::span<const double> v, std::span<double> result) const {
  const auto n = static_cast<std::size_t>(own_rows_);
  work_.resize(columns_.size());
  std::vector<double> product(n);
  plan_.multiply_transposed(v.first(n), work_);
  std::size_t next = n;
  for (std::size_t j = 0; j < columns_.size(); ++j) {
    if (is_heavy_[j] == 0) {
      work_[j] = columns_[j] > 0 ? work_[j] / columns_[j] : 0;
      continue;
    }
    result[next] = columns_[j] * (1 + shift) * v[next] - work_[j];
    work_[j] = v[next++];
  }
  plan_.multiply(work_, product);
  for (std::size_t i = 0; i < n; ++i) {
    result[i] = (rows_[i] + shifted(i, shift)) * v[i] - product[i];
  }
}

void Laplacian::right_hand_side(std::span<const double> row_residual,
                                std::span<const double> column_residual,
                                std::span<double> result) const {
  const auto n = static_cast<std::size_t>(own_rows_);
  std::vector<double> scaled(columns_.size()), product(n);
  std::size_t next = n;
  for (std::size_t j = 0; j < columns_.size(); ++j) {
    if (is_heavy_[j] == 0) {
      scaled[j] = columns_[j] > 0 ? column_residual[j] / columns_[j] : 0;
    } else {
      scaled[j] = 0;
      result[next++] = -column_residual[j];
    }
  }
  plan_.multiply(scaled, product);
  for (std::size_t i = 0; i < n; ++i) result[i] = row_residual[i] - product[i];
}

void Laplacian::back(std::span<const double> solution, std::span<const double> column_residual,
                     std::span<double> rows, std::span<double> columns) const {
  const auto n = static_cast<std::size_t>(own_rows_);
  std::copy_n(solution.begin(), n, rows.begin());
  plan_.multiply_transposed(rows, columns);
  std::size_t next = n;
  for (std::size_t j = 0; j < columns_.size(); ++j) {
    if (is_heavy_[j] != 0) {
      columns[j] = -solution[next++];
    } else {
      columns[j] = columns_[j] > 0 ? (column_residual[j] - columns[j]) / columns_[j] : 0;
    }
  }
}

}  // namespace mensura::transport
