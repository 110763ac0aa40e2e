// SPDX-License-Identifier: BSD-3-Clause
#include "transport/kernel_certificate.hpp"

#include <algorithm>
#include <cmath>

namespace mensura::transport {

namespace {

// m exp((phi - balanced update of phi) / eps).
std::vector<double> sums(const Cloud& cloud, std::span<const double> potential,
                         std::span<const double> update, double epsilon) {
  std::vector<double> result(cloud.own());
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = cloud.mass[i] * std::exp((potential[i] - update[i]) / epsilon);
  }
  return result;
}

// Scales a side down to its marginal.
void cut(std::span<const double> marginal, std::span<const double> total, double epsilon,
         std::vector<double>& potential) {
  for (std::size_t i = 0; i < potential.size(); ++i) {
    if (total[i] > marginal[i]) potential[i] += epsilon * std::log(marginal[i] / total[i]);
  }
}

std::vector<double> missing(std::span<const double> marginal, std::span<const double> total) {
  std::vector<double> result(marginal.size());
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = std::max(0.0, marginal[i] - total[i]);
  }
  return result;
}

}  // namespace

std::vector<double> row_sums(const Kernel& kernel, const Cloud& x, const Potentials& at,
                             double epsilon, const std::function<void()>& poll) {
  std::vector<double> update(x.own());
  kernel.soft_rows(epsilon, at.g, update, poll);
  return sums(x, at.f, update, epsilon);
}

std::vector<double> column_sums(const Kernel& kernel, const Cloud& y, const Potentials& at,
                                double epsilon, const std::function<void()>& poll) {
  std::vector<double> update(y.own());
  kernel.soft_columns(epsilon, at.f, update, poll);
  return sums(y, at.g, update, epsilon);
}

// Coordinates are factors between one and two of the plan's entries, whose logarithms join g.
std::vector<double> row_map(const parallel::Communicator& comm, const Kernel& kernel,
                            const Cloud& x, const Cloud& y, std::span<const double> g,
                            double epsilon, const std::function<void()>& poll) {
  const auto d = static_cast<std::size_t>(y.dimension);
  const Box box = box_around(comm, {&y});
  const std::vector<double> half = box.half();
  std::vector<double> plain(x.own()), tilted(x.own()), with(y.own()), map(x.own() * d);
  kernel.soft_rows(epsilon, g, plain, poll);
  for (std::size_t j = 0; j < d; ++j) {
    const double width = 2 * half[j];
    for (std::size_t i = 0; i < with.size(); ++i) {
      const double place = width > 0 ? (y.coordinates[i * d + j] - box.lower[j]) / width : 0;
      with[i] = g[i] + epsilon * std::log1p(place);
    }
    kernel.soft_rows(epsilon, with, tilted, poll);
    for (std::size_t i = 0; i < plain.size(); ++i) {
      map[i * d + j] = box.lower[j] + width * std::expm1((plain[i] - tilted[i]) / epsilon);
    }
  }
  return map;
}

double rounded_cost(const parallel::Communicator& comm, const Kernel& kernel, const Cloud& x,
                    const Cloud& y, const Potentials& at, double epsilon,
                    std::span<const double> rows, std::span<const double> columns, const Cost& cost,
                    double& remainder, const std::function<void()>& poll) {
  Potentials part = at;
  cut(rows, row_sums(kernel, x, part, epsilon, poll), epsilon, part.f);
  cut(columns, column_sums(kernel, y, part, epsilon, poll), epsilon, part.g);
  const std::vector<double> f = missing(rows, row_sums(kernel, x, part, epsilon, poll));
  const std::vector<double> g = missing(columns, column_sums(kernel, y, part, epsilon, poll));
  return kernel.linear_cost(epsilon, part.f, part.g, poll) +
         product_cost(comm, x, y, f, g, cost, remainder);
}

Certificate certify(const parallel::Communicator& comm, const Kernel& kernel, const Level& level,
                    const Potentials& at, double epsilon, const Cost& cost,
                    const std::function<void()>& poll) {
  Certificate result;
  result.primal = rounded_cost(comm, kernel, level.x, level.y, at, epsilon, level.x.mass,
                               level.y.mass, cost, result.remainder, poll);
  result.dual = dual_value(comm, level.x, level.y, at.g, cost);
  return result;
}

}  // namespace mensura::transport
