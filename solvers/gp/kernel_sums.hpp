// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gp/covariance.hpp"
#include "gp/kernel.hpp"
#include "gp/tile_sums.hpp"
#include "linear/lanes.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// Exact products of the covariance of functionals with vectors, without the matrix:
///   sums[i] = sum over all sources j of k(target i, source j) coefficients[j],
/// N^2 pairs of points (of functionals of one unknown field, the first of the rows) shared evenly
/// by the ranks. The sources travel round the ranks in tiles of successive global ids while every
/// rank sums its targets. What a tile gives to a target depends on nothing else, and these parts
/// are added exactly: the sums have the same bits on any number of ranks. Memory O(N / P). No use
/// is made of symmetry.
class KernelSums {
 public:
  /// Collective. `sources`: rows of this rank; `ids`: of its source points, every number of [0,
  /// total) once over all ranks. The communicator outlives the sums. Throws Error{usage} for a
  /// kernel that does not fit the dimension.
  KernelSums(const parallel::Communicator& comm, const Kernel& prior, const Rows& sources,
             std::span<const std::uint64_t> ids, std::int64_t total);

  /// Collective. `coefficients`: own source rows; `sums`: rows of this rank's targets, any number
  /// of them. Throws Error{usage} when functions drawn from the prior lack the derivatives. `poll`:
  /// every few seconds and at the end.
  void apply(const Rows& targets, std::span<const double> coefficients, std::span<double> sums,
             const std::function<void()>& poll);
  void apply(const Rows& targets, std::span<const linear::Eight> coefficients,
             std::span<linear::Eight> sums, const std::function<void()>& poll);

  /// Pairs of points visited so far by all ranks.
  double pairs() const noexcept { return pairs_; }

 private:
  struct Batch;
  std::vector<double> source_rows(std::span<const double> own, int width) const;
  void lay_out(const Rows& rows, Functionals& functionals) const;
  std::vector<std::size_t> elements_in_use(const Functionals& functionals) const;
  std::vector<double> strengths(const double* coefficients, std::span<const std::size_t> elements,
                                std::size_t vectors) const;
  void fill(std::span<double> packet, std::span<const double> strengths, std::size_t columns) const;
  void apply(const Rows& targets, const double* coefficients, double* sums, std::size_t vectors,
             const std::function<void()>& poll);
  std::vector<double> sum_block(std::span<const double> coordinates, std::int64_t total,
                                std::span<const double> strengths,
                                const std::function<void()>& poll);
  void visit(std::span<const double> packet, Batch& batch, std::size_t first, std::size_t last);
  std::size_t tile_width() const;

  const parallel::Communicator& comm_;
  int dimension_;
  TileSums sums_;
  Functionals sources_;
  std::vector<std::uint64_t> ids_;    // of own source points
  std::vector<std::uint64_t> tiled_;  // of the source points in this rank's tiles
  std::vector<double> coordinates_;   // of these, row-major
  std::int64_t total_, tiles_;
  double pairs_ = 0;
};

}  // namespace mensura::gp
