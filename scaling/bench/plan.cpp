// SPDX-License-Identifier: BSD-3-Clause
// The parts of a Newton step on a sparse plan, on any number of ranks.
//   mpiexec -n P bench_plan [Google Benchmark options]
//   search/side/unit:   support of the plan between two smooth images, eps = h^2 / unit
//   assembly/side/unit: matrix of the Laplacian for the preconditioner
//   product/side/unit:  one product with the Laplacian without a matrix
#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "linear/petsc.hpp"
#include "parallel/by_index.hpp"
#include "parallel/environment.hpp"
#include "silent.hpp"
#include "transport/laplacian.hpp"
#include "transport/search.hpp"

namespace {

using namespace mensura;
using namespace mensura::transport;

const parallel::Communicator* world = nullptr;

double image(int side, double x, double y) {
  const double a = side == 0 ? 0.35 : 0.6, b = side == 0 ? 0.4 : 0.65;
  return 0.2 + std::exp(-((x - a) * (x - a) + (y - b) * (y - b)) / 0.03);
}

Cloud pixels(int side, std::int64_t n) {
  const parallel::Blocks blocks{n * n, world->size()};
  std::vector<double> coordinates, mass;
  std::vector<std::uint64_t> ids;
  for (std::int64_t k = blocks.begin(world->rank()); k < blocks.begin(world->rank() + 1); ++k) {
    const double x = (static_cast<double>(k / n) + 0.5) / static_cast<double>(n);
    const double y = (static_cast<double>(k % n) + 0.5) / static_cast<double>(n);
    coordinates.insert(coordinates.end(), {x, y});
    mass.push_back(image(side, x, y) / static_cast<double>(n * n));
    ids.push_back(static_cast<std::uint64_t>(k));
  }
  return make_cloud(*world, 2, std::move(coordinates), mass, ids);
}

// Two images with potentials that a few exact sweeps gave.
struct Problem {
  Problem(std::int64_t n, std::int64_t unit)
      : cost(CostSpec{}, 1, 2),
        epsilon(1.0 / static_cast<double>(unit * n * n)),
        x(pixels(0, n)),
        y(pixels(1, n)),
        plan(*world, x, y, cost) {
    at.g.assign(y.own(), 0.0);
    at.f = soft_transform(*world, x, y, at.g, epsilon, cost);
    plan.search(at, epsilon, std::int64_t{1} << 30U);
    plan.sinkhorn(at, epsilon, std::numeric_limits<double>::infinity(), 20);
    plan.search(at, epsilon, std::int64_t{1} << 30U);
    plan.evaluate(at, epsilon);
  }
  Cost cost;
  double epsilon;
  Cloud x, y;
  SparsePlan plan;
  Potentials at;
};

std::map<std::pair<std::int64_t, std::int64_t>, std::unique_ptr<Problem>> made;

Problem& problem(const benchmark::State& state) {
  auto& found = made[{state.range(0), state.range(1)}];
  if (!found) found = std::make_unique<Problem>(state.range(0), state.range(1));
  return *found;
}

// The slowest rank's time of one call.
template <class Action>
void measure(benchmark::State& state, const Action& action) {
  for (auto _ : state) {
    world->barrier();
    const auto start = std::chrono::steady_clock::now();
    action();
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
    state.SetIterationTime(world->max(elapsed.count()));
  }
}

void rate(benchmark::State& state, std::int64_t items) {
  state.counters["entries_per_second"] =
      benchmark::Counter(static_cast<double>(items), benchmark::Counter::kIsIterationInvariantRate);
}

void search(benchmark::State& state) {
  Problem& p = problem(state);
  measure(state, [&] { p.plan.search(p.at, p.epsilon, std::int64_t{1} << 30U); });
  rate(state, p.plan.total());
  p.plan.evaluate(p.at, p.epsilon);
}

void assembly(benchmark::State& state) {
  Problem& p = problem(state);
  const Laplacian laplacian(p.plan, {}, {});
  measure(state, [&] { benchmark::DoNotOptimize(laplacian.assemble(1e-9, 1e-5).get()); });
  rate(state, laplacian.assembled_entries());
}

void product(benchmark::State& state) {
  Problem& p = problem(state);
  const Laplacian laplacian(p.plan, {}, {});
  std::vector<double> v(static_cast<std::size_t>(laplacian.own()), 1.0), result(v.size());
  measure(state, [&] { laplacian.apply(1e-9, v, result); });
  rate(state, 2 * p.plan.total());
}

}  // namespace

int main(int argc, char** argv) {
  const parallel::Environment environment(argc, argv);
  const auto comm = parallel::Communicator::world();
  {
    const linear::PetscSession petsc(comm, {}, {});
    world = &comm;
    benchmark::Initialize(&argc, argv);
    const std::vector<std::pair<const char*, void (*)(benchmark::State&)>> parts{
        {"search", search}, {"assembly", assembly}, {"product", product}};
    for (const auto& [name, part] : parts) {
      // A fixed number of iterations: an adaptive one would differ between ranks.
      benchmark::RegisterBenchmark(name, part)
          ->Args({256, 1})
          ->Args({256, 4})
          ->UseManualTime()
          ->Iterations(5)
          ->Unit(benchmark::kMillisecond);
    }
    bench::Silent silent;
    benchmark::RunSpecifiedBenchmarks(comm.is_root() ? nullptr : &silent);
    made.clear();  // its PETSc objects end before PETSc does
  }
  return 0;
}
