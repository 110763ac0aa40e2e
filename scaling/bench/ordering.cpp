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
#include <vector>

#include "parallel/communicator.hpp"
#include "parallel/random.hpp"

namespace {

using namespace mensura;

std::unique_ptr<parallel::Communicator> world;

double uniform(std::uint64_t counter) {
  const std::uint64_t word = parallel::mix(counter * 0x9e3779b97f4a7c15ULL + 1);
  return (static_cast<double>(word >> 11U) + 0.5) * 0x1p-53;
}

/// Point `id` of the grid: the boundary counter-clockwise, then the interior row by row.
void place(std::int64_t id, std::int64_t side, bool random, std::vector<double>& coordinates) {
  const std::int64_t cells = side + 1;
  std::int64_t column = 0, row = 0;
  if (id < 4 * cells) {
    const std::int64_t edge = id / cells, step = id % cells;
    column = edge == 0 ? step : (edge == 1 ? cells : (edge == 2 ? cells - step : 0));
    row = edge == 1 ? step : (edge == 2 ? cells : (edge == 3 ? cells - step : 0));
  } else if (random) {
    const auto counter = static_cast<std::uint64_t>(id) * 2;
    coordinates.insert(coordinates.end(), {uniform(counter), uniform(counter + 1)});
    return;
  } else {
    column = 1 + (id - 4 * cells) % side;
    row = 1 + (id - 4 * cells) / side;
  }
  const auto width = static_cast<double>(cells);
  coordinates.insert(coordinates.end(),
                     {static_cast<double>(column) / width, static_cast<double>(row) / width});
}

gp::PointSet square(std::int64_t side, bool random) {
  gp::PointSet points;
  points.dimension = 2;
  points.counts = {4 * (side + 1), side * side, 0};
  const std::int64_t total = points.total();
  const std::int64_t end = total * (world->rank() + 1) / world->size();
  for (std::int64_t id = total * world->rank() / world->size(); id < end; ++id) {
    points.ids.push_back(static_cast<std::uint64_t>(id));
    place(id, side, random, points.coordinates);
  }
  return points;
}

void order(benchmark::State& state, bool random) {
  const std::int64_t side = std::lround(std::sqrt(static_cast<double>(state.range(0))));
  const auto name = [](std::uint64_t id) { return std::to_string(id); };
  std::int64_t rounds = 0;
  for (auto _ : state) {
    auto points = square(side, random);
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

/// Ranks other than the first measure, too, but say nothing.
class Silent : public benchmark::BenchmarkReporter {
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>&) override {}
};

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  benchmark::Initialize(&argc, argv);
  world = std::make_unique<parallel::Communicator>(parallel::Communicator::world());
  register_benchmarks();
  if (world->is_root()) {
    benchmark::RunSpecifiedBenchmarks();
  } else {
    Silent silent;
    benchmark::RunSpecifiedBenchmarks(&silent);
  }
  world.reset();
  MPI_Finalize();
  return 0;
}
