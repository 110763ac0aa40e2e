// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <vector>

#include "divergence/quantity.hpp"

namespace mensura::divergence {

/// Tables of one centring (X: points of P; Y: points of Q), indexed by the position of k in the
/// list and by n = number of X-points among the k nearest.
struct SideTables {
  std::vector<std::vector<double>> term;  ///< T_k(n), n = 0..k
  std::vector<std::vector<double>>
      rest;  ///< (T_K - H_k T_k)(n), n = 0..K, K the largest k; zero for k = K
  std::vector<std::vector<double>>
      variance;  ///< w_k(n), n = 0..k: unbiased binomial variance of T_k
};

/// The one-step form of an f-divergence as tables on counts: D = mean_X T^X(n) + mean_Y T^Y(n),
/// exactly unbiased under binomial counts up to terms p'^k, (1-p')^k. For renyi and bhattacharyya
/// the tables are those of J_a itself.
struct CountTables {
  std::vector<int> neighbours;
  SideTables x, y;
};

/// Local. `neighbours` ascending, each 2..256. N points of P, M of Q (both at least 2).
/// Throws Error{usage}.
CountTables count_tables(Quantity quantity, double order, std::int64_t n_p, std::int64_t n_q,
                         const std::vector<int>& neighbours);

/// One pair of base tables T_k^X, T_k^Y (n = 0..k).
struct TermTables {
  std::vector<double> x, y;
};
TermTables term_tables(Quantity quantity, double order, std::int64_t n_p, std::int64_t n_q, int k);

/// Hypergeometric thinning: result[n * (j+1) + i] = probability that i of the n X-labels survive
/// when j of k neighbours are kept at random, n = 0..k, i = 0..j.
std::vector<double> thinning(int k, int j);

/// Throws Error{usage} unless ascending and each within 2..256.
void check_neighbours(const std::vector<int>& neighbours);

}  // namespace mensura::divergence
