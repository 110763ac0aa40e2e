// SPDX-License-Identifier: BSD-3-Clause
// The tables are unbiased under binomial counts: expectations over Bin(k, s) against the function
// they stand for.
#include "divergence/tables.hpp"

#include <gtest/gtest.h>

#include <boost/math/distributions/binomial.hpp>
#include <cmath>
#include <functional>

#include "divergence/one_step.hpp"
#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

double expectation(const std::vector<double>& table, double s) {
  const auto k = static_cast<double>(table.size() - 1);
  const boost::math::binomial_distribution<double> law(k, s);
  double total = 0;
  for (std::size_t n = 0; n < table.size(); ++n) {
    total += boost::math::pdf(law, static_cast<double>(n)) * table[n];
  }
  return total;
}

struct Expected {
  Quantity quantity;
  double order;
  // D = E_P[x(r)] + E_Q[y(r)] in the variational form.
  std::function<double(double)> x, y;
};

std::vector<Expected> forms() {
  const auto j_x = [](double a) { return [a](double r) { return a * std::pow(r, a - 1); }; };
  const auto j_y = [](double a) { return [a](double r) { return (1 - a) * std::pow(r, a); }; };
  std::vector<Expected> list = {
      {Quantity::kl, 0, [](double r) { return std::log(r) + 1; }, [](double r) { return -r; }},
      {Quantity::jeffreys, 0, [](double r) { return std::log(r) + 1 - 1 / r; },
       [](double r) { return 1 - std::log(r) - r; }},
      {Quantity::js, 0, [](double r) { return 0.5 * std::log(2 * r / (1 + r)); },
       [](double r) { return 0.5 * std::log(2 / (1 + r)); }},
      {Quantity::hellinger, 0.5, [](double r) { return 0.5 - 0.5 / std::sqrt(r); },
       [](double r) { return 0.5 - 0.5 * std::sqrt(r); }},
      {Quantity::bhattacharyya, 0.5, j_x(0.5), j_y(0.5)}};
  for (const double a : {0.2, 0.5, 0.85}) {
    list.push_back({Quantity::renyi, a, j_x(a), j_y(a)});
    list.push_back({Quantity::alpha, a, [=](double r) { return (j_x(a)(r) - a) / (a * (a - 1)); },
                    [=](double r) { return (j_y(a)(r) - (1 - a)) / (a * (a - 1)); }});
    list.push_back({Quantity::tsallis, a, [=](double r) { return (j_x(a)(r) - a) / (a - 1); },
                    [=](double r) { return (j_y(a)(r) - (1 - a)) / (a - 1); }});
  }
  return list;
}

// N != M both ways, so that eta is below and above one.
const std::vector<std::pair<std::int64_t, std::int64_t>> sizes = {
    {500, 500}, {400, 900}, {900, 350}};

TEST(Tables, AreUnbiasedUpToTheSaturationTerms) {
  for (const auto& [n_p, n_q] : sizes) {
    const double ex = static_cast<double>(n_q) / static_cast<double>(n_p - 1);
    const double ey = static_cast<double>(n_q - 1) / static_cast<double>(n_p);
    for (const Expected& form : forms()) {
      for (const int k : {24, 64}) {
        const TermTables t = term_tables(form.quantity, form.order, n_p, n_q, k);
        for (const double s : {0.35, 0.5, 0.62}) {
          // What the tables leave out is s^k and (1-s)^k times the largest ratio in play, about k;
          // rounding adds 1e-13.
          const double tail = std::pow(std::max(s, 1 - s), k);
          const double bound = 4 * k * tail + 1e-13;
          const double odds = s / (1 - s);
          EXPECT_NEAR(expectation(t.x, s), form.x(ex * odds), bound)
              << name_of(form.quantity) << " x k " << k << " s " << s;
          EXPECT_NEAR(expectation(t.y, s), form.y(ey * odds), bound)
              << name_of(form.quantity) << " y k " << k << " s " << s;
        }
      }
    }
  }
}

TEST(Tables, JensenShannonStaysFiniteAndBoundedFarFromBalance) {
  for (const auto& [n_p, n_q] :
       std::vector<std::pair<std::int64_t, std::int64_t>>{{10, 100000}, {100000, 10}}) {
    const TermTables t = term_tables(Quantity::js, 0, n_p, n_q, 64);
    for (std::size_t n = 0; n <= 64; ++n) {
      ASSERT_TRUE(std::isfinite(t.x[n]));
      // Each half is a logarithm of at most 2 in expectation; a table may overshoot by its own
      // noise, never by much.
      EXPECT_LT(t.x[n], 0.5 * std::log(2.0) + 1e-12);
      EXPECT_LT(t.y[n], 0.5 * std::log(2.0) + 1e-12);
    }
  }
}

TEST(Tables, ThinningIsHypergeometric) {
  for (const auto& [k, j] :
       std::vector<std::pair<int, int>>{{64, 8}, {64, 63}, {9, 4}, {256, 128}}) {
    const auto thin = thinning(k, j);
    for (int n = 0; n <= k; ++n) {
      double sum = 0, mean = 0;
      for (int i = 0; i <= j; ++i) {
        const double p = thin[static_cast<std::size_t>(n * (j + 1) + i)];
        sum += p;
        mean += p * i;
      }
      // Each binomial carries up to k roundings of 1e-16.
      EXPECT_NEAR(sum, 1, 1e-13);
      EXPECT_NEAR(mean, static_cast<double>(n) * j / k, 1e-11);
    }
  }
}

TEST(Tables, VarianceIsThatOfTheBinomial) {
  const std::vector<int> ks = {24, 25, 64};  // 25: the halves differ
  for (const Quantity quantity : {Quantity::kl, Quantity::js, Quantity::hellinger}) {
    const CountTables t = count_tables(quantity, 0.5, 500, 700, ks);
    for (std::size_t i = 0; i < ks.size(); ++i) {
      for (const double s : {0.4, 0.5, 0.6}) {
        std::vector<double> squared;
        for (const double value : t.x.term[i]) squared.push_back(value * value);
        const double mean = expectation(t.x.term[i], s);
        const double variance = expectation(squared, s) - mean * mean;
        // The halves saturate at s^(k/2): 0.6^12 = 2e-3 times a ratio of about 12.
        const double tail = std::pow(std::max(s, 1 - s), ks[i] / 2);
        EXPECT_NEAR(expectation(t.x.variance[i], s), variance,
                    8 * ks[i] * tail * std::abs(variance) + tail);
      }
    }
  }
}

TEST(Tables, RestHasTheSaturationOfTheSmallBallWithTheOppositeSign) {
  // E over Bin(K, s) of T_K - H_k T_k is E_K T_K - E_k T_k exactly: labels in the ball are
  // exchangeable.
  const CountTables t = count_tables(Quantity::kl, 0, 500, 500, default_neighbours);
  for (std::size_t i = 0; i < default_neighbours.size(); ++i) {
    for (const double s : {0.1, 0.5, 0.93}) {
      EXPECT_NEAR(expectation(t.x.rest[i], s),
                  expectation(t.x.term.back(), s) - expectation(t.x.term[i], s), 1e-12);
    }
  }
}

TEST(Tables, ExchangeOfTheSetsExchangesSymmetricTables) {
  struct Pair {
    Quantity quantity;
    double order, mirrored;
  };
  for (const Pair& q : {Pair{Quantity::jeffreys, 0, 0}, Pair{Quantity::js, 0, 0},
                        Pair{Quantity::hellinger, 0, 0}, Pair{Quantity::alpha, 0.3, 0.7}}) {
    const TermTables t = term_tables(q.quantity, q.order, 400, 900, 32);
    const TermTables r = term_tables(q.quantity, q.mirrored, 900, 400, 32);
    for (std::size_t n = 0; n <= 32; ++n) {
      // eta and 1/eta are rounded separately: a few units in the last place.
      EXPECT_NEAR(t.x[n], r.y[32 - n], 1e-12 * (1 + std::abs(t.x[n])));
      EXPECT_NEAR(t.y[n], r.x[32 - n], 1e-12 * (1 + std::abs(t.y[n])));
    }
  }
}

TEST(Tables, RefuseWrongInput) {
  EXPECT_THROW(check_neighbours({8}), parallel::Error);
  EXPECT_THROW(check_neighbours({8, 8}), parallel::Error);
  EXPECT_THROW(check_neighbours({1, 8}), parallel::Error);
  EXPECT_THROW(check_neighbours({8, 257}), parallel::Error);
  EXPECT_NO_THROW(check_neighbours({2, 256}));
  EXPECT_THROW(term_tables(Quantity::kl, 0, 1, 5, 8), parallel::Error);
  for (const double order : {0.0, 1.0, -0.5, 2.0, std::nan("")}) {
    EXPECT_THROW(term_tables(Quantity::renyi, order, 5, 5, 8), parallel::Error);
  }
}

}  // namespace
}  // namespace mensura::divergence
