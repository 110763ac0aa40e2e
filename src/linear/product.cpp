// SPDX-License-Identifier: BSD-3-Clause
#include "linear/product.hpp"

#include <algorithm>

#include "linear/rows_view.hpp"
#include "parallel/exchange.hpp"

namespace mensura::linear {

namespace {

// sum over a row of value x unknown.
Eight dot(const PetscInt* column, const double* value, std::int64_t entries, const Eight* x,
          Eight sum) noexcept {
  for (std::int64_t k = 0; k < entries; ++k) sum = fused(all(value[k]), x[column[k]], sum);
  return sum;
}

void scatter(const PetscInt* column, const double* value, std::int64_t entries, const Eight& x,
             Eight* y) noexcept {
  for (std::int64_t k = 0; k < entries; ++k) {
    y[column[k]] = fused(all(value[k]), x, y[column[k]]);
  }
}

}  // namespace

BlockProduct::BlockProduct(const parallel::Communicator& comm, Mat matrix) : comm_(comm) {
  check_petsc(PetscObjectReference(reinterpret_cast<PetscObject>(matrix)), "PetscObjectReference");
  matrix_ = Matrix(matrix);
  or_destroy(
      [&] {
        std::vector<std::int64_t> wanted;
        received_.assign(static_cast<std::size_t>(comm.size()), 0);
        parallel::agree(comm, [&] {
          const View view(matrix);
          const LocalPattern& pattern = view.rows.pattern;
          int owner = 0;
          for (std::int32_t g = 0; g < pattern.ghosts; ++g) {
            const PetscInt id = pattern.ghost_ids[g];
            while (id >= pattern.rank_begin[owner + 1]) ++owner;
            ++received_[static_cast<std::size_t>(owner)];
            wanted.push_back(id - pattern.rank_begin[owner]);
          }
          ghosts_.resize(wanted.size());
        });
        const auto asked = parallel::exchange<std::int64_t>(comm, wanted, received_);
        sent_ = asked.counts;
        parallel::agree(comm, [&] {
          for (const std::int64_t row : asked.data)
            items_.push_back(static_cast<std::int32_t>(row));
          outbox_.resize(items_.size());
        });
      },
      matrix_);
}

void BlockProduct::multiply(std::span<const Eight> x, std::span<Eight> y) {
  const View view(matrix_.get());
  const LocalPattern& pattern = view.rows.pattern;
  parallel::require(std::ssize(x) == view.columns && std::ssize(y) == pattern.rows,
                    "blocks have all local columns and rows");
  for (std::size_t i = 0; i < items_.size(); ++i) {
    outbox_[i] = x[static_cast<std::size_t>(items_[i])];
  }
  parallel::exchange_into<Eight>(comm_, outbox_, sent_, ghosts_, received_);
  for (std::int32_t row = 0; row < pattern.rows; ++row) {
    Eight sum = dot(pattern.column + pattern.begin[row], view.rows.value + pattern.begin[row],
                    pattern.begin[row + 1] - pattern.begin[row], x.data(), Eight{});
    if (pattern.ghost_begin != nullptr) {
      const auto first = pattern.ghost_begin[row];
      sum = dot(pattern.ghost_column + first, view.rows.ghost_value + first,
                pattern.ghost_begin[row + 1] - first, ghosts_.data(), sum);
    }
    y[static_cast<std::size_t>(row)] = sum;
  }
}

void BlockProduct::multiply_transposed(std::span<const Eight> x, std::span<Eight> y) {
  const View view(matrix_.get());
  const LocalPattern& pattern = view.rows.pattern;
  parallel::require(std::ssize(x) == pattern.rows && std::ssize(y) == view.columns,
                    "blocks have all local rows and columns");
  std::ranges::fill(y, Eight{});
  std::ranges::fill(ghosts_, Eight{});
  for (std::int32_t row = 0; row < pattern.rows; ++row) {
    const Eight& here = x[static_cast<std::size_t>(row)];
    scatter(pattern.column + pattern.begin[row], view.rows.value + pattern.begin[row],
            pattern.begin[row + 1] - pattern.begin[row], here, y.data());
    if (pattern.ghost_begin == nullptr) continue;
    const auto first = pattern.ghost_begin[row];
    scatter(pattern.ghost_column + first, view.rows.ghost_value + first,
            pattern.ghost_begin[row + 1] - first, here, ghosts_.data());
  }
  parallel::exchange_into<Eight>(comm_, ghosts_, received_, outbox_, sent_);
  for (std::size_t i = 0; i < items_.size(); ++i) {
    Eight& sum = y[static_cast<std::size_t>(items_[i])];
    sum = sum + outbox_[i];
  }
}

}  // namespace mensura::linear
