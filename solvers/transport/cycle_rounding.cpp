// SPDX-License-Identifier: BSD-3-Clause
#include "transport/cycle_rounding.hpp"

#include <algorithm>
#include <cmath>

#include "linear/exponential.hpp"
#include "parallel/exact_sum.hpp"

namespace mensura::transport {

using namespace linear;  // Eight lanes and what is done with them

namespace {

// Mass of columns at a point below this is left to the remainder.
constexpr double negligible = 1e-30;

double lane_sum(const Eight& value) {
  alignas(64) double lanes[8];
  store(value, lanes);
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
         ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

Eight inverse(const Eight& value) {
  alignas(64) double lanes[8];
  store(value, lanes);
  for (double& v : lanes) v = 1 / v;
  return load(lanes);
}

class Rounding {
 public:
  Rounding(const CycleSweep& sweep, const parallel::Communicator& comm)
      : sweep_(sweep), data_(sweep.data()), comm_(comm), passing_(data_.count()) {
    std::size_t largest = 0;
    for (const CycleNode& node : data_.nodes) {
      kept_.emplace_back(node.size, 1.0);
      largest = std::max(largest, node.size);
    }
    row_.resize(8 * largest);
  }

  RoundedCycle result(const std::function<void()>& poll) {
    const std::size_t last = data_.count() - 1;
    start();
    for (std::size_t k = 1; k <= last; ++k) {
      keep(k);
      if (k == last) break;
      hand_on(k);
      if (poll) poll();
    }
    for (std::size_t k = last; k >= 1; --k) {
      take_back(k);
      if (poll) poll();
    }
    take_back_start();
    RoundedCycle answer;
    parallel::reduce(comm_, {&cost_, 1});
    answer.cost = cost_.value();
    answer.missed = std::move(missed_);
    for (const auto& node : answer.missed) {
      parallel::ExactSum sum;
      for (const double m : node) sum.add(m);
      answer.remainder = std::max(answer.remainder, sum.value());
    }
    return answer;
  }

 private:
  // Logarithms, up to a constant, of the probabilities of the points of node k + 1 for a column
  // group that is at point i of node k (k = 0: at its x_0) become probabilities times the sum that
  // is returned.
  Eight probabilities(std::size_t k, std::size_t group, std::size_t i) {
    const CycleNode& to = data_.nodes[k + 1];
    const Columns& rest = sweep_.backward_messages()[k + 1];
    const std::vector<double>& u = sweep_.potentials()[k + 1];
    const double inverse_epsilon = 1 / sweep_.epsilon();
    Eight top = all(-1e300);
    for (std::size_t j = 0; j < to.size; ++j) {
      const std::size_t place = (group * to.size + j) * 8;
      Eight value = load(&rest[place]) + all(u[j] + to.log_mass[j]);
      value = k == 0 ? value - inverse_epsilon * load(&data_.first_costs[place])
                     : value - all((*data_.edges[k])(i, j) * inverse_epsilon);
      top = larger(value, top);
      store(value, &row_[8 * j]);
    }
    // What is below exp(-80) of the largest one is nothing.
    constexpr double least = -80, nothing = 1.8e-35;
    Eight sum = all(0.0);
    for (std::size_t j = 0; j < to.size; ++j) {
      const Eight exponent = load(&row_[8 * j]) - top;
      Eight p = all(0.0);
      if (!all_below(exponent, all(least))) {
        p = exponential(at_least(exponent, -700)) - all(nothing);
        p = at_least(p, 0);
      }
      store(p, &row_[8 * j]);
      sum = sum + p;
    }
    return sum;
  }

  Eight start_mass(std::size_t group) const {
    alignas(64) double lanes[8];
    for (std::size_t lane = 0; lane < 8; ++lane) {
      const std::size_t a = data_.column(group, lane);
      lanes[lane] = a < data_.nodes[0].size ? data_.nodes[0].mass[a] : 0;
    }
    return load(lanes);
  }

  void start() {
    const std::size_t n = data_.nodes[1].size;
    passing_[1].assign(data_.groups * n * 8, 0);
    for (std::size_t g = 0; g < data_.groups; ++g) {
      const Eight share = start_mass(g) * inverse(probabilities(0, g, 0));
      for (std::size_t j = 0; j < n; ++j) {
        store(share * load(&row_[8 * j]), &passing_[1][(g * n + j) * 8]);
      }
    }
  }

  // What passes through a node is scaled down to its mass.
  void keep(std::size_t k) {
    const CycleNode& node = data_.nodes[k];
    Columns& passing = passing_[k];
    std::vector<parallel::ExactSum> sums(node.size);
    for (std::size_t g = 0; g < data_.groups; ++g) {
      for (std::size_t i = 0; i < node.size; ++i) {
        sums[i].add(lane_sum(load(&passing[(g * node.size + i) * 8])));
      }
    }
    parallel::reduce(comm_, sums);
    for (std::size_t i = 0; i < node.size; ++i) {
      const double sum = sums[i].value();
      if (sum > node.mass[i]) kept_[k][i] = node.mass[i] / sum;
    }
    for (std::size_t g = 0; g < data_.groups; ++g) {
      for (std::size_t i = 0; i < node.size; ++i) {
        for (std::size_t lane = 0; lane < 8; ++lane) {
          double& mass = passing[(g * node.size + i) * 8 + lane];
          mass = mass < negligible ? 0 : mass * kept_[k][i];
        }
      }
    }
  }

  bool empty(std::size_t k, std::size_t group, std::size_t i) const {
    const double* lanes = &passing_[k][(group * data_.nodes[k].size + i) * 8];
    return std::all_of(lanes, lanes + 8, [](double mass) { return mass == 0; });
  }

  void hand_on(std::size_t k) {
    const std::size_t n = data_.nodes[k].size, m = data_.nodes[k + 1].size;
    passing_[k + 1].assign(data_.groups * m * 8, 0);
    for (std::size_t g = 0; g < data_.groups; ++g) {
      for (std::size_t i = 0; i < n; ++i) {
        if (empty(k, g, i)) continue;
        const Eight sum = probabilities(k, g, i);
        const Eight share = load(&passing_[k][(g * n + i) * 8]) * inverse(sum);
        for (std::size_t j = 0; j < m; ++j) {
          double* to = &passing_[k + 1][(g * m + j) * 8];
          store(fused(share, load(&row_[8 * j]), load(to)), to);
        }
      }
    }
  }

  // The share of a point's mass that arrives at the end, from that of the points of the next node:
  // afterwards passing_[k] is what arrives, and arrives_ the share of this node.
  void take_back(std::size_t k) {
    const std::size_t last = data_.count() - 1, n = data_.nodes[k].size;
    Columns arrives(passing_[k].size(), 0);
    std::vector<parallel::ExactSum> sums(n);
    for (std::size_t g = 0; g < data_.groups; ++g) {
      for (std::size_t i = 0; i < n; ++i) {
        if (empty(k, g, i)) continue;
        const std::size_t place = (g * n + i) * 8;
        const Eight mass = load(&passing_[k][place]);
        Eight share = all(1.0);
        if (k == last) {
          cost_.add(lane_sum(mass * load(&data_.last_costs[place])));
        } else {
          share = arriving(k, g, i, mass);
        }
        // A point that mass was left out at has none to lead on.
        store(share, &arrives[place]);
        sums[i].add(lane_sum(mass * share));
      }
    }
    finish_node(k, sums);
    passing_[k].clear();
    arrives_ = std::move(arrives);
  }

  // And adds the cost of the edge from there.
  Eight arriving(std::size_t k, std::size_t group, std::size_t i, const Eight& mass) {
    const std::size_t m = data_.nodes[k + 1].size;
    const Eight sum = probabilities(k, group, i);
    Eight arrive = all(0.0), cost = all(0.0);
    for (std::size_t j = 0; j < m; ++j) {
      const std::size_t place = (group * m + j) * 8;
      const Eight p = load(&row_[8 * j]) * (kept_[k + 1][j] * load(&arrives_[place]));
      const Eight c = k == 0 ? load(&data_.first_costs[place]) : all((*data_.edges[k])(i, j));
      arrive = arrive + p;
      cost = fused(p, c, cost);
    }
    const Eight scale = inverse(sum);
    cost_.add(lane_sum(mass * scale * cost));
    return arrive * scale;
  }

  void take_back_start() {
    const std::size_t n = data_.nodes[0].size;
    std::vector<parallel::ExactSum> sums(n);
    alignas(64) double lanes[8];
    for (std::size_t g = 0; g < data_.groups; ++g) {
      const Eight mass = start_mass(g);
      store(mass * arriving(0, g, 0, mass), lanes);
      for (std::size_t lane = 0; lane < 8; ++lane) {
        if (data_.column(g, lane) < n) sums[data_.column(g, lane)].add(lanes[lane]);
      }
    }
    finish_node(0, sums);
  }

  void finish_node(std::size_t k, std::vector<parallel::ExactSum>& sums) {
    parallel::reduce(comm_, sums);
    if (missed_.empty()) missed_.resize(data_.count());
    for (std::size_t i = 0; i < sums.size(); ++i) {
      missed_[k].push_back(std::max(0.0, data_.nodes[k].mass[i] - sums[i].value()));
    }
  }

  const CycleSweep& sweep_;
  const CycleData& data_;
  const parallel::Communicator& comm_;
  std::vector<Columns> passing_;  // own groups x points x 8, per node
  Columns arrives_, row_;
  std::vector<std::vector<double>> kept_, missed_;
  parallel::ExactSum cost_;
};

}  // namespace

RoundedCycle rounded_cycle(const CycleSweep& sweep, const parallel::Communicator& comm,
                           const std::function<void()>& poll) {
  return Rounding(sweep, comm).result(poll);
}

}  // namespace mensura::transport
