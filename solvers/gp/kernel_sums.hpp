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
/// over both unknown fields where there are two; N^2 pairs of points shared evenly by the ranks.
/// The sources travel round the ranks in tiles of successive global ids while every rank sums its
/// targets. What a tile gives to a target depends on nothing else, and these parts are added
/// exactly: the sums have the same bits on any number of ranks. Memory O(N / P). No use is made of
/// symmetry.
class KernelSums {
 public:
  /// Collective. `sources`: rows of this rank; `ids`: of its source points, every number of [0,
  /// total) once over all ranks. The communicator outlives the sums. Throws Error{usage} for a
  /// kernel that does not fit the dimension.
  KernelSums(const parallel::Communicator& comm, const Prior& prior, const Rows& sources,
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
  /// An elementary functional of one of the fields.
  struct Column {
    std::size_t field, element;
  };
  std::vector<double> source_rows(std::span<const double> own, int width) const;
  Functionals laid_out(const Rows& rows) const;
  std::vector<Column> columns_in_use(const Functionals& functionals) const;
  void choose(std::span<const Column> left, std::span<const Column> right, std::size_t vectors);
  std::vector<double> strengths(const double* coefficients, std::span<const Column> columns,
                                std::size_t vectors) const;
  void fill(std::span<double> packet, std::span<const double> strengths, std::size_t columns) const;
  void apply(const Rows& targets, const double* coefficients, double* sums, std::size_t vectors,
             const std::function<void()>& poll);
  std::vector<double> sum_block(std::span<const double> coordinates, std::int64_t total,
                                std::span<const double> strengths,
                                const std::function<void()>& poll);
  void visit(std::span<const double> packet, Batch& batch, std::size_t first, std::size_t last);

  const parallel::Communicator& comm_;
  int dimension_;
  std::vector<TileSums> fields_;
  Functionals sources_;
  std::vector<std::uint64_t> ids_;    // of own source points
  std::vector<std::uint64_t> tiled_;  // of the source points in this rank's tiles
  std::vector<double> coordinates_;   // of these, row-major
  std::int64_t total_, tiles_;
  // Of the running product: numbers in a tile, sums per target, flops per pair of points.
  std::size_t tile_width_ = 0, width_ = 0;
  double flops_ = 0;
  double pairs_ = 0;
};

}  // namespace mensura::gp
