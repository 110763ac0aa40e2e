// SPDX-License-Identifier: BSD-3-Clause
// Covariance blocks of the sizes that supernodes have: nanoseconds per matrix entry and per pair of
// points. Whole blocks are computed (cross), so that pairs and entries are what they seem.
//   bench_kernel_blocks [Google Benchmark options]
//   elliptic:     2-D Matern 7/2, rows u and Lap u at every point
//   straight:     the same block by a plain scalar loop with std::exp, for comparison
//   monge_ampere: 2-D Matern 9/2, rows u, u_xx, u_yy, u_xy
//   values:       rows u alone
//   burgers:      1-D Matern 7/2, rows u, u_x, u_xx
//   tensor:       elliptic rows under a product of two 1-D Matern 7/2 (general path)
#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "gp/covariance.hpp"

namespace {

using mensura::gp::Covariance;
using mensura::gp::Family;
using mensura::gp::Kernel;
using mensura::gp::Rows;

Rows scattered(int dimension, int points) {
  std::mt19937_64 generator(7);
  std::uniform_real_distribution<double> uniform(0, 1);
  Rows rows;
  rows.dimension = dimension;
  for (int i = 0; i < points; ++i) {
    for (int axis = 0; axis < dimension; ++axis) {
      rows.coordinate[static_cast<std::size_t>(axis)].push_back(uniform(generator));
    }
  }
  return rows;
}

/// Every point carries one row for each of the columns that `columns` picks, with weight one there.
Rows unit_rows(Rows rows, std::vector<std::vector<double>*> (*columns)(Rows&)) {
  const auto weights = columns(rows);
  for (std::size_t p = 0; p < rows.points(); ++p) {
    for (std::size_t mine = 0; mine < weights.size(); ++mine) {
      rows.point.push_back(static_cast<std::int32_t>(p));
      for (std::size_t c = 0; c < weights.size(); ++c) weights[c]->push_back(c == mine ? 1 : 0);
    }
  }
  return rows;
}

Rows elliptic_rows(int points) {
  return unit_rows(scattered(2, points),
                   [](Rows& r) { return std::vector{&r.value, &r.laplacian}; });
}

Rows value_rows(int points) {
  return unit_rows(scattered(2, points), [](Rows& r) { return std::vector{&r.value}; });
}

Rows monge_ampere_rows(int points) {
  return unit_rows(scattered(2, points), [](Rows& r) {
    return std::vector{&r.value, &r.hessian[0], &r.hessian[2], &r.hessian[1]};
  });
}

Rows burgers_rows(int points) {
  return unit_rows(scattered(1, points),
                   [](Rows& r) { return std::vector{&r.value, &r.gradient[0], &r.hessian[0]}; });
}

Kernel matern(Family family) {
  return {{{1.0, {{family, {0.3}, {}}}}}};
}

void count(benchmark::State& state, const Rows& rows) {
  const auto inverse_rate = [&](std::size_t n) {
    const auto kind = benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert;
    return benchmark::Counter(static_cast<double>(n * n), kind);
  };
  state.counters["per_entry"] = inverse_rate(rows.rows());
  state.counters["per_pair"] = inverse_rate(rows.points());
}

void measure(benchmark::State& state, const Kernel& kernel, const Rows& rows, bool symmetric) {
  Covariance covariance(kernel, rows.dimension);
  const std::size_t stride = (rows.rows() + 7) / 8 * 8;
  std::vector<double> block(rows.rows() * stride);
  for (auto _ : state) {
    if (symmetric) {
      covariance.symmetric(rows, block.data(), stride);
    } else {
      covariance.cross(rows, rows, block.data(), stride);
    }
    benchmark::DoNotOptimize(block.data());
    benchmark::ClobberMemory();
  }
  count(state, rows);
}

int points_of(const benchmark::State& state) {
  return static_cast<int>(state.range(0));
}

void elliptic(benchmark::State& state) {
  measure(state, matern(Family::matern_7_2), elliptic_rows(points_of(state)), false);
}

void elliptic_symmetric(benchmark::State& state) {
  measure(state, matern(Family::matern_7_2), elliptic_rows(points_of(state)), true);
}

void elliptic_gaussian(benchmark::State& state) {
  measure(state, matern(Family::gaussian), elliptic_rows(points_of(state)), false);
}

void values(benchmark::State& state) {
  measure(state, matern(Family::matern_7_2), value_rows(points_of(state)), false);
}

void tensor(benchmark::State& state) {
  const Kernel kernel{
      {{1.0, {{Family::matern_7_2, {0.3}, {0}}, {Family::matern_7_2, {0.3}, {1}}}}}};
  measure(state, kernel, elliptic_rows(points_of(state)), false);
}

void monge_ampere(benchmark::State& state) {
  measure(state, matern(Family::matern_9_2), monge_ampere_rows(points_of(state)), false);
}

void burgers(benchmark::State& state) {
  measure(state, matern(Family::matern_7_2), burgers_rows(points_of(state)), false);
}

/// Matern 7/2 in two dimensions, entry by entry as the formulas stand.
void straight(benchmark::State& state) {
  const Rows rows = elliptic_rows(points_of(state));
  const auto &x = rows.coordinate[0], &y = rows.coordinate[1];
  const std::size_t n = rows.points(), stride = (rows.rows() + 7) / 8 * 8;
  std::vector<double> block(rows.rows() * stride);
  const double a = std::sqrt(7.0) / 0.3, a2 = a * a;
  for (auto _ : state) {
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        const double dx = x[i] - x[j], dy = y[i] - y[j];
        const double s = a * std::sqrt(dx * dx + dy * dy), e = std::exp(-s) / 15;
        const double g0 = e * (15 + s * (15 + s * (6 + s)));
        const double lap = a2 * e * (s * s * (1 + s) - 2 * (3 + s * (3 + s)));
        const double bil = a2 * a2 * e * (8 * (1 + s) - 8 * s * s + s * s * s);
        const std::size_t row[2] = {2 * i, 2 * i + 1};
        for (std::size_t p = 0; p < 2; ++p) {
          for (std::size_t q = 0; q < 2; ++q) {
            const std::size_t column = 2 * j + q;
            const double va = rows.value[row[p]], la = rows.laplacian[row[p]];
            const double vb = rows.value[column], lb = rows.laplacian[column];
            block[row[p] * stride + column] =
                va * vb * g0 + la * lb * bil + (va * lb + la * vb) * lap;
          }
        }
      }
    }
    benchmark::DoNotOptimize(block.data());
    benchmark::ClobberMemory();
  }
  count(state, rows);
}

BENCHMARK(straight)->Arg(25)->Arg(75)->Arg(150);
BENCHMARK(elliptic)->Arg(25)->Arg(75)->Arg(150);
BENCHMARK(elliptic_symmetric)->Arg(25)->Arg(75)->Arg(150);
BENCHMARK(elliptic_gaussian)->Arg(75);
BENCHMARK(values)->Arg(75)->Arg(150);
BENCHMARK(tensor)->Arg(75);
BENCHMARK(monge_ampere)->Arg(25)->Arg(75);
BENCHMARK(burgers)->Arg(25)->Arg(75);

}  // namespace

BENCHMARK_MAIN();
