// SPDX-License-Identifier: BSD-3-Clause
// Bounds of the unregularised optimum on a cycle.
#include <algorithm>
#include <cmath>
#include <limits>

#include "linear/lanes.hpp"
#include "parallel/by_index.hpp"
#include "parallel/exact_sum.hpp"
#include "transport/cost.hpp"
#include "transport/cycle_implementation.hpp"
#include "transport/cycle_rounding.hpp"

namespace mensura::transport {

using namespace linear;  // Eight lanes and what is done with them

namespace {

constexpr double infinite = 1e300;

Eight smaller(const Eight& a, const Eight& b) {
  return all(0.0) - larger(all(0.0) - a, all(0.0) - b);
}

// out(y) = min_x (in(x) - phi(x) + c(x, y)) for all own columns, eight targets at a time.
void send_least(const CycleData& data, const CycleCosts& costs, bool transposed, const Columns& in,
                const std::vector<double>& phi, Columns& out) {
  const std::size_t n = transposed ? costs.columns : costs.rows;
  const std::size_t m = transposed ? costs.rows : costs.columns;
  out.resize(data.groups * m * 8);
  for (std::size_t g = 0; g < data.groups; ++g) {
    for (std::size_t j = 0; j < m; j += 8) {
      const std::size_t width = std::min<std::size_t>(8, m - j);
      Eight least[8];
      std::fill(least, least + 8, all(infinite));
      for (std::size_t i = 0; i < n; ++i) {
        const Eight value = load(&in[(g * n + i) * 8]) - all(phi[i]);
        for (std::size_t q = 0; q < width; ++q) {
          least[q] = smaller(value + all(transposed ? costs(j + q, i) : costs(i, j + q)), least[q]);
        }
      }
      for (std::size_t q = 0; q < width; ++q) store(least[q], &out[(g * m + j + q) * 8]);
    }
  }
}

// Exact block updates of the dual of the unregularised problem, node after node.
class LeastCosts {
 public:
  LeastCosts(const parallel::Communicator& comm, const CycleData& data, CycleSweep::Potentials phi)
      : comm_(comm), data_(data), phi_(std::move(phi)), messages_(data.count()) {}

  double value(const std::function<void()>& poll) {
    backward(poll);
    const std::size_t last = data_.count() - 1;
    Columns message(data_.first_costs.begin(), data_.first_costs.end()), next;
    update_first(message);
    for (std::size_t k = 1; k <= last; ++k) {
      update(k, message);
      if (k == last) break;
      send_least(data_, *data_.edges[k], false, message, phi_[k], next);
      message.swap(next);
      if (poll) poll();
    }
    double sum = 0;
    for (std::size_t k = 0; k <= last; ++k) {
      for (std::size_t i = 0; i < phi_[k].size(); ++i) sum += phi_[k][i] * data_.nodes[k].mass[i];
    }
    return sum;
  }

 private:
  void backward(const std::function<void()>& poll) {
    const std::size_t last = data_.count() - 1;
    messages_[last].assign(data_.last_costs.begin(), data_.last_costs.end());
    for (std::size_t k = last; k > 1; --k) {
      send_least(data_, *data_.edges[k - 1], true, messages_[k], phi_[k], messages_[k - 1]);
      if (poll) poll();
    }
  }
  // phi_0(a) = min over the paths of the rest.
  void update_first(const Columns& message) {
    const std::size_t n = data_.nodes[1].size;
    std::vector<double> negative(phi_[0].size(), -infinite);
    for (std::size_t g = 0; g < data_.groups; ++g) {
      for (std::size_t lane = 0; lane < 8; ++lane) {
        const std::size_t a = data_.column(g, lane);
        if (a >= negative.size()) continue;
        for (std::size_t i = 0; i < n; ++i) {
          const std::size_t place = (g * n + i) * 8 + lane;
          negative[a] = std::max(negative[a], phi_[1][i] - message[place] - messages_[1][place]);
        }
      }
    }
    comm_.max(std::span(negative));
    for (std::size_t a = 0; a < negative.size(); ++a) phi_[0][a] = -negative[a];
  }
  void update(std::size_t k, const Columns& message) {
    const std::size_t n = data_.nodes[k].size;
    std::vector<double> negative(n, -infinite);
    for (std::size_t g = 0; g < data_.groups; ++g) {
      for (std::size_t i = 0; i < n; ++i) {
        for (std::size_t lane = 0; lane < 8; ++lane) {
          const std::size_t a = data_.column(g, lane), place = (g * n + i) * 8 + lane;
          if (a >= phi_[0].size()) break;
          negative[i] = std::max(negative[i], phi_[0][a] - message[place] - messages_[k][place]);
        }
      }
    }
    comm_.max(std::span(negative));
    for (std::size_t i = 0; i < n; ++i) phi_[k][i] = -negative[i];
  }

  const parallel::Communicator& comm_;
  const CycleData& data_;
  CycleSweep::Potentials phi_;
  std::vector<Columns> messages_;
};

// The cost of the product of what the nodes miss, mass `missing` each: every rank sums over some
// rows of every edge.
double product_cost(const parallel::Communicator& comm, const CycleProblem& problem,
                    const std::vector<std::vector<double>>& missed, double missing) {
  const auto d = static_cast<std::size_t>(problem.nodes[0].dimension);
  parallel::ExactSum sum;
  for (std::size_t k = 0; k < missed.size(); ++k) {
    const std::size_t next = (k + 1) % missed.size();
    const bool closes = next == 0 && !problem.closing.empty();
    const std::vector<double>& ends = closes ? problem.closing : problem.nodes[next].coordinates;
    const Cost cost(problem.cost, problem.weights[k], problem.nodes[0].dimension);
    const parallel::Blocks rows{static_cast<std::int64_t>(missed[k].size()), comm.size()};
    const auto end = static_cast<std::size_t>(rows.begin(comm.rank() + 1));
    for (auto i = static_cast<std::size_t>(rows.begin(comm.rank())); i < end; ++i) {
      double row = 0;
      for (std::size_t j = 0; j < missed[next].size(); ++j) {
        row += missed[next][j] * cost(&problem.nodes[k].coordinates[i * d], &ends[j * d]);
      }
      sum.add(missed[k][i] * row / missing);
    }
  }
  parallel::reduce(comm, {&sum, 1});
  return sum.value();
}

}  // namespace

CycleCertificate CycleSolver::certify(const std::function<void()>& poll) const {
  const Implementation& self = *self_;
  const double epsilon = self.sweep->epsilon();
  CycleSweep::Potentials phi = self.sweep->potentials();
  for (auto& values : phi) {
    for (double& v : values) v *= epsilon;
  }
  CycleCertificate result;
  result.dual = LeastCosts(self.comm, self.data, std::move(phi)).value(poll);

  RoundedCycle rounded = rounded_cycle(*self.sweep, self.comm, poll);
  result.remainder = rounded.remainder;
  result.primal = rounded.cost;
  if (result.remainder > 0) {
    result.primal += product_cost(self.comm, self.problem, self.given_order(rounded.missed, 1),
                                  result.remainder);
  }
  return result;
}

}  // namespace mensura::transport
