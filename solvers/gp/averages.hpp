// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "gp/problem.hpp"
#include "gp/quadrature.hpp"
#include "gp/state_rows.hpp"
#include "linear/lanes.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// Measured averages of the fields over regions, as linear functionals of the state: G = quadrature
/// of the interpolation's rows. Every rank knows all values and holds the weights of its own rows.
class Averages {
 public:
  /// Most averages of a problem (collocation_size() refuses more): their covariance is a dense
  /// matrix on every rank.
  static constexpr std::int64_t most = 5000;

  /// Collective; reads centres and values of files whose shapes collocation_size() has accepted.
  /// Throws Error{input_data} on all ranks for a region that is not in the domain (the row of the
  /// file is named) and for values that do not fit.
  Averages(const parallel::Communicator& comm, const Problem& problem, int dimension);

  std::size_t count() const noexcept { return value_.size(); }
  /// In the order of the deck, then of the files' rows; the same on all ranks.
  std::span<const double> values() const noexcept { return value_; }
  /// After interpolate(): variance of the errors and of what the state leaves unknown.
  std::span<const double> noise() const noexcept { return noise_; }
  /// Local. A hash of centres and values of this rank's part, to be added up over the ranks.
  std::uint64_t fingerprint() const;

  /// Collective. Finds G and keeps it. What the rows around a node leave unknown of u there counts
  /// as an error of the average, for all its nodes together: an upper bound of its variance (the
  /// errors of two nodes are correlated by one at most), far below a useful noise wherever the
  /// points resolve u.
  /// Variances are those of a prior of unit scale: `scale` is that of the deck's.
  void interpolate(const StateRows& state, double scale, const std::function<void()>& poll);

  /// Collective. G rows, the same on all ranks.
  std::vector<double> apply(std::span<const double> rows) const;
  std::vector<linear::Eight> apply(std::span<const linear::Eight> rows) const;
  /// Local. Own rows of G' weights, in the first of eight vectors; the others are zero.
  void transposed(std::span<const double> weights, std::span<linear::Eight> rows) const;
  /// Local. Own rows of G' for the averages first, ..., first + 7 (zero beyond the last).
  void transposed(std::size_t first, std::span<linear::Eight> rows) const;

 private:
  struct Own {
    std::size_t number;  // among all averages
    std::size_t rule;
    std::vector<double> centre;
  };
  void read(const Problem& problem, std::size_t entry, std::size_t before);
  void check_region(const Problem& problem, std::size_t entry, std::size_t first_own,
                    std::int64_t first_row) const;
  std::vector<double> nodes_of(std::size_t begin, std::size_t end) const;
  void collect(const StateRows& state, std::size_t begin, std::size_t end, std::size_t entry,
               const std::function<void()>& poll);
  template <class Number>
  std::vector<Number> partial(std::span<const Number> rows) const;

  const parallel::Communicator& comm_;
  int dimension_;
  // Of every entry of the deck: its rule, its first average (and their number), its field.
  std::vector<MeanRule> rules_;
  std::vector<std::size_t> first_{0};
  std::vector<std::uint8_t> of_second_;
  std::vector<double> value_, error_, noise_;  // error_: variance as in the deck
  std::vector<Own> own_;
  // Own rows with a weight in an average, average after average.
  std::vector<std::size_t> begin_;
  std::vector<std::int32_t> row_;
  std::vector<double> weight_;
};

}  // namespace mensura::gp
