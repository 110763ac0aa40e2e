// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/one_step.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "divergence/compensated.hpp"
#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

using Table = std::vector<double>;
constexpr int largest_dimension =
    10;  // between the measured 8 (extrapolation wins) and 16 (it loses)
constexpr double smallest_j = 1e-300;

bool is_logarithmic(Quantity quantity) {
  return quantity == Quantity::renyi || quantity == Quantity::bhattacharyya;
}

// Sums of table entries over the points of one side, in a fixed order of integers times numbers.
class SideMoments {
 public:
  SideMoments(const SideTables& tables, const CountHistograms& histograms, Side side)
      : histograms_(histograms),
        side_(side),
        points_(static_cast<double>(histograms.points(side))) {
    const std::size_t n = histograms.neighbours().size();
    for (std::size_t i = 0; i < n; ++i) {
      term_mean_.push_back(mean(i, tables.term[i]));
      rest_mean_.push_back(mean(n - 1, tables.rest[i]));
      variance_mean_.push_back(mean(i, tables.variance[i]));
      term_.push_back(centred(tables.term[i], term_mean_[i]));
      rest_.push_back(centred(tables.rest[i], rest_mean_[i]));
    }
  }
  double points() const { return points_; }
  double term_mean(std::size_t i) const { return term_mean_[i]; }
  double rest_mean(std::size_t i) const { return rest_mean_[i]; }
  double variance_mean(std::size_t i) const { return variance_mean_[i]; }
  // Sample covariance of T_i(n_i) and T_j(n_j).
  double plain_covariance(std::size_t i, std::size_t j) const {
    return sum(i, term_[i], j, term_[j]) / (points_ - 1);
  }
  // Sample covariance of u_i and u_j, u_k = T_k(n_k) + (T_K - H_k T_k)(n_K).
  double covariance(std::size_t i, std::size_t j) const {
    const std::size_t last = term_.size() - 1;
    CompensatedSum total;
    total.add(sum(i, term_[i], j, term_[j]));
    total.add(sum(i, term_[i], last, rest_[j]));
    total.add(sum(last, rest_[i], j, term_[j]));
    total.add(sum(last, rest_[i], last, rest_[j]));
    return total.value() / (points_ - 1);
  }

 private:
  static Table centred(Table table, double mean) {
    for (double& value : table) value -= mean;
    return table;
  }
  double mean(std::size_t i, const Table& table) const {
    const auto counts = histograms_.marginal(side_, i);
    CompensatedSum total;
    for (std::size_t n = 0; n < table.size(); ++n) {
      if (counts[n] != 0) total.add(static_cast<double>(counts[n]) * table[n]);
    }
    return total.value() / points_;
  }
  // Sum over points of f(n_i) g(n_j).
  double sum(std::size_t i, const Table& f, std::size_t j, const Table& g) const {
    if (i > j) return sum(j, g, i, f);
    CompensatedSum total;
    if (i == j) {
      const auto counts = histograms_.marginal(side_, i);
      for (std::size_t n = 0; n < f.size(); ++n) {
        if (counts[n] != 0) total.add(static_cast<double>(counts[n]) * f[n] * g[n]);
      }
      return total.value();
    }
    const auto counts = histograms_.joint(side_, i, j);
    for (std::size_t n = 0; n < f.size(); ++n) {
      for (std::size_t l = 0; l < g.size(); ++l) {
        const std::int64_t count = counts[n * g.size() + l];
        if (count != 0) total.add(static_cast<double>(count) * f[n] * g[l]);
      }
    }
    return total.value();
  }

  const CountHistograms& histograms_;
  Side side_;
  double points_;
  std::vector<double> term_mean_, rest_mean_, variance_mean_;
  std::vector<Table> term_, rest_;
};

// J -> log(J)/(a-1) (halved for bhattacharyya) with the delta method.
void take_logarithm(Profile& p, const std::vector<double>& plain, double scale) {
  const std::size_t n = p.value.size();
  std::vector<double> slope(n);
  for (std::size_t i = 0; i < n; ++i) {
    const double corrected = std::max(p.value[i], smallest_j);
    slope[i] = scale / corrected;
    p.saturation[i] = scale * (std::log(corrected) - std::log(std::max(plain[i], smallest_j)));
    p.value[i] = scale * std::log(corrected);
  }
  for (std::size_t i = 0; i < n; ++i) {
    p.ball_noise[i] *= slope[n - 1] * slope[n - 1];
    for (std::size_t j = 0; j < n; ++j) p.covariance[i * n + j] *= slope[i] * slope[j];
  }
}

double log_scale(Quantity quantity, double order) {
  return quantity == Quantity::bhattacharyya ? -1.0 : 1 / (order - 1);
}

// The rule beyond intrinsic dimension 10, with the same choice between the two fits as measured.
struct Fallback {
  double value, standard_error, bias_bar;
  std::vector<double> weights;
};

Fallback fall_back(Quantity quantity, double order, const CountMoments& m, int dimension) {
  const auto& ks = m.corrected.neighbours;
  ConstrainedFit bound = least_squares(ks, m.plain, m.plain_covariance, dimension, dimension >= 3);
  ConstrainedFit free = least_squares(ks, m.plain, m.plain_covariance, dimension, false);
  if (is_logarithmic(quantity)) {
    const double scale = log_scale(quantity, order);
    for (ConstrainedFit* fit : {&bound, &free}) {
      const double j = std::max(fit->value, smallest_j);
      fit->value = scale * std::log(j);
      fit->standard_error *= std::abs(scale) / j;
    }
  }
  const double bar = std::abs(bound.value - free.value);
  ConstrainedFit& chosen = bar < free.standard_error ? free : bound;
  return {chosen.value, chosen.standard_error, bar, std::move(chosen.weights)};
}

bool lower_bound_only(Quantity quantity, const Balance& z) {
  constexpr double threshold = -0.25;
  switch (quantity) {
    case Quantity::kl:
      return z.z1 < threshold;
    case Quantity::jeffreys:
      return z.z1 < threshold || z.z2 < threshold;
    default:
      return z.z1 < threshold && z.z2 < threshold;
  }
}

std::string explain(const std::string& flags, int k) {
  std::vector<std::string> texts;
  for (const char flag : flags) {
    if (flag == 'L') {
      texts.emplace_back(
          "lower bound only: one set has mass where the other has no points, the upper end of the "
          "interval is unknown");
    } else if (flag == 'S') {
      texts.push_back(fmt::format(
          "saturated: many neighbourhoods of {} hold one set only, the largest ratios are not "
          "resolved",
          k));
    } else if (flag == 'E') {
      texts.emplace_back("mostly extrapolated: the value differs much from the fit without slope");
    } else if (flag == 'H') {
      texts.emplace_back(
          "high dimension: intrinsic dimension above 10, constrained least squares instead of the "
          "extrapolation");
    }
  }
  return texts.empty() ? "ok" : fmt::format("{}", fmt::join(texts, "; "));
}

// No neighbourhood (or next to none) mixes the sets: the logarithm of J has no finite estimate.
Estimate separated(Estimate estimate, double value) {
  estimate.flags = "LS";
  estimate.value = value;
  estimate.status =
      "saturated: the neighbourhoods hold one set only, the counts cannot resolve the divergence; "
      "use wkv (kl, jeffreys) or more points";
  return estimate;
}

CountMoments moments_of(Quantity quantity, double order, const CountHistograms& histograms) {
  return moments(count_tables(quantity, order, histograms.points(Side::x),
                              histograms.points(Side::y), histograms.neighbours()),
                 histograms);
}

Profile in_divergence_units(Quantity quantity, double order, const CountMoments& m) {
  Profile result = m.corrected;
  if (is_logarithmic(quantity)) take_logarithm(result, m.plain, log_scale(quantity, order));
  return result;
}

}  // namespace

CountMoments moments(const CountTables& tables, const CountHistograms& histograms) {
  const SideMoments x(tables.x, histograms, Side::x);
  const SideMoments y(tables.y, histograms, Side::y);
  const std::size_t n = tables.neighbours.size();
  CountMoments m;
  m.plain_covariance.resize(n * n);
  m.corrected.neighbours = tables.neighbours;
  m.corrected.covariance.resize(n * n);
  for (std::size_t i = 0; i < n; ++i) {
    m.plain.push_back(x.term_mean(i) + y.term_mean(i));
    m.corrected.saturation.push_back(x.rest_mean(i) + y.rest_mean(i));
    m.corrected.value.push_back(m.plain[i] + m.corrected.saturation[i]);
    m.corrected.ball_noise.push_back(
        std::max(0.0, x.variance_mean(i) / x.points() + y.variance_mean(i) / y.points()));
    for (std::size_t j = 0; j <= i; ++j) {
      const double plain =
          x.plain_covariance(i, j) / x.points() + y.plain_covariance(i, j) / y.points();
      const double full = x.covariance(i, j) / x.points() + y.covariance(i, j) / y.points();
      m.plain_covariance[i * n + j] = m.plain_covariance[j * n + i] = plain;
      m.corrected.covariance[i * n + j] = m.corrected.covariance[j * n + i] = full;
    }
  }
  return m;
}

Profile profile(Quantity quantity, double order, const CountHistograms& histograms) {
  return in_divergence_units(quantity, order, moments_of(quantity, order, histograms));
}

Balance balance(const CountHistograms& histograms) {
  const std::size_t last = histograms.neighbours().size() - 1;
  const int k = histograms.neighbours().back();
  const double n_p = static_cast<double>(histograms.points(Side::x));
  const double n_q = static_cast<double>(histograms.points(Side::y));
  const auto cx = histograms.marginal(Side::x, last);
  const auto cy = histograms.marginal(Side::y, last);
  CompensatedSum ratio, inverse;
  for (int n = 0; n <= k; ++n) {
    const auto i = static_cast<std::size_t>(n);
    ratio.add(static_cast<double>(cy[i]) * n / (k - n + 1.0));
    inverse.add(static_cast<double>(cx[i]) * (k - n) / (n + 1.0));
  }
  return {(n_q - 1) / n_p * ratio.value() / n_q - 1, (n_p - 1) / n_q * inverse.value() / n_p - 1};
}

Estimate one_step(Quantity quantity, double order, const CountHistograms& histograms, int dimension,
                  int intrinsic, double confidence) {
  Estimate estimate = blank_estimate(quantity, order);
  estimate.neighbours = histograms.neighbours();
  estimate.intrinsic_dimension = intrinsic;
  estimate.saturated = histograms.saturated();
  const CountMoments m = moments_of(quantity, order, histograms);
  const auto& j = m.corrected.value;
  if (is_logarithmic(quantity) && *std::min_element(j.begin(), j.end()) <= smallest_j) {
    return separated(std::move(estimate), from_j(quantity, order, 0));
  }
  const Profile prof = in_divergence_units(quantity, order, m);
  const Extrapolation fit = extrapolate(prof, intrinsic);
  estimate.profile = prof.value;
  estimate.weights = fit.weights;
  estimate.unextrapolated = fit.unextrapolated;
  if (fit.degenerate) return separated(std::move(estimate), fit.value);

  double value = fit.value, error = fit.standard_error, bar = fit.bias_bar;
  const bool high = intrinsic > largest_dimension;
  if (high) {
    Fallback old = fall_back(quantity, order, m, dimension);
    value = old.value, error = old.standard_error, bar = old.bias_bar;
    estimate.weights = std::move(old.weights);
  }
  const double sat = std::abs(prof.saturation[saturation_index(prof.neighbours)]);
  const double pulled = std::abs(value - fit.unextrapolated);
  const bool lower = lower_bound_only(quantity, balance(histograms));
  if (lower) estimate.flags += 'L';
  if (sat > std::max(0.08 * std::abs(value), error)) estimate.flags += 'S';
  if (high) {
    estimate.flags += 'H';
  } else if (pulled > std::max(0.25 * std::abs(value), 2 * error)) {
    estimate.flags += 'E';
  }
  estimate.status = explain(estimate.flags, estimate.neighbours.back());
  finish(estimate, value, error, bar, confidence);
  if (lower) estimate.interval[1] = Estimate::unknown;
  return estimate;
}

}  // namespace mensura::divergence
