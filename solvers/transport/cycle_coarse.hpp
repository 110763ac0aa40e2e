// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "transport/cycle_sweep.hpp"

namespace mensura::transport {

/// Smooth functions on the nodes of a cycle: piecewise (multi)linear between lines at quantiles of
/// the mass, and Newton's matrix for them. The Hessian of the dual objective is
///   d' H d = E[(sum_k d_k(x_k))^2]  (reference/transport 1),
/// whose part for the smooth functions is an average over trajectories drawn from the plan, some
/// for every column, in fixed point: the same on any number of ranks. With as many functions as
/// points these are the points themselves, and the matrix is the Hessian. Members are collective.
class CycleCoarse {
 public:
  /// About `unknowns` functions on all nodes together.
  CycleCoarse(const parallel::Communicator& comm, const CycleData& data, std::int64_t unknowns,
              std::uint64_t seed);

  std::size_t unknowns() const noexcept { return total_; }
  bool exact() const noexcept { return exact_; }  ///< every point is a function
  /// Draws trajectories from the plan of a sweep's potentials, with its backward messages. `round`
  /// numbers the draws; `more`: in addition to those before. Or sums the plan where exact().
  void sample(const CycleSweep& sweep, std::int64_t round, bool more,
              const std::function<void()>& poll);
  /// Factors the matrix plus `shift` times its diagonal (Levenberg, Marquardt), scaled so that a
  /// full step is the best one for the spread of a sampled matrix.
  void factor(double shift, const std::function<void()>& poll);
  /// The solution for a residual (mass that every point misses), and its slope, the product of the
  /// two. On the nodes' points.
  struct Direction {
    std::vector<std::vector<double>> values;
    double slope = 0;
  };
  Direction solve(const std::vector<std::vector<double>>& residual) const;

  /// The matrix of the draws (upper triangle, row-major) before shift and scale.
  const std::vector<double>& matrix() const noexcept { return matrix_; }
  /// The values of the functions at a point: numbers and values.
  struct Entry {
    std::uint32_t function;
    double value;
  };
  std::span<const Entry> at(std::size_t node, std::size_t point) const {
    return std::span(entries_[node]).subspan(point * corners_[node], corners_[node]);
  }

 private:
  void build_node(std::size_t node, std::size_t wanted);
  std::size_t per_column() const;
  double scale() const noexcept;
  void sum(const CycleSweep& sweep, std::vector<std::int64_t>& gram) const;
  void draw(const CycleSweep& sweep, std::int64_t round, std::vector<std::int64_t>& gram) const;

  const parallel::Communicator& comm_;
  const CycleData& data_;
  std::uint64_t seed_;
  std::size_t total_ = 0;
  bool exact_ = false;
  std::vector<std::vector<Entry>> entries_;  // per node: points x corners
  std::vector<std::size_t> corners_;
  std::vector<std::int64_t> gram_;  // lower triangle by rows, sums over all draws
  double draws_ = 0;                // rounds in it
  std::vector<double> matrix_, factor_;
};

}  // namespace mensura::transport
