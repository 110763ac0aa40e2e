// SPDX-License-Identifier: BSD-3-Clause
// Multi-marginal transport and barycenters on the line.
#include "transport/comonotone.hpp"

#include <cmath>
#include <limits>

#include "line_cases.hpp"
#include "parallel/error.hpp"
#include "parallel/exchange.hpp"

namespace mensura::transport::test {
namespace {

using parallel::Communicator;

std::vector<Own> owned(const Communicator& comm, const std::vector<Measure>& measures) {
  // Every measure is distributed in its own way.
  const Owner owners[] = {in_blocks, in_turn, on_the_last};
  std::vector<Own> result;
  for (std::size_t k = 0; k < measures.size(); ++k) {
    result.push_back(own_part(comm, measures[k], owners[k % 3]));
  }
  return result;
}

std::vector<Weighted> views(const std::vector<Own>& own) {
  std::vector<Weighted> result;
  for (const Own& measure : own) result.push_back(measure.view());
  return result;
}

double cost(const Communicator& comm, const std::vector<Measure>& measures,
            const std::vector<EdgeSpec>& edges, double power) {
  const auto own = owned(comm, measures);
  return comonotone_cost(comm, views(own), edges, power);
}

/// The barycenter on every rank, in order.
Measure barycenter(const Communicator& comm, const std::vector<Measure>& measures,
                   const std::vector<double>& weights) {
  const auto own = owned(comm, measures);
  const LineAtoms atoms = line_barycenter(comm, views(own), weights);
  const auto all = [&](const std::vector<double>& values) {
    std::vector<double> sent;
    for (int r = 0; r < comm.size(); ++r) sent.insert(sent.end(), values.begin(), values.end());
    const std::vector<std::int64_t> counts(static_cast<std::size_t>(comm.size()),
                                           static_cast<std::int64_t>(values.size()));
    return parallel::exchange<double>(comm, sent, counts).data;
  };
  return {all(atoms.positions), all(atoms.mass)};
}

TEST(Comonotone, AgainstAllPermutations) {
  // Reference transport 5, item 9: six equal points, three measures.
  const Communicator world = Communicator::world();
  std::mt19937_64 draw(3);
  std::normal_distribution<double> normal;
  std::vector<Measure> measures(3);
  for (Measure& measure : measures) {
    for (int i = 0; i < 6; ++i) measure.positions.push_back(normal(draw));
    measure.mass.assign(6, 1.0 / 6);
  }
  const std::vector<EdgeSpec> edges{{0, 1, 1.0}, {2, 0, 0.3}, {1, 2, 2.0}};
  for (const double power : {1.0, 1.5, 2.0, 3.0}) {
    double best = std::numeric_limits<double>::infinity();
    std::vector<std::size_t> order[2] = {{0, 1, 2, 3, 4, 5}, {}};
    do {
      order[1] = {0, 1, 2, 3, 4, 5};
      do {
        double sum = 0;
        for (std::size_t i = 0; i < 6; ++i) {
          const double x[3] = {measures[0].positions[i], measures[1].positions[order[0][i]],
                               measures[2].positions[order[1][i]]};
          for (const EdgeSpec& edge : edges) {
            sum += edge.weight * std::pow(std::abs(x[edge.from] - x[edge.to]), power) / 6;
          }
        }
        best = std::min(best, sum);
      } while (std::next_permutation(order[1].begin(), order[1].end()));
    } while (std::next_permutation(order[0].begin(), order[0].end()));
    // Eighteen positive terms.
    EXPECT_NEAR(cost(world, measures, edges, power), best, 1e-14 * best) << "power " << power;
  }
}

TEST(Comonotone, EdgesAddUpAndRanksChangeNothing) {
  const Communicator world = Communicator::world();
  const Communicator self = alone();
  std::mt19937_64 draw(17);
  std::vector<Measure> measures;
  for (const std::size_t n : {20U, 1U, 33U, 12U}) {
    measures.push_back(random_measure(draw, n, 60, n > 20 ? 5 : 0));
  }
  const std::vector<EdgeSpec> edges{{0, 1, 0.7}, {2, 3, 1.2}, {3, 0, 0.1}, {1, 2, 0}};
  double sum = 0;
  for (const EdgeSpec& edge : edges) {
    const auto own = owned(world, measures);
    sum += edge.weight * line_cost(world, own[edge.from].view(), own[edge.to].view(), 1.5);
  }
  const double value = cost(world, measures, edges, 1.5);
  EXPECT_NEAR(value, sum, 1e-14 * sum);
  EXPECT_EQ(value, cost(self, measures, edges, 1.5));
}

TEST(Comonotone, TheBarycentersCostIsThatOfAllPairs) {
  const Communicator world = Communicator::world();
  std::mt19937_64 draw(19);
  std::vector<Measure> measures;
  for (const std::size_t n : {14U, 9U, 25U, 6U}) measures.push_back(random_measure(draw, n, 70, 0));
  const std::vector<double> weights{0.1, 0.4, 0.3, 0.2};
  const Measure bar = barycenter(world, measures, weights);
  EXPECT_LE(bar.size(), 14U + 9 + 25 + 6 - 4 + 1);
  EXPECT_TRUE(std::is_sorted(bar.positions.begin(), bar.positions.end()));
  EXPECT_NEAR(std::accumulate(bar.mass.begin(), bar.mass.end(), 0.0), 70, 1e-12);
  double from_bar = 0, pairs = 0;
  std::vector<EdgeSpec> edges;
  const auto own = owned(world, measures);
  const Own own_bar = own_part(world, bar, in_turn);
  for (std::size_t i = 0; i < 4; ++i) {
    from_bar += weights[i] * line_cost(world, own[i].view(), own_bar.view(), 2);
    for (std::size_t j = 0; j < i; ++j) edges.push_back({i, j, weights[i] * weights[j]});
  }
  pairs = cost(world, measures, edges, 2);
  // The barycenter's positions are rounded sums of four terms.
  EXPECT_NEAR(from_bar, pairs, 1e-13 * pairs);
}

TEST(Comonotone, BarycentersAreAveragesOfSortedPoints) {
  const Communicator world = Communicator::world();
  const Communicator self = alone();
  std::mt19937_64 draw(23);
  std::vector<Measure> measures;
  for (int k = 0; k < 3; ++k) measures.push_back(random_measure(draw, 12, 12, 0));
  const std::vector<double> weights{3, 1, 4};  // relative
  const Measure bar = barycenter(world, measures, weights);
  // Equal masses: all jumps coincide, nothing is split.
  ASSERT_EQ(bar.size(), 12U);
  for (std::size_t i = 0; i < 12; ++i) {
    double mean = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      mean += weights[k] / 8 * measures[k].positions[expanded(measures[k])[i]];
    }
    EXPECT_NEAR(bar.positions[i], mean, 1e-15);
    EXPECT_EQ(bar.mass[i], 1);
  }
  const Measure same = barycenter(self, measures, weights);
  EXPECT_EQ(bar.positions, same.positions);
  EXPECT_EQ(bar.mass, same.mass);
  // All the weight on one measure: it comes back in order.
  const Measure one = barycenter(world, measures, {0, 2, 0});
  std::vector<double> sorted = measures[1].positions;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(one.positions, sorted);
}

TEST(Comonotone, BadInput) {
  const Communicator world = Communicator::world();
  std::mt19937_64 draw(29);
  const std::vector<Measure> good{random_measure(draw, 5, 10, 0), random_measure(draw, 4, 10, 0)};
  std::vector<Measure> bad = good;
  bad[1].mass[0] += 1;
  EXPECT_THROW(cost(world, bad, {{0, 1, 1.0}}, 2), parallel::Error);
  EXPECT_THROW(cost(world, good, {{0, 2, 1.0}}, 2), parallel::Error);
  EXPECT_THROW(cost(world, good, {{0, 1, -1.0}}, 2), parallel::Error);
  EXPECT_THROW(cost(world, good, {{0, 1, 1.0}}, 0.5), parallel::Error);
  EXPECT_THROW(barycenter(world, good, {1}), parallel::Error);
  EXPECT_THROW(barycenter(world, good, {0, 0}), parallel::Error);
  EXPECT_THROW(barycenter(world, {good[0], Measure{}}, {1, 1}), parallel::Error);
}

}  // namespace
}  // namespace mensura::transport::test
