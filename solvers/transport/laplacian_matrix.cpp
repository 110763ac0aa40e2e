// SPDX-License-Identifier: BSD-3-Clause
// The Laplacian as a matrix, for its preconditioner.
#include <algorithm>
#include <limits>

#include "transport/laplacian.hpp"
#include "transport/laplacian_columns.hpp"

namespace mensura::transport {

using linear::check_petsc;

namespace {

// Compressed rows with global numbers, as PETSc takes them.
struct Rows {
  std::vector<PetscInt> starts{0}, numbers;
  std::vector<PetscScalar> values;
  void add(std::int64_t number, double value) {
    numbers.push_back(static_cast<PetscInt>(number));
    values.push_back(value);
  }
  void end() {
    if (numbers.size() > static_cast<std::size_t>(std::numeric_limits<PetscInt>::max())) {
      throw parallel::Error(parallel::ExitCode::too_large,
                            "the Laplacian of the plan has more entries on one rank than PETSc's "
                            "indices can count; use more ranks");
    }
    starts.push_back(static_cast<PetscInt>(numbers.size()));
  }
};

// A sparse row with random access that is emptied entry by entry.
class Accumulator {
 public:
  explicit Accumulator(std::size_t size) : sum_(size, 0.0), met_(size, 0) {}
  void add(std::uint32_t at, double value) {
    if (met_[at] == 0) {
      met_[at] = 1;
      list_.push_back(at);
    }
    sum_[at] += value;
  }
  template <class Use>
  void empty(const Use& use) {
    for (const std::uint32_t at : list_) {
      use(at, sum_[at]);
      sum_[at] = 0;
      met_[at] = 0;
    }
    list_.clear();
  }

 private:
  std::vector<double> sum_;
  std::vector<char> met_;
  std::vector<std::uint32_t> list_;
};

}  // namespace

// Which pairs enter the matrix, and the columns' diagonal without those that do not.
struct Laplacian::Kept {
  std::vector<char> pair;       // per pair of the plan
  std::vector<double> columns;  // own
};

// Collective. C_j - sum over rows of P_ij^2 / R_i of the columns that this rank's rows touch: what
// links a column to others, as the diagonal does for rows.
std::vector<double> Laplacian::links_of_columns() const {
  const Pairs& pairs = plan_.pairs();
  std::vector<double> ghost(plan_.ghosts().size(), 0.0), own(plan_.y().own());
  for (std::size_t i = 0; i < plan_.x().own(); ++i) {
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      const double value = plan_.values()[k];
      ghost[pairs.columns[k]] += value * (value / plan_.row_sums()[i]);
    }
  }
  plan_.ghosts().add(ghost, own);
  for (std::size_t j = 0; j < own.size(); ++j) {
    own[j] = std::max(0.0, plan_.column_sums()[j] - own[j]);
  }
  plan_.ghosts().forward(own, ghost);
  return ghost;
}

Laplacian::Kept Laplacian::keep(double least_share) const {
  const Pairs& pairs = plan_.pairs();
  Kept kept;
  kept.pair.assign(pairs.columns.size(), 1);
  kept.columns = columns_;
  if (!(least_share > 0)) return kept;
  std::vector<double> dropped(plan_.ghosts().size(), 0.0), own(plan_.y().own());
  const std::vector<double> links = links_of_columns();
  for (std::size_t i = 0; i < plan_.x().own(); ++i) {
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      const double value = plan_.values()[k];
      const std::uint32_t column = pairs.columns[k];
      if (value >= least_share * std::min(diagonal_[i], links[column])) continue;
      kept.pair[k] = 0;
      dropped[pairs.columns[k]] += value;
    }
  }
  plan_.ghosts().add(dropped, own);
  for (std::size_t j = 0; j < own.size(); ++j) kept.columns[j] -= own[j];
  return kept;
}

// What the rows need to know of the columns they touch.
struct Laplacian::ColumnLabels {
  std::vector<double> inverse;  // 1 / C of light ones
  std::vector<double> extra;    // of light ones
  std::vector<double> unknown;  // of heavy ones; -1
};

Laplacian::ColumnLabels Laplacian::label(const Kept& kept, std::int64_t first_heavy) const {
  std::vector<double> inverse(is_heavy_.size(), 0.0), unknown(is_heavy_.size(), -1.0);
  for (std::size_t j = 0; j < inverse.size(); ++j) {
    if (is_heavy_[j] == 0 && kept.columns[j] > 0) inverse[j] = 1 / kept.columns[j];
  }
  for (std::size_t h = 0; h < heavy_.size(); ++h) {
    unknown[static_cast<std::size_t>(heavy_[h])] =
        static_cast<double>(first_heavy + static_cast<std::int64_t>(h));
  }
  ColumnLabels labels;
  if (!column_extra_.empty()) {
    labels.extra.resize(plan_.ghosts().size());
    plan_.ghosts().forward(column_extra_, labels.extra);
  }
  labels.inverse.resize(plan_.ghosts().size());
  labels.unknown.resize(plan_.ghosts().size());
  plan_.ghosts().forward(inverse, labels.inverse);
  plan_.ghosts().forward(unknown, labels.unknown);
  return labels;
}

linear::Matrix Laplacian::assemble(double shift, double least_share) const {
  const parallel::Communicator& comm = plan_.comm();
  const Pairs& pairs = plan_.pairs();
  if (total_ > std::numeric_limits<PetscInt>::max()) {
    throw parallel::Error(parallel::ExitCode::too_large,
                          "more unknowns than PETSc's 32-bit indices can number; use a PETSc with "
                          "64-bit indices");
  }
  const std::int64_t first = comm.exclusive_scan(own());
  const Kept kept = keep(least_share);
  const ColumnLabels labels = label(kept, first + own_rows_);
  const CompleteColumns columns = complete_columns(plan_, kept.pair, is_heavy_, first);
  const Owners owner(comm, plan_.y().first);
  Rows matrix_rows;
  // Entries of heavy columns go to both of their unknowns.
  std::vector<PlanEntry> heavy;
  std::vector<std::size_t> to;
  // The diagonal is the sum of the links: a difference would cancel where a row is nearly alone
  // with its column, and might be negative.
  const auto add_row = [&](std::size_t i, Accumulator& row) {
    double diagonal = shifted(i, shift) + (row_extra_.empty() ? 0 : row_extra_[i]);
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      if (kept.pair[k] == 0) continue;
      const std::uint32_t column = pairs.columns[k];
      const double value = plan_.values()[k];
      if (labels.unknown[column] >= 0) {
        matrix_rows.add(static_cast<std::int64_t>(labels.unknown[column]), -value);
        diagonal += value;
        heavy.push_back({pairs.numbers[column], first + static_cast<std::int64_t>(i), value});
        to.push_back(owner(pairs.numbers[column]));
        continue;
      }
      for (auto e = static_cast<std::size_t>(columns.starts[column]);
           e < static_cast<std::size_t>(columns.starts[column + 1]); ++e) {
        if (columns.rows[e] == i) continue;
        const double link = value * labels.inverse[column] * columns.values[e];
        row.add(columns.rows[e], -link);
        diagonal += link;
      }
      if (!labels.extra.empty()) diagonal += value * labels.inverse[column] * labels.extra[column];
    }
    row.add(static_cast<std::uint32_t>(i), diagonal);
    row.empty([&](std::uint32_t at, double value) {
      matrix_rows.add(
          at < own_rows_ ? first + at : columns.numbers[at - static_cast<std::size_t>(own_rows_)],
          value);
    });
    matrix_rows.end();
  };
  parallel::agree(comm, [&] {
    Accumulator row(static_cast<std::size_t>(own_rows_) + columns.numbers.size());
    for (std::size_t i = 0; i < plan_.x().own(); ++i) add_row(i, row);
  });
  std::vector<PlanEntry> met = send_entries(comm, heavy, to).entries;
  parallel::agree(comm, [&] {
    std::sort(met.begin(), met.end(), [](const PlanEntry& a, const PlanEntry& b) {
      return std::pair(a.column, a.row) < std::pair(b.column, b.row);
    });
    std::size_t e = 0;
    for (std::size_t h = 0; h < heavy_.size(); ++h) {
      const auto j = static_cast<std::size_t>(heavy_[h]);
      matrix_rows.add(first + own_rows_ + static_cast<std::int64_t>(h),
                      kept.columns[j] + shift * columns_[j]);
      for (; e < met.size() && met[e].column == plan_.y().first + heavy_[h]; ++e) {
        matrix_rows.add(met[e].row, -met[e].value);
      }
      matrix_rows.end();
    }
  });
  assembled_entries_ = comm.sum(static_cast<std::int64_t>(matrix_rows.numbers.size()));
  linear::Matrix matrix;
  check_petsc(MatCreateMPIAIJWithArrays(
                  comm.handle(), static_cast<PetscInt>(own()), static_cast<PetscInt>(own()),
                  PETSC_DETERMINE, PETSC_DETERMINE, matrix_rows.starts.data(),
                  matrix_rows.numbers.data(), matrix_rows.values.data(), matrix.put()),
              "MatCreateMPIAIJWithArrays");
  check_petsc(MatSetOption(matrix.get(), MAT_SPD, PETSC_TRUE), "MatSetOption");
  return matrix;
}

}  // namespace mensura::transport
