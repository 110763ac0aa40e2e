// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "divergence/estimate.hpp"
#include "divergence/histograms.hpp"
#include "parallel/exact_sum.hpp"

namespace mensura::divergence {

/// Exact sums of the fixed-k distance estimator (Wang, Kulkarni, Verdu 2009) for both centrings.
class WkvSums {
 public:
  WkvSums(int k, int dimension);
  int k() const noexcept { return k_; }
  /// Local. Squared distances from a centre to its k-th and 2k-th neighbour in its own set (self
  /// excluded) and in the other set; `multiplicity` equal points.
  void add(Side side, double own_k2, double other_k2, double own_2k2, double other_2k2,
           std::int64_t multiplicity = 1) noexcept;
  /// For parallel::reduce.
  std::span<parallel::ExactSum> sums() noexcept { return sums_; }
  std::span<const parallel::ExactSum> sums() const noexcept { return sums_; }
  /// Points added and points with a coincident k-th neighbour, x then y: sum over ranks and
  /// batches.
  std::span<std::int64_t> counts() noexcept { return counts_; }
  std::span<const std::int64_t> counts() const noexcept { return counts_; }
  WkvSums swapped() const;  ///< roles of the sets exchanged: for D(q||p)

  /// Local. kl or jeffreys (others throw Error{usage}). KL = (d/N) sum log(nu_k/rho_k) +
  /// log(M/(N-1)). se^2 = Var_X(log-ratio terms)/N + Var_Y(r)/M + 0.6 psi'(k) (1/N + 1/M):
  /// influence function with the ratio r(Y) = (k-1)/k (M-1)/N (nu'/rho')^d freed of its noise at
  /// fixed k, plus the noise that close centres share (KL only). Bias bar |D_k - D_2k|. A
  /// coincident k-th neighbour makes the value NaN and the status says how many.
  Estimate estimate(Quantity quantity, double confidence = 0.95) const;

 private:
  static constexpr std::size_t per_side = 6;  ///< l_k, l_k^2, l_2k, e^-l, e^-2l, l e^-l
  int k_;
  int dimension_;
  std::array<parallel::ExactSum, 2 * per_side> sums_;
  std::array<std::int64_t, 4> counts_{};  ///< points x, points y, coincident x, coincident y
};

}  // namespace mensura::divergence
