// SPDX-License-Identifier: BSD-3-Clause
#include "gp/sparse_factor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <utility>

#include "gp/pieces_of_work.hpp"
#include "linear/dense.hpp"
#include "parallel/exact_sum.hpp"

namespace mensura::gp {

namespace {

constexpr std::int64_t least_polls = 32;
// What an entry of a covariance matrix costs in flops of the factor, and the rows above which a
// block is factored in pieces.
constexpr double flops_per_entry = 100;
constexpr std::size_t many_rows = 2048;

// How long the parts of a block take, in flops.
double assembly_flops(double rows) {
  return flops_per_entry * rows * rows;
}
double factor_flops(double rows) {
  return rows * rows * rows / 3;
}
double column_flops(double rows, double columns) {
  return rows * rows * columns;
}

std::size_t round_up(std::size_t n) {
  return (n + 7) / 8 * 8;
}

}  // namespace

// The functional rows of one supernode: in elimination order, and which of them go where.
struct SparseFactor::Block {
  std::span<const std::int32_t> points;  // ascending in the elimination order
  std::vector<std::int32_t> position;    // per point: its first row in the block; + 1
  std::vector<std::int32_t> own_order;   // block rows with own columns, by column
  std::vector<PetscInt> own_columns;     // their local columns
  std::vector<std::int32_t> ghost_order;
  std::vector<PetscInt> ghost_columns;   // global numbers
  std::vector<std::int32_t> own_rows;    // the supernode's own rows (local numbers) ...
  std::vector<std::int32_t> own_places;  // ... and their places in the block
  std::vector<std::int32_t> sorted;      // workspace: indices of points by storage
  std::size_t rows() const { return static_cast<std::size_t>(position.back()); }
};

void SparseFactor::make_block(std::size_t supernode, Block& block) const {
  block.points = pattern_.rows_of(supernode);
  block.position.clear();
  block.own_rows.clear();
  block.own_places.clear();
  std::int32_t next = 0;
  for (const std::int32_t point : block.points) {
    block.position.push_back(next);
    const auto p = static_cast<std::size_t>(point);
    const std::int32_t rows = layout_.rows_of(p);
    if (pattern_.is_member(point, supernode)) {
      for (std::int32_t r = 0; r < rows; ++r) {
        block.own_rows.push_back(layout_.first[p] + r);
        block.own_places.push_back(next + r);
      }
    }
    next += rows;
  }
  block.position.push_back(next);

  block.sorted.resize(block.points.size());
  std::iota(block.sorted.begin(), block.sorted.end(), 0);
  const auto column_of = [&](std::int32_t i) {
    return layout_.global[static_cast<std::size_t>(block.points[static_cast<std::size_t>(i)])];
  };
  std::sort(block.sorted.begin(), block.sorted.end(),
            [&](std::int32_t a, std::int32_t b) { return column_of(a) < column_of(b); });
  block.own_order.clear(), block.own_columns.clear();
  block.ghost_order.clear(), block.ghost_columns.clear();
  for (const std::int32_t i : block.sorted) {
    const auto p = static_cast<std::size_t>(block.points[static_cast<std::size_t>(i)]);
    const bool own = static_cast<std::int64_t>(p) < pattern_.own;
    const std::int64_t column = own ? layout_.first[p] : layout_.global[p];
    for (std::int32_t r = 0; r < layout_.rows_of(p); ++r) {
      (own ? block.own_order : block.ghost_order)
          .push_back(block.position[static_cast<std::size_t>(i)] + r);
      (own ? block.own_columns : block.ghost_columns).push_back(static_cast<PetscInt>(column + r));
    }
  }
}

namespace {

// How many of the places come at or before `place`.
PetscInt count_up_to(const std::vector<std::int32_t>& order, std::int32_t place) {
  return static_cast<PetscInt>(
      std::count_if(order.begin(), order.end(), [place](std::int32_t p) { return p <= place; }));
}

}  // namespace

void SparseFactor::count(const Block& block) {
  for (std::size_t i = 0; i < block.own_rows.size(); ++i) {
    const auto row = static_cast<std::size_t>(block.own_rows[i]);
    own_first_[row + 1] = count_up_to(block.own_order, block.own_places[i]);
    ghost_first_[row + 1] = count_up_to(block.ghost_order, block.own_places[i]);
  }
  const auto n = static_cast<double>(block.rows());
  const auto m = static_cast<double>(block.own_rows.size());
  thirds_ += n * n * n + 3 * n * n * m;
  work_ += assembly_flops(n) + factor_flops(n) + column_flops(n, m);
  largest_ = std::max(largest_, static_cast<std::int64_t>(block.rows()));
}

void SparseFactor::number(const Block& block) {
  for (std::size_t i = 0; i < block.own_rows.size(); ++i) {
    const auto row = static_cast<std::size_t>(block.own_rows[i]);
    auto own = static_cast<std::size_t>(own_first_[row]);
    for (std::size_t k = 0; k < block.own_order.size(); ++k) {
      if (block.own_order[k] <= block.own_places[i]) own_column_[own++] = block.own_columns[k];
    }
    auto ghost = static_cast<std::size_t>(ghost_first_[row]);
    for (std::size_t k = 0; k < block.ghost_order.size(); ++k) {
      if (block.ghost_order[k] <= block.own_places[i]) {
        ghost_column_[ghost++] = block.ghost_columns[k];
      }
    }
  }
}

void SparseFactor::write(const Block& block, const std::vector<double>& x, std::size_t stride) {
  for (std::size_t i = 0; i < block.own_rows.size(); ++i) {
    const auto row = static_cast<std::size_t>(block.own_rows[i]);
    const double* values = &x[i * stride];
    auto own = static_cast<std::size_t>(own_first_[row]);
    for (const std::int32_t place : block.own_order) {
      if (place <= block.own_places[i]) own_value_[own++] = values[place];
    }
    auto ghost = static_cast<std::size_t>(ghost_first_[row]);
    for (const std::int32_t place : block.ghost_order) {
      if (place <= block.own_places[i]) ghost_value_[ghost++] = values[place];
    }
  }
}

// From nonzeros per row to where rows begin.
void SparseFactor::allocate() {
  std::int64_t own = 0, ghost = 0;
  for (std::size_t row = 0; row + 1 < own_first_.size(); ++row) {
    own += own_first_[row + 1];
    ghost += ghost_first_[row + 1];
    if (own > std::numeric_limits<PetscInt>::max() ||
        ghost > std::numeric_limits<PetscInt>::max()) {
      throw parallel::Error(parallel::ExitCode::too_large,
                            "one rank would hold more nonzeros of the factor than PETSc's index "
                            "type can count; use more ranks or a smaller factor.radius");
    }
    own_first_[row + 1] = static_cast<PetscInt>(own);
    ghost_first_[row + 1] = static_cast<PetscInt>(ghost);
  }
  own_column_.resize(static_cast<std::size_t>(own));
  own_value_.assign(static_cast<std::size_t>(own), 0.0);
  ghost_column_.resize(static_cast<std::size_t>(ghost));
  ghost_value_.assign(static_cast<std::size_t>(ghost), 0.0);
}

SparseFactor::SparseFactor(const parallel::Communicator& comm, const Pattern& pattern,
                           const RowLayout& layout, const std::function<void()>& poll)
    : pattern_(pattern), layout_(layout) {
  const auto rows = static_cast<std::size_t>(layout.own);
  Block block;
  const auto in_pieces = [&](const auto& action) {
    constexpr std::size_t pieces = 16;
    const std::size_t count = pattern_.supernodes();
    for (std::size_t piece = 0; piece < pieces; ++piece) {
      parallel::agree(comm, [&] {
        for (std::size_t s = count * piece / pieces; s < count * (piece + 1) / pieces; ++s) {
          make_block(s, block);
          action();
        }
      });
      if (poll) poll();
    }
  };
  parallel::agree(comm, [&] {
    own_first_.assign(rows + 1, 0);
    ghost_first_.assign(rows + 1, 0);
  });
  in_pieces([&] { count(block); });
  parallel::agree(comm, [&] { allocate(); });
  in_pieces([&] { number(block); });
  const auto local = static_cast<PetscInt>(layout.own);
  const auto total = static_cast<PetscInt>(layout.total);
  linear::check_petsc(
      MatCreateMPIAIJWithSplitArrays(comm.handle(), local, local, total, total, own_first_.data(),
                                     own_column_.data(), own_value_.data(), ghost_first_.data(),
                                     ghost_column_.data(), ghost_value_.data(), matrix_.put()),
      "MatCreateMPIAIJWithSplitArrays");
}

namespace {

std::size_t factor_in_place(std::size_t n, double* matrix, std::size_t stride, SpreadPolls& polls) {
  if (n > many_rows) {
    return linear::cholesky_in_pieces(n, matrix, stride, [&](double flops) { polls.did(flops); });
  }
  const std::size_t good = linear::cholesky(n, matrix, stride);
  polls.did(factor_flops(static_cast<double>(n)));
  return good;
}

}  // namespace

bool SparseFactor::factor_block(std::size_t supernode, Block& block, const Rows& rows,
                                Covariance& covariance, double nugget,
                                std::span<const double> added, std::vector<double>* variances,
                                SpreadPolls& polls) {
  make_block(supernode, block);
  const std::size_t n = block.rows(), stride = round_up(n), m = block.own_rows.size();
  if (dense_.size() < n * stride) dense_.resize(n * stride);
  const auto size = static_cast<double>(n);
  if (n > many_rows) {
    double before = 0;
    covariance.symmetric(rows, dense_.data(), stride, [&](std::size_t columns) {
      const double now = assembly_flops(static_cast<double>(columns));
      polls.did(now - std::exchange(before, now));
    });
  } else {
    covariance.symmetric(rows, dense_.data(), stride);
    polls.did(assembly_flops(size));
  }
  for (std::size_t i = 0; variances != nullptr && i < m; ++i) {
    const auto place = static_cast<std::size_t>(block.own_places[i]);
    (*variances)[static_cast<std::size_t>(block.own_rows[i])] = dense_[place * stride + place];
  }
  for (std::size_t i = 0; i < n; ++i) dense_[i * stride + i] *= 1 + nugget;
  for (std::size_t i = 0; !added.empty() && i < block.points.size(); ++i) {
    auto local = static_cast<std::size_t>(layout_.first[static_cast<std::size_t>(block.points[i])]);
    for (auto r = static_cast<std::size_t>(block.position[i]);
         r < static_cast<std::size_t>(block.position[i + 1]); ++r) {
      dense_[r * stride + r] += added[local++];
    }
  }
  if (factor_in_place(n, dense_.data(), stride, polls) < n) return false;
  unit_.assign(m * stride, 0.0);
  for (std::size_t i = 0; i < m; ++i) {
    unit_[i * stride + static_cast<std::size_t>(block.own_places[i])] = 1;
  }
  const std::size_t at_once = n > many_rows ? 64 : m;
  for (std::size_t i = 0; i < m; i += at_once) {
    const std::size_t columns = std::min(at_once, m - i);
    linear::solve_upper(n, dense_.data(), stride, columns, &unit_[i * stride], stride);
    polls.did(column_flops(size, static_cast<double>(columns)));
  }
  write(block, unit_, stride);
  return true;
}

void SparseFactor::compute(const parallel::Communicator& comm, const RowWeights& weights,
                           Covariance& covariance, double nugget, const std::function<void()>& poll,
                           std::span<const double> added, std::vector<double>* variances) {
  const std::size_t count = pattern_.supernodes();
  if (variances != nullptr) variances->assign(static_cast<std::size_t>(layout_.own), 0.0);
  std::string failure;
  RowGatherer gatherer(pattern_, layout_, weights);
  Block block;
  SpreadPolls polls(comm, work_, poll, least_polls);
  for (std::size_t s = 0; failure.empty() && s < count; ++s) {
    const Rows& rows = gatherer.gather(pattern_.rows_of(s));
    if (factor_block(s, block, rows, covariance, nugget, added, variances, polls)) continue;
    const auto last = static_cast<std::size_t>(pattern_.rows_of(s).back());
    std::string place;
    for (int a = 0; a < pattern_.dimension; ++a) {
      place +=
          fmt::format("{}{:.6g}", a > 0 ? ", " : "",
                      pattern_.coordinates[last * static_cast<std::size_t>(pattern_.dimension) +
                                           static_cast<std::size_t>(a)]);
    }
    failure = fmt::format(
        "the covariance matrix of {} functionals around ({}) is not positive definite in double "
        "precision: raise factor.nugget (now {:g}), or take a rougher kernel, a shorter "
        "prior.length or a smaller factor.radius",
        rows.rows(), place, nugget);
  }
  polls.finish();
  parallel::agree(comm, [&] {
    if (!failure.empty()) throw parallel::Error(parallel::ExitCode::numerical, failure);
  });
  linear::check_petsc(MatAssemblyBegin(matrix_.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyBegin");
  linear::check_petsc(MatAssemblyEnd(matrix_.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyEnd");
}

std::vector<std::int32_t> SparseFactor::elimination() const {
  std::vector<std::int32_t> rows(static_cast<std::size_t>(layout_.own));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

FactorStatistics SparseFactor::statistics(const parallel::Communicator& comm) const {
  FactorStatistics result;
  result.rows = layout_.total;
  std::array<std::int64_t, 2> sums{
      static_cast<std::int64_t>(own_value_.size() + ghost_value_.size()),
      static_cast<std::int64_t>(pattern_.supernodes())};
  comm.sum(sums);
  result.nonzeros = sums[0];
  result.supernodes = sums[1];
  result.largest_block = comm.max(largest_);
  parallel::ExactSum sum;
  sum.add(thirds_);
  parallel::reduce(comm, std::span(&sum, 1));
  result.flops = sum.value() / 3;
  const double most = comm.max(thirds_) / 3;
  result.imbalance = result.flops > 0 ? most * comm.size() / result.flops : 1.0;
  return result;
}

double SparseFactor::log_determinant(const parallel::Communicator& comm) const {
  parallel::ExactSum sum;
  for (std::size_t row = 0; row < static_cast<std::size_t>(layout_.own); ++row) {
    const auto begin = own_column_.begin() + own_first_[row];
    const auto end = own_column_.begin() + own_first_[row + 1];
    const auto diagonal = std::lower_bound(begin, end, static_cast<PetscInt>(row));
    const auto place = static_cast<std::size_t>(diagonal - own_column_.begin());
    sum.add(-2 * std::log(own_value_[place]));
  }
  parallel::reduce(comm, std::span(&sum, 1));
  return sum.value();
}

}  // namespace mensura::gp
