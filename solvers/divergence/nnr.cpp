// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/nnr.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "divergence/compensated.hpp"
#include "parallel/error.hpp"

namespace mensura::divergence {
namespace {

// The f-divergence E_Q[f(r)] behind a quantity (J_a itself for the functions of J_a), with its
// derivative and the weight of Q in the influence function, h = f - r f'.
struct Generator {
  Quantity quantity;
  double order;

  double f(double r) const {
    switch (quantity) {
      case Quantity::kl:
        return r > 0 ? r * std::log(r) : 0.0;
      case Quantity::js:
        return 0.5 * ((r > 0 ? r * std::log(2 * r / (1 + r)) : 0.0) + std::log(2 / (1 + r)));
      default:
        return std::pow(r, order);
    }
  }
  double derivative(double r) const {
    switch (quantity) {
      case Quantity::kl:
        return std::log(r) + 1;
      case Quantity::js:
        return 0.5 * std::log(2 * r / (1 + r));
      default:
        return order * std::pow(r, order - 1);
    }
  }
  double rest(double r) const {
    switch (quantity) {
      case Quantity::kl:
        return -r;
      case Quantity::js:
        return 0.5 * std::log(2 / (1 + r));
      default:
        return (1 - order) * std::pow(r, order);
    }
  }
};

double clip(double r, const std::optional<double>& c) {
  return c ? std::clamp(r, *c, 1 / *c) : r;
}

template <class Function>
double mean(std::span<const std::int64_t> counts, const Function& term) {
  CompensatedSum total;
  std::int64_t points = 0;
  for (std::size_t n = 0; n < counts.size(); ++n) {
    if (counts[n] == 0) continue;
    total.add(static_cast<double>(counts[n]) * term(static_cast<int>(n)));
    points += counts[n];
  }
  return total.value() / static_cast<double>(points);
}

template <class Function>
double variance_of_mean(std::span<const std::int64_t> counts, const Function& term) {
  const double centre = mean(counts, term);
  const double spread =
      mean(counts, [&](int n) { return (term(n) - centre) * (term(n) - centre); });
  const auto points = std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  return spread / static_cast<double>(points - 1);
}

// mean over Y of f(r), r = (M/N) n/(k - n + 1).
double published(const Generator& g, const RatioCounts& counts, const std::optional<double>& c) {
  const double eta =
      static_cast<double>(counts.points(Side::y)) / static_cast<double>(counts.points(Side::x));
  return mean(counts.of(Side::y),
              [&](int n) { return g.f(clip(eta * n / (counts.k - n + 1.0), c)); });
}

// The ratio of the error bar: half a point is added to both counts, since the derivatives are
// infinite at empty ones.
double guarded(double eta, int k, int n) {
  return eta * (n + 0.5) / (k - n + 0.5);
}

struct Etas {
  double x, y;  // Y-points per X-point as an X-centre and a Y-centre see them (self excluded)
};
Etas etas(const RatioCounts& counts) {
  const auto n = static_cast<double>(counts.points(Side::x));
  const auto m = static_cast<double>(counts.points(Side::y));
  return {m / (n - 1), (m - 1) / n};
}

// Variance of E_Q[f(r)] by its influence function: f'(r) on X, f(r) - r f'(r) on Y. `both` adds the
// reversed KL (Jeffreys): -1/r on X and -log r on Y.
double influence_variance(const Generator& g, const RatioCounts& counts, bool both) {
  const Etas eta = etas(counts);
  const auto on_x = [&](int n) {
    const double r = guarded(eta.x, counts.k, n);
    return g.derivative(r) - (both ? 1 / r : 0.0);
  };
  const auto on_y = [&](int n) {
    const double r = guarded(eta.y, counts.k, n);
    return g.rest(r) - (both ? std::log(r) : 0.0);
  };
  return variance_of_mean(counts.of(Side::x), on_x) + variance_of_mean(counts.of(Side::y), on_y);
}

void check(Quantity quantity, double order, const RatioCounts& counts, const NnrOptions& options) {
  check_order(quantity, order);
  if (counts.points(Side::x) < 2 || counts.points(Side::y) < 2) {
    throw parallel::Error(parallel::ExitCode::usage, "nnr needs at least two points in each set");
  }
  if (options.density_ratio && !(*options.density_ratio > 0 && *options.density_ratio < 1)) {
    throw parallel::Error(parallel::ExitCode::usage,
                          fmt::format("density_ratio {}: C_L/C_U must lie strictly between 0 and 1",
                                      *options.density_ratio));
  }
}

// d(quantity)/dJ, for the delta method; 1 for the quantities that are f-divergences themselves.
double slope_in_j(Quantity quantity, double order, double j) {
  switch (quantity) {
    case Quantity::renyi:
      return 1 / (j * (order - 1));
    case Quantity::bhattacharyya:
      return -1 / j;
    case Quantity::alpha:
      return 1 / (order * (order - 1));
    case Quantity::tsallis:
      return 1 / (order - 1);
    case Quantity::hellinger:
      return -1;
    default:
      return 1;
  }
}

}  // namespace

RatioCounts::RatioCounts(int neighbours) : k(neighbours) {
  if (k < 1 || k > 4096) {
    throw parallel::Error(parallel::ExitCode::usage,
                          fmt::format("neighbours {}: nnr takes 2 to 4096", neighbours));
  }
  words.assign(2 * (static_cast<std::size_t>(k) + 1), 0);
}

std::span<const std::int64_t> RatioCounts::of(Side side) const noexcept {
  const std::size_t size = static_cast<std::size_t>(k) + 1;
  return {words.data() + static_cast<std::size_t>(side) * size, size};
}

std::int64_t RatioCounts::points(Side side) const noexcept {
  const auto counts = of(side);
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

RatioCounts RatioCounts::swapped() const {
  // n -> k - n reverses each half and the sides change places: together the whole array is
  // reversed.
  RatioCounts result(k);
  std::reverse_copy(words.begin(), words.end(), result.words.begin());
  return result;
}

double nnr_value(Quantity quantity, double order, const RatioCounts& counts,
                 const std::optional<double>& density_ratio) {
  if (quantity == Quantity::jeffreys) {
    const Generator kl{Quantity::kl, 0};
    return published(kl, counts, density_ratio) + published(kl, counts.swapped(), density_ratio);
  }
  const Generator g{quantity, effective_order(quantity, order)};
  const double mean_f = published(g, counts, density_ratio);
  return is_function_of_j(quantity) ? from_j(quantity, order, mean_f) : mean_f;
}

Estimate nnr(Quantity quantity, double order, const RatioCounts& full, const RatioCounts& half,
             const NnrOptions& options) {
  check(quantity, order, full, options);
  const bool both = quantity == Quantity::jeffreys;
  const Generator g{both ? Quantity::kl : quantity, effective_order(quantity, order)};
  Estimate estimate = blank_estimate(quantity, order);
  estimate.neighbours = {full.k};
  estimate.weights = {1.0};
  estimate.saturated = full.of(Side::x).back() + full.of(Side::y).front();
  const double value = nnr_value(quantity, order, full, options.density_ratio);
  const double other = nnr_value(quantity, order, half, options.density_ratio);
  double slope = 1;
  if (is_function_of_j(quantity)) {
    slope = slope_in_j(quantity, order, published(g, full, options.density_ratio));
  }
  if (!std::isfinite(value)) {
    estimate.status = "saturated: no point of the second set has a neighbour from the first";
  }
  finish(estimate, value, std::abs(slope) * std::sqrt(influence_variance(g, full, both)),
         std::abs(value - other), options.confidence);
  const auto points = static_cast<double>(full.points(Side::x) + full.points(Side::y));
  // The share from which reference implementations switch to distances (1 %).
  if (std::isfinite(value) && static_cast<double>(estimate.saturated) > 0.01 * points) {
    estimate.status = fmt::format(
        "saturated: {} points see no neighbour of the other set at k = {}; the upper end is "
        "unknown",
        estimate.saturated, full.k);
    estimate.interval[1] = Estimate::unknown;
    if (estimate.standard_error == 0.0) estimate.interval[0] = Estimate::unknown;
  }
  return estimate;
}

}  // namespace mensura::divergence
