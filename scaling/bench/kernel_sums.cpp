// SPDX-License-Identifier: BSD-3-Clause
// Exact kernel sums over the ring of ranks: pairs of points per second, all ranks together.
//   mpirun -np 2 bench_kernel_sums [Google Benchmark options]
// Random points of the unit square (the argument), all of them targets and sources.
//   measured:       2-D Matern 7/2, one row u and Lap u at every point, as certificates need it
//   measured_eight: the same with eight vectors at once
//   block:          the same pairs by whole covariance blocks, one rank, for comparison
//   values:         one row u
//   monge_ampere:   Matern 9/2, rows u, u_xx, u_yy, u_xy
//   tensor:         measured, under a product of two 1-D Matern 7/2 (general path)
#include "gp/kernel_sums.hpp"

#include <benchmark/benchmark.h>
#include <mpi.h>

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "parallel/communicator.hpp"
#include "silent.hpp"

namespace {

using namespace mensura;
using gp::Family;
using gp::Kernel;
using gp::Rows;

std::unique_ptr<parallel::Communicator> world;

struct Points {
  Rows rows;
  std::vector<std::uint64_t> ids;
};

/// This rank's part, without rows.
Points scattered(std::int64_t total) {
  Points points;
  points.rows.dimension = 2;
  for (std::int64_t i = total * world->rank() / world->size();
       i < total * (world->rank() + 1) / world->size(); ++i) {
    points.ids.push_back(static_cast<std::uint64_t>(i));
    std::mt19937_64 generator(static_cast<std::uint64_t>(i));
    std::uniform_real_distribution<double> uniform(0, 1);
    for (std::size_t a = 0; a < 2; ++a) points.rows.coordinate[a].push_back(uniform(generator));
  }
  return points;
}

Points measured(std::int64_t total) {
  Points points = scattered(total);
  for (std::size_t p = 0; p < points.ids.size(); ++p) {
    points.rows.point.push_back(static_cast<std::int32_t>(p));
    points.rows.value.push_back(3);
    points.rows.laplacian.push_back(-1);
  }
  return points;
}

Points values(std::int64_t total) {
  Points points = measured(total);
  points.rows.laplacian.clear();
  return points;
}

Points monge_ampere(std::int64_t total) {
  Points points = scattered(total);
  Rows& rows = points.rows;
  for (std::size_t p = 0; p < points.ids.size(); ++p) {
    for (int row = 0; row < 4; ++row) {
      rows.point.push_back(static_cast<std::int32_t>(p));
      rows.value.push_back(row == 0 ? 1 : 0);
      for (const std::size_t e : {0U, 2U, 1U}) rows.hessian[e].push_back(0);
      if (row > 0) rows.hessian[row == 1 ? 0 : (row == 2 ? 2 : 1)].back() = 1;
    }
  }
  return points;
}

template <class Number>
void ring(benchmark::State& state, const Kernel& kernel, Points (*make)(std::int64_t)) {
  const Points points = make(state.range(0));
  gp::KernelSums sums(*world, kernel, points.rows, points.ids, state.range(0));
  const std::vector<Number> coefficients(points.rows.rows(), Number{});
  std::vector<Number> result(points.rows.rows());
  double seconds = 0;
  for ([[maybe_unused]] auto iteration : state) {
    world->barrier();
    const double start = MPI_Wtime();
    sums.apply(points.rows, coefficients, result, [] {});
    const double taken = world->max(MPI_Wtime() - start);
    state.SetIterationTime(taken);
    seconds += taken;
  }
  state.counters["pairs/s"] = sums.pairs() / seconds;
}

void block(benchmark::State& state, const Kernel& kernel) {
  const std::size_t rows_at_once = 64;
  const Rows rows = measured(state.range(0)).rows;
  gp::Covariance covariance(kernel, 2);
  const std::size_t n = rows.rows(), stride = (n + 7) / 8 * 8;
  std::vector<double> entries(rows_at_once * stride), result(n);
  double seconds = 0;
  for ([[maybe_unused]] auto iteration : state) {
    const double start = MPI_Wtime();
    for (std::size_t begin = 0; begin + rows_at_once <= n; begin += rows_at_once) {
      Rows some;
      some.dimension = 2;
      for (std::size_t r = 0; r < rows_at_once; ++r) {
        for (std::size_t a = 0; a < 2; ++a) {
          some.coordinate[a].push_back(rows.coordinate[a][begin + r]);
        }
        some.point.push_back(static_cast<std::int32_t>(r));
        some.value.push_back(3);
        some.laplacian.push_back(-1);
      }
      covariance.cross(some, rows, entries.data(), stride);
      for (std::size_t r = 0; r < rows_at_once; ++r) {
        double sum = 0;
        for (std::size_t j = 0; j < n; ++j) sum += entries[r * stride + j] * rows.value[j];
        result[begin + r] = sum;
      }
    }
    benchmark::DoNotOptimize(result.data());
    const double taken = world->max(MPI_Wtime() - start);
    state.SetIterationTime(taken);
    seconds += taken;
  }
  const auto done = static_cast<double>(n / rows_at_once * rows_at_once * n);
  state.counters["pairs/s"] = done * static_cast<double>(state.iterations()) / seconds;
}

Kernel matern(Family family) {
  return {{{1.0, {{family, {0.3}, {}}}}}};
}

template <class F>
void add(const char* name, std::int64_t points, F run) {
  benchmark::RegisterBenchmark(name, run)->Arg(points)->UseManualTime()->Iterations(3)->Unit(
      benchmark::kMillisecond);
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  world = std::make_unique<parallel::Communicator>(parallel::Communicator::world());
  {
    benchmark::Initialize(&argc, argv);
    const Kernel smooth = matern(Family::matern_7_2), smoother = matern(Family::matern_9_2);
    const Kernel tensor{
        {{1.0, {{Family::matern_7_2, {0.3}, {0}}, {Family::matern_7_2, {0.3}, {1}}}}}};
    using State = benchmark::State;
    add("measured", 20000, [=](State& s) { ring<double>(s, smooth, measured); });
    add("measured_eight", 20000, [=](State& s) { ring<linear::Eight>(s, smooth, measured); });
    if (world->size() == 1) add("block", 20000, [=](State& s) { block(s, smooth); });
    add("values", 20000, [=](State& s) { ring<double>(s, smooth, values); });
    add("monge_ampere", 8000, [=](State& s) { ring<double>(s, smoother, monge_ampere); });
    add("tensor", 8000, [=](State& s) { ring<double>(s, tensor, measured); });
    bench::Silent silent;
    benchmark::RunSpecifiedBenchmarks(world->is_root() ? nullptr : &silent);
  }
  world.reset();
  MPI_Finalize();
  return 0;
}
