// SPDX-License-Identifier: BSD-3-Clause
// What a solved cycle tells: potentials, marginals, pairs, costs.
#include <algorithm>
#include <cmath>
#include <utility>

#include "linear/exponential.hpp"
#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"
#include "parallel/exchange.hpp"
#include "transport/cycle_implementation.hpp"
#include "transport/cycle_pairs.hpp"

namespace mensura::transport {

using namespace linear;  // Eight lanes and what is done with them

namespace {

// exp() of what lies above rounding, and its sum over the lanes.
bool probability(const Eight& logarithm, double* lanes, double& sum) {
  constexpr double least = -80;
  if (all_below(logarithm, all(least))) return false;
  store(exponential(at_least(at_most(logarithm, 0), -800)), lanes);
  sum = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
        ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
  return true;
}

Eight weight_of(const std::vector<double>& weights, std::size_t group) {
  alignas(64) double lanes[8];
  std::copy_n(&weights[group * 8], 8, lanes);
  return load(lanes);
}

// An edge between x_0 and the node with these messages: `edge_costs` as in CycleData.
void end_pairs(const CycleSweep& sweep, std::size_t node, const Columns& message,
               const Columns& other, const std::vector<double>& edge_costs, bool first,
               const VisitPair& visit) {
  const CycleData& data = sweep.data();
  const CycleNode& at = data.nodes[node];
  const std::vector<double> weights = sweep.column_weights();
  alignas(64) double lanes[8];
  for (std::size_t g = 0; g < data.groups; ++g) {
    const Eight weight = weight_of(weights, g);
    for (std::size_t i = 0; i < at.size; ++i) {
      const std::size_t place = (g * at.size + i) * 8;
      double sum = 0;
      const Eight exponent = load(&message[place]) + load(&other[place]) + weight +
                             all(sweep.potentials()[node][i] + at.log_mass[i]);
      if (!probability(exponent, lanes, sum)) continue;
      for (std::size_t lane = 0; lane < 8; ++lane) {
        const std::size_t a = data.column(g, lane);
        if (a >= data.nodes[0].size) break;
        visit(first ? a : i, first ? i : a, lanes[lane], edge_costs[place + lane]);
      }
    }
  }
}

void inner_pairs(const CycleSweep& sweep, std::size_t edge, const Columns& from_start,
                 const VisitPair& visit) {
  const CycleData& data = sweep.data();
  const CycleNode& x = data.nodes[edge];
  const CycleNode& y = data.nodes[edge + 1];
  const CycleCosts& costs = *data.edges[edge];
  const Columns& to_end = sweep.backward_messages()[edge + 1];
  const std::vector<double> weights = sweep.column_weights();
  const double inverse = 1 / sweep.epsilon();
  alignas(64) double lanes[8];
  for (std::size_t g = 0; g < data.groups; ++g) {
    const Eight weight = weight_of(weights, g);
    for (std::size_t i = 0; i < x.size; ++i) {
      const Eight start = load(&from_start[(g * x.size + i) * 8]) + weight +
                          all(sweep.potentials()[edge][i] + x.log_mass[i]);
      for (std::size_t j = 0; j < y.size; ++j) {
        const double c = costs(i, j);
        double sum = 0;
        const Eight exponent = start + load(&to_end[(g * y.size + j) * 8]) +
                               all(sweep.potentials()[edge + 1][j] + y.log_mass[j] - c * inverse);
        if (probability(exponent, lanes, sum)) visit(i, j, sum, c);
      }
    }
  }
}

}  // namespace

void visit_pairs(CycleSweep& sweep, const VisitEdgePair& visit, const std::function<void()>& poll) {
  const CycleData& data = sweep.data();
  const std::size_t last = data.count() - 1;
  const auto at = [&](std::size_t edge) {
    return [&visit, edge](std::size_t i, std::size_t j, double p, double c) {
      visit(edge, i, j, p, c);
    };
  };
  sweep.walk(
      [&](std::size_t node, const Columns& from_start) {
        const Columns& to_end = sweep.backward_messages()[node];
        if (node == 1) end_pairs(sweep, 1, from_start, to_end, data.first_costs, true, at(0));
        if (node == last) {
          end_pairs(sweep, last, from_start, to_end, data.last_costs, false, at(last));
        } else {
          inner_pairs(sweep, node, from_start, at(node));
        }
      },
      poll);
}

double linear_cost_of(CycleSweep& sweep, const parallel::Communicator& comm,
                      const std::function<void()>& poll) {
  parallel::ExactSum sum;
  visit_pairs(
      sweep, [&](std::size_t, std::size_t, std::size_t, double p, double c) { sum.add(p * c); },
      poll);
  parallel::reduce(comm, {&sum, 1});
  return sum.value();
}

std::vector<std::vector<double>> CycleSolver::potentials() const {
  return self_->given_order(self_->sweep->potentials(), self_->sweep->epsilon());
}

std::vector<std::vector<double>> CycleSolver::marginals() const {
  auto result = self_->given_order(self_->sweep->marginal_logarithms(), 1);
  for (auto& values : result) {
    for (double& v : values) v = std::exp(v);
  }
  return result;
}

std::vector<double> CycleSolver::errors() const {
  const auto plan = marginals();
  std::vector<double> result;
  for (std::size_t k = 0; k < plan.size(); ++k) {
    double sum = 0;
    for (std::size_t i = 0; i < plan[k].size(); ++i) {
      sum += std::abs(plan[k][i] - self_->problem.nodes[k].mass[i]);
    }
    result.push_back(sum);
  }
  return result;
}

double CycleSolver::cost_regularised() const noexcept {
  return self_->dual * self_->sweep->epsilon();
}

double CycleSolver::cost_linear(const std::function<void()>& poll) const {
  return linear_cost_of(*self_->sweep, self_->comm, poll);
}

CycleSolver::PairMarginal CycleSolver::pair_marginal(std::size_t edge,
                                                     const std::function<void()>& poll) const {
  const CycleData& data = self_->data;
  parallel::require(edge < data.count(), "an edge of the cycle");
  const CycleNode& x = data.nodes[edge];
  const CycleNode& y = data.nodes[(edge + 1) % data.count()];
  std::vector<double> part;
  parallel::agree(self_->comm, [&] { part.assign(x.size * y.size, 0); });
  visit_pairs(
      *self_->sweep,
      [&](std::size_t at, std::size_t i, std::size_t j, double p, double) {
        if (at == edge) part[x.order[i] * y.size + y.order[j]] += p;
      },
      poll);
  const parallel::Blocks blocks{static_cast<std::int64_t>(x.size), self_->comm.size()};
  std::vector<std::int64_t> counts;
  for (int r = 0; r < self_->comm.size(); ++r) {
    counts.push_back(blocks.size(r) * static_cast<std::int64_t>(y.size));
  }
  const auto received = parallel::exchange<double>(self_->comm, part, counts);
  PairMarginal result;
  result.first = blocks.begin(self_->comm.rank());
  result.rows = blocks.size(self_->comm.rank());
  result.columns = static_cast<std::int64_t>(y.size);
  const auto own = static_cast<std::size_t>(result.rows * result.columns);
  result.values.assign(own, 0);
  for (std::size_t i = 0; i < received.data.size(); ++i) result.values[i % own] += received.data[i];
  return result;
}

}  // namespace mensura::transport
