// SPDX-License-Identifier: BSD-3-Clause
// Exact transport on the line: sorts and merge of two sets of n points, beside the sort of one set
// that no code can do without.
//   mpirun -np 2 bench_line [Google Benchmark's options]
// Normal samples, in random order over ranks. `cost`: equal masses; `weighted`: masses that differ
// (they follow their points through the sort); `map`: projections and potentials as well; `circle`:
// p = 2 on a period of 1; `sliced`: one direction of three dimensions. Points per second count both
// sets; median of the slowest rank.
#include "transport/line.hpp"

#include <benchmark/benchmark.h>
#include <mpi.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"
#include "parallel/random.hpp"
#include "parallel/sort.hpp"
#include "silent.hpp"

namespace {

using mensura::parallel::Communicator;
namespace transport = mensura::transport;

constexpr int repetitions = 5;

struct Set {
  std::vector<double> positions, mass;
  transport::Weighted view() const { return {positions, mass}; }
};

Set generate(const Communicator& comm, std::int64_t n, int dimension, bool weighted,
             const std::string& name) {
  const mensura::parallel::Stream stream(1, "bench", name);
  const auto weight = [&](std::uint64_t i) {
    return weighted ? static_cast<double>(1 + i % 4) : 2.5;
  };
  Set set;
  const std::int64_t begin = n * comm.rank() / comm.size(),
                     end = n * (comm.rank() + 1) / comm.size();
  for (auto i = static_cast<std::uint64_t>(begin); i < static_cast<std::uint64_t>(end); ++i) {
    for (int k = 0; k < dimension; ++k) {
      set.positions.push_back(stream.normal(i, static_cast<std::uint64_t>(k)));
    }
    set.mass.push_back(weight(i));
  }
  return set;
}

using Action = std::function<void(const Communicator&, const Set&, const Set&)>;

void sort_one(const Communicator& comm, const Set& a, const Set& /*b*/) {
  std::vector<mensura::parallel::Keyed> points;
  for (std::size_t i = 0; i < a.positions.size(); ++i) points.push_back({a.positions[i], i});
  benchmark::DoNotOptimize(mensura::parallel::sort(comm, std::move(points)));
}
void cost(const Communicator& comm, const Set& a, const Set& b) {
  benchmark::DoNotOptimize(transport::line_cost(comm, a.view(), b.view(), 2));
}
void map(const Communicator& comm, const Set& a, const Set& b) {
  benchmark::DoNotOptimize(transport::line_map(comm, a.view(), b.view(), 2));
}
void circle(const Communicator& comm, const Set& a, const Set& b) {
  benchmark::DoNotOptimize(transport::circle_cost(comm, a.view(), b.view(), 1, 2));
}
void sliced(const Communicator& comm, const Set& a, const Set& b) {
  constexpr int directions = 10;
  benchmark::DoNotOptimize(transport::sliced_cost(comm, a.view(), b.view(), 3, directions, 1, {}));
}

struct Subject {
  std::string name;
  Action action;
  int dimension = 1;
  bool weighted = false;
  int solves = 1;  // of the line per action
};

void measure(benchmark::State& state, const Communicator& comm, const Subject& subject) {
  const std::int64_t n = state.range(0);
  const auto a = generate(comm, n, subject.dimension, subject.weighted, "a");
  const auto b = generate(comm, n, subject.dimension, subject.weighted, "b");
  std::vector<double> times;
  for ([[maybe_unused]] auto iteration : state) {
    comm.barrier();
    const double start = MPI_Wtime();
    subject.action(comm, a, b);
    times.push_back(comm.max(MPI_Wtime() - start));
    state.SetIterationTime(times.back());
  }
  std::nth_element(times.begin(), times.begin() + repetitions / 2, times.end());
  const double solve = times[repetitions / 2] / subject.solves;
  state.counters["median_ms"] = solve * 1e3;
  state.counters["points/s"] = 2 * static_cast<double>(n) / solve;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  {
    const auto comm = Communicator::world();
    benchmark::Initialize(&argc, argv);
    const std::vector<Subject> subjects{
        {"sort_one", sort_one}, {"cost", cost},     {"weighted", cost, 1, true},
        {"map", map},           {"circle", circle}, {"sliced", sliced, 3, false, 10}};
    for (const auto& subject : subjects) {
      const auto run = [&comm, subject](benchmark::State& state) { measure(state, comm, subject); };
      benchmark::RegisterBenchmark(subject.name.c_str(), run)
          ->Arg(1000000)
          ->Iterations(repetitions)
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond);
    }
    mensura::bench::Silent silent;
    benchmark::RunSpecifiedBenchmarks(comm.is_root() ? nullptr : &silent);
  }
  MPI_Finalize();
  return 0;
}
