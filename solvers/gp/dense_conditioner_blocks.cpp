// SPDX-License-Identifier: BSD-3-Clause
// Eight vectors at once with dense factors: the reference of the sparse ones.
#include <algorithm>
#include <array>

#include "gp/dense_conditioner.hpp"
#include "gp/lift.hpp"
#include "linear/dense.hpp"
#include "output/memory.hpp"

namespace mensura::gp {

using linear::Eight;

namespace {

constexpr std::size_t lanes = 8;

std::size_t round_up(std::size_t n) {
  return (n + 7) / 8 * 8;
}

}  // namespace

// Collective. How many rows a point of each kind has, and where every point's rows begin.
void DenseConditioner::number_rows() {
  std::array<std::int64_t, 3> of_kind{};
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_.own); ++p) {
    of_kind[static_cast<std::size_t>(pattern_.kind(p))] = layout_.rows_of(p);
  }
  for (std::int64_t& rows : of_kind) rows = comm_.max(rows);
  first_row_ = {0};
  for (std::size_t kind = 0; kind < 3; ++kind) {
    for (std::int64_t i = 0; i < pattern_.counts[kind]; ++i) {
      first_row_.push_back(first_row_.back() + of_kind[kind]);
    }
  }
}

// Collective. All state rows, by point and then in the layout's order.
Rows DenseConditioner::all_rows() const {
  std::int64_t width = 0;
  for (std::size_t i = 0; i + 1 < first_row_.size(); ++i) {
    width = std::max(width, first_row_[i + 1] - first_row_[i]);
  }
  // The rows of the same place at all points are measured by a lift with ones there.
  std::vector<Rows> places;
  for (std::int64_t r = 0; r < width; ++r) {
    std::vector<double> lift(static_cast<std::size_t>(layout_.own), 0.0);
    for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_.own); ++p) {
      if (r < layout_.rows_of(p)) lift[static_cast<std::size_t>(layout_.first[p] + r)] = 1;
    }
    places.push_back(measured_rows(lift));
  }
  Rows rows;
  rows.dimension = pattern_.dimension;
  rows.coordinate = places.front().coordinate;
  for (std::size_t i = 0; i + 1 < first_row_.size(); ++i) {
    for (std::int64_t r = 0; r < first_row_[i + 1] - first_row_[i]; ++r) {
      const Rows& from = places[static_cast<std::size_t>(r)];
      rows.point.push_back(static_cast<std::int32_t>(i));
      each_kind(
          [&](std::vector<double>& to, const std::vector<double>& weights) {
            if (!weights.empty()) to.push_back(weights[i]);
          },
          rows, from);
    }
  }
  return rows;
}

// Collective. Factors the covariance of all state rows, once.
void DenseConditioner::find_prior(const std::function<void()>& poll) {
  if (!prior_.empty()) return;
  number_rows();
  const std::int64_t rows = first_row_.back();
  output::check_memory(comm_, rows * rows * 8, "the dense covariance matrix of all state rows");
  prior_ = cholesky(all_rows(), {}, "state rows", poll);
}

// Collective. Numbers of own points (`by_point`) or rows, on every rank: eight rows, one for each
// vector, points in the order of their ids.
std::vector<double> DenseConditioner::all_of(std::span<const Eight> own, bool by_point) const {
  std::size_t width = 1;
  for (std::size_t i = 0; !by_point && i + 1 < first_row_.size(); ++i) {
    width = std::max(width, static_cast<std::size_t>(first_row_[i + 1] - first_row_[i]));
  }
  const auto points = static_cast<std::size_t>(pattern_.own);
  std::vector<double> padded(points * width * lanes, 0.0);
  for (std::size_t p = 0; p < points; ++p) {
    const std::size_t first = by_point ? p : static_cast<std::size_t>(layout_.first[p]);
    const std::size_t count = by_point ? 1 : static_cast<std::size_t>(layout_.rows_of(p));
    for (std::size_t r = 0; r < count; ++r) {
      linear::store_loose(own[first + r], &padded[(p * width + r) * lanes]);
    }
  }
  const std::vector<double> all = replicate(padded, static_cast<int>(width * lanes));
  const auto n = static_cast<std::size_t>(total_);
  const auto total = by_point ? n : static_cast<std::size_t>(first_row_.back());
  std::vector<double> result(lanes * total);
  for (std::size_t i = 0; i < n; ++i) {
    const auto first = by_point ? i : static_cast<std::size_t>(first_row_[i]);
    const std::size_t count =
        by_point ? 1 : static_cast<std::size_t>(first_row_[i + 1] - first_row_[i]);
    for (std::size_t r = 0; r < count; ++r) {
      for (std::size_t l = 0; l < lanes; ++l) {
        result[l * total + first + r] = all[(i * width + r) * lanes + l];
      }
    }
  }
  return result;
}

// Local. The own rows of what all_of() gave.
void DenseConditioner::own_of(std::span<const double> all, std::span<Eight> rows) const {
  const auto total = static_cast<std::size_t>(first_row_.back());
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_.own); ++p) {
    const auto from = static_cast<std::size_t>(first_row_[pattern_.ids[p]]);
    const auto to = static_cast<std::size_t>(layout_.first[p]);
    for (std::size_t r = 0; r < static_cast<std::size_t>(layout_.rows_of(p)); ++r) {
      alignas(64) std::array<double, lanes> numbers;
      for (std::size_t l = 0; l < lanes; ++l) numbers[l] = all[l * total + from + r];
      rows[to + r] = linear::load(numbers.data());
    }
  }
}

void DenseConditioner::draw_prior(std::span<Eight> rows, const std::function<void()>& poll) {
  find_prior(poll);
  const auto n = static_cast<std::size_t>(first_row_.back());
  std::vector<double> all = all_of(rows, false);
  linear::multiply_upper_transposed(n, prior_.data(), round_up(n), lanes, all.data(), n);
  own_of(all, rows);
}

void DenseConditioner::apply_prior(std::span<Eight> rows, const std::function<void()>& poll) {
  find_prior(poll);
  const auto n = static_cast<std::size_t>(first_row_.back());
  std::vector<double> all = all_of(rows, false);
  linear::multiply_upper(n, prior_.data(), round_up(n), lanes, all.data(), n);
  linear::multiply_upper_transposed(n, prior_.data(), round_up(n), lanes, all.data(), n);
  own_of(all, rows);
}

linear::BlockReport DenseConditioner::condition_block(std::span<const Eight> values,
                                                      std::span<Eight> rows, double /*tolerance*/,
                                                      const std::function<void()>& poll) {
  parallel::require(!matrix_.empty(), "dense: functionals were taken before they are used");
  const auto n = static_cast<std::size_t>(total_);
  const std::vector<double> measured = all_of(values, true);
  std::vector<double> alpha = measured;
  linear::solve_upper_transposed(n, matrix_.data(), round_up(n), lanes, alpha.data(), n);
  linear::solve_upper(n, matrix_.data(), round_up(n), lanes, alpha.data(), n);
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern_.own); ++p) {
    alignas(64) std::array<double, lanes> numbers;
    for (std::size_t l = 0; l < lanes; ++l) numbers[l] = alpha[l * n + pattern_.ids[p]];
    const Eight own = linear::load(numbers.data());
    for (auto r = static_cast<std::size_t>(layout_.first[p]);
         r < static_cast<std::size_t>(layout_.first[p + 1]); ++r) {
      rows[r] = lift_[r] * own;
    }
  }
  apply_prior(rows, poll);
  linear::BlockReport report;
  report.converged = true;
  return report;
}

linear::BlockReport DenseConditioner::apply_posterior(std::span<Eight> rows,
                                                      const AllowedError& /*allowed*/,
                                                      const std::function<void()>& poll) {
  std::vector<Eight> values, known;
  parallel::agree(comm_, [&] {
    values.resize(static_cast<std::size_t>(pattern_.own));
    known.resize(rows.size());
  });
  apply_prior(rows, poll);
  restrict_to_points(layout_, lift_, rows.data(), values.size(), values.data());
  const linear::BlockReport report = condition_block(values, known, 0, poll);
  for (std::size_t r = 0; r < rows.size(); ++r) rows[r] = rows[r] - known[r];
  return report;
}

}  // namespace mensura::gp
