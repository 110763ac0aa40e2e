// SPDX-License-Identifier: BSD-3-Clause
// The distributed triangular solves beside PETSc's products with the same matrix, which read the
// same bytes without any order to obey, and eight right-hand sides at once beside one after
// another.
//   mpirun -np 2 bench_triangular [ranks side by side = all] [Google Benchmark's options]
// Grid points from coarse to fine, two rows per point, about 110 entries per row. GB/s: values and
// indices once (12 bytes per entry) by the median time of the slowest rank. Ratios above one:
// faster than the product. Stages and messages are exact on any number of ranks, also on more than
// cores.
#include "linear/triangular.hpp"

#include <benchmark/benchmark.h>
#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "linear/handles.hpp"
#include "linear/petsc.hpp"
#include "parallel/communicator.hpp"
#include "silent.hpp"
#include "support/multilevel.hpp"

namespace {

using mensura::linear::check_petsc;
using mensura::linear::Vector;
using mensura::parallel::Communicator;

constexpr int repetitions = 15;

double seconds(const Communicator& comm, const std::function<void()>& action) {
  comm.barrier();
  const double start = MPI_Wtime();
  action();
  return comm.max(MPI_Wtime() - start);
}

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + repetitions / 2, values.end());
  return values[repetitions / 2];
}

struct Times {
  std::vector<double> forward, backward, product, transposed, eight;
};

void report(benchmark::State& state, const Times& times, double bytes) {
  const double forward = median(times.forward), backward = median(times.backward);
  const double product = median(times.product), transposed = median(times.transposed);
  state.counters["fwd_ms"] = forward * 1e3;
  state.counters["bwd_ms"] = backward * 1e3;
  state.counters["fwd_GB/s"] = bytes * 1e-9 / forward;
  state.counters["bwd_GB/s"] = bytes * 1e-9 / backward;
  state.counters["mult_GB/s"] = bytes * 1e-9 / product;
  state.counters["multT_GB/s"] = bytes * 1e-9 / transposed;
  state.counters["fwd/mult"] = product / forward;
  state.counters["bwd/multT"] = transposed / backward;
  state.counters["one/eighth"] = 8 * (forward + backward) / median(times.eight);
}

void triangular(benchmark::State& state, const Communicator& comm, int across) {
  const mensura::test::Multilevel grid(comm, static_cast<int>(state.range(0)), 5.2, across);
  const auto matrix = grid.matrix(comm);
  const auto elimination = grid.elimination();
  std::optional<mensura::linear::TriangularSolver> solver;
  const double setup =
      seconds(comm, [&] { solver.emplace(comm, matrix.get(), std::span(elimination)); });
  Vector x, y;
  check_petsc(MatCreateVecs(matrix.get(), x.put(), y.put()), "MatCreateVecs");
  check_petsc(VecSet(x.get(), 1), "VecSet");
  PetscInt rows = 0;
  check_petsc(VecGetLocalSize(x.get(), &rows), "VecGetLocalSize");
  std::vector<mensura::linear::Eight> block(static_cast<std::size_t>(rows));
  MatInfo info;
  check_petsc(MatGetInfo(matrix.get(), MAT_GLOBAL_SUM, &info), "MatGetInfo");
  Times times;
  for ([[maybe_unused]] auto iteration : state) {
    times.product.push_back(
        seconds(comm, [&] { check_petsc(MatMult(matrix.get(), x.get(), y.get()), "MatMult"); }));
    times.transposed.push_back(seconds(comm, [&] {
      check_petsc(MatMultTranspose(matrix.get(), x.get(), y.get()), "MatMultTranspose");
    }));
    times.forward.push_back(seconds(comm, [&] { solver->solve(x.get(), y.get()); }));
    times.backward.push_back(seconds(comm, [&] { solver->solve_transposed(x.get(), y.get()); }));
    std::ranges::fill(block, mensura::linear::all(1));
    times.eight.push_back(seconds(comm, [&] {
      solver->solve(block);
      solver->solve_transposed(block);
    }));
    state.SetIterationTime(times.forward.back() + times.backward.back());
  }
  report(state, times, info.nz_used * 12);
  const auto statistics = solver->forward_statistics();
  state.counters["per_row"] =
      info.nz_used / (2.0 * static_cast<double>(state.range(0) * state.range(0)));
  state.counters["setup_ms"] = setup * 1e3;
  state.counters["stages"] = static_cast<double>(statistics.stages);
  state.counters["messages"] = static_cast<double>(statistics.messages);
  state.counters["kB"] = static_cast<double>(statistics.bytes) * 1e-3;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  {
    const auto comm = Communicator::world();
    const mensura::linear::PetscSession session(comm, {}, {});
    benchmark::Initialize(&argc, argv);
    const int across = argc > 1 ? std::atoi(argv[1]) : comm.size();
    if (across < 1 || comm.size() % across != 0) {
      MPI_Abort(MPI_COMM_WORLD, 2);
    }
    const auto run = [&](benchmark::State& state) { triangular(state, comm, across); };
    benchmark::RegisterBenchmark("triangular", run)
        ->Arg(100)
        ->Arg(316)
        ->Arg(632)
        ->Iterations(repetitions)
        ->UseManualTime()
        ->Unit(benchmark::kMillisecond);
    mensura::bench::Silent silent;
    benchmark::RunSpecifiedBenchmarks(comm.is_root() ? nullptr : &silent);
  }
  MPI_Finalize();
  return 0;
}
