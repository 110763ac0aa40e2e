// SPDX-License-Identifier: BSD-3-Clause
#include "transport/laplacian.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "parallel/exchange.hpp"

namespace mensura::transport {

using linear::check_petsc;

namespace {

// A column is heavy when it has more than this many times the mean number of entries
// (transport_robust 3).
constexpr double heavy_degree = 4;
// Above so many pairs per row the preconditioner leaves out what is below `least_share` of both its
// row's and its column's sum; thin plans keep all, since weak links then carry the imbalance.
constexpr double fat_plan = 14;
constexpr double least_share = 1e-5;

}  // namespace

// Which pairs enter the matrix, and the sums of those.
struct Laplacian::Kept {
  std::vector<char> pair;             // per pair of the plan
  std::vector<double> rows, columns;  // own
};

// Entries of all columns that this rank's rows touch, on all ranks: compressed columns over ghosts.
struct Laplacian::Columns {
  std::vector<std::int64_t> starts;
  std::vector<std::uint32_t> rows;  // below own_rows: own; above: position in `numbers`
  std::vector<double> values;
  std::vector<std::int64_t> numbers;  // unknowns of other ranks' rows
};

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
    result[i] = (rows_[i] + shift * diagonal_[i]) * v[i] - product[i];
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

Laplacian::Kept Laplacian::keep() const {
  const Pairs& pairs = plan_.pairs();
  Kept kept;
  kept.pair.assign(pairs.columns.size(), 1);
  kept.rows = rows_;
  kept.columns = columns_;
  if (static_cast<double>(plan_.total()) <= fat_plan * static_cast<double>(plan_.x().total)) {
    return kept;
  }
  std::vector<double> sums(plan_.ghosts().size()), dropped(plan_.ghosts().size(), 0.0),
      own(plan_.y().own());
  plan_.ghosts().forward(plan_.column_sums(), sums);
  for (std::size_t i = 0; i < plan_.x().own(); ++i) {
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      const double value = plan_.values()[k];
      if (value >= least_share * std::min(plan_.row_sums()[i], sums[pairs.columns[k]])) continue;
      kept.pair[k] = 0;
      kept.rows[i] -= value;
      dropped[pairs.columns[k]] += value;
    }
  }
  plan_.ghosts().add(dropped, own);
  for (std::size_t j = 0; j < own.size(); ++j) kept.columns[j] -= own[j];
  return kept;
}

namespace {

struct Entry {
  std::int64_t column, row;  // global number of the column; unknown of the row
  double value;
};

// The rank that owns a number when rank r begins at firsts[r].
std::size_t owner_of(const std::vector<std::int64_t>& firsts, std::int64_t number) {
  return static_cast<std::size_t>(std::upper_bound(firsts.begin(), firsts.end(), number) -
                                  firsts.begin()) -
         1;
}

// Sends every entry to the rank in `to` (one per entry); sorts by destination first.
std::vector<Entry> send(const parallel::Communicator& comm, const std::vector<Entry>& entries,
                        const std::vector<std::size_t>& to,
                        std::vector<std::int64_t>* sources = nullptr) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(comm.size()), 0);
  for (const std::size_t r : to) ++counts[r];
  std::vector<std::size_t> next(counts.size(), 0);
  for (std::size_t r = 1; r < next.size(); ++r) {
    next[r] = next[r - 1] + static_cast<std::size_t>(counts[r - 1]);
  }
  std::vector<Entry> sorted(entries.size());
  for (std::size_t e = 0; e < entries.size(); ++e) sorted[next[to[e]]++] = entries[e];
  auto received = parallel::exchange<Entry>(comm, sorted, counts);
  if (sources != nullptr) *sources = received.counts;
  return std::move(received.data);
}

}  // namespace

// Columns that several ranks touch meet at their owner, which sends each rank what the others have.
Laplacian::Columns Laplacian::complete_columns(const Kept& kept) const {
  const parallel::Communicator& comm = plan_.comm();
  const Pairs& pairs = plan_.pairs();
  const std::int64_t first_unknown = comm.exclusive_scan(own());
  std::vector<double> ones(plan_.ghosts().size(), 1.0), touching(plan_.y().own());
  plan_.ghosts().add(ones, touching);
  for (std::size_t j = 0; j < touching.size(); ++j) {
    if (is_heavy_[j] != 0) touching[j] = 0;
  }
  plan_.ghosts().forward(touching, ones);
  const std::vector<std::int64_t> firsts =
      comm.all_gather<std::int64_t>(std::vector<std::int64_t>{plan_.y().first});
  std::vector<Entry> shared;
  std::vector<std::size_t> to;
  std::vector<std::int64_t> degree(ones.size() + 1, 0);
  for (std::size_t i = 0; i < plan_.x().own(); ++i) {
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      const std::uint32_t column = pairs.columns[k];
      if (kept.pair[k] == 0 || ones[column] == 0) continue;
      ++degree[column + 1];
      if (ones[column] < 2) continue;
      const std::int64_t number = pairs.numbers[column];
      shared.push_back({number, first_unknown + static_cast<std::int64_t>(i), plan_.values()[k]});
      to.push_back(owner_of(firsts, number));
    }
  }
  std::vector<std::int64_t> sources;
  std::vector<Entry> met = send(comm, shared, to, &sources);
  // At the owner: by column, each rank's entries to all others that touch it.
  std::vector<std::size_t> from(met.size());
  for (std::size_t r = 0, e = 0; r < sources.size(); ++r) {
    for (std::int64_t c = 0; c < sources[r]; ++c) from[e++] = r;
  }
  std::vector<std::size_t> order(met.size());
  for (std::size_t e = 0; e < order.size(); ++e) order[e] = e;
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(met[a].column, a) < std::pair(met[b].column, b);
  });
  shared.clear();
  to.clear();
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    while (end < order.size() && met[order[end]].column == met[order[begin]].column) ++end;
    std::vector<std::size_t> ranks;
    for (std::size_t e = begin; e < end; ++e) ranks.push_back(from[order[e]]);
    ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
    for (const std::size_t rank : ranks) {
      for (std::size_t e = begin; e < end; ++e) {
        if (from[order[e]] == rank) continue;
        shared.push_back(met[order[e]]);
        to.push_back(rank);
      }
    }
  }
  std::vector<Entry>().swap(met);
  const std::vector<Entry> others = send(comm, shared, to);

  Columns columns;
  std::unordered_map<std::int64_t, std::uint32_t> ghost_of;  // columns that others share
  for (std::size_t c = 0; c < ones.size(); ++c) {
    if (ones[c] >= 2) ghost_of.emplace(pairs.numbers[c], static_cast<std::uint32_t>(c));
  }
  std::unordered_map<std::int64_t, std::uint32_t> unknown_of;
  for (const Entry& entry : others) ++degree[ghost_of.at(entry.column) + 1];
  columns.starts = degree;
  for (std::size_t c = 1; c < columns.starts.size(); ++c)
    columns.starts[c] += columns.starts[c - 1];
  columns.rows.resize(static_cast<std::size_t>(columns.starts.back()));
  columns.values.resize(columns.rows.size());
  std::vector<std::int64_t> next(columns.starts.begin(), columns.starts.end() - 1);
  const auto put = [&](std::uint32_t column, std::uint32_t row, double value) {
    const auto at = static_cast<std::size_t>(next[column]++);
    columns.rows[at] = row;
    columns.values[at] = value;
  };
  for (std::size_t i = 0; i < plan_.x().own(); ++i) {
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      if (kept.pair[k] == 0 || ones[pairs.columns[k]] == 0) continue;
      put(pairs.columns[k], static_cast<std::uint32_t>(i), plan_.values()[k]);
    }
  }
  for (const Entry& entry : others) {
    const auto position = static_cast<std::uint32_t>(columns.numbers.size());
    const auto [found, fresh] = unknown_of.emplace(entry.row, position);
    if (fresh) columns.numbers.push_back(entry.row);
    put(ghost_of.at(entry.column), static_cast<std::uint32_t>(own_rows_) + found->second,
        entry.value);
  }
  return columns;
}

linear::Matrix Laplacian::assemble(double shift) const {
  const parallel::Communicator& comm = plan_.comm();
  const Pairs& pairs = plan_.pairs();
  if (total_ > std::numeric_limits<PetscInt>::max()) {
    throw parallel::Error(parallel::ExitCode::too_large,
                          "more unknowns than PETSc's 32-bit indices can number; use a PETSc with "
                          "64-bit indices");
  }
  const Kept kept = keep();
  const Columns columns = complete_columns(kept);
  const std::int64_t first_unknown = comm.exclusive_scan(own());
  // 1 / C for light columns; the unknown of heavy ones.
  std::vector<double> inverse(plan_.y().own(), 0.0), unknown(plan_.y().own(), -1.0),
      ghost_inverse(plan_.ghosts().size()), ghost_unknown(plan_.ghosts().size());
  for (std::size_t j = 0; j < inverse.size(); ++j) {
    if (is_heavy_[j] == 0 && kept.columns[j] > 0) inverse[j] = 1 / kept.columns[j];
  }
  for (std::size_t h = 0; h < heavy_.size(); ++h) {
    unknown[static_cast<std::size_t>(heavy_[h])] =
        static_cast<double>(first_unknown + own_rows_ + static_cast<std::int64_t>(h));
  }
  plan_.ghosts().forward(inverse, ghost_inverse);
  plan_.ghosts().forward(unknown, ghost_unknown);
  // Entries of heavy columns travel to their owners.
  const std::vector<std::int64_t> firsts =
      comm.all_gather<std::int64_t>(std::vector<std::int64_t>{plan_.y().first});
  std::vector<Entry> heavy;
  std::vector<std::size_t> to;

  std::vector<PetscInt> starts{0}, numbers;
  std::vector<PetscScalar> values;
  std::vector<double> sum(static_cast<std::size_t>(own_rows_) + columns.numbers.size(), 0.0);
  std::vector<char> met(sum.size(), 0);
  std::vector<std::uint32_t> list;
  for (std::size_t i = 0; i < plan_.x().own(); ++i) {
    list.assign(1, static_cast<std::uint32_t>(i));
    met[i] = 1;
    sum[i] = kept.rows[i] + shift * diagonal_[i];
    const std::size_t row_begin = numbers.size();
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      if (kept.pair[k] == 0) continue;
      const std::uint32_t column = pairs.columns[k];
      const double value = plan_.values()[k];
      if (ghost_unknown[column] >= 0) {
        numbers.push_back(static_cast<PetscInt>(ghost_unknown[column]));
        values.push_back(-value);
        heavy.push_back(
            {pairs.numbers[column], first_unknown + static_cast<std::int64_t>(i), value});
        to.push_back(owner_of(firsts, pairs.numbers[column]));
        continue;
      }
      const double factor = value * ghost_inverse[column];
      for (auto e = static_cast<std::size_t>(columns.starts[column]);
           e < static_cast<std::size_t>(columns.starts[column + 1]); ++e) {
        const std::uint32_t row = columns.rows[e];
        if (met[row] == 0) {
          met[row] = 1;
          list.push_back(row);
        }
        sum[row] -= factor * columns.values[e];
      }
    }
    for (const std::uint32_t row : list) {
      numbers.push_back(static_cast<PetscInt>(
          row < own_rows_ ? first_unknown + row
                          : columns.numbers[row - static_cast<std::size_t>(own_rows_)]));
      values.push_back(sum[row]);
      met[row] = 0;
      sum[row] = 0;
    }
    if (numbers.size() == row_begin) parallel::require(false, "a row has its diagonal");
    starts.push_back(static_cast<PetscInt>(numbers.size()));
  }
  std::vector<Entry> rows = send(comm, heavy, to);
  std::sort(rows.begin(), rows.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.column, a.row) < std::pair(b.column, b.row);
  });
  std::size_t e = 0;
  for (std::size_t h = 0; h < heavy_.size(); ++h) {
    const auto j = static_cast<std::size_t>(heavy_[h]);
    numbers.push_back(
        static_cast<PetscInt>(first_unknown + own_rows_ + static_cast<std::int64_t>(h)));
    values.push_back(kept.columns[j] + shift * columns_[j]);
    for (; e < rows.size() && rows[e].column == plan_.y().first + heavy_[h]; ++e) {
      numbers.push_back(static_cast<PetscInt>(rows[e].row));
      values.push_back(-rows[e].value);
    }
    starts.push_back(static_cast<PetscInt>(numbers.size()));
  }
  assembled_entries_ = comm.sum(static_cast<std::int64_t>(numbers.size()));
  linear::Matrix matrix;
  check_petsc(
      MatCreateMPIAIJWithArrays(comm.handle(), static_cast<PetscInt>(own()),
                                static_cast<PetscInt>(own()), PETSC_DETERMINE, PETSC_DETERMINE,
                                starts.data(), numbers.data(), values.data(), matrix.put()),
      "MatCreateMPIAIJWithArrays");
  check_petsc(MatSetOption(matrix.get(), MAT_SPD, PETSC_TRUE), "MatSetOption");
  return matrix;
}

}  // namespace mensura::transport
