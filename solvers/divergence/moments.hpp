// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "parallel/exact_sum.hpp"

namespace mensura::divergence {

/// Sample mean and covariance (divisor count - 1), d x d row-major.
struct Moments {
  int dimension = 0;
  std::int64_t count = 0;
  std::vector<double> mean, covariance;
};

/// First pass: exact sums of coordinates.
class MeanSums {
 public:
  explicit MeanSums(int dimension);
  void add(std::span<const double> point) noexcept;
  std::span<parallel::ExactSum> sums() noexcept { return sums_; }  ///< for parallel::reduce
  std::span<const parallel::ExactSum> sums() const noexcept { return sums_; }
  std::vector<double> mean(
      std::int64_t count) const;  ///< after the reduction; count over all ranks

 private:
  std::vector<parallel::ExactSum> sums_;
};

/// Second pass: exact sums of products centred at `mean` (lower triangle).
class ScatterSums {
 public:
  explicit ScatterSums(std::vector<double> mean);
  void add(std::span<const double> point) noexcept;
  std::span<parallel::ExactSum> sums() noexcept { return sums_; }
  std::span<const parallel::ExactSum> sums() const noexcept { return sums_; }
  Moments moments(
      std::int64_t count) const;  ///< after the reduction; throws Error{input_data} when count < 2

 private:
  std::vector<double> mean_, centred_;
  std::vector<parallel::ExactSum> sums_;
};

/// The affine map that makes the pooled covariance the identity: x -> L^-1 x. The same for both
/// sets, so divergences do not change.
class Whitening {
 public:
  /// Local. From the moments of the stacked sample. A rank-deficient covariance (constant or
  /// collinear coordinates) falls back to dividing every coordinate by its standard deviation (1
  /// for constants), and warning() says so.
  explicit Whitening(const Moments& pooled);
  /// Local. In place; `points` is n x d row-major. Forward substitution in fixed order.
  void apply(std::span<double> points) const noexcept;
  const std::string& warning() const noexcept { return warning_; }  ///< empty when all is well
  const std::vector<double>& factor() const noexcept {
    return factor_;
  }  ///< lower triangular L, d x d row-major
  int dimension() const noexcept { return dimension_; }

 private:
  int dimension_ = 0;
  std::vector<double> factor_;
  std::string warning_;
};

}  // namespace mensura::divergence
