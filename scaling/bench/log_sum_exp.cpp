// SPDX-License-Identifier: BSD-3-Clause
// Sums against Gibbs kernels: pairs of points per second, on one rank.
//   bench_log_sum_exp [Google Benchmark options]
//   blocked/d/n/reach: n points against n points in d dimensions, squared Euclidean cost; the
//     regularisation is reach^2 / n^(2/d) (reach 0: the squared diameter, nothing is passed over)
//   straight/d/n: the same sums by plain loops with std::exp, two passes, for comparison
//   separable/side/reach: two square images; pairs are those of the two passes along the axes
// Pairs that are passed over count: it is a rate of results.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "parallel/environment.hpp"
#include "transport/kernel.hpp"

namespace {

using namespace mensura;
using transport::Cloud;
using transport::Cost;
using transport::CostSpec;

const parallel::Communicator* world = nullptr;

Cloud cloud_of(int dimension, std::vector<double> coordinates) {
  const std::size_t n = coordinates.size() / static_cast<std::size_t>(dimension);
  const std::vector<double> mass(n, 1 / static_cast<double>(n));
  std::vector<std::uint64_t> ids(n);
  std::iota(ids.begin(), ids.end(), std::uint64_t{0});
  return transport::make_cloud(*world, dimension, std::move(coordinates), mass, ids);
}

Cloud scattered(int dimension, std::int64_t n, unsigned seed) {
  std::mt19937_64 generator(seed);
  std::uniform_real_distribution<double> uniform(0, 1);
  std::vector<double> coordinates(static_cast<std::size_t>(n * dimension));
  for (double& x : coordinates) x = uniform(generator);
  return cloud_of(dimension, std::move(coordinates));
}

void rate(benchmark::State& state, double pairs) {
  state.counters["pairs_per_second"] =
      benchmark::Counter(pairs, benchmark::Counter::kIsIterationInvariantRate);
}

void sums(benchmark::State& state, const transport::Kernel& kernel, double epsilon, const Cloud& x,
          const Cloud& y) {
  std::vector<double> f(x.own()), g(y.own());
  for (auto _ : state) {
    kernel.soft_rows(epsilon, g, f, {});
    benchmark::DoNotOptimize(f.data());
  }
}

void blocked(benchmark::State& state) {
  const auto d = static_cast<int>(state.range(0));
  const std::int64_t n = state.range(1);
  const auto reach = static_cast<double>(state.range(2));
  const Cloud x = scattered(d, n, 1), y = scattered(d, n, 2);
  const auto kernel = transport::make_blocked_kernel(*world, x, y, Cost(CostSpec{}, 1, d));
  const double epsilon = reach == 0 ? d : reach * reach / std::pow(static_cast<double>(n), 2.0 / d);
  sums(state, *kernel, epsilon, x, y);
  rate(state, static_cast<double>(n) * static_cast<double>(n));
}

void straight(benchmark::State& state) {
  const auto d = static_cast<std::size_t>(state.range(0));
  const Cloud x = scattered(static_cast<int>(d), state.range(1), 1);
  const Cloud y = scattered(static_cast<int>(d), state.range(1), 2);
  std::vector<double> f(x.own()), exponents(y.own());
  const double inverse = 1 / static_cast<double>(d);
  for (auto _ : state) {
    for (std::size_t i = 0; i < x.own(); ++i) {
      double top = -1e300, sum = 0;
      for (std::size_t j = 0; j < y.own(); ++j) {
        double square = 0;
        for (std::size_t a = 0; a < d; ++a) {
          const double z = x.coordinates[i * d + a] - y.coordinates[j * d + a];
          square += z * z;
        }
        exponents[j] = y.log_mass[j] - square * inverse;
        top = std::max(top, exponents[j]);
      }
      for (const double e : exponents) sum += std::exp(e - top);
      f[i] = top + std::log(sum);
    }
    benchmark::DoNotOptimize(f.data());
  }
  rate(state, static_cast<double>(x.own()) * static_cast<double>(y.own()));
}

Cloud pixels(std::int64_t side) {
  const double h = 1 / static_cast<double>(side);
  std::vector<double> coordinates(static_cast<std::size_t>(2 * side * side));
  for (std::size_t i = 0; i < coordinates.size(); ++i) {
    const auto pixel = static_cast<std::int64_t>(i / 2);
    coordinates[i] = (static_cast<double>(i % 2 == 0 ? pixel / side : pixel % side) + 0.5) * h;
  }
  return cloud_of(2, std::move(coordinates));
}

void separable(benchmark::State& state) {
  const std::int64_t side = state.range(0);
  const auto reach = static_cast<double>(state.range(1));
  const double h = 1 / static_cast<double>(side);
  output::RegularGrid grid;
  grid.shape.assign(2, side);
  grid.origin.assign(2, h / 2);
  grid.spacing.assign(2, h);
  const Cloud x = pixels(side);
  const auto kernel =
      transport::make_separable_kernel(*world, x, grid, x, grid, Cost(CostSpec{}, 1, 2));
  const double epsilon = reach == 0 ? 1 : reach * reach * h * h;
  sums(state, *kernel, epsilon, x, x);
  const auto n = static_cast<double>(side);
  rate(state, 2 * n * n * n);
}

BENCHMARK(straight)->Args({2, 2000})->Args({16, 2000})->Unit(benchmark::kMillisecond);
BENCHMARK(blocked)
    ->Args({2, 10000, 0})
    ->Args({3, 10000, 0})
    ->Args({16, 10000, 0})
    ->Args({2, 50000, 4})
    ->Args({3, 50000, 2})
    ->Unit(benchmark::kMillisecond);
BENCHMARK(separable)
    ->Args({256, 0})
    ->Args({256, 8})
    ->Args({256, 1})
    ->Args({512, 0})
    ->Args({512, 1})
    ->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) {
  const parallel::Environment environment(argc, argv);
  const auto comm = parallel::Communicator::world();
  world = &comm;
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
