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

Sample average(std::span<const Sample> samples) {
  std::array<ExactSum, 3> sums;
  for (const auto& [cost, lower, spread] : samples) {
    sums[0].add(cost);
    sums[1].add(lower);
    sums[2].add(spread);
  }
  const auto count = static_cast<double>(samples.size());
  return {sums[0].value() / count, sums[1].value() / count, sums[2].value() / count};
}

// Least squares of the cost on two variates of known mean, one orthogonal to the other. The
// estimate is a weighted sum of the samples' costs; its error bar takes every sample's own residual
// as if the sample had been left out of the fit ("HC3", MacKinnon and White 1985): residuals differ
// between directions, and with few of them the common variance is too small.
class Regression {
 public:
  explicit Regression(std::span<const Sample> samples)
      : centre_(average(samples)),
        weights_(samples.size(), 1.0 / double_of(samples.size())),
        leverages_(weights_) {
    for (const auto& s : samples) {
      rest_.push_back({s.cost - centre_.cost, s.lower - centre_.lower, s.spread - centre_.spread});
    }
  }
  Sliced result(double mean_lower, double mean_spread);

 private:
  using Part = double Sample::*;
  static double double_of(std::size_t count) { return static_cast<double>(count); }
  double product(Part x, Part y) const {
    ExactSum sum;
    for (const auto& s : rest_) sum.add(s.*x * s.*y);
    return sum.value();
  }
  // Only noise varies by less than 1e-12 of the mean.
  bool varies(double square, double mean) const {
    return square > 1e-24 * double_of(rest_.size()) * mean * mean;
  }
  // `error` of the variate's average is taken off with what it explains.
  void take_off(Part variate, double error, double square) {
    const double coefficient = product(variate, &Sample::cost) / square;
    for (std::size_t i = 0; i < rest_.size(); ++i) {
      const double value = rest_[i].*variate;
      rest_[i].cost -= coefficient * value;
      weights_[i] -= value * error / square;
      leverages_[i] += value * value / square;
    }
    correction_ += coefficient * error;
  }
  Sample centre_;
  std::vector<double> weights_, leverages_;  // of the estimate; of the fit at its own sample
  std::vector<Sample> rest_;
  double correction_ = 0;
};

Sliced Regression::result(double mean_lower, double mean_spread) {
  const double count = double_of(rest_.size());
  Sliced result;
  result.directions = static_cast<std::int64_t>(rest_.size());
  result.plain = centre_.cost;
  result.plain_standard_error =
      std::sqrt(product(&Sample::cost, &Sample::cost) / (count - 1) / count);
  const double error_lower = centre_.lower - mean_lower;
  double error_spread = centre_.spread - mean_spread;
  const double lower = product(&Sample::lower, &Sample::lower);
  if (varies(lower, mean_lower)) {
    take_off(&Sample::lower, error_lower, lower);
    const double slope = product(&Sample::spread, &Sample::lower) / lower;
    for (auto& s : rest_) s.spread -= slope * s.lower;
    error_spread -= slope * error_lower;
  }
  const double spread = product(&Sample::spread, &Sample::spread);
  if (varies(spread, mean_spread)) take_off(&Sample::spread, error_spread, spread);
  result.value = centre_.cost - correction_;
  ExactSum squares;
  for (std::size_t i = 0; i < rest_.size(); ++i) {
    // A sample that the fit follows exactly has no residual either.
    const double left_out = rest_[i].cost / std::max(1 - leverages_[i], 1e-6);
    squares.add(weights_[i] * weights_[i] * left_out * left_out);
  }
  result.standard_error = std::sqrt(squares.value());
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
  auto result =
      Regression(samples).result(distance / dimension, (of_a.trace + of_b.trace) / dimension);
  for (double* value :
       {&result.value, &result.standard_error, &result.plain, &result.plain_standard_error}) {
    *value *= masses.total;
    require_range(*value);
  }
  return result;
}

}  // namespace mensura::transport
