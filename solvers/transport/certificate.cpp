// SPDX-License-Identifier: BSD-3-Clause
#include "transport/certificate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "parallel/exact_sum.hpp"
#include "transport/sources.hpp"

namespace mensura::transport {

namespace {

// Mass, first moments and second moment of what a side misses, about `origin`.
struct Moments {
  std::vector<double> first;
  double mass = 0, second = 0;
};

Moments moments_of(const parallel::Communicator& comm, const Cloud& cloud,
                   std::span<const double> missing, std::span<const double> origin) {
  const auto d = static_cast<std::size_t>(cloud.dimension);
  std::vector<parallel::ExactSum> sums(d + 2);
  for (std::size_t i = 0; i < cloud.own(); ++i) {
    double square = 0;
    for (std::size_t j = 0; j < d; ++j) {
      const double z = cloud.coordinates[i * d + j] - origin[j];
      sums[j].add(missing[i] * z);
      square += z * z;
    }
    sums[d].add(missing[i]);
    sums[d + 1].add(missing[i] * square);
  }
  parallel::reduce(comm, sums);
  Moments moments;
  for (std::size_t j = 0; j < d; ++j) moments.first.push_back(sums[j].value());
  moments.mass = sums[d].value();
  moments.second = sums[d + 1].value();
  return moments;
}

// Largest cost between the boxes around the two clouds.
double largest_cost(const parallel::Communicator& comm, const Cloud& x, const Cloud& y,
                    const Cost& cost) {
  const Box a = box_around(comm, {&x}), b = box_around(comm, {&y});
  return cost.most(a.centre().data(), a.half().data(), b.centre().data(), b.half().data());
}

}  // namespace

void set_bounds(double primal, double dual, double shift, double scale, Answer& answer) {
  constexpr double rounding = 1e-13;
  const double gap = primal - dual;
  answer.primal_rounded = primal + shift;
  answer.dual = dual + shift;
  answer.gap_rounding = rounding * scale;
  answer.gap_absolute = gap < 0 && gap > -rounding * scale ? 0 : gap;
  answer.gap_relative = answer.gap_absolute == 0 ? 0 : answer.gap_absolute / answer.primal_rounded;
}

double product_cost(const parallel::Communicator& comm, const Cloud& x, const Cloud& y,
                    std::span<const double> rows, std::span<const double> columns, const Cost& cost,
                    double& mass) {
  const std::vector<double> origin = common_origin(comm, x, y);
  const Moments a = moments_of(comm, x, rows, origin), b = moments_of(comm, y, columns, origin);
  mass = std::max(a.mass, b.mass);
  if (!(std::min(a.mass, b.mass) > 0)) return 0;
  if (cost.kind() != CostKind::squared_euclidean) return mass * largest_cost(comm, x, y, cost);
  double mixed = 0;
  for (std::size_t j = 0; j < a.first.size(); ++j) mixed += a.first[j] * b.first[j] / a.mass;
  return cost.weight() * (a.second * (b.mass / a.mass) + b.second - 2 * mixed);
}

double linear_cost(const SparsePlan& plan) {
  parallel::ExactSum sum;
  for (std::size_t k = 0; k < plan.values().size(); ++k) {
    sum.add(plan.values()[k] * plan.pairs().cost[k]);
  }
  parallel::reduce(plan.comm(), std::span(&sum, 1));
  return sum.value();
}

namespace {

// A plan scaled down to its marginals: its cost and what rows and columns miss.
struct Rounded {
  double cost = 0;
  std::vector<double> rows, columns;
};

Rounded rounded(const SparsePlan& plan, std::span<const double> rows,
                std::span<const double> columns) {
  const Cloud& x = plan.x();
  const Cloud& y = plan.y();
  const Pairs& pairs = plan.pairs();
  std::vector<double> u(x.own()), v(y.own());
  Rounded result;
  result.rows.resize(x.own());
  result.columns.resize(y.own());
  for (std::size_t i = 0; i < u.size(); ++i) {
    u[i] = plan.row_sums()[i] > rows[i] ? rows[i] / plan.row_sums()[i] : 1;
  }
  plan.multiply_transposed(u, result.columns);
  for (std::size_t j = 0; j < v.size(); ++j) {
    double& column = result.columns[j];
    v[j] = column > 0 ? std::min(1.0, columns[j] / column) : 0;
    column = std::max(0.0, columns[j] - v[j] * column);
  }
  plan.multiply(v, result.rows);
  for (std::size_t i = 0; i < u.size(); ++i) {
    result.rows[i] = std::max(0.0, rows[i] - u[i] * result.rows[i]);
  }
  std::vector<double> ghost(plan.ghosts().size());
  plan.ghosts().forward(v, ghost);
  parallel::ExactSum sum;
  for (std::size_t i = 0; i < x.own(); ++i) {
    for (auto k = static_cast<std::size_t>(pairs.starts[i]);
         k < static_cast<std::size_t>(pairs.starts[i + 1]); ++k) {
      sum.add(u[i] * plan.values()[k] * ghost[pairs.columns[k]] * pairs.cost[k]);
    }
  }
  parallel::reduce(plan.comm(), std::span(&sum, 1));
  result.cost = sum.value();
  return result;
}

// f m + g m.
double value_of(const parallel::Communicator& comm, const Cloud& x, std::span<const double> f,
                const Cloud& y, std::span<const double> g) {
  parallel::ExactSum sum;
  for (std::size_t i = 0; i < f.size(); ++i) sum.add(f[i] * x.mass[i]);
  for (std::size_t j = 0; j < g.size(); ++j) sum.add(g[j] * y.mass[j]);
  parallel::reduce(comm, std::span(&sum, 1));
  return sum.value();
}

}  // namespace

double rounded_cost(const SparsePlan& plan, std::span<const double> rows,
                    std::span<const double> columns, const Cost& cost, double& remainder) {
  const Rounded part = rounded(plan, rows, columns);
  return part.cost +
         product_cost(plan.comm(), plan.x(), plan.y(), part.rows, part.columns, cost, remainder);
}

Certificate certify(const SparsePlan& plan, const Potentials& at, const Cost& cost) {
  Certificate result;
  result.primal = rounded_cost(plan, plan.x().mass, plan.y().mass, cost, result.remainder);
  result.dual = dual_value(plan.comm(), plan.x(), plan.y(), at.g, cost);
  return result;
}

Certificate certify(const SparsePlan& plan, const Potentials& at, const CostRows& cost) {
  const Rounded plan_part = rounded(plan, plan.x().mass, plan.y().mass);
  std::array<parallel::ExactSum, 2> missing;
  for (const double mass : plan_part.rows) missing[0].add(mass);
  for (const double mass : plan_part.columns) missing[1].add(mass);
  parallel::reduce(plan.comm(), missing);
  Certificate result;
  result.remainder = std::max(missing[0].value(), missing[1].value());
  result.primal = plan_part.cost + result.remainder * std::max(0.0, cost.largest(plan.comm()));
  const std::vector<double> f = cost.hard_rows(plan.comm(), at.g);
  const std::vector<double> g = cost.hard_columns(plan.comm(), plan.y(), f);
  result.dual = value_of(plan.comm(), plan.x(), f, plan.y(), g);
  return result;
}

double dual_value(const parallel::Communicator& comm, const Cloud& x, const Cloud& y,
                  std::span<const double> start, const Cost& cost) {
  const std::vector<double> f = hard_transform(comm, x, y, start, cost);
  const std::vector<double> g = hard_transform(comm, y, x, f, cost);
  return value_of(comm, x, f, y, g);
}

}  // namespace mensura::transport
