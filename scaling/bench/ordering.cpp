// SPDX-License-Identifier: BSD-3-Clause
// Seconds and rounds of the parallel k-maximin order in the unit square.
//   mpirun -np 2 bench_ordering [Google Benchmark options]
// grid: n x n interior points and the boundary points of the same grid; random: as many points,
// uniform. The argument is the number of interior points; k = 3. Time includes the distribution
// over the ranks and the search for the nearest boundary points.
#include "gp/ordering.hpp"

#include <benchmark/benchmark.h>
#include <mpi.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>

#include "parallel/communicator.hpp"
#include "silent.hpp"
#include "square.hpp"

namespace {

using namespace mensura;

std::unique_ptr<parallel::Communicator> world;

void order(benchmark::State& state, bool random) {
  const std::int64_t side = std::lround(std::sqrt(static_cast<double>(state.range(0))));
  const auto name = [](std::uint64_t id) { return std::to_string(id); };
  std::int64_t rounds = 0;
  for (auto _ : state) {
    auto points = bench::Square(side, random).part(*world);
    world->barrier();
    const double start = MPI_Wtime();
    const auto ordered = gp::maximin_order(*world, std::move(points), 3, name, {});
    state.SetIterationTime(world->max(MPI_Wtime() - start));
    rounds = ordered.rounds;
  }
  state.counters["rounds"] = static_cast<double>(rounds);
  state.counters["ranks"] = world->size();
}

/// One iteration each: the number of iterations must be the same on all ranks.
void register_benchmarks() {
  for (const bool random : {false, true}) {
    benchmark::RegisterBenchmark(random ? "order/random" : "order/grid",
                                 [random](benchmark::State& state) { order(state, random); })
        ->Arg(10000)
        ->Arg(100000)
        ->Arg(1000000)
        ->UseManualTime()
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond);
  }
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  benchmark::Initialize(&argc, argv);
  world = std::make_unique<parallel::Communicator>(parallel::Communicator::world());
  register_benchmarks();
  if (world->is_root()) {
    benchmark::RunSpecifiedBenchmarks();
  } else {
    bench::Silent silent;
    benchmark::RunSpecifiedBenchmarks(&silent);
  }
  world.reset();
  MPI_Finalize();
  return 0;
}
