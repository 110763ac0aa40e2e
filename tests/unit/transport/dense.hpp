// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "output/field_writer.hpp"
#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"
#include "parallel/random.hpp"
#include "transport/cloud.hpp"

namespace mensura::test {

/// A weighted point set that every rank knows in full.
struct Measure {
  int dimension = 1;
  std::vector<double> coordinates, mass;
  std::vector<std::uint64_t> ids;
  std::size_t size() const { return mass.size(); }
  const double* operator[](std::size_t i) const {
    return &coordinates[i * static_cast<std::size_t>(dimension)];
  }
};

/// Uniform points of the unit cube, masses between 0.1 and 1.1 of the mean, sum one.
inline Measure random_measure(int dimension, std::size_t count, std::uint64_t seed) {
  const parallel::Stream stream(seed, "test", "measure");
  Measure result{dimension, {}, {}, std::vector<std::uint64_t>(count)};
  std::iota(result.ids.begin(), result.ids.end(), std::uint64_t{0});
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    for (int a = 0; a <= dimension; ++a) {
      const double u = stream.uniform(i, static_cast<std::uint64_t>(a));
      (a < dimension ? result.coordinates : result.mass).push_back(a < dimension ? u : 0.1 + u);
    }
    sum += result.mass.back();
  }
  for (double& m : result.mass) m /= sum;
  return result;
}

/// The pixels of a grid (slowest axis first) where `density` of the coordinates is positive, mass
/// one in total.
inline Measure grid_measure(const output::RegularGrid& grid,
                            const std::function<double(const std::vector<double>&)>& density) {
  Measure result{static_cast<int>(grid.shape.size()), {}, {}, {}};
  const std::int64_t total =
      std::accumulate(grid.shape.begin(), grid.shape.end(), std::int64_t{1}, std::multiplies<>());
  double sum = 0;
  for (std::int64_t id = 0; id < total; ++id) {
    std::vector<double> x(grid.shape.size());
    std::int64_t rest = id;
    for (std::size_t a = x.size(); a-- > 0; rest /= grid.shape[a]) {
      x[a] = grid.origin[a] + static_cast<double>(rest % grid.shape[a]) * grid.spacing[a];
    }
    const double value = density(x);
    if (!(value > 0)) continue;
    result.coordinates.insert(result.coordinates.end(), x.begin(), x.end());
    result.mass.push_back(value);
    result.ids.push_back(static_cast<std::uint64_t>(id));
    sum += value;
  }
  for (double& m : result.mass) m /= sum;
  return result;
}

/// Collective. The measure as a distributed cloud.
inline transport::Cloud cloud_of(const parallel::Communicator& comm, const Measure& measure) {
  const parallel::Blocks blocks{static_cast<std::int64_t>(measure.size()), comm.size()};
  const auto first = static_cast<std::size_t>(blocks.begin(comm.rank()));
  const auto own = static_cast<std::size_t>(blocks.size(comm.rank()));
  const auto d = static_cast<std::size_t>(measure.dimension);
  const auto from = measure.coordinates.begin() + static_cast<std::ptrdiff_t>(first * d);
  return transport::make_cloud(
      comm, measure.dimension, {from, from + static_cast<std::ptrdiff_t>(own * d)},
      std::span(measure.mass).subspan(first, own), std::span(measure.ids).subspan(first, own));
}

/// Own points' places in the measure: ids ascend there.
inline std::vector<std::size_t> places(const transport::Cloud& cloud, const Measure& measure) {
  std::vector<std::size_t> result;
  for (const std::uint64_t id : cloud.ids) {
    result.push_back(
        static_cast<std::size_t>(std::ranges::lower_bound(measure.ids, id) - measure.ids.begin()));
  }
  return result;
}

/// Collective. Own values as all of them, in the measure's order.
inline std::vector<double> everywhere(const parallel::Communicator& comm,
                                      const transport::Cloud& cloud, const Measure& measure,
                                      std::span<const double> own) {
  return transport::values_at(comm, cloud.ids, own, 1, measure.ids);
}

using Wide = long double;
using PairCost = std::function<Wide(const double*, const double*)>;

/// -eps log sum_y m(y) exp((g(y) - c(x, y)) / eps) for the points `rows` of x, in long double.
inline std::vector<double> dense_soft(const Measure& x, const Measure& y,
                                      std::span<const std::size_t> rows, double epsilon,
                                      std::span<const double> g, const PairCost& cost) {
  std::vector<double> result;
  std::vector<Wide> exponents(y.size());
  for (const std::size_t i : rows) {
    Wide top = -std::numeric_limits<Wide>::infinity(), sum = 0;
    for (std::size_t j = 0; j < y.size(); ++j) {
      exponents[j] = std::log(static_cast<Wide>(y.mass[j])) + (g[j] - cost(x[i], y[j])) / epsilon;
      top = std::max(top, exponents[j]);
    }
    for (const Wide e : exponents) sum += std::exp(e - top);
    result.push_back(static_cast<double>(-epsilon * (top + std::log(sum))));
  }
  return result;
}

/// The same for all points of x.
inline std::vector<double> dense_soft(const Measure& x, const Measure& y, double epsilon,
                                      std::span<const double> g, const PairCost& cost) {
  std::vector<std::size_t> rows(x.size());
  std::iota(rows.begin(), rows.end(), std::size_t{0});
  return dense_soft(x, y, rows, epsilon, g, cost);
}

/// Collective. The linear cost of the plan whose rows are exact, f being that of dense_soft: every
/// rank sums over its `rows`.
inline double dense_cost(const parallel::Communicator& comm, const Measure& x, const Measure& y,
                         std::span<const std::size_t> rows, double epsilon,
                         std::span<const double> f, std::span<const double> g,
                         const PairCost& cost) {
  Wide sum = 0;
  for (std::size_t k = 0; k < rows.size(); ++k) {
    for (std::size_t j = 0; j < y.size(); ++j) {
      const Wide c = cost(x[rows[k]], y[j]), exponent = (Wide(f[k]) + g[j] - c) / epsilon;
      if (exponent > -700) sum += Wide(x.mass[rows[k]]) * y.mass[j] * c * std::exp(exponent);
    }
  }
  parallel::ExactSum total;
  total.add(static_cast<double>(sum));
  parallel::reduce(comm, {&total, 1});
  return total.value();
}

/// The plan of two potentials as sums: total mass, linear cost, marginals.
struct DensePlan {
  double mass = 0, cost = 0, kl = 0;
  std::vector<double> rows, columns, row_mean;  ///< of the first coordinate of y
};
inline DensePlan dense_plan(const Measure& x, const Measure& y, double epsilon,
                            std::span<const double> f, std::span<const double> g,
                            const PairCost& cost) {
  DensePlan plan;
  std::vector<Wide> columns(y.size(), 0);
  Wide total = 0, linear = 0, divergence = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    Wide row = 0, mean = 0;
    for (std::size_t j = 0; j < y.size(); ++j) {
      const Wide c = cost(x[i], y[j]), exponent = (Wide(f[i]) + g[j] - c) / epsilon;
      const Wide p = Wide(x.mass[i]) * y.mass[j] * std::exp(exponent);
      row += p;
      mean += p * y[j][0];
      columns[j] += p;
      linear += p * c;
      divergence += p * (exponent - 1) + Wide(x.mass[i]) * y.mass[j];
    }
    total += row;
    plan.rows.push_back(static_cast<double>(row));
    plan.row_mean.push_back(static_cast<double>(mean / row));
  }
  plan.mass = static_cast<double>(total);
  plan.cost = static_cast<double>(linear);
  plan.kl = static_cast<double>(divergence);
  for (const Wide c : columns) plan.columns.push_back(static_cast<double>(c));
  return plan;
}

}  // namespace mensura::test
