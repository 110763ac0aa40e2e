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
void cut(const Cloud& cloud, std::span<const double> total, double epsilon,
         std::vector<double>& potential) {
  for (std::size_t i = 0; i < potential.size(); ++i) {
    if (total[i] > cloud.mass[i]) potential[i] += epsilon * std::log(cloud.mass[i] / total[i]);
  }
}

std::vector<double> missing(const Cloud& cloud, std::span<const double> total) {
  std::vector<double> result(cloud.own());
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i] = std::max(0.0, cloud.mass[i] - total[i]);
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

Certificate certify(const parallel::Communicator& comm, const Kernel& kernel, const Level& level,
                    const Potentials& at, double epsilon, const Cost& cost,
                    const std::function<void()>& poll) {
  Potentials rounded = at;
  cut(level.x, row_sums(kernel, level.x, rounded, epsilon, poll), epsilon, rounded.f);
  cut(level.y, column_sums(kernel, level.y, rounded, epsilon, poll), epsilon, rounded.g);
  const std::vector<double> rows =
      missing(level.x, row_sums(kernel, level.x, rounded, epsilon, poll));
  const std::vector<double> columns =
      missing(level.y, column_sums(kernel, level.y, rounded, epsilon, poll));
  Certificate result;
  result.primal = kernel.linear_cost(epsilon, rounded.f, rounded.g, poll) +
                  product_cost(comm, level.x, level.y, rows, columns, cost, result.remainder);
  result.dual = dual_value(comm, level.x, level.y, at.g, cost);
  return result;
}

}  // namespace mensura::transport
