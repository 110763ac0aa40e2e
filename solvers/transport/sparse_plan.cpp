// SPDX-License-Identifier: BSD-3-Clause
#include "transport/sparse_plan.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "parallel/exact_sum.hpp"

namespace mensura::transport {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
// Scalings beyond exp(+-200) lose the plan's digits: the log domain takes over.
constexpr double most_log_scaling = 200;

// The damped update of a potential under a Kullback-Leibler penalty (reference/transport 2.8).
double damped(double balanced, double epsilon, double rho) {
  return std::isinf(rho) ? balanced : rho / (rho + epsilon) * balanced;
}

// A NaN must not hide behind the maximum.
double most_rise(std::span<const double> now, std::span<const double> then) {
  double most = -infinity;
  for (std::size_t i = 0; i < now.size(); ++i) {
    const double rise = now[i] - then[i];
    most = std::max(most, std::isnan(rise) ? infinity : rise);
  }
  return most;
}

}  // namespace

bool SparsePlan::search(const Potentials& at, double epsilon, std::int64_t most) {
  std::vector<double> f(at.f), g(at.g);
  for (std::size_t i = 0; i < f.size(); ++i) f[i] += epsilon * x_.log_mass[i];
  for (std::size_t j = 0; j < g.size(); ++j) g[j] += epsilon * y_.log_mass[j];
  clear();
  ++searches_;
  const double cut = epsilon * (log_threshold + margin);
  const bool fits = cost_ != nullptr
                        ? find_pairs(comm_, x_, {f, at.f}, y_, {at.g, g}, *cost_, cut, most, pairs_)
                        : rows_->find_pairs(comm_, {f, at.f}, {at.g, g}, cut, most, pairs_);
  if (!fits) {
    clear();
    return false;
  }
  total_ = comm_.sum(static_cast<std::int64_t>(pairs_.columns.size()));
  ghosts_ = Ghosts(comm_, y_.own(), pairs_.numbers);
  searched_ = at;
  return true;
}

void SparsePlan::clear() {
  pairs_ = Pairs{};
  ghosts_ = Ghosts{};
  std::vector<double>().swap(values_);
  std::vector<double>().swap(row_sums_);
  std::vector<double>().swap(column_sums_);
}

double SparsePlan::drift(const Potentials& at, double epsilon) const {
  std::vector<double> most{most_rise(at.f, searched_.f), most_rise(at.g, searched_.g)};
  comm_.max(std::span(most));
  return (most[0] + most[1]) / epsilon;
}

std::int64_t SparsePlan::empty_lines() const {
  std::int64_t empty = 0;
  for (std::size_t i = 0; i < x_.own(); ++i) empty += pairs_.starts[i] == pairs_.starts[i + 1];
  const std::vector<double> ones(ghosts_.size(), 1.0);
  std::vector<double> used(y_.own());
  ghosts_.add(ones, used);
  for (const double ranks : used) empty += ranks == 0;
  return comm_.sum(empty);
}

void SparsePlan::evaluate(const Potentials& at, double epsilon) {
  // Half of the logarithm per side: g / eps + log m once per column.
  std::vector<double> side(y_.own()), columns(ghosts_.size(), 0.0);
  for (std::size_t j = 0; j < side.size(); ++j) side[j] = at.g[j] / epsilon + y_.log_mass[j];
  work_.resize(ghosts_.size());
  ghosts_.forward(side, work_);
  values_.resize(pairs_.columns.size());
  row_sums_.assign(x_.own(), 0.0);
  for (std::size_t i = 0; i < x_.own(); ++i) {
    const double row = at.f[i] / epsilon + x_.log_mass[i];
    double sum = 0;
    for (auto k = static_cast<std::size_t>(pairs_.starts[i]);
         k < static_cast<std::size_t>(pairs_.starts[i + 1]); ++k) {
      const double value = std::exp(row + work_[pairs_.columns[k]] - pairs_.cost[k] / epsilon);
      values_[k] = value;
      sum += value;
      columns[pairs_.columns[k]] += value;
    }
    row_sums_[i] = sum;
  }
  column_sums_.resize(y_.own());
  ghosts_.add(columns, column_sums_);
}

void SparsePlan::multiply(std::span<const double> v, std::span<double> result) const {
  work_.resize(ghosts_.size());
  ghosts_.forward(v, work_);
  for (std::size_t i = 0; i < x_.own(); ++i) {
    double sum = 0;
    for (auto k = static_cast<std::size_t>(pairs_.starts[i]);
         k < static_cast<std::size_t>(pairs_.starts[i + 1]); ++k) {
      sum += values_[k] * work_[pairs_.columns[k]];
    }
    result[i] = sum;
  }
}

void SparsePlan::multiply_transposed(std::span<const double> u, std::span<double> result) const {
  work_.assign(ghosts_.size(), 0.0);
  for (std::size_t i = 0; i < x_.own(); ++i) {
    for (auto k = static_cast<std::size_t>(pairs_.starts[i]);
         k < static_cast<std::size_t>(pairs_.starts[i + 1]); ++k) {
      work_[pairs_.columns[k]] += values_[k] * u[i];
    }
  }
  ghosts_.add(work_, result);
}

SparsePlan SparsePlan::thinned(const Keep& keep) const {
  SparsePlan result =
      cost_ != nullptr ? SparsePlan(comm_, x_, y_, *cost_) : SparsePlan(comm_, x_, y_, *rows_);
  std::vector<double> sums(ghosts_.size()), columns(ghosts_.size(), 0.0);
  ghosts_.forward(column_sums_, sums);
  result.pairs_.numbers = pairs_.numbers;
  result.pairs_.starts.push_back(0);
  for (std::size_t i = 0; i < x_.own(); ++i) {
    double sum = 0;
    for (auto k = static_cast<std::size_t>(pairs_.starts[i]);
         k < static_cast<std::size_t>(pairs_.starts[i + 1]); ++k) {
      if (!keep(i, values_[k], sums[pairs_.columns[k]])) continue;
      result.pairs_.columns.push_back(pairs_.columns[k]);
      result.pairs_.cost.push_back(pairs_.cost[k]);
      result.values_.push_back(values_[k]);
      sum += values_[k];
      columns[pairs_.columns[k]] += values_[k];
    }
    result.row_sums_.push_back(sum);
    result.pairs_.starts.push_back(static_cast<std::int64_t>(result.pairs_.columns.size()));
  }
  result.total_ = comm_.sum(static_cast<std::int64_t>(result.pairs_.columns.size()));
  result.ghosts_ = Ghosts(comm_, y_.own(), pairs_.numbers);
  result.column_sums_.resize(y_.own());
  result.ghosts_.add(columns, result.column_sums_);
  return result;
}

double SparsePlan::largest_change(std::span<const double> df, std::span<const double> dg) const {
  constexpr double carries = 1e-14;
  work_.resize(ghosts_.size());
  ghosts_.forward(dg, work_);
  double most = 0;
  for (std::size_t i = 0; i < x_.own(); ++i) {
    for (auto k = static_cast<std::size_t>(pairs_.starts[i]);
         k < static_cast<std::size_t>(pairs_.starts[i + 1]); ++k) {
      if (values_[k] <= carries * row_sums_[i]) continue;
      const double change = std::abs(df[i] + work_[pairs_.columns[k]]);
      // A NaN must not hide behind the maximum.
      most = change <= most ? most : std::isnan(change) ? infinity : change;
    }
  }
  return comm_.max(most);
}

void SparsePlan::sinkhorn(Potentials& at, double epsilon, double rho, int sweeps) {
  error_half_way_ = std::numeric_limits<double>::quiet_NaN();
  evaluate(at, epsilon);
  if (scale(at, epsilon, rho, sweeps)) return;
  for (int s = 0; s < sweeps; ++s) log_sweep(at, epsilon, rho);
}

// False, and nothing changed, when the scalings leave their range.
bool SparsePlan::scale(Potentials& at, double epsilon, double rho, int sweeps) {
  std::vector<double> u(x_.own()), v(y_.own(), 1.0), rows(x_.own()), columns(y_.own());
  const auto update = [&](std::span<const double> sums, const Cloud& cloud,
                          std::span<const double> potential, std::vector<double>& scaling) {
    for (std::size_t i = 0; i < scaling.size(); ++i) {
      const double balanced = cloud.mass[i] / sums[i];
      scaling[i] =
          std::isinf(rho)
              ? balanced
              : std::exp((damped(potential[i] + epsilon * std::log(balanced), epsilon, rho) -
                          potential[i]) /
                         epsilon);
    }
  };
  for (int s = 0; s < sweeps; ++s) {
    multiply(v, rows);
    if (s > 1 && s == sweeps - sweeps / 2 && std::isinf(rho)) {
      parallel::ExactSum error;
      for (std::size_t i = 0; i < u.size(); ++i) error.add(std::abs(x_.mass[i] - u[i] * rows[i]));
      parallel::reduce(comm_, std::span(&error, 1));
      error_half_way_ = error.value();
    }
    update(rows, x_, at.f, u);
    multiply_transposed(u, columns);
    update(columns, y_, at.g, v);
  }
  double most = 0;
  for (const auto* scaling : {&u, &v}) {
    for (const double s : *scaling) {
      const double size = std::abs(std::log(s));
      most = std::max(most, std::isfinite(size) ? size : infinity);
    }
  }
  if (!(comm_.max(most) < most_log_scaling)) return false;
  for (std::size_t i = 0; i < u.size(); ++i) at.f[i] += epsilon * std::log(u[i]);
  for (std::size_t j = 0; j < v.size(); ++j) at.g[j] += epsilon * std::log(v[j]);
  return true;
}

void SparsePlan::soft_rows(double epsilon, std::span<const double> g, std::span<double> f) const {
  std::vector<double> side(y_.own()), ghost(ghosts_.size());
  for (std::size_t j = 0; j < side.size(); ++j) side[j] = g[j] / epsilon + y_.log_mass[j];
  ghosts_.forward(side, ghost);
  for (std::size_t i = 0; i < x_.own(); ++i) {
    const auto begin = static_cast<std::size_t>(pairs_.starts[i]);
    const auto end = static_cast<std::size_t>(pairs_.starts[i + 1]);
    double most = -infinity, sum = 0;
    const auto exponent = [&](std::size_t k) {
      return ghost[pairs_.columns[k]] - pairs_.cost[k] / epsilon;
    };
    for (std::size_t k = begin; k < end; ++k) most = std::max(most, exponent(k));
    if (most == -infinity) {
      f[i] = infinity;
      continue;
    }
    for (std::size_t k = begin; k < end; ++k) sum += std::exp(exponent(k) - most);
    f[i] = -epsilon * (most + std::log(sum));
  }
}

// The largest exponent of a column over all ranks, then the sums relative to it.
void SparsePlan::soft_columns(double epsilon, std::span<const double> f,
                              std::span<double> g) const {
  std::vector<double> most(ghosts_.size(), -infinity), sums(ghosts_.size(), 0.0);
  std::vector<double> own_most(y_.own()), own_sums(y_.own());
  const auto each_pair = [&](const auto& use) {
    for (std::size_t i = 0; i < x_.own(); ++i) {
      const double row = f[i] / epsilon + x_.log_mass[i];
      for (auto k = static_cast<std::size_t>(pairs_.starts[i]);
           k < static_cast<std::size_t>(pairs_.starts[i + 1]); ++k) {
        use(pairs_.columns[k], row - pairs_.cost[k] / epsilon);
      }
    }
  };
  each_pair([&](std::uint32_t column, double exponent) {
    most[column] = std::max(most[column], exponent);
  });
  ghosts_.max(most, own_most);
  ghosts_.forward(own_most, most);
  each_pair([&](std::uint32_t column, double exponent) {
    if (exponent > -infinity) sums[column] += std::exp(exponent - most[column]);
  });
  ghosts_.add(sums, own_sums);
  for (std::size_t j = 0; j < y_.own(); ++j) {
    g[j] = own_sums[j] > 0 ? -epsilon * (own_most[j] + std::log(own_sums[j])) : infinity;
  }
}

// Lines without pairs keep their potentials.
void SparsePlan::log_sweep(Potentials& at, double epsilon, double rho) const {
  std::vector<double> f(x_.own()), g(y_.own());
  soft_rows(epsilon, at.g, f);
  for (std::size_t i = 0; i < f.size(); ++i) {
    if (!std::isinf(f[i])) at.f[i] = damped(f[i], epsilon, rho);
  }
  soft_columns(epsilon, at.f, g);
  for (std::size_t j = 0; j < g.size(); ++j) {
    if (!std::isinf(g[j])) at.g[j] = damped(g[j], epsilon, rho);
  }
}

// Positions are below 2^53, so that doubles carry them.
std::vector<std::int64_t> column_ids(const Pairs& pairs, const Ghosts& ghosts, const Cloud& y) {
  std::vector<double> ids(y.ids.begin(), y.ids.end()), ghost(ghosts.size());
  ghosts.forward(ids, ghost);
  std::vector<std::int64_t> result;
  result.reserve(pairs.columns.size());
  for (const std::uint32_t column : pairs.columns) {
    result.push_back(static_cast<std::int64_t>(ghost[column]));
  }
  return result;
}

}  // namespace mensura::transport
