// SPDX-License-Identifier: BSD-3-Clause
// The supernode factors alone: assembly of the covariance blocks, Cholesky, columns.
//   mpirun -np 2 bench_factor [Google Benchmark options]
// A grid of the unit square (the argument: its interior points), Matern 7/2 of length 0.3, radius
// 3, k = 3. big: rows u and Lap u at every interior point; small: one row -Lap u + 3 u. GF/s:
// rows^3/3 + rows^2 columns of all blocks, by the time of the slowest rank; us/block: of one rank's
// blocks.
#include <benchmark/benchmark.h>
#include <mpi.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

#include "gp/covariance.hpp"
#include "gp/ordering.hpp"
#include "gp/pattern.hpp"
#include "gp/rows.hpp"
#include "gp/sparse_factor.hpp"
#include "linear/petsc.hpp"
#include "parallel/communicator.hpp"
#include "silent.hpp"
#include "square.hpp"

namespace {

using namespace mensura;

std::unique_ptr<parallel::Communicator> world;

gp::RowWeights weights_of(const gp::Pattern& pattern, const gp::RowLayout& layout, bool big) {
  gp::RowWeights weights;
  weights.value.assign(static_cast<std::size_t>(layout.local()), 1.0);
  weights.laplacian.assign(weights.value.size(), 0.0);
  for (std::size_t p = 0; p < pattern.ids.size(); ++p) {
    if (pattern.kind(p) != gp::PointKind::interior) continue;
    const auto first = static_cast<std::size_t>(layout.first[p]);
    const std::size_t row = first + (big ? 1 : 0);
    weights.value[row] = big ? 0 : 3;
    weights.laplacian[row] = big ? 1 : -1;
  }
  return weights;
}

void factor(benchmark::State& state, bool big) {
  const std::int64_t side = std::lround(std::sqrt(static_cast<double>(state.range(0))));
  const auto name = [](std::uint64_t id) { return std::to_string(id); };
  auto ordered = gp::maximin_order(*world, bench::Square(side, false).part(*world), 3, name, [] {});
  const gp::Pattern pattern = gp::make_pattern(*world, std::move(ordered), {}, [] {});
  const gp::RowLayout layout = gp::make_layout(*world, pattern, {1, big ? 2 : 1, 1});
  const gp::RowWeights weights = weights_of(pattern, layout, big);
  gp::Covariance covariance({{{1.0, {{gp::Family::matern_7_2, {0.3}, {}}}}}}, 2);
  gp::SparseFactor result(*world, pattern, layout);
  double seconds = 0;
  for ([[maybe_unused]] auto iteration : state) {
    world->barrier();
    const double start = MPI_Wtime();
    result.compute(*world, weights, covariance, 1e-10, [] {});
    const double taken = world->max(MPI_Wtime() - start);
    state.SetIterationTime(taken);
    seconds += taken;
  }
  const auto statistics = result.statistics(*world);
  const double runs = static_cast<double>(state.iterations());
  state.counters["GF"] = statistics.flops * 1e-9;
  state.counters["GF/s"] = statistics.flops * 1e-9 * runs / seconds;
  state.counters["per_row"] =
      static_cast<double>(statistics.nonzeros) / static_cast<double>(statistics.rows);
  state.counters["us/block"] =
      seconds / runs * 1e6 * world->size() / static_cast<double>(statistics.supernodes);
  state.counters["imbalance"] = statistics.imbalance;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  world = std::make_unique<parallel::Communicator>(parallel::Communicator::world());
  {
    const linear::PetscSession session(*world, {}, {});
    benchmark::Initialize(&argc, argv);
    for (const bool big : {true, false}) {
      benchmark::RegisterBenchmark(big ? "factor/big" : "factor/small",
                                   [big](benchmark::State& state) { factor(state, big); })
          ->Arg(10000)
          ->Arg(100000)
          ->UseManualTime()
          ->Iterations(5)
          ->Unit(benchmark::kMillisecond);
    }
    bench::Silent silent;
    benchmark::RunSpecifiedBenchmarks(world->is_root() ? nullptr : &silent);
  }
  world.reset();
  MPI_Finalize();
  return 0;
}
