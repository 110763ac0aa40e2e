// SPDX-License-Identifier: BSD-3-Clause
// Points per second of the neighbour engine (build, search) and its memory per point.
//   mpirun -np 2 bench_neighbours [points per set = 1000000] [dimension = 3] [k = 64] [law = gauss]
//   [leaf size = 0, automatic] [batches = 1] [k of one more request per set = 0]
// Two sets: standard normal, and the same shifted by 0.5 (gauss) or both uniform (uniform), or
// rounded like the colours of a photograph (colours: most points share their site with others).
#include "points/neighbours.hpp"

#include <mpi.h>
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <numbers>
#include <span>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"
#include "parallel/random.hpp"
#include "points/reduce.hpp"

namespace {

using mensura::parallel::Communicator;
namespace points = mensura::points;

double uniform(std::uint64_t counter) {
  const std::uint64_t word = mensura::parallel::mix(counter * 0x9e3779b97f4a7c15ULL + 1);
  return (static_cast<double>(word >> 11U) + 0.5) * 0x1p-53;
}

std::int64_t proportional_bytes() {
  std::ifstream file("/proc/self/smaps_rollup");
  for (std::string word; file >> word;) {
    std::int64_t kilobytes = 0;
    if (word == "Pss:" && file >> kilobytes) return kilobytes * 1024;
  }
  return 0;
}

points::LabelledPoints generate(const Communicator& comm, std::int64_t per_set, int dimension,
                                const std::string& law) {
  points::LabelledPoints p;
  p.dimension = dimension;
  p.offsets = {0, per_set, 2 * per_set};
  const std::int64_t begin = 2 * per_set * comm.rank() / comm.size();
  const std::int64_t end = 2 * per_set * (comm.rank() + 1) / comm.size();
  p.coordinates.reserve(static_cast<std::size_t>((end - begin) * dimension));
  p.ids.reserve(static_cast<std::size_t>(end - begin));
  for (std::int64_t i = begin; i < end; ++i) {
    p.ids.push_back(static_cast<std::uint64_t>(i));
    for (int j = 0; j < dimension; ++j) {
      const auto counter = static_cast<std::uint64_t>((i * dimension + j) * 2);
      double x = uniform(counter);
      if (law != "uniform") {
        x = std::sqrt(-2 * std::log(x)) * std::cos(2 * std::numbers::pi * uniform(counter + 1));
        if (i >= per_set && j == 0) x += 0.5;
      }
      p.coordinates.push_back(law == "colours" ? std::round(20 * x) : x);
    }
  }
  return p;
}

struct Setting {
  std::int64_t per_set;
  int dimension, k;
  std::string law;
  std::int64_t leaf_size, batches;
  int per_set_k;
};

void run(const Communicator& comm, const Setting& setting) {
  const auto [per_set, dimension, k, law, leaf_size, batches, per_set_k] = setting;
  const auto before = comm.sum(proportional_bytes());
  auto data = generate(comm, per_set, dimension, law);
  const std::vector<std::int64_t> offsets = data.offsets;
  std::int64_t peak = 0;
  comm.barrier();
  const double start = MPI_Wtime();
  points::NeighbourEngine engine(comm, std::move(data), k, {.leaf_size = leaf_size});
  comm.barrier();
  const double built = MPI_Wtime();
  peak = comm.sum(proportional_bytes());
  std::int64_t in_first_set = 0;
  std::vector<points::Request> requests{{~std::uint64_t{0}, k}};
  if (per_set_k > 0) requests.insert(requests.end(), {{1, per_set_k}, {2, per_set_k}});
  std::int64_t polls = 0;
  const auto count_first_set = [&, neighbours = k](const points::Neighbourhood& site) {
    points::for_each_query(site, 0, offsets, [&](int, std::int64_t copies, int skip) {
      int count = 0;
      points::count_label(site.lists[0], std::span<const int>(&neighbours, 1), skip, 0,
                          static_cast<std::uint64_t>(offsets[1]), std::span<int>(&count, 1));
      in_first_set += copies * count;
    });
  };
  const auto poll = [&] {
    ++polls;
    peak = std::max(peak, comm.sum(proportional_bytes()));
  };
  for (std::int64_t batch = 0; batch < batches; ++batch) {
    engine.search(requests, ~std::uint64_t{0}, batch, batches, count_first_set, poll);
  }
  comm.barrier();
  const double searched = MPI_Wtime();
  std::int64_t own_peak = 0;
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == "VmHWM:") status >> own_peak;
  }
  const std::int64_t total = 2 * per_set, sum = comm.sum(in_first_set);
  const std::int64_t high_water = comm.sum(own_peak * 1024);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const std::int64_t cpu = comm.sum(usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec);
  const auto statistics = engine.statistics();
  if (!comm.is_root()) return;
  const double n = static_cast<double>(total);
  std::printf(
      "ranks %d points %lld d %d k %d: build %.3f s (%.3g points/s), search %.3f s (%.3g "
      "points/s), "
      "total %.3f s, polls %lld, remote factor %.4f, PSS at polls %.1f B/point, VmHWM %.1f "
      "B/point, "
      "user CPU of all ranks %.2f s, checksum %lld\n",
      comm.size(), static_cast<long long>(total), dimension, k, built - start, n / (built - start),
      searched - built, n / (searched - built), searched - start, static_cast<long long>(polls),
      static_cast<double>(statistics.remote_queries) / static_cast<double>(statistics.queries),
      static_cast<double>(peak - before) / n, static_cast<double>(high_water - before) / n,
      static_cast<double>(cpu) * 1e-6, static_cast<long long>(sum));
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  {
    const auto number = [&](int i, std::int64_t standard) {
      return argc > i ? std::atoll(argv[i]) : standard;
    };
    run(Communicator::world(),
        {number(1, 1000000), static_cast<int>(number(2, 3)), static_cast<int>(number(3, 64)),
         argc > 4 ? argv[4] : "gauss", number(5, 0), number(6, 1), static_cast<int>(number(7, 0))});
  }
  MPI_Finalize();
  return 0;
}
