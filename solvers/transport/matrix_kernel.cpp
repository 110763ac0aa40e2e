// SPDX-License-Identifier: BSD-3-Clause
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "output/dataset_reader.hpp"
#include "output/memory.hpp"
#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"
#include "parallel/exchange.hpp"
#include "points/aligned.hpp"
#include "transport/cost_rows.hpp"
#include "transport/kernel.hpp"
#include "transport/pace.hpp"
#include "transport/running_sum.hpp"

namespace mensura::transport {

namespace {

using linear::all;
using linear::Eight;
using linear::load;

constexpr double nothing = -std::numeric_limits<double>::infinity();
constexpr std::size_t chunk = 32;

class MatrixKernel final : public Kernel {
 public:
  MatrixKernel(const parallel::Communicator& comm, const Cloud& x, const Cloud& y,
               std::shared_ptr<const CostRows> rows)
      : comm_(comm), x_(x), y_(y), rows_(std::move(rows)) {
    const std::int64_t own[1] = {static_cast<std::int64_t>(y.own())};
    y_counts_ = comm.all_gather<std::int64_t>(own);
    seconds_ = 1e-9 * static_cast<double>(comm.max(static_cast<std::int64_t>(x.own()))) *
               static_cast<double>(y.total);
  }

  void soft_rows(double epsilon, std::span<const double> g, std::span<double> f,
                 const std::function<void()>& poll) const override {
    const auto sums = row_sums<false>(epsilon, g, poll);
    for (std::size_t i = 0; i < f.size(); ++i) f[i] = -epsilon * sums[i].logarithm();
  }
  void soft_columns(double epsilon, std::span<const double> f, std::span<double> g,
                    const std::function<void()>& poll) const override;
  double linear_cost(double epsilon, std::span<const double> f, std::span<const double> g,
                     const std::function<void()>& poll) const override {
    const auto sums = row_sums<true>(epsilon, g, poll);
    parallel::ExactSum total;
    for (std::size_t i = 0; i < x_.own(); ++i) {
      total.add(std::exp(x_.log_mass[i] + f[i] / epsilon + sums[i].largest) * sums[i].moment);
    }
    parallel::reduce(comm_, {&total, 1});
    return total.value();
  }
  std::string name() const override { return "matrix"; }

 private:
  static std::vector<double> logarithms(const Cloud& cloud, std::span<const double> potential,
                                        double epsilon) {
    std::vector<double> result(cloud.own());
    for (std::size_t i = 0; i < result.size(); ++i) {
      result[i] = cloud.log_mass[i] + potential[i] / epsilon;
    }
    return result;
  }
  std::size_t pieces() const {
    return static_cast<std::size_t>(std::ceil(std::max(seconds_ / Pace::interval, 1.0)));
  }
  template <bool Moment>
  std::vector<ScaledSum> row_sums(double epsilon, std::span<const double> g,
                                  const std::function<void()>& poll) const;
  template <bool Moment>
  ScaledSum row_sum(std::size_t row, const double* logarithms, double epsilon) const;
  std::vector<double> column_parts(double epsilon, std::span<const double> f,
                                   const std::function<void()>& poll) const;
  RunningSum column_sums(std::size_t column, std::span<const double> logarithms,
                         double epsilon) const;

  const parallel::Communicator& comm_;
  const Cloud& x_;
  const Cloud& y_;
  std::shared_ptr<const CostRows> rows_;
  std::vector<std::int64_t> y_counts_;
  double seconds_ = 0;
};

// Eight columns of one row per register; the lanes are joined at the end.
template <bool Moment>
ScaledSum MatrixKernel::row_sum(std::size_t row, const double* logarithms, double epsilon) const {
  const double* cost = rows_->row(row);
  const Eight factor = all(-1 / epsilon);
  RunningSum state;
  for (std::size_t j = 0; j < rows_->stride(); j += 8 * chunk) {
    const std::size_t count = std::min(chunk, (rows_->stride() - j) / 8);
    alignas(64) double exponents[8 * chunk];
    Eight top = all(nothing);
    for (std::size_t k = 0; k < count; ++k) {
      const Eight exponent = fused(load(cost + j + 8 * k), factor, load(logarithms + j + 8 * k));
      top = larger(top, exponent);
      store(exponent, exponents + 8 * k);
    }
    state.add<Moment>(exponents, cost + j, count, top);
  }
  alignas(64) double largest[8], sum[8], moment[8];
  store(state.largest, largest);
  store(state.sum, sum);
  store(state.moment, moment);
  ScaledSum result;
  for (std::size_t lane = 0; lane < 8; ++lane) result.add(largest[lane], sum[lane], moment[lane]);
  return result;
}

template <bool Moment>
std::vector<ScaledSum> MatrixKernel::row_sums(double epsilon, std::span<const double> g,
                                              const std::function<void()>& poll) const {
  std::vector<double> own;
  parallel::agree(comm_, [&] { own = logarithms(y_, g, epsilon); });
  const std::vector<double> received = everywhere<double>(comm_, own);
  points::AlignedVector<double> columns;
  std::vector<ScaledSum> result;
  parallel::agree(comm_, [&] {
    columns.assign(received.begin(), received.end());
    columns.resize(rows_->stride(), nothing);
    result.resize(x_.own());
  });
  Pace pace(poll);
  for (std::size_t piece = 0; piece < pieces(); ++piece) {
    const std::size_t end = x_.own() * (piece + 1) / pieces();
    for (std::size_t i = x_.own() * piece / pieces(); i < end; ++i) {
      result[i] = row_sum<Moment>(i, columns.data(), epsilon);
    }
    pace.worked(seconds_ / static_cast<double>(pieces()));
  }
  return result;
}

RunningSum MatrixKernel::column_sums(std::size_t column, std::span<const double> logarithms,
                                     double epsilon) const {
  const Eight factor = all(-1 / epsilon);
  RunningSum state;
  for (std::size_t begin = 0; begin < logarithms.size(); begin += chunk) {
    const std::size_t count = std::min(chunk, logarithms.size() - begin);
    alignas(64) double exponents[8 * chunk];
    Eight top = all(nothing);
    for (std::size_t i = 0; i < count; ++i) {
      const Eight exponent =
          fused(load(rows_->row(begin + i) + column), factor, all(logarithms[begin + i]));
      top = larger(top, exponent);
      store(exponent, exponents + 8 * i);
    }
    state.add<false>(exponents, nullptr, count, top);
  }
  return state;
}

// This rank's rows' part of all columns: (largest, sum) per column.
std::vector<double> MatrixKernel::column_parts(double epsilon, std::span<const double> f,
                                               const std::function<void()>& poll) const {
  std::vector<double> own, parts;
  parallel::agree(comm_, [&] {
    own = logarithms(x_, f, epsilon);
    parts.resize(2 * rows_->stride());
  });
  Pace pace(poll);
  const std::size_t groups = rows_->stride() / 8;
  for (std::size_t piece = 0; piece < pieces(); ++piece) {
    for (std::size_t g = groups * piece / pieces(); g < groups * (piece + 1) / pieces(); ++g) {
      const RunningSum state = column_sums(8 * g, own, epsilon);
      alignas(64) double largest[8], sum[8];
      store(state.largest, largest);
      store(state.sum, sum);
      for (std::size_t lane = 0; lane < 8; ++lane) {
        parts[2 * (8 * g + lane)] = largest[lane];
        parts[2 * (8 * g + lane) + 1] = sum[lane];
      }
    }
    pace.worked(seconds_ / static_cast<double>(pieces()));
  }
  parts.resize(2 * rows_->columns());
  return parts;
}

void MatrixKernel::soft_columns(double epsilon, std::span<const double> f, std::span<double> g,
                                const std::function<void()>& poll) const {
  const std::vector<double> parts = column_parts(epsilon, f, poll);
  std::vector<std::int64_t> counts(y_counts_);
  for (auto& count : counts) count *= 2;
  const auto received = parallel::exchange<double>(comm_, parts, counts);
  for (std::size_t j = 0; j < g.size(); ++j) {
    ScaledSum sum;
    for (std::size_t r = 0; r < counts.size(); ++r) {
      const double* part = &received.data[2 * (r * g.size() + j)];
      sum.add(part[0], part[1]);
    }
    g[j] = -epsilon * sum.logarithm();
  }
}

}  // namespace

std::unique_ptr<Kernel> make_matrix_kernel(const parallel::Communicator& comm, const Cloud& x,
                                           std::int64_t x_input_total, const Cloud& y,
                                           std::int64_t y_input_total, const CostSpec& cost,
                                           double weight) {
  return make_matrix_kernel(
      comm, x, y,
      std::make_shared<CostRows>(comm, x, x_input_total, y, y_input_total, cost, weight));
}

std::unique_ptr<Kernel> make_matrix_kernel(const parallel::Communicator& comm, const Cloud& x,
                                           const Cloud& y, std::shared_ptr<const CostRows> rows) {
  return std::make_unique<MatrixKernel>(comm, x, y, std::move(rows));
}

}  // namespace mensura::transport
