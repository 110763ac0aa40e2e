// SPDX-License-Identifier: BSD-3-Clause
// A triangular matrix with the structure of a sparse inverse-Cholesky factor, made without
// communication: the points of an n x n grid, two rows per point, eliminated from coarse to fine;
// a row needs all earlier points within `reach` spacings of its own level.
#pragma once

#include <petscmat.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "linear/handles.hpp"
#include "parallel/communicator.hpp"
#include "parallel/random.hpp"

namespace mensura::test {

class Multilevel {
 public:
  /// Rank r owns one of across x (ranks / across) rectangles; across = ranks gives strips.
  Multilevel(const parallel::Communicator& comm, int n, double reach, int across)
      : rank_(comm.rank()), n_(n), reach_(reach), across_(across), up_(comm.size() / across) {
    for (int rank = 0; rank < across_ * up_; ++rank) {
      first_.push_back(rank == 0 ? 0 : first_.back() + 2 * points_of(rank - 1));
    }
    const auto [x, y] = corner(rank_);
    const auto [x_end, y_end] = far_corner(rank_);
    for (int i = x; i < x_end; ++i) {
      for (int j = y; j < y_end; ++j) points_.push_back({i, j});
    }
  }

  /// Local rows, those of earlier points first; the rows of a point follow each other.
  std::vector<std::int32_t> elimination() const {
    std::vector<std::int32_t> order(points_.size());
    for (std::size_t k = 0; k < order.size(); ++k) order[k] = static_cast<std::int32_t>(k);
    std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return key(points_[static_cast<std::size_t>(a)]) < key(points_[static_cast<std::size_t>(b)]);
    });
    std::vector<std::int32_t> rows;
    rows.reserve(2 * order.size());
    for (const auto point : order) rows.insert(rows.end(), {2 * point, 2 * point + 1});
    return rows;
  }

  /// Collective. Off-diagonal entries add up to less than one half of the diagonal of their row.
  linear::Matrix matrix(const parallel::Communicator& comm) const {
    using linear::check_petsc;
    linear::Matrix result;
    const auto rows = static_cast<PetscInt>(2 * points_.size());
    std::vector<PetscInt> own, other, columns;
    const auto begin = static_cast<PetscInt>(first_[static_cast<std::size_t>(rank_)]);
    for (const auto& point : points_) {
      find_columns(point, columns);
      const auto inside =
          static_cast<PetscInt>(std::count_if(columns.begin(), columns.end(), [&](PetscInt column) {
            return column >= begin && column < begin + rows;
          }));
      const auto outside = static_cast<PetscInt>(columns.size()) - inside;
      own.insert(own.end(), {inside + 1, inside + 2});
      other.insert(other.end(), {outside, outside});
    }
    check_petsc(MatCreate(comm.handle(), result.put()), "MatCreate");
    check_petsc(MatSetSizes(result.get(), rows, rows, PETSC_DETERMINE, PETSC_DETERMINE),
                "MatSetSizes");
    check_petsc(MatSetType(result.get(), MATAIJ), "MatSetType");
    check_petsc(MatSeqAIJSetPreallocation(result.get(), 0, own.data()), "preallocation");
    check_petsc(MatMPIAIJSetPreallocation(result.get(), 0, own.data(), 0, other.data()),
                "preallocation");
    std::vector<double> values;
    for (std::size_t k = 0; k < points_.size(); ++k) {
      find_columns(points_[k], columns);
      for (const PetscInt row : {0, 1}) {
        const auto number = begin + static_cast<PetscInt>(2 * k) + row;
        columns.push_back(number);
        values.resize(columns.size());
        for (std::size_t c = 0; c < columns.size(); ++c) {
          values[c] = entry(number, columns[c]) / (2.0 * static_cast<double>(columns.size()));
        }
        values.back() = 1.5 + entry(number, number) / 2;
        check_petsc(MatSetValues(result.get(), 1, &number, static_cast<PetscInt>(columns.size()),
                                 columns.data(), values.data(), INSERT_VALUES),
                    "MatSetValues");
      }
    }
    check_petsc(MatAssemblyBegin(result.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyBegin");
    check_petsc(MatAssemblyEnd(result.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyEnd");
    return result;
  }

 private:
  struct Point {
    int i, j;
  };
  static double entry(PetscInt row, PetscInt column) {  // in (-1, 1)
    const auto word = parallel::mix((static_cast<std::uint64_t>(row) << 32U) +
                                    static_cast<std::uint64_t>(column));
    return (static_cast<double>(word >> 11U) + 0.5) * 0x1p-52 - 1;
  }
  int level(Point p) const {
    const auto bits = static_cast<unsigned>(p.i) | static_cast<unsigned>(p.j);
    return bits == 0 ? 20 : std::countr_zero(bits);
  }
  std::tuple<int, std::uint64_t> key(Point p) const {
    const auto number = static_cast<std::uint64_t>(p.i) * static_cast<std::uint64_t>(n_) +
                        static_cast<std::uint64_t>(p.j);
    return {-level(p), parallel::mix(number)};
  }
  std::pair<int, int> corner(int rank) const {
    return {n_ * (rank % across_) / across_, n_ * (rank / across_) / up_};
  }
  std::pair<int, int> far_corner(int rank) const {
    return {n_ * (rank % across_ + 1) / across_, n_ * (rank / across_ + 1) / up_};
  }
  std::int64_t points_of(int rank) const {
    const auto [x, y] = corner(rank);
    const auto [x_end, y_end] = far_corner(rank);
    return std::int64_t{x_end - x} * (y_end - y);
  }
  PetscInt first_row(Point p) const {  // global number of the first row of a point
    const auto slab = [&](int value, int parts) {
      int part = static_cast<int>(std::int64_t{value} * parts / n_);
      while (n_ * (part + 1) / parts <= value) ++part;
      while (n_ * part / parts > value) --part;
      return part;
    };
    const int rank = slab(p.j, up_) * across_ + slab(p.i, across_);
    const auto [x, y] = corner(rank);
    const int height = far_corner(rank).second - y;
    return static_cast<PetscInt>(first_[static_cast<std::size_t>(rank)] +
                                 2 * (std::int64_t{p.i - x} * height + (p.j - y)));
  }
  // Both rows of every earlier point in reach, ascending. The lattice of the point's own level
  // holds them all: earlier points are at least as coarse.
  void find_columns(Point p, std::vector<PetscInt>& columns) const {
    columns.clear();
    const auto own = key(p);
    const int spacing = level(p) >= 20 ? n_ : 1 << level(p);
    const int steps = static_cast<int>(reach_);
    for (int a = -steps; a <= steps; ++a) {
      for (int b = -steps; b <= steps; ++b) {
        const Point q{p.i + a * spacing, p.j + b * spacing};
        if (q.i < 0 || q.j < 0 || q.i >= n_ || q.j >= n_ || a * a + b * b > reach_ * reach_) {
          continue;
        }
        if (!(key(q) < own)) continue;
        columns.insert(columns.end(), {first_row(q), first_row(q) + 1});
      }
    }
    std::sort(columns.begin(), columns.end());
  }

  int rank_, n_;
  double reach_;
  int across_, up_;
  std::vector<std::int64_t> first_;  // first row of every rank
  std::vector<Point> points_;
};

}  // namespace mensura::test
