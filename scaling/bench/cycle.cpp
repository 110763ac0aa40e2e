// SPDX-License-Identifier: BSD-3-Clause
// A sweep of the cycle's solver: 512 points, 32 nodes of the flow on the line that reverses it, at
// potentials close to the solution.
//   bench_cycle [Google Benchmark options]; mpiexec -n P bench_cycle for P ranks (rank 0 prints)
//   sweep/e: all marginals made exact in turn and measured (two passes) at eps = 10^-e
//   terms_per_second: of the sums, as if no kernel were narrow: 2 n^3 K per sweep
#include <benchmark/benchmark.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "parallel/environment.hpp"
#include "silent.hpp"
#include "transport/cycle_sweep.hpp"

namespace {

using namespace mensura;
using namespace mensura::transport;

const parallel::Communicator* world = nullptr;

CycleProblem flow(std::size_t n, std::size_t steps) {
  PointSet line;
  CycleProblem problem;
  for (std::size_t i = 0; i < n; ++i) {
    const double x = (static_cast<double>(i) + 0.5) / static_cast<double>(n);
    line.coordinates.push_back(x);
    line.mass.push_back(1 / static_cast<double>(n));
    problem.closing.push_back(1 - x);
  }
  problem.nodes.assign(steps, line);
  problem.weights.assign(steps, static_cast<double>(steps));
  return problem;
}

void sweep(benchmark::State& state) {
  constexpr std::size_t n = 512, steps = 32;
  const double epsilon = std::pow(10.0, -static_cast<double>(state.range(0)));
  const CycleData data = make_cycle_data(*world, flow(n, steps));
  CycleSweep solver(*world, data);
  solver.set_epsilon(epsilon);
  const double bend = 2 * steps * (1 - std::cos(std::numbers::pi / steps)) / epsilon;
  for (std::size_t k = 0; k < steps; ++k) {
    for (std::size_t i = 0; i < n; ++i) {
      const double x = data.nodes[k].coordinates[i] - 0.5;
      solver.potentials()[k][i] = bend * x * x;
    }
  }
  // The tiles settle on a size.
  solver.refresh(std::numeric_limits<double>::infinity(), {});
  for (int round = 0; round < 5; ++round) {
    solver.update(false, {});
    solver.measure({});
    solver.adapt_tile();
  }
  for (auto _ : state) {
    solver.update(false, {});
    solver.measure({});
  }
  state.counters["tile"] = static_cast<double>(solver.tile());
  state.counters["terms_per_second"] =
      benchmark::Counter(2.0 * n * n * n * steps, benchmark::Counter::kIsIterationInvariantRate);
}

// Every rank has to run the same number of sweeps.
BENCHMARK(sweep)->DenseRange(1, 4)->Iterations(10)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) {
  const parallel::Environment environment(argc, argv);
  const auto comm = parallel::Communicator::world();
  world = &comm;
  benchmark::Initialize(&argc, argv);
  bench::Silent silent;
  benchmark::RunSpecifiedBenchmarks(comm.is_root() ? nullptr : &silent);
  return 0;
}
