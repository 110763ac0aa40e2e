// SPDX-License-Identifier: BSD-3-Clause
// The parts of the cycle's solver: messages, marginals of any potentials, the coarse matrix, the
// extrapolation.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "dense.hpp"
#include "parallel/exact_sum.hpp"
#include "parallel/random.hpp"
#include "transport/anderson.hpp"
#include "transport/cycle_coarse.hpp"
#include "transport/cycle_messages.hpp"
#include "transport/cycle_pairs.hpp"
#include "transport/cycle_problem.hpp"
#include "transport/cycle_rounding.hpp"
#include "transport/cycle_sweep.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using namespace mensura::transport;
using parallel::Communicator;

CycleProblem random_cycle(std::vector<std::size_t> sizes, double weight) {
  CycleProblem problem;
  for (std::size_t k = 0; k < sizes.size(); ++k) {
    const Measure measure = random_measure(1, sizes[k], k + 1);
    problem.nodes.push_back({1, measure.coordinates, measure.mass});
    problem.weights.push_back(weight);
  }
  return problem;
}

// Tiles of every size give the logarithm of the sum, where messages are steep and the sums they
// meet leave the range of doubles, forwards and backwards.
TEST(CycleMessages, EveryTileIsExact) {
  const Communicator comm = Communicator::world();
  const CycleData data = make_cycle_data(comm, random_cycle({21, 45, 37}, 1));
  for (const double epsilon : {1.0, 1e-2, 2e-5}) {
    for (const bool forward : {true, false}) {
      const std::size_t n = data.nodes[forward ? 1 : 2].size, m = data.nodes[forward ? 2 : 1].size;
      Columns in(data.groups * n * 8), out;
      for (std::size_t g = 0; g < data.groups; ++g) {
        for (std::size_t i = 0; i < n; ++i) {
          for (std::size_t lane = 0; lane < 8; ++lane) {
            // Slopes of all columns that move the largest term away from the nearest point.
            const double slope = -1 + 0.1 * static_cast<double>(data.column(g, lane));
            in[(g * n + i) * 8 + lane] =
                slope * data.nodes[forward ? 1 : 2].coordinates[i] / epsilon + std::sin(double(i));
          }
        }
      }
      for (const std::size_t tile : {1U, 2U, 4U, 8U, 16U, 32U}) {
        CycleMessages messages(data);
        messages.set_epsilon(epsilon);
        messages.set_tile(tile);
        if (forward) {
          messages.forward(1, in, {}, out);
        } else {
          messages.backward(1, in, {}, out);
        }
        for (std::size_t g = 0; g < data.groups; ++g) {
          for (std::size_t j = 0; j < m; ++j) {
            for (std::size_t lane = 0; lane < 8; ++lane) {
              Wide top = -1e300L, sum = 0;
              const auto exponent = [&](std::size_t i) {
                const double c = forward ? (*data.edges[1])(i, j) : (*data.edges[1])(j, i);
                return Wide(in[(g * n + i) * 8 + lane]) - Wide(c) / epsilon;
              };
              for (std::size_t i = 0; i < n; ++i) top = std::max(top, exponent(i));
              for (std::size_t i = 0; i < n; ++i) sum += std::exp(exponent(i) - top);
              const auto exact = static_cast<double>(top + std::log(sum));
              // Rounding of exponents up to 1 / eps, a few times over.
              EXPECT_NEAR(out[(g * m + j) * 8 + lane], exact, 2e-14 + 2e-15 / epsilon)
                  << epsilon << " " << tile;
            }
          }
        }
      }
    }
  }
}

// All trajectories with their masses for given potentials (times eps).
template <class Visit>
void each_path(const CycleData& data, const CycleProblem& problem, const CycleSweep::Potentials& u,
               double epsilon, const Visit& visit) {
  std::vector<std::size_t> x(data.count(), 0);
  for (;;) {
    Wide exponent = 0, mass = 1;
    for (std::size_t k = 0; k < data.count(); ++k) {
      const std::size_t next = (k + 1) % data.count();
      const Wide z = Wide(data.nodes[k].coordinates[x[k]]) - data.nodes[next].coordinates[x[next]];
      exponent += u[k][x[k]] - problem.weights[k] * z * z / epsilon;
      mass *= data.nodes[k].mass[x[k]];
    }
    visit(x, mass * std::exp(exponent));
    std::size_t k = 0;
    while (k < data.count() && ++x[k] == data.nodes[k].size) x[k++] = 0;
    if (k == data.count()) return;
  }
}

CycleSweep::Potentials random_potentials(const CycleData& data) {
  const parallel::Stream stream(1, "test", "potentials");
  CycleSweep::Potentials u;
  for (std::size_t k = 0; k < data.count(); ++k) {
    auto& values = u.emplace_back();
    for (std::size_t i = 0; i < data.nodes[k].size; ++i) values.push_back(stream.uniform(k, i));
  }
  return u;
}

// The gradient of the dual objective away from the optimum is mass less marginal.
TEST(CycleSweep, MarginalsOfAnyPotentials) {
  const Communicator comm = Communicator::world();
  const double epsilon = 0.2;
  const CycleProblem problem = random_cycle({9, 5, 6, 5}, 1);
  const CycleData data = make_cycle_data(comm, problem);
  CycleSweep sweep(comm, data);
  sweep.set_epsilon(epsilon);
  sweep.potentials() = random_potentials(data);
  const double log_mass = sweep.refresh(std::numeric_limits<double>::infinity(), {});
  sweep.walk([](std::size_t, const Columns&) {}, {});
  const auto& logarithms = sweep.measure({});
  std::vector<std::vector<Wide>> dense;
  for (const CycleNode& node : data.nodes) dense.emplace_back(node.size, 0);
  Wide mass = 0;
  each_path(data, problem, sweep.potentials(), epsilon,
            [&](const std::vector<std::size_t>& x, Wide p) {
              mass += p;
              for (std::size_t k = 0; k < x.size(); ++k) dense[k][x[k]] += p;
            });
  EXPECT_NEAR(log_mass, static_cast<double>(std::log(mass)), 1e-13);  // rounding
  for (std::size_t k = 0; k < data.count(); ++k) {
    for (std::size_t i = 0; i < logarithms[k].size(); ++i) {
      EXPECT_NEAR(std::exp(logarithms[k][i]) / static_cast<double>(dense[k][i]), 1, 1e-13);
    }
  }
}

// The blocks of the Hessian between neighbours.
TEST(CycleSweep, PairsOfAnyPotentials) {
  const Communicator comm = Communicator::world();
  const double epsilon = 0.2;
  const CycleProblem problem = random_cycle({9, 5, 6, 5}, 1);
  const CycleData data = make_cycle_data(comm, problem);
  CycleSweep sweep(comm, data);
  sweep.set_epsilon(epsilon);
  sweep.potentials() = random_potentials(data);
  sweep.refresh(std::numeric_limits<double>::infinity(), {});
  const std::size_t count = data.count();
  std::vector<std::vector<parallel::ExactSum>> sums(count);
  std::vector<std::vector<Wide>> dense(count);
  for (std::size_t k = 0; k < count; ++k) {
    sums[k].resize(data.nodes[k].size * data.nodes[(k + 1) % count].size);
    dense[k].assign(sums[k].size(), 0);
  }
  visit_pairs(sweep,
              [&](std::size_t edge, std::size_t i, std::size_t j, double mass, double) {
                sums[edge][i * data.nodes[(edge + 1) % count].size + j].add(mass);
              },
              {});
  each_path(data, problem, sweep.potentials(), epsilon,
            [&](const std::vector<std::size_t>& x, Wide p) {
              for (std::size_t k = 0; k < count; ++k) {
                const std::size_t next = (k + 1) % count;
                dense[k][x[k] * data.nodes[next].size + x[next]] += p;
              }
            });
  for (std::size_t k = 0; k < count; ++k) {
    parallel::reduce(comm, sums[k]);
    for (std::size_t i = 0; i < sums[k].size(); ++i) {
      EXPECT_NEAR(sums[k][i].value(), static_cast<double>(dense[k][i]), 1e-13);
    }
  }
}

// E[f g], the Hessian, of all pairs of smooth functions, by brute force.
std::vector<double> dense_matrix(const CycleData& data, const CycleProblem& problem,
                                 const CycleSweep& sweep, const CycleCoarse& coarse) {
  const std::size_t n = coarse.unknowns();
  std::vector<Wide> sums(n * n, 0);
  each_path(data, problem, sweep.potentials(), sweep.epsilon(),
            [&](const std::vector<std::size_t>& x, Wide p) {
              std::vector<CycleCoarse::Entry> path;
              for (std::size_t k = 0; k < x.size(); ++k) {
                for (const auto& entry : coarse.at(k, x[k])) path.push_back(entry);
              }
              for (const auto& a : path) {
                for (const auto& b : path)
                  sums[a.function * n + b.function] += p * a.value * b.value;
              }
            });
  return {sums.begin(), sums.end()};
}

// The solver's gradient along every smooth function has the dense Hessian as its derivative:
// central differences of sixth order, whose error is some h^6 / 140 times a seventh derivative of
// order one.
TEST(CycleSweep, DerivativesOfTheGradientAreTheDenseHessian) {
  const Communicator comm = Communicator::world();
  const CycleProblem problem = random_cycle({9, 8, 6, 5}, 1);
  const CycleData data = make_cycle_data(comm, problem);
  CycleSweep sweep(comm, data);
  sweep.set_epsilon(0.2);
  const CycleSweep::Potentials u = random_potentials(data);
  const CycleCoarse coarse(comm, data, 16, 1);
  const std::size_t n = coarse.unknowns();
  const double h = 0.02, factors[3] = {45.0 / 60, -9.0 / 60, 1.0 / 60};
  std::vector<double> matrix(n * n, 0);
  for (std::size_t f = 0; f < n; ++f) {
    for (int step = -3; step <= 3; ++step) {
      if (step == 0) continue;
      sweep.potentials() = u;
      for (std::size_t k = 0; k < data.count(); ++k) {
        for (std::size_t i = 0; i < u[k].size(); ++i) {
          for (const auto& entry : coarse.at(k, i)) {
            if (entry.function == f) sweep.potentials()[k][i] += step * h * entry.value;
          }
        }
      }
      sweep.refresh(std::numeric_limits<double>::infinity(), {});
      sweep.walk([](std::size_t, const Columns&) {}, {});
      const auto& logarithms = sweep.measure({});
      const double factor = (step > 0 ? 1 : -1) * factors[std::abs(step) - 1] / h;
      for (std::size_t k = 0; k < data.count(); ++k) {
        for (std::size_t i = 0; i < u[k].size(); ++i) {
          for (const auto& entry : coarse.at(k, i)) {
            matrix[f * n + entry.function] += factor * entry.value * std::exp(logarithms[k][i]);
          }
        }
      }
    }
  }
  sweep.potentials() = u;
  const std::vector<double> dense = dense_matrix(data, problem, sweep, coarse);
  double largest = 0;
  for (std::size_t i = 0; i < n * n; ++i) {
    EXPECT_NEAR(matrix[i], dense[i], 1e-10);
    largest = std::max(largest, dense[i]);
  }
  EXPECT_GT(largest, 0.1);
}

// The matrix is E[f g] for all pairs of functions, up to what the draws leave: with N of them an
// entry has a standard deviation of at most 1 / (2 sqrt N).
TEST(CycleCoarse, MatrixIsTheHessianOfTheSmoothFunctions) {
  const Communicator comm = Communicator::world();
  const double epsilon = 0.2;
  const CycleProblem problem = random_cycle({9, 8, 6}, 1);
  const CycleData data = make_cycle_data(comm, problem);
  CycleSweep sweep(comm, data);
  sweep.set_epsilon(epsilon);
  sweep.refresh(std::numeric_limits<double>::infinity(), {});
  for (int round = 0; round < 60; ++round) {
    sweep.update(false, {});
    sweep.measure({});
  }
  CycleCoarse coarse(comm, data, 12, 1);
  const std::size_t n = coarse.unknowns();
  const int rounds = 200;
  for (int round = 0; round < rounds; ++round) coarse.sample(sweep, round, round > 0, {});
  const std::vector<double> dense = dense_matrix(data, problem, sweep, coarse);
  const double deviation = 0.5 / std::sqrt(rounds * 8.0 * static_cast<double>(n));
  double largest = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i; j < n; ++j) {
      EXPECT_NEAR(coarse.matrix()[i * n + j], dense[i * n + j], 5 * deviation);
      largest = std::max(largest, coarse.matrix()[i * n + j]);
    }
  }
  EXPECT_GT(largest, 20 * deviation);
  // The functions of a node sum to one.
  for (std::size_t k = 0; k < data.count(); ++k) {
    for (std::size_t i = 0; i < data.nodes[k].size; ++i) {
      double sum = 0;
      for (const auto& entry : coarse.at(k, i)) sum += entry.value;
      EXPECT_NEAR(sum, 1, 1e-15);
    }
  }
  // A direction solves the scaled and shifted system: with no shift its slope is that of the
  // inverse, and it is uphill.
  coarse.factor(1e-3, {});
  std::vector<std::vector<double>> residual;
  for (const CycleNode& node : data.nodes) {
    auto& values = residual.emplace_back(node.size, 0.0);
    values.front() = 1;
    values.back() = -1;
  }
  EXPECT_GT(coarse.solve(residual).slope, 0);
}

// With a function for every point nothing is drawn: the matrix is the Hessian.
TEST(CycleCoarse, MatrixOfAllPointsIsTheHessian) {
  const Communicator comm = Communicator::world();
  for (const auto& sizes : {std::vector<std::size_t>{9, 8, 6}, {5, 7, 4, 6, 3}}) {
    const CycleProblem problem = random_cycle(sizes, 1);
    const CycleData data = make_cycle_data(comm, problem);
    CycleSweep sweep(comm, data);
    sweep.set_epsilon(0.2);
    sweep.refresh(std::numeric_limits<double>::infinity(), {});
    for (int round = 0; round < 100; ++round) {
      sweep.update(false, {});
      sweep.measure({});
    }
    const std::size_t points = std::accumulate(sizes.begin(), sizes.end(), std::size_t{0});
    CycleCoarse coarse(comm, data, static_cast<std::int64_t>(points), 1);
    ASSERT_TRUE(coarse.exact());
    ASSERT_EQ(coarse.unknowns(), points);
    coarse.sample(sweep, 0, false, {});
    const std::vector<double> dense = dense_matrix(data, problem, sweep, coarse);
    for (std::size_t i = 0; i < points; ++i) {
      for (std::size_t j = i; j < points; ++j) {
        EXPECT_NEAR(coarse.matrix()[i * points + j], dense[i * points + j], 1e-12);
      }
    }
  }
}

// Where the plan is a permutation draws have no spread: the matrix is the dense one.
TEST(CycleCoarse, MatrixOfAPermutationIsExact) {
  const Communicator comm = Communicator::world();
  CycleProblem problem;
  const std::size_t points = 12;
  for (std::size_t k = 0; k < 4; ++k) {
    PointSet& node = problem.nodes.emplace_back();
    for (std::size_t i = 0; i < points; ++i) {
      const auto x = static_cast<double>(i);
      node.coordinates.push_back((x + 0.1 * std::sin(x + static_cast<double>(k))) / points);
      node.mass.push_back(1.0 / points);
    }
    problem.weights.push_back(1);
  }
  const CycleData data = make_cycle_data(comm, problem);
  CycleSweep sweep(comm, data);
  sweep.set_epsilon(1e-4);  // a step to the next point costs some sixty times as much
  sweep.refresh(std::numeric_limits<double>::infinity(), {});
  for (int round = 0; round < 20; ++round) {
    sweep.update(false, {});
    sweep.measure({});
  }
  CycleCoarse coarse(comm, data, 16, 1);
  const std::size_t n = coarse.unknowns();
  coarse.sample(sweep, 0, false, {});
  const std::vector<double> dense = dense_matrix(data, problem, sweep, coarse);
  double off_node = 0;
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = i; j < n; ++j) {
      EXPECT_NEAR(coarse.matrix()[i * n + j], dense[i * n + j], 1e-10);
      if (j >= i + n / 2) off_node = std::max(off_node, dense[i * n + j]);
    }
  }
  EXPECT_GT(off_node, 0.1);
}

// The rounded plan, path by path: conditional on x_0 as it should be, and at every node less what
// is above its mass.
TEST(CycleRounding, PathsKeepTheMarginals) {
  const Communicator comm = Communicator::world();
  const double epsilon = 0.05;
  const CycleProblem problem = random_cycle({11, 5, 6, 4}, 2);
  const CycleData data = make_cycle_data(comm, problem);
  CycleSweep sweep(comm, data);
  sweep.set_epsilon(epsilon);
  sweep.potentials() = random_potentials(data);
  sweep.refresh(std::numeric_limits<double>::infinity(), {});
  std::vector<std::vector<std::size_t>> paths;
  std::vector<Wide> masses, starts(data.nodes[0].size, 0);
  each_path(data, problem, sweep.potentials(), epsilon,
            [&](const std::vector<std::size_t>& x, Wide mass) {
              paths.push_back(x);
              masses.push_back(mass);
              starts[x[0]] += mass;
            });
  for (std::size_t p = 0; p < paths.size(); ++p) {
    masses[p] *= data.nodes[0].mass[paths[p][0]] / starts[paths[p][0]];
  }
  const auto marginal = [&](std::size_t k) {
    std::vector<Wide> sums(data.nodes[k].size, 0);
    for (std::size_t p = 0; p < paths.size(); ++p) sums[paths[p][k]] += masses[p];
    return sums;
  };
  for (std::size_t k = 1; k < data.count(); ++k) {
    const auto sums = marginal(k);
    for (std::size_t p = 0; p < paths.size(); ++p) {
      masses[p] *= std::min(Wide(1), data.nodes[k].mass[paths[p][k]] / sums[paths[p][k]]);
    }
  }
  Wide cost = 0, total = 0;
  for (std::size_t p = 0; p < paths.size(); ++p) {
    total += masses[p];
    for (std::size_t k = 0; k < data.count(); ++k) {
      const std::size_t next = (k + 1) % data.count();
      const Wide z = Wide(data.nodes[k].coordinates[paths[p][k]]) -
                     data.nodes[next].coordinates[paths[p][next]];
      cost += masses[p] * problem.weights[k] * z * z;
    }
  }
  const RoundedCycle rounded = rounded_cycle(sweep, comm, {});
  EXPECT_NEAR(rounded.cost, static_cast<double>(cost), 1e-14);
  EXPECT_NEAR(rounded.remainder, static_cast<double>(1 - total), 1e-14);
  EXPECT_GT(rounded.remainder, 0.05);  // the potentials are no solution
  for (std::size_t k = 0; k < data.count(); ++k) {
    const auto sums = marginal(k);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      EXPECT_NEAR(rounded.missed[k][i], data.nodes[k].mass[i] - static_cast<double>(sums[i]),
                  1e-14);
    }
  }
}

// On a linear iteration with three slow modes the fourth difference ends it.
TEST(Anderson, EndsALinearIteration) {
  const std::vector<double> rates = {0.99, 0.9, -0.7};
  Anderson anderson(5, {1, 2, 3});
  std::vector<double> x = {1, 1, 1};
  for (int step = 0; step < 4; ++step) {
    std::vector<double> image(x);
    for (std::size_t i = 0; i < 3; ++i) image[i] *= rates[i];
    x = anderson.next(x, image);
  }
  for (const double v : x) EXPECT_NEAR(v, 0, 1e-10);  // the condition of the three differences
  anderson.clear();
  EXPECT_EQ(anderson.kept(), 0U);
  EXPECT_EQ(anderson.next({1, 0, 0}, {0.5, 0, 0}), (std::vector<double>{0.5, 0, 0}));
}

}  // namespace
