// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <array>
#include <cmath>

#include "parallel/exact_sum.hpp"
#include "parallel/random.hpp"
#include "transport/line_coupling.hpp"
#include "transport/line_measure.hpp"

namespace mensura::transport {

namespace {

using parallel::Communicator;
using parallel::ExactSum;

std::vector<double> direction(const parallel::Stream& stream, std::int64_t number, int dimension) {
  std::vector<double> result(static_cast<std::size_t>(dimension));
  double square = 0;
  for (std::size_t k = 0; k < result.size(); ++k) {
    result[k] = stream.normal(static_cast<std::uint64_t>(number), k);
    square += result[k] * result[k];
  }
  for (double& entry : result) entry /= std::sqrt(square);
  return result;
}

void project(std::span<const double> points, std::span<const double> onto,
             std::vector<double>& result) {
  for (std::size_t i = 0; i < result.size(); ++i) {
    double sum = 0;
    for (std::size_t k = 0; k < onto.size(); ++k) sum += points[i * onto.size() + k] * onto[k];
    result[i] = sum;
  }
}

// First and second moments of a measure: mean by axis and trace of the covariance.
struct Moments {
  std::vector<double> mean;
  double trace = 0;
};

Moments moments(const Communicator& comm, const Weighted& points, std::size_t dimension,
                double total) {
  Moments result;
  std::vector<ExactSum> sums;
  parallel::agree(comm, [&] {
    sums.resize(dimension);
    result.mean.resize(dimension);
  });
  for (std::size_t i = 0; i < points.positions.size(); ++i) {
    sums[i % dimension].add(points.mass[i / dimension] / total * points.positions[i]);
  }
  parallel::reduce(comm, sums);
  for (std::size_t k = 0; k < dimension; ++k) result.mean[k] = sums[k].value();
  ExactSum squares;
  for (std::size_t i = 0; i < points.positions.size(); ++i) {
    const double offset = points.positions[i] - result.mean[i % dimension];
    squares.add(points.mass[i / dimension] / total * offset * offset);
  }
  parallel::reduce(comm, std::span<ExactSum>(&squares, 1));
  result.trace = squares.value();
  return result;
}

double dot(std::span<const double> x, std::span<const double> y) {
  double sum = 0;
  for (std::size_t k = 0; k < x.size(); ++k) sum += x[k] * y[k];
  return sum;
}

// Of one direction, per unit of mass: the line's cost, the squared distance of the means and the
// sum of the variances of the projections. The proxies' span is that of the last two.
struct Sample {
  double cost, lower, spread;
};

// Least squares of the cost on the two centred variates by modified Gram-Schmidt; a variate that
// does not vary beside the first is left out.
Sliced regression(std::span<const Sample> samples, double mean_lower, double mean_spread) {
  const auto count = static_cast<double>(samples.size());
  const auto average = [&](auto value) {
    ExactSum sum;
    for (const auto& sample : samples) sum.add(value(sample));
    return sum.value() / count;
  };
  const Sample centre{average([](const Sample& s) { return s.cost; }),
                      average([](const Sample& s) { return s.lower; }),
                      average([](const Sample& s) { return s.spread; })};
  std::vector<Sample> rest;
  for (const auto& s : samples) {
    rest.push_back({s.cost - centre.cost, s.lower - centre.lower, s.spread - centre.spread});
  }
  const auto product = [&](double Sample::* x, double Sample::* y) {
    ExactSum sum;
    for (const auto& s : rest) sum.add(s.*x * s.*y);
    return sum.value();
  };
  Sliced result;
  result.directions = static_cast<std::int64_t>(samples.size());
  result.plain = centre.cost;
  const double variation = product(&Sample::cost, &Sample::cost);
  result.plain_standard_error = std::sqrt(variation / (count - 1) / count);
  // Errors of the variates' averages, which the regression takes off; the second variate is made
  // orthogonal to the first.
  double error_lower = centre.lower - mean_lower, error_spread = centre.spread - mean_spread;
  const double floor = 1e-24;  // squared roundings: nothing but noise varies below
  double correction = 0, leverage = 1 / count;
  int coefficients = 1;
  const auto take_off = [&](double Sample::* variate, double error, double square) {
    const double coefficient = product(variate, &Sample::cost) / square;
    for (auto& s : rest) s.cost -= coefficient * s.*variate;
    correction += coefficient * error;
    leverage += error * error / square;
    ++coefficients;
  };
  const double lower = product(&Sample::lower, &Sample::lower);
  if (lower > floor * count * mean_lower * mean_lower) {
    const double slope = product(&Sample::spread, &Sample::lower) / lower;
    take_off(&Sample::lower, error_lower, lower);
    for (auto& s : rest) s.spread -= slope * s.lower;
    error_spread -= slope * error_lower;
  }
  const double spread = product(&Sample::spread, &Sample::spread);
  if (spread > floor * count * mean_spread * mean_spread) {
    take_off(&Sample::spread, error_spread, spread);
  }
  result.value = centre.cost - correction;
  const double residual = product(&Sample::cost, &Sample::cost) / (count - coefficients);
  result.standard_error = std::sqrt(residual * leverage);
  return result;
}

// Variance of a measure's projections, added to what `sum` holds.
void add_variance(std::span<const double> projections, std::span<const double> mass, double mean,
                  double total, ExactSum& sum) {
  for (std::size_t i = 0; i < projections.size(); ++i) {
    const double offset = projections[i] - mean;
    sum.add(mass[i] / total * offset * offset);
  }
}

}  // namespace

Sliced sliced_cost(const Communicator& comm, const Weighted& a, const Weighted& b, int dimension,
                   std::int64_t directions, std::uint64_t seed, const std::function<void()>& poll) {
  parallel::agree(comm, [&] {
    parallel::require(dimension >= 2 && directions >= 10,
                      "slices need two dimensions and ten directions");
  });
  const auto d = static_cast<std::size_t>(dimension);
  const auto masses = carry_masses(comm, a, b, dimension);
  const Moments of_a = moments(comm, a, d, masses.total);
  const Moments of_b = moments(comm, b, d, masses.total);
  const parallel::Stream stream(seed, "transport", "sliced");
  std::vector<double> x, y;
  std::vector<Sample> samples;
  parallel::agree(comm, [&] {
    x.resize(a.mass.size());
    y.resize(b.mass.size());
    samples.reserve(static_cast<std::size_t>(directions));
  });
  for (std::int64_t number = 0; number < directions; ++number) {
    const auto onto = direction(stream, number, dimension);
    project(a.positions, onto, x);
    project(b.positions, onto, y);
    ExactSum spread;
    const double mean_a = dot(of_a.mean, onto), mean_b = dot(of_b.mean, onto);
    add_variance(x, a.mass, mean_a, masses.total, spread);
    add_variance(y, b.mass, mean_b, masses.total, spread);
    parallel::reduce(comm, std::span<ExactSum>(&spread, 1));
    const auto pair = order_pair(comm, masses, x, y);
    samples.push_back({coupling_cost(comm, pair, 2) / masses.total,
                       (mean_a - mean_b) * (mean_a - mean_b), spread.value()});
    if (poll) poll();
  }
  double distance = 0;
  for (std::size_t k = 0; k < d; ++k) {
    distance += (of_a.mean[k] - of_b.mean[k]) * (of_a.mean[k] - of_b.mean[k]);
  }
  auto result = regression(samples, distance / dimension, (of_a.trace + of_b.trace) / dimension);
  for (double* value :
       {&result.value, &result.standard_error, &result.plain, &result.plain_standard_error}) {
    *value *= masses.total;
    require_range(*value);
  }
  return result;
}

}  // namespace mensura::transport
