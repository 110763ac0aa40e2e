// SPDX-License-Identifier: BSD-3-Clause
#include "transport/cycle_sweep.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "linear/exponential.hpp"
#include "transport/cycle_logarithm.hpp"
#include "transport/cycle_sum.hpp"

namespace mensura::transport {

namespace {

using namespace linear;  // Eight lanes and what is done with them

constexpr double nothing = -1e300;
// Where less than exp(-margin) of a column's mass passes, messages need not be exact.
constexpr double margin = 100;

struct Lanes {
  alignas(64) double value[8];
  explicit Lanes(const Eight& eight) { store(eight, value); }
  double sum() const {
    return ((value[0] + value[1]) + (value[2] + value[3])) +
           ((value[4] + value[5]) + (value[6] + value[7]));
  }
  double largest() const { return *std::max_element(value, value + 8); }
};

Eight column_weight(const std::vector<double>& weights, std::size_t group) {
  alignas(64) double lanes[8];
  std::copy_n(&weights[group * 8], 8, lanes);
  return load(lanes);
}

}  // namespace

CycleSweep::CycleSweep(const parallel::Communicator& comm, const CycleData& data)
    : comm_(comm), data_(data), engine_(data) {
  parallel::agree(comm, [&] {
    forward_.resize(data.count());
    backward_.resize(data.count());
    for (std::size_t k = 0; k < data.count(); ++k) {
      u_.emplace_back(data.nodes[k].size, 0.0);
      marginals_.emplace_back(data.nodes[k].size, 0.0);
    }
    relevance_.floor.resize(data.groups * 8, nothing);
  });
}

void CycleSweep::set_epsilon(double epsilon) {
  epsilon_ = epsilon;
  engine_.set_epsilon(epsilon);
}

void CycleSweep::start_forward(Columns& out) const {
  out.resize(data_.first_costs.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = -data_.first_costs[i] / epsilon_;
}

void CycleSweep::start_backward(Columns& out) const {
  out.resize(data_.last_costs.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = -data_.last_costs[i] / epsilon_;
}

// The message times potential and mass of the node.
Columns CycleSweep::with_node(const Columns& message, std::size_t node) const {
  const CycleNode& at = data_.nodes[node];
  Columns result(message.size());
  for (std::size_t g = 0; g < data_.groups; ++g) {
    for (std::size_t i = 0; i < at.size; ++i) {
      const std::size_t place = (g * at.size + i) * 8;
      store(load(&message[place]) + all(u_[node][i] + at.log_mass[i]), &result[place]);
    }
  }
  return result;
}

std::vector<double> CycleSweep::column_weights() const {
  std::vector<double> result(data_.column_log_mass);
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::size_t a = data_.first_group * 8 + i;
    result[i] = a < u_[0].size() ? result[i] + u_[0][a] : nothing;
  }
  return result;
}

// log P_k of a node from the messages of both sides. Relative to the largest term of all ranks:
// nothing is lost to underflow.
std::vector<double> CycleSweep::node_logarithms(const Columns& message, const Columns& other,
                                                std::size_t node) const {
  const std::size_t n = data_.nodes[node].size;
  const std::vector<double> weights = column_weights();
  std::vector<double> top(n, nothing);
  for (std::size_t g = 0; g < data_.groups; ++g) {
    const Eight weight = column_weight(weights, g);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t place = (g * n + i) * 8;
      top[i] =
          std::max(top[i], Lanes(load(&message[place]) + load(&other[place]) + weight).largest());
    }
  }
  comm_.max(std::span(top));
  FixedSums sums(n);
  for (std::size_t g = 0; g < data_.groups; ++g) {
    const Eight weight = column_weight(weights, g);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t place = (g * n + i) * 8;
      const Eight exponent = load(&message[place]) + load(&other[place]) + weight - all(top[i]);
      if (all_below(exponent, all(-60.0))) continue;
      sums.add(i, Lanes(exponential(at_least(exponent, -800))).sum());
    }
  }
  sums.reduce(comm_);
  std::vector<double> result(n);
  for (std::size_t i = 0; i < n; ++i) {
    result[i] = top[i] + std::log(sums.value(i)) + u_[node][i] + data_.nodes[node].log_mass[i];
  }
  check(result, node);
  return result;
}

void CycleSweep::check(std::span<const double> logarithms, std::size_t node) const {
  const bool good = std::ranges::all_of(logarithms, [](double v) { return std::isfinite(v); });
  parallel::agree(comm_, [&] {
    if (good) return;
    throw parallel::Error(parallel::ExitCode::numerical,
                          "the marginal of node " + std::to_string(node) +
                              " of the cycle is not finite at regularisation " +
                              std::to_string(epsilon_) +
                              "; take a larger regularisation, or check the scale of the cost");
  });
}

// log of the sum over the paths from every own x_0, without its potential and mass; from the
// messages at node 1.
std::vector<double> CycleSweep::column_logarithms(const Columns& message,
                                                  const Columns& other) const {
  const std::size_t n = data_.nodes[1].size;
  std::vector<double> result(data_.groups * 8);
  const Columns whole = with_node(message, 1);
  for (std::size_t g = 0; g < data_.groups; ++g) {
    Eight top = all(nothing), sum = all(0.0);
    for (std::size_t i = 0; i < n; ++i) {
      top = larger(load(&whole[(g * n + i) * 8]) + load(&other[(g * n + i) * 8]), top);
    }
    for (std::size_t i = 0; i < n; ++i) {
      const Eight exponent = load(&whole[(g * n + i) * 8]) + load(&other[(g * n + i) * 8]) - top;
      sum = sum + exponential(at_least(exponent, -800));
    }
    const Lanes lanes(top + logarithm(sum));
    std::copy_n(lanes.value, 8, &result[g * 8]);
  }
  return result;
}

// log P_0 on all ranks.
std::vector<double> CycleSweep::first_marginal(const std::vector<double>& columns) const {
  const std::size_t n = data_.nodes[0].size;
  const std::vector<double> weights = column_weights();
  std::vector<double> result(n, nothing);
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const std::size_t a = data_.first_group * 8 + i;
    if (a < n) result[a] = columns[i] + weights[i];
  }
  comm_.max(std::span(result));
  check(result, 0);
  return result;
}

// What passes through a point of a column is compared with the largest of what passes through this
// node, less `slack` by which the potentials have moved.
void CycleSweep::note_floor(const Columns& message, const Columns& other, std::size_t node,
                            double slack) {
  const std::size_t n = data_.nodes[node].size;
  const CycleNode& at = data_.nodes[node];
  for (std::size_t g = 0; g < data_.groups; ++g) {
    Eight top = all(nothing);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t place = (g * n + i) * 8;
      top = larger(load(&message[place]) + load(&other[place]) + all(u_[node][i] + at.log_mass[i]),
                   top);
    }
    const Lanes lanes(top - all(margin + slack));
    std::copy_n(lanes.value, 8, &relevance_.floor[g * 8]);
  }
}

double CycleSweep::refresh(double moved, const std::function<void()>& poll) {
  const std::size_t last = data_.count() - 1;
  const bool known = std::isfinite(moved);
  Columns reach, first;
  start_backward(backward_[last]);
  if (known) note_floor(backward_[last], forward_[last], last, 2 * moved);
  for (std::size_t k = last; k > 1; --k) {
    // The forward message tells where the new one matters.
    relevance_.reach = nullptr;
    if (known) {
      reach = with_node(forward_[k - 1], k - 1);
      relevance_.reach = &reach;
    }
    engine_.backward(k - 1, with_node(backward_[k], k), relevance_, backward_[k - 1]);
    if (poll) poll();
  }
  relevance_.reach = nullptr;
  start_forward(first);
  const auto logarithms = first_marginal(column_logarithms(first, backward_[1]));
  const double top = *std::ranges::max_element(logarithms);
  double mass = 0;
  for (const double v : logarithms) mass += std::exp(v - top);
  return top + std::log(mass);
}

namespace {

// Moves the potential by the marginal's defect; the error before.
double correct(std::vector<double>& u, const std::vector<double>& logarithms, const CycleNode& node,
               bool down) {
  double error = 0;
  for (std::size_t i = 0; i < u.size(); ++i) {
    const double defect = logarithms[i] - node.log_mass[i];
    error += std::abs(std::exp(std::min(defect, 700.0)) - 1) * node.mass[i];
    u[i] -= down ? std::max(0.0, defect) : defect;
  }
  return error;
}

double largest_change(const std::vector<double>& logarithms, const CycleNode& node) {
  double largest = 0;
  for (std::size_t i = 0; i < logarithms.size(); ++i) {
    largest = std::max(largest, std::abs(logarithms[i] - node.log_mass[i]));
  }
  return largest;
}

}  // namespace

double CycleSweep::update(bool down, const std::function<void()>& poll) {
  const std::size_t last = data_.count() - 1;
  Columns reach;
  start_forward(forward_[1]);
  const auto first = first_marginal(column_logarithms(forward_[1], backward_[1]));
  double error = correct(u_[0], first, data_.nodes[0], down);
  for (std::size_t k = 1; k <= last; ++k) {
    const auto logarithms = node_logarithms(forward_[k], backward_[k], k);
    note_floor(forward_[k], backward_[k], k, largest_change(logarithms, data_.nodes[k]));
    error = std::max(error, correct(u_[k], logarithms, data_.nodes[k], down));
    if (k == last) break;
    reach = with_node(backward_[k + 1], k + 1);
    relevance_.reach = &reach;
    engine_.forward(k, with_node(forward_[k], k), relevance_, forward_[k + 1]);
    if (poll) poll();
  }
  relevance_.reach = nullptr;
  return error;
}

const CycleSweep::Potentials& CycleSweep::measure(const std::function<void()>& poll) {
  const std::size_t last = data_.count() - 1;
  Columns reach;
  start_backward(backward_[last]);
  for (std::size_t k = last; k >= 1; --k) {
    marginals_[k] = node_logarithms(backward_[k], forward_[k], k);
    if (k == 1) break;
    note_floor(backward_[k], forward_[k], k, 0);
    reach = with_node(forward_[k - 1], k - 1);
    relevance_.reach = &reach;
    engine_.backward(k - 1, with_node(backward_[k], k), relevance_, backward_[k - 1]);
    if (poll) poll();
  }
  relevance_.reach = nullptr;
  marginals_[0] = first_marginal(column_logarithms(forward_[1], backward_[1]));
  return marginals_;
}

void CycleSweep::walk(const VisitNode& visit, const std::function<void()>& poll) {
  const std::size_t last = data_.count() - 1;
  Columns reach;
  start_forward(forward_[1]);
  for (std::size_t k = 1; k < last; ++k) {
    note_floor(forward_[k], backward_[k], k, 0);
    visit(k, forward_[k]);
    reach = with_node(backward_[k + 1], k + 1);
    relevance_.reach = &reach;
    engine_.forward(k, with_node(forward_[k], k), relevance_, forward_[k + 1]);
    if (poll) poll();
  }
  visit(last, forward_[last]);
  relevance_.reach = nullptr;
}

void CycleSweep::adapt_tile() {
  const CycleMessages::Work work = engine_.take_work();
  std::int64_t counts[4] = {work.sums, work.repeats, work.tiles, work.visits};
  comm_.sum(std::span(counts));
  const std::size_t tile = engine_.tile();
  if (tile == 1 || counts[0] == 0) return;
  // A sum done again costs as much as some fifty others; few tiles for a target are pruned too
  // roughly.
  const bool fails = counts[1] * 50 > counts[0];
  const bool narrow = tile > 4 && counts[2] < 6 * counts[3];
  if (fails || narrow) engine_.set_tile(tile / 2);
}

}  // namespace mensura::transport
