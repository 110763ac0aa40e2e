// SPDX-License-Identifier: BSD-3-Clause
#include "transport/centring.hpp"

#include <algorithm>
#include <cmath>

#include "parallel/exact_sum.hpp"

namespace mensura::transport {

namespace {

// Centre of mass and root mean square distance from it, which a single outlier does not govern.
struct Place {
  std::vector<double> mean;
  double spread = 0;
};

Place place_of(const parallel::Communicator& comm, const Marginal& marginal) {
  const auto d = static_cast<std::size_t>(marginal.dimension);
  std::vector<parallel::ExactSum> sums(d + 1);
  for (std::size_t i = 0; i < marginal.mass.size(); ++i) {
    for (std::size_t j = 0; j < d; ++j) {
      sums[j].add(marginal.mass[i] * marginal.coordinates[i * d + j]);
    }
    sums[d].add(marginal.mass[i]);
  }
  parallel::reduce(comm, sums);
  Place place;
  for (std::size_t j = 0; j < d; ++j) place.mean.push_back(sums[j].value() / sums[d].value());
  parallel::ExactSum square;
  for (std::size_t i = 0; i < marginal.mass.size(); ++i) {
    for (std::size_t j = 0; j < d; ++j) {
      const double z = marginal.coordinates[i * d + j] - place.mean[j];
      square.add(marginal.mass[i] * z * z);
    }
  }
  parallel::reduce(comm, {&square, 1});
  place.spread = std::sqrt(square.value() / sums[d].value());
  return place;
}

// Means within so many spreads of each other leave things as they are.
constexpr double near = 4;

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t j = 0; j < a.size(); ++j) sum += a[j] * b[j];
  return sum;
}

}  // namespace

std::optional<Centring> Centring::of(const parallel::Communicator& comm, const Marginal& a,
                                     const Marginal& b, double weight) {
  if (&a == &b || (a.grid && b.grid)) return std::nullopt;
  Place x = place_of(comm, a), y = place_of(comm, b);
  const auto d = x.mean.size();
  std::vector<double> way(d);
  for (std::size_t j = 0; j < d; ++j) way[j] = y.mean[j] - x.mean[j];
  if (std::sqrt(dot(way, way)) <= near * std::max(x.spread, y.spread)) return std::nullopt;
  Centring centring;
  centring.weight_ = weight;
  centring.constant_ = weight * dot(way, way);
  centring.shift_ = std::move(way);
  centring.mean_x_ = std::move(x.mean);
  centring.mean_y_ = std::move(y.mean);
  return centring;
}

std::vector<double> Centring::moved(std::span<const double> coordinates) const {
  std::vector<double> result(coordinates.begin(), coordinates.end());
  for (std::size_t k = 0; k < result.size(); ++k) result[k] -= shift_[k % shift_.size()];
  return result;
}

// 2 w s.(point - mean).
double Centring::slope(std::span<const double> point, std::span<const double> mean) const {
  double sum = 0;
  for (std::size_t j = 0; j < shift_.size(); ++j) sum += shift_[j] * (point[j] - mean[j]);
  return 2 * weight_ * sum;
}

void Centring::restore(NodeAnswer& x, NodeAnswer& y) const {
  const std::size_t d = shift_.size();
  for (std::size_t i = 0; i < x.potential.size(); ++i) {
    x.potential[i] -= slope(std::span(x.coordinates).subspan(i * d, d), mean_x_);
  }
  for (std::size_t i = 0; i < y.potential.size(); ++i) {
    y.potential[i] += slope(std::span(y.coordinates).subspan(i * d, d), mean_y_) + constant_;
  }
}

double Centring::gain(const parallel::Communicator& comm, const NodeAnswer& x,
                      const NodeAnswer& y) const {
  const std::size_t d = shift_.size();
  parallel::ExactSum sum;
  for (std::size_t i = 0; i < x.mass.size(); ++i) {
    sum.add(-x.transported[i] * slope(std::span(x.coordinates).subspan(i * d, d), mean_x_));
  }
  for (std::size_t i = 0; i < y.mass.size(); ++i) {
    sum.add(y.transported[i] *
            (slope(std::span(y.coordinates).subspan(i * d, d), mean_y_) + constant_));
  }
  parallel::reduce(comm, {&sum, 1});
  return sum.value();
}

}  // namespace mensura::transport
