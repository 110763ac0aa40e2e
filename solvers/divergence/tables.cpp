// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/tables.hpp"

#include <fmt/format.h>

#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <cstddef>

#include "divergence/compensated.hpp"
#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

using Table = std::vector<double>;

double psi(int n) {
  return boost::math::digamma(static_cast<double>(n));
}

// KL in the variational form E_P[1 + log r] - E_Q[r]; `ex`, `ey` are Y-points per X-point as seen
// by an X- and a Y-centre.
TermTables kl_terms(double ex, double ey, int k) {
  TermTables t;
  for (int n = 0; n <= k; ++n) {
    const int m = k - n;
    t.x.push_back(psi(n + 1) - psi(m + 1) + std::log(ex) + 1);
    t.y.push_back(-ey * n / (m + 1.0));
  }
  return t;
}

// The reversed divergence KL(Q||P) counts m = k - n Y-points and swaps the centrings.
TermTables jeffreys_terms(double ex, double ey, int k) {
  TermTables t = kl_terms(ex, ey, k);
  const TermTables reversed = kl_terms(1 / ey, 1 / ex, k);
  for (int n = 0; n <= k; ++n) {
    const auto i = static_cast<std::size_t>(n);
    const auto j = static_cast<std::size_t>(k - n);
    t.x[i] += reversed.y[j];
    t.y[i] += reversed.x[j];
  }
  return t;
}

// Unbiased table of log(1 - c s) for 0 <= c < 1 from n successes among k draws of probability s:
// -sum_j c^j s^j/j with s^j estimated by n(n-1)..(n-j+1)/(k(k-1)..(k-j+1)). All terms have one
// sign; what is cut off is the series beyond j = k.
double log_one_minus(double c, int n, int k) {
  CompensatedSum sum;
  double power = 1;
  for (int j = 1; j <= n; ++j) {
    power *= c * (n - j + 1.0) / (k - j + 1.0);
    sum.add(-power / j);
  }
  return sum.value();
}

// Unbiased table of log(eta s + 1 - s), s the share of X-points in the ball.
double log_mixture(double eta, int n, int k) {
  if (eta <= 1) return log_one_minus(1 - eta, n, k);
  return std::log(eta) + log_one_minus(1 - 1 / eta, k - n, k);
}

// JS = E_P[log(2r/(1+r))]/2 + E_Q[log(2/(1+r))]/2 with r = eta s/(1-s).
TermTables js_terms(double ex, double ey, int k) {
  TermTables t;
  for (int n = 0; n <= k; ++n) {
    const int m = k - n;
    t.x.push_back(0.5 *
                  (std::log(2.0) + psi(n + 1) - psi(k + 1) + std::log(ex) - log_mixture(ex, n, k)));
    t.y.push_back(0.5 * (std::log(2.0) + psi(m + 1) - psi(k + 1) - log_mixture(ey, n, k)));
  }
  return t;
}

// Gamma(n+1) Gamma(m+1)/(Gamma(n+1-b) Gamma(m+1+b)): unbiased for (s/(1-s))^b.
double power_ratio(int n, int m, double b) {
  if ((b > 0 && n == 0) || (b < 0 && m == 0)) return 0;
  return boost::math::tgamma_delta_ratio(n + 1.0, -b) * boost::math::tgamma_delta_ratio(m + 1.0, b);
}

// J_a in the variational form a E_P[r^(a-1)] + (1-a) E_Q[r^a].
TermTables j_terms(double ex, double ey, double a, int k) {
  TermTables t;
  for (int n = 0; n <= k; ++n) {
    const int m = k - n;
    t.x.push_back(a * power_ratio(n, m, a - 1) * std::pow(ex, a - 1));
    t.y.push_back((1 - a) * power_ratio(n, m, a) * std::pow(ey, a));
  }
  return t;
}

// c (J - 1) with the constant shared out as a : 1-a, so that both tables are centred and the
// exchange of P and Q (a and 1-a) exchanges the tables.
TermTables affine_j_terms(double c, TermTables t, double a) {
  for (double& value : t.x) value = c * (value - a);
  for (double& value : t.y) value = c * (value - (1 - a));
  return t;
}

// (T_K - H_k T_k): what the larger ball saves in saturation.
Table rest_table(const Table& largest, const Table& term) {
  const int big = static_cast<int>(largest.size()) - 1;
  const int k = static_cast<int>(term.size()) - 1;
  Table rest(largest.size(), 0.0);
  if (k == big) return rest;
  const std::vector<double> thin = thinning(big, k);
  for (std::size_t n = 0; n < rest.size(); ++n) {
    CompensatedSum sum;
    for (std::size_t i = 0; i < term.size(); ++i) sum.add(thin[n * term.size() + i] * term[i]);
    rest[n] = largest[n] - sum.value();
  }
  return rest;
}

// T_k^2 minus an unbiased estimate of its squared expectation: the product over two disjoint random
// halves.
Table variance_table(const Table& term, const Table& half, const Table& other_half) {
  const std::size_t k = term.size() - 1;
  const std::size_t h = half.size() - 1;
  const std::vector<double> thin = thinning(static_cast<int>(k), static_cast<int>(h));
  Table result(term.size());
  for (std::size_t n = 0; n <= k; ++n) {
    CompensatedSum squared_mean;
    for (std::size_t i = 0; i <= h && i <= n; ++i) {
      if (n - i > k - h) continue;
      squared_mean.add(thin[n * (h + 1) + i] * half[i] * other_half[n - i]);
    }
    result[n] = term[n] * term[n] - squared_mean.value();
  }
  return result;
}

void check_sizes(std::int64_t n_p, std::int64_t n_q) {
  if (n_p >= 2 && n_q >= 2) return;
  throw parallel::Error(parallel::ExitCode::usage,
                        fmt::format("one_step needs at least two points in each set; the sets have "
                                    "{} and {}",
                                    n_p, n_q));
}

}  // namespace

std::vector<double> thinning(int k, int j) {
  // Pascal's triangle: only additions of positive numbers, so every binomial is good to a few units
  // in the last place.
  const auto size = static_cast<std::size_t>(k) + 1;
  std::vector<std::vector<double>> choose(size);
  for (std::size_t p = 0; p < size; ++p) {
    choose[p].assign(p + 1, 1.0);
    for (std::size_t q = 1; q < p; ++q) choose[p][q] = choose[p - 1][q - 1] + choose[p - 1][q];
  }
  const auto ku = static_cast<std::size_t>(k);
  const auto ju = static_cast<std::size_t>(j);
  std::vector<double> result(size * (ju + 1), 0.0);
  for (std::size_t n = 0; n <= ku; ++n) {
    for (std::size_t i = 0; i <= ju && i <= n; ++i) {
      if (ju - i > ku - n) continue;
      result[n * (ju + 1) + i] = choose[n][i] * choose[ku - n][ju - i] / choose[ku][ju];
    }
  }
  return result;
}

void check_neighbours(const std::vector<int>& neighbours) {
  bool good = neighbours.size() >= 2;
  for (std::size_t i = 0; i < neighbours.size(); ++i) {
    good = good && neighbours[i] >= 2 && neighbours[i] <= 256;
    if (i > 0) good = good && neighbours[i] > neighbours[i - 1];
  }
  if (good) return;
  throw parallel::Error(
      parallel::ExitCode::usage,
      fmt::format(
          "neighbours [{}]: one_step needs at least two counts, ascending, each from 2 to 256",
          fmt::join(neighbours, ", ")));
}

TermTables term_tables(Quantity quantity, double order, std::int64_t n_p, std::int64_t n_q, int k) {
  check_order(quantity, order);
  check_sizes(n_p, n_q);
  const double n = static_cast<double>(n_p);
  const double m = static_cast<double>(n_q);
  const double ex = m / (n - 1);
  const double ey = (m - 1) / n;
  const double a = effective_order(quantity, order);
  switch (quantity) {
    case Quantity::kl:
      return kl_terms(ex, ey, k);
    case Quantity::jeffreys:
      return jeffreys_terms(ex, ey, k);
    case Quantity::js:
      return js_terms(ex, ey, k);
    case Quantity::alpha:
      return affine_j_terms(1 / (a * (a - 1)), j_terms(ex, ey, a, k), a);
    case Quantity::tsallis:
      return affine_j_terms(1 / (a - 1), j_terms(ex, ey, a, k), a);
    case Quantity::hellinger:
      return affine_j_terms(-1.0, j_terms(ex, ey, a, k), a);
    case Quantity::renyi:
    case Quantity::bhattacharyya:
      return j_terms(ex, ey, a, k);
  }
  return {};
}

CountTables count_tables(Quantity quantity, double order, std::int64_t n_p, std::int64_t n_q,
                         const std::vector<int>& neighbours) {
  check_neighbours(neighbours);
  CountTables result;
  result.neighbours = neighbours;
  const TermTables largest = term_tables(quantity, order, n_p, n_q, neighbours.back());
  for (const int k : neighbours) {
    const TermTables full = term_tables(quantity, order, n_p, n_q, k);
    const TermTables half = term_tables(quantity, order, n_p, n_q, k / 2);
    const TermTables other = term_tables(quantity, order, n_p, n_q, k - k / 2);
    result.x.term.push_back(full.x);
    result.y.term.push_back(full.y);
    result.x.rest.push_back(rest_table(largest.x, full.x));
    result.y.rest.push_back(rest_table(largest.y, full.y));
    result.x.variance.push_back(variance_table(full.x, half.x, other.x));
    result.y.variance.push_back(variance_table(full.y, half.y, other.y));
  }
  return result;
}

}  // namespace mensura::divergence
