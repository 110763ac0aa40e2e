// SPDX-License-Identifier: BSD-3-Clause
// make_darcy FILE [SENSORS] [NOISE] [SEED] [CELLS]: writes what inputs/gp/darcy.yaml reads. Truth:
// -div(e^w grad u) = 1 on the unit square, u = 0 on its edge, e^w = e^s + e^-s, s = sin 2 pi x +
// sin 2 pi y (reference gp_pde 3.1), by differences of second order on CELLS (400) cells per side.
//   /sensors (n, 2), /measured (n,): SENSORS (1000) random nodes, u with normal errors of standard
//     deviation NOISE (1e-4); both node numbers are odd, so that no regular grid of points with a
//     spacing of an even number of cells meets a sensor;
//   /wells (20, 2), /logs (20,): 20 other nodes, w with errors of standard deviation 0.01;
//   /grid (m, 2), /u (m,), /w (m,): every fourth node inside, the truth;
//   /poisson (n,): at the sensors, with the same errors, what inputs/gp/source.yaml reads: the
//     solution sin(pi x) sin(pi y) e^x of Poisson's equation.
// One rank.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numbers>
#include <numeric>
#include <string>
#include <vector>

#include "linear/arrays.hpp"
#include "linear/handles.hpp"
#include "output/hdf5.hpp"
#include "parallel/communicator.hpp"
#include "parallel/environment.hpp"
#include "parallel/random.hpp"

namespace {

namespace linear = mensura::linear;
using linear::check_petsc;
using mensura::parallel::Communicator;

double log_permeability(double x, double y) {
  const double s = std::sin(2 * std::numbers::pi * x) + std::sin(2 * std::numbers::pi * y);
  return std::log(std::exp(s) + std::exp(-s));
}

// Nodes inside the square, x fastest.
class Grid {
 public:
  explicit Grid(int cells) : cells_(cells) {}
  int side() const { return cells_ - 1; }
  int nodes() const { return side() * side(); }
  double at(double node) const { return (node + 1) / cells_; }
  int number(int i, int j) const { return j * side() + i; }
  bool inside(int i, int j) const { return i >= 0 && j >= 0 && i < side() && j < side(); }

 private:
  int cells_;
};

// Fluxes between nodes with the permeability half-way.
linear::Matrix assemble(const Communicator& comm, const Grid& grid) {
  linear::Matrix matrix;
  check_petsc(MatCreateSeqAIJ(comm.handle(), grid.nodes(), grid.nodes(), 5, nullptr, matrix.put()),
              "MatCreateSeqAIJ");
  constexpr int steps[4][2] = {{1, 0}, {-1, 0}, {0, 1}, {0, -1}};
  for (int j = 0; j < grid.side(); ++j) {
    for (int i = 0; i < grid.side(); ++i) {
      double diagonal = 0;
      for (const auto& step : steps) {
        const double a =
            std::exp(log_permeability(grid.at(i + 0.5 * step[0]), grid.at(j + 0.5 * step[1])));
        diagonal += a;
        if (!grid.inside(i + step[0], j + step[1])) continue;
        check_petsc(MatSetValue(matrix.get(), grid.number(i, j),
                                grid.number(i + step[0], j + step[1]), -a, INSERT_VALUES),
                    "MatSetValue");
      }
      check_petsc(
          MatSetValue(matrix.get(), grid.number(i, j), grid.number(i, j), diagonal, INSERT_VALUES),
          "MatSetValue");
    }
  }
  check_petsc(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyBegin");
  check_petsc(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyEnd");
  check_petsc(MatSetOption(matrix.get(), MAT_SPD, PETSC_TRUE), "MatSetOption");
  return matrix;
}

std::vector<double> solve(const Communicator& comm, const Grid& grid) {
  const linear::Matrix matrix = assemble(comm, grid);
  linear::Vector u, f;
  check_petsc(MatCreateVecs(matrix.get(), u.put(), f.put()), "MatCreateVecs");
  check_petsc(VecSet(f.get(), std::pow(grid.at(0), 2)), "VecSet");
  linear::Krylov krylov;
  check_petsc(KSPCreate(comm.handle(), krylov.put()), "KSPCreate");
  check_petsc(KSPSetOperators(krylov.get(), matrix.get(), matrix.get()), "KSPSetOperators");
  check_petsc(KSPSetType(krylov.get(), KSPPREONLY), "KSPSetType");
  PC pc = nullptr;
  check_petsc(KSPGetPC(krylov.get(), &pc), "KSPGetPC");
  check_petsc(PCSetType(pc, PCCHOLESKY), "PCSetType");
  check_petsc(KSPSolve(krylov.get(), f.get(), u.get()), "KSPSolve");
  const linear::ReadArray values(u.get());
  return {values.data(), values.data() + grid.nodes()};
}

constexpr std::size_t wells = 20;

struct Sensors {
  std::vector<double> points, values, poisson;
  std::vector<double> wells, logs;
};

double poisson(double x, double y) {
  return std::sin(std::numbers::pi * x) * std::sin(std::numbers::pi * y) * std::exp(x);
}

Sensors measure(const Grid& grid, const std::vector<double>& u, int count, double noise,
                std::uint64_t seed) {
  const mensura::parallel::Stream places(seed, "darcy", "places"), errors(seed, "darcy", "errors");
  std::vector<std::pair<double, int>> nodes;  // odd node numbers count from one: i = 0, 2, ...
  for (int j = 0; j < grid.side(); j += 2) {
    for (int i = 0; i < grid.side(); i += 2) {
      const int node = grid.number(i, j);
      nodes.emplace_back(places.uniform(static_cast<std::uint64_t>(node), 0), node);
    }
  }
  std::sort(nodes.begin(), nodes.end());
  Sensors sensors;
  const std::size_t all = std::min(nodes.size(), static_cast<std::size_t>(count) + wells);
  for (std::size_t n = all - wells; n < all; ++n) {
    const int node = nodes[n].second;
    const double x = grid.at(node % grid.side()), y = grid.at(node / grid.side());
    sensors.wells.insert(sensors.wells.end(), {x, y});
    sensors.logs.push_back(log_permeability(x, y) +
                           0.01 * errors.normal(static_cast<std::uint64_t>(node), 0));
  }
  nodes.resize(all - wells);
  for (const auto& [key, node] : nodes) {
    const int i = node % grid.side(), j = node / grid.side();
    sensors.points.insert(sensors.points.end(), {grid.at(i), grid.at(j)});
    const double error = noise * errors.normal(static_cast<std::uint64_t>(node), 0);
    sensors.values.push_back(u[static_cast<std::size_t>(node)] + error);
    sensors.poisson.push_back(poisson(grid.at(i), grid.at(j)) + error);
  }
  return sensors;
}

void write(const Communicator& comm, const std::string& path, const Grid& grid,
           const std::vector<double>& u, const Sensors& sensors) {
  auto file = mensura::output::File::create(comm, path);
  const auto count = [](const std::vector<double>& points) {
    return static_cast<std::int64_t>(points.size() / 2);
  };
  file.replicated("/sensors", sensors.points, {}, {count(sensors.points), 2});
  file.replicated("/measured", sensors.values);
  file.replicated("/poisson", sensors.poisson);
  file.replicated("/wells", sensors.wells, {}, {count(sensors.wells), 2});
  file.replicated("/logs", sensors.logs);
  std::vector<double> points, values, w;
  for (int j = 3; j < grid.side(); j += 4) {
    for (int i = 3; i < grid.side(); i += 4) {
      points.insert(points.end(), {grid.at(i), grid.at(j)});
      values.push_back(u[static_cast<std::size_t>(grid.number(i, j))]);
      w.push_back(log_permeability(grid.at(i), grid.at(j)));
    }
  }
  file.replicated("/grid", points, {}, {count(points), 2});
  file.replicated("/u", values);
  file.replicated("/w", w);
  file.finish();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 6) return 2;
  const int sensors = argc > 2 ? std::atoi(argv[2]) : 1000;
  const double noise = argc > 3 ? std::atof(argv[3]) : 1e-4;
  const auto seed = static_cast<std::uint64_t>(argc > 4 ? std::atoll(argv[4]) : 1);
  const int cells = argc > 5 ? std::atoi(argv[5]) : 400;
  if (sensors < 1 || !(noise >= 0) || cells < 8) return 2;
  const mensura::parallel::Environment environment(argc, argv);
  const auto comm = Communicator::world();
  const linear::PetscSession session(comm, {}, {});
  const Grid grid(cells);
  const std::vector<double> u = solve(comm, grid);
  write(comm, argv[1], grid, u, measure(grid, u, sensors, noise, seed));
  return 0;
}
