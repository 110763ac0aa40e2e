// SPDX-License-Identifier: BSD-3-Clause
// Small triangular matrices that every rank holds, substitution on one rank, and vectors.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include "linear/handles.hpp"
#include "parallel/communicator.hpp"
#include "parallel/random.hpp"

namespace mensura::test {

using linear::check_petsc;
using linear::Matrix;
using linear::Vector;
using parallel::Communicator;
using Numbers = std::vector<double>;

// A small matrix that every rank holds: storage rows 0..n-1, dealt to the ranks in order.
struct Problem {
  int n = 0;
  std::vector<int> order;                    ///< rows in elimination order
  std::vector<std::map<int, double>> entry;  ///< [row][column]
  std::vector<int> begin;                    ///< [ranks + 1]
  Numbers scale;                             ///< entry (j, i) is scale[j] * O(1) * scale[i]

  std::vector<std::int32_t> elimination(int rank) const {
    std::vector<std::int32_t> local;
    const auto r = static_cast<std::size_t>(rank);
    for (const int row : order) {
      if (row >= begin[r] && row < begin[r + 1]) local.push_back(row - begin[r]);
    }
    return local;
  }
  double& at(int row, int column) { return entry[static_cast<std::size_t>(row)][column]; }
};

inline Problem empty_problem(int n, int ranks, std::mt19937& random) {
  Problem p;
  p.n = n;
  p.order.resize(static_cast<std::size_t>(n));
  std::iota(p.order.begin(), p.order.end(), 0);
  p.entry.resize(static_cast<std::size_t>(n));
  p.scale.assign(static_cast<std::size_t>(n), 1.0);
  // Random borders; equal ones leave ranks without rows.
  p.begin = {0, n};
  for (int r = 1; r < ranks; ++r) {
    p.begin.push_back(std::uniform_int_distribution<int>(0, 4)(random) * n / 4);
  }
  std::sort(p.begin.begin(), p.begin.end());
  return p;
}

inline Problem random_problem(int n, int neighbours, int ranks, unsigned seed) {
  std::mt19937 random(seed);
  Problem p = empty_problem(n, ranks, random);
  std::shuffle(p.order.begin(), p.order.end(), random);
  // Powers of two from 2^-12 to 2^12 scale exactly; the entries then range over fourteen decades.
  for (auto& s : p.scale) s = std::ldexp(1.0, std::uniform_int_distribution<int>(-12, 12)(random));
  std::uniform_real_distribution<double> value(-1, 1);
  for (int k = 0; k < n; ++k) {
    const int row = p.order[static_cast<std::size_t>(k)];
    const double own = p.scale[static_cast<std::size_t>(row)];
    p.at(row, row) = own * own * (1.5 + value(random) / 2);
    for (int m = 0; m < neighbours && k > 0; ++m) {
      const auto place = std::uniform_int_distribution<int>(0, k - 1)(random);
      const int column = p.order[static_cast<std::size_t>(place)];
      p.at(row, column) =
          own * p.scale[static_cast<std::size_t>(column)] * value(random) / (2.0 * neighbours);
    }
  }
  return p;
}

inline Matrix assemble(const Communicator& comm, const Problem& p, MatType type = MATAIJ) {
  Matrix matrix;
  const auto rank = static_cast<std::size_t>(comm.rank());
  const int local = p.begin[rank + 1] - p.begin[rank];
  check_petsc(MatCreate(comm.handle(), matrix.put()), "MatCreate");
  check_petsc(MatSetSizes(matrix.get(), local, local, p.n, p.n), "MatSetSizes");
  check_petsc(MatSetType(matrix.get(), type), "MatSetType");
  check_petsc(MatSeqAIJSetPreallocation(matrix.get(), p.n, nullptr), "preallocation");
  check_petsc(MatMPIAIJSetPreallocation(matrix.get(), local, nullptr, p.n, nullptr),
              "preallocation");
  for (int row = p.begin[rank]; row < p.begin[rank + 1]; ++row) {
    for (const auto& [column, value] : p.entry[static_cast<std::size_t>(row)]) {
      check_petsc(MatSetValue(matrix.get(), row, column, value, INSERT_VALUES), "MatSetValue");
    }
  }
  check_petsc(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyBegin");
  check_petsc(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyEnd");
  return matrix;
}

inline Vector vector_like(const Matrix& matrix) {
  Vector x;
  check_petsc(MatCreateVecs(matrix.get(), x.put(), nullptr), "MatCreateVecs");
  return x;
}

// A vector whose entries depend on the global row only.
inline Vector right_hand_side(const Matrix& matrix, unsigned seed) {
  Vector b = vector_like(matrix);
  PetscInt first = 0, last = 0;
  check_petsc(VecGetOwnershipRange(b.get(), &first, &last), "VecGetOwnershipRange");
  for (PetscInt i = first; i < last; ++i) {
    const auto word = parallel::mix(std::uint64_t{seed} * 1000003U + static_cast<std::uint64_t>(i));
    const double value = static_cast<double>(word >> 11U) * 0x1p-52 - 1;
    check_petsc(VecSetValue(b.get(), i, value, INSERT_VALUES), "VecSetValue");
  }
  check_petsc(VecAssemblyBegin(b.get()), "VecAssemblyBegin");
  check_petsc(VecAssemblyEnd(b.get()), "VecAssemblyEnd");
  return b;
}

inline Numbers on_all_ranks(const Vector& x) {
  linear::Scatter scatter;
  Vector all;
  check_petsc(VecScatterCreateToAll(x.get(), scatter.put(), all.put()), "VecScatterCreateToAll");
  for (const auto step : {VecScatterBegin, VecScatterEnd}) {
    check_petsc(step(scatter.get(), x.get(), all.get(), INSERT_VALUES, SCATTER_FORWARD), "scatter");
  }
  PetscInt size = 0;
  const PetscScalar* values = nullptr;
  check_petsc(VecGetSize(all.get(), &size), "VecGetSize");
  check_petsc(VecGetArrayRead(all.get(), &values), "VecGetArrayRead");
  Numbers result(values, values + size);
  check_petsc(VecRestoreArrayRead(all.get(), &values), "VecRestoreArrayRead");
  return result;
}

inline Numbers substitute(const Problem& p, const Numbers& b) {
  Numbers y(b.size());
  for (const int row : p.order) {
    const auto& entries = p.entry[static_cast<std::size_t>(row)];
    double sum = b[static_cast<std::size_t>(row)];
    for (const auto& [column, value] : entries) {
      if (column != row) sum -= value * y[static_cast<std::size_t>(column)];
    }
    y[static_cast<std::size_t>(row)] = sum / entries.at(row);
  }
  return y;
}

inline Numbers substitute_transposed(const Problem& p, Numbers b) {
  for (auto row = p.order.rbegin(); row != p.order.rend(); ++row) {
    const auto& entries = p.entry[static_cast<std::size_t>(*row)];
    const double x = b[static_cast<std::size_t>(*row)] /= entries.at(*row);
    for (const auto& [column, value] : entries) {
      if (column != *row) b[static_cast<std::size_t>(column)] -= value * x;
    }
  }
  return b;
}

// Largest difference relative to the largest unknown, both times the scale of their row.
inline double difference(const Numbers& a, const Numbers& b, const Numbers& scale) {
  double error = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error = std::max(error, scale[i] * std::abs(a[i] - b[i]));
    size = std::max(size, scale[i] * std::abs(b[i]));
  }
  return size > 0 ? error / size : error;
}

inline double dot(const Vector& a, const Vector& b) {
  double result = 0;
  check_petsc(VecDot(a.get(), b.get(), &result), "VecDot");
  return result;
}

inline double norm(const Vector& a) {
  return std::sqrt(dot(a, a));
}

}  // namespace mensura::test
