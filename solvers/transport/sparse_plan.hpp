// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/cloud.hpp"
#include "transport/cost.hpp"
#include "transport/cost_rows.hpp"
#include "transport/ghosts.hpp"
#include "transport/search.hpp"

namespace mensura::transport {

/// Potentials of the two sides at own points.
struct Potentials {
  std::vector<double> f, g;
};

/// The plan P(x, y) = m(x) m(y) exp((f(x) + g(y) - c(x, y)) / eps) on the pairs that can matter.
/// The support holds all pairs with P >= exp(-(log_threshold + margin)) min(m(x), m(y)) at the time
/// of the search; while drift() <= margin every pair outside it is below
/// exp(-log_threshold) min(m(x), m(y)) (reference/transport_robust 1, growth rule). Members are
/// collective; references outlive the object.
class SparsePlan {
 public:
  static constexpr double log_threshold = 23, margin = 4;  // theta = 1e-10

  SparsePlan(const parallel::Communicator& comm, const Cloud& x, const Cloud& y, const Cost& cost)
      : comm_(comm), x_(x), y_(y), cost_(&cost) {}
  SparsePlan(const parallel::Communicator& comm, const Cloud& x, const Cloud& y,
             const CostRows& rows)
      : comm_(comm), x_(x), y_(y), rows_(&rows) {}

  /// Finds the support. False when some rank would hold more than `most` pairs (nothing is kept).
  bool search(const Potentials& at, double epsilon, std::int64_t most);
  /// (max(f - f0) + max(g - g0)) / eps since the search.
  double drift(const Potentials& at, double epsilon) const;
  /// Rows or columns without any pair, over all ranks.
  std::int64_t empty_lines() const;

  /// Computes the plan's values and its row and column sums.
  void evaluate(const Potentials& at, double epsilon);
  /// The support or its values are not needed any more.
  void clear();
  /// A support is there: since the last search that fitted, until clear().
  bool stored() const { return !pairs_.starts.empty(); }

  std::span<const double> row_sums() const { return row_sums_; }
  std::span<const double> column_sums() const { return column_sums_; }
  const Pairs& pairs() const { return pairs_; }
  std::span<const double> values() const { return values_; }
  const Ghosts& ghosts() const { return ghosts_; }
  const Cloud& x() const { return x_; }
  const Cloud& y() const { return y_; }
  const parallel::Communicator& comm() const { return comm_; }
  const Potentials& searched_at() const { return searched_; }
  std::int64_t total() const { return total_; }        ///< pairs of all ranks
  std::int64_t searches() const { return searches_; }  ///< since construction

  void multiply(std::span<const double> v, std::span<double> result) const;  ///< P v (own y -> x)
  void multiply_transposed(std::span<const double> u, std::span<double> result) const;

  /// Kernel::soft_rows and soft_columns over the support; +infinity where a line has no pair. No
  /// values are needed.
  void soft_rows(double epsilon, std::span<const double> g, std::span<double> f) const;
  void soft_columns(double epsilon, std::span<const double> f, std::span<double> g) const;

  /// The plan with fewer pairs and their sums, for Hessians that leave out entries: those with
  /// keep(row, value, its column's sum) false.
  using Keep = std::function<bool(std::size_t row, double value, double column_sum)>;
  SparsePlan thinned(const Keep& keep) const;

  /// max |df(x) + dg(y)| over the pairs that carry more than 1e-14 of their row.
  double largest_change(std::span<const double> df, std::span<const double> dg) const;

  /// `sweeps` of Sinkhorn's iteration on the support from `at`: scalings of the absorbed plan, or,
  /// when these leave the range of doubles, in the log domain. Rows first, columns last. `rho`: of
  /// a Kullback-Leibler penalty, infinity for none.
  void sinkhorn(Potentials& at, double epsilon, double rho, int sweeps);
  /// L1 error of the rows `sweeps / 2` sweeps before the end of the last sinkhorn() (balanced, in
  /// scaling form, at least 4 sweeps), else NaN: what a rate can be measured from.
  double error_half_way() const noexcept { return error_half_way_; }

 private:
  bool scale(Potentials& at, double epsilon, double rho, int sweeps);
  void log_sweep(Potentials& at, double epsilon, double rho) const;

  const parallel::Communicator& comm_;
  const Cloud& x_;
  const Cloud& y_;
  const Cost* cost_ = nullptr;  // one of the two
  const CostRows* rows_ = nullptr;
  Pairs pairs_;
  Ghosts ghosts_;
  Potentials searched_;
  std::vector<double> values_, row_sums_, column_sums_;
  mutable std::vector<double> work_;
  std::int64_t total_ = 0, searches_ = 0;
  double error_half_way_ = std::numeric_limits<double>::quiet_NaN();
};

/// Collective. The columns of pairs as input positions of y's points.
std::vector<std::int64_t> column_ids(const Pairs& pairs, const Ghosts& ghosts, const Cloud& y);

}  // namespace mensura::transport
