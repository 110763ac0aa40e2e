// SPDX-License-Identifier: BSD-3-Clause
#include "transport/tensor_slices.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "parallel/exact_sum.hpp"
#include "transport/cost_rows.hpp"
#include "transport/line_sums.hpp"
#include "transport/pace.hpp"

namespace mensura::transport {

namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

}  // namespace

TensorSlices::TensorSlices(const parallel::Communicator& comm, NodeFields masses,
                           std::span<const DenseEdge> edges)
    : comm_(comm), masses_(std::move(masses)) {
  if (masses_.size() == 2) masses_.push_back({1.0});
  slices_ = {static_cast<std::int64_t>(masses_[0].size()), comm.size()};
  costs_.resize(masses_.size() * masses_.size());
  for (const DenseEdge& edge : edges) {
    if (edge.weight == 0) continue;  // zero times infinity is nothing
    const std::size_t k = std::min(edge.from, edge.to), l = std::max(edge.from, edge.to);
    std::vector<double>& sum = costs_[k * masses_.size() + l];
    sum.resize(points(k) * points(l), 0.0);
    for (std::size_t i = 0; i < edge.cost.size(); ++i) {
      const std::size_t x = i / points(edge.to), y = i % points(edge.to);
      sum[edge.from == k ? i : y * points(l) + x] += edge.weight * edge.cost[i];
    }
  }
}

std::size_t TensorSlices::tuples_of_slice() const {
  std::size_t count = 1;
  for (std::size_t k = 1; k < leading_nodes(); ++k) count *= points(k);
  return count;
}

// Of the leading nodes with each other.
double TensorSlices::leading_cost(std::span<const std::size_t> x) const {
  double sum = 0;
  for (std::size_t k = 0; k < x.size(); ++k) {
    for (std::size_t l = k + 1; l < x.size(); ++l) {
      if (!cost(k, l).empty()) sum += cost(k, l)[x[k] * points(l) + x[l]];
    }
  }
  return sum;
}

// Of the leading nodes with every point of `last`.
void TensorSlices::costs_to(std::span<const std::size_t> x, std::size_t last,
                            std::span<double> row) const {
  std::ranges::fill(row, 0.0);
  for (std::size_t k = 0; k < x.size(); ++k) {
    if (cost(k, last).empty()) continue;
    const double* from = &cost(k, last)[x[k] * points(last)];
    for (std::size_t y = 0; y < row.size(); ++y) row[y] += from[y];
  }
}

// The cost of the last two nodes by the points of the innermost one.
std::vector<double> TensorSlices::transposed_last() const {
  const std::vector<double>& from = cost(inner(), innermost());
  std::vector<double> result(from.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    result[i % points(innermost()) * points(inner()) + i / points(innermost())] = from[i];
  }
  return result;
}

NodeFields TensorSlices::terms_of(const NodeFields& phi, double epsilon) const {
  NodeFields terms = masses_;
  for (std::size_t k = 0; k < terms.size(); ++k) {
    for (std::size_t x = 0; x < terms[k].size(); ++x) {
      terms[k][x] = std::log(terms[k][x]) + (k < phi.size() ? phi[k][x] / epsilon : 0);
    }
  }
  return terms;
}

TensorSlices::Rest TensorSlices::sums(std::size_t without, const NodeFields& phi, double epsilon,
                                      const std::function<void()>& poll) const {
  const std::size_t last = without == inner() ? innermost() : inner();
  const std::size_t tuples = own_slices() * tuples_of_slice();
  std::vector<double> values, kernel, row;
  NodeFields terms;
  double shift = 0;  // the largest entry of the kernel is taken out: it cannot overflow
  parallel::agree(comm_, [&] {
    terms = terms_of(phi, epsilon);
    values.resize(tuples * points(without));
    row.resize(points(without));
    for (std::size_t slice = 0; slice < own_slices(); ++slice) {
      every_tuple(slice, [&](const auto& x, std::size_t t) {
        costs_to(x, without, row);
        for (std::size_t y = 0; y < row.size(); ++y) {
          values[t * row.size() + y] = terms[without][y] - row[y] / epsilon;
        }
      });
    }
    kernel = without == inner() ? transposed_last() : cost(inner(), innermost());
    kernel.resize(points(last) * points(without), 0.0);
    shift = std::ranges::min(kernel);
    if (!std::isfinite(shift)) shift = 0;
  });
  const double lines = static_cast<double>(tuples_of_slice()) *
                       static_cast<double>(slices_.size(comm_.size() - 1) + 1);
  Pace pace(poll);
  Rest rest{last, line_sums(
                      comm_, values, {tuples, points(without), 1}, points(last),
                      [&](std::size_t target, std::size_t source) {
                        return (shift - kernel[target * points(without) + source]) / epsilon;
                      },
                      static_cast<std::size_t>(lines), pace)};
  parallel::agree(comm_, [&] {
    row.resize(points(last));
    for (std::size_t slice = 0; slice < own_slices(); ++slice) {
      every_tuple(slice, [&](const auto& x, std::size_t t) {
        costs_to(x, last, row);
        const double base = leading_cost(x) + shift;
        for (std::size_t y = 0; y < row.size(); ++y) {
          rest.values[t * row.size() + y] -= (row[y] + base) / epsilon;
        }
      });
    }
  });
  return rest;
}

TensorSlices::Rest TensorSlices::least(std::size_t without, std::span<const double> phi,
                                       const std::function<void()>& poll) const {
  Rest rest;
  rest.last = without == inner() ? innermost() : inner();
  std::vector<double> costs, from, row;
  parallel::agree(comm_, [&] {
    rest.values.resize(own_slices() * tuples_of_slice() * points(rest.last));
    costs = without == inner() ? transposed_last() : cost(inner(), innermost());
    costs.resize(points(rest.last) * points(without), 0.0);
    from.resize(points(without));
    row.resize(points(rest.last));
  });
  const double work = 1e-9 * static_cast<double>(tuples_of_slice() * costs.size());
  Pace pace(poll);
  const std::int64_t most = comm_.max(static_cast<std::int64_t>(own_slices()));
  for (std::size_t slice = 0; slice < static_cast<std::size_t>(most); ++slice) {
    if (slice < own_slices()) {
      every_tuple(slice, [&](const auto& x, std::size_t t) {
        costs_to(x, without, from);
        for (std::size_t y = 0; y < from.size(); ++y) from[y] -= phi[y];
        costs_to(x, rest.last, row);
        const double base = leading_cost(x);
        for (std::size_t y = 0; y < row.size(); ++y) {
          const double* c = &costs[y * from.size()];
          double smallest = infinity;
          for (std::size_t z = 0; z < from.size(); ++z) {
            smallest = std::min(smallest, from[z] + c[z]);
          }
          rest.values[t * row.size() + y] = smallest + row[y] + base;
        }
      });
    }
    pace.worked(work);
  }
  return rest;
}

// Logarithms of the sums over all nodes but one, slice by slice: own slices x points of the node,
// or one number per slice for node 0. -infinity for sums of nothing.
std::vector<double> TensorSlices::sums_of_slices(const Rest& rest, std::size_t node,
                                                 const NodeFields& terms) const {
  const std::size_t n = node == 0 ? 1 : points(node), width = points(rest.last);
  std::vector<double> top(own_slices() * n, -infinity), sum(own_slices() * n, 0.0);
  for (const bool summing : {false, true}) {
    for (std::size_t slice = 0; slice < own_slices(); ++slice) {
      every_tuple(slice, [&](const auto& x, std::size_t t) {
        double lead = 0;
        for (std::size_t k = 0; k < x.size(); ++k) lead += k == node ? 0 : terms[k][x[k]];
        for (std::size_t y = 0; y < width; ++y) {
          const std::size_t point = node == 0 ? 0 : node == rest.last ? y : x[node];
          const double own = node == rest.last ? 0 : terms[rest.last][y];
          const double exponent = rest.values[t * width + y] + lead + own;
          double& most = top[slice * n + point];
          if (!summing) {
            most = std::max(most, exponent);
          } else if (most > -infinity) {
            sum[slice * n + point] += std::exp(exponent - most);
          }
        }
      });
    }
  }
  for (std::size_t i = 0; i < top.size(); ++i) top[i] += std::log(sum[i]);
  return top;
}

std::vector<double> TensorSlices::balanced(const Rest& rest, std::size_t node,
                                           const NodeFields& phi, double epsilon) const {
  std::vector<double> own, result;
  std::vector<parallel::ExactSum> sums;
  parallel::agree(comm_, [&] {
    own = sums_of_slices(rest, node, terms_of(phi, epsilon));
    result.assign(points(node), -infinity);
    sums.resize(points(node));
  });
  if (node == 0) {
    result = everywhere<double>(comm_, own);
  } else {
    const std::size_t n = result.size();
    for (std::size_t i = 0; i < own.size(); ++i) result[i % n] = std::max(result[i % n], own[i]);
    comm_.max(std::span(result));
    for (std::size_t i = 0; i < own.size(); ++i) {
      if (own[i] > -infinity) sums[i % n].add(std::exp(own[i] - result[i % n]));
    }
    parallel::reduce(comm_, sums);
    for (std::size_t x = 0; x < n; ++x) result[x] += std::log(sums[x].value());
  }
  for (double& value : result) value *= -epsilon;
  return result;
}

std::vector<double> TensorSlices::bound(const Rest& rest, std::size_t node,
                                        const NodeFields& phi) const {
  const std::size_t width = points(rest.last);
  std::vector<double> result;
  parallel::agree(comm_, [&] {
    result.assign(points(node), infinity);
    for (std::size_t slice = 0; slice < own_slices(); ++slice) {
      every_tuple(slice, [&](const auto& x, std::size_t t) {
        double lead = 0;
        for (std::size_t k = 0; k < x.size(); ++k) lead += k == node ? 0 : phi[k][x[k]];
        for (std::size_t y = 0; y < width; ++y) {
          const double other = node == rest.last ? 0 : phi[rest.last][y];
          double& smallest = result[node == rest.last ? y : x[node]];
          smallest = std::min(smallest, rest.values[t * width + y] - lead - other);
        }
      });
    }
  });
  comm_.min(std::span(result));
  return result;
}

}  // namespace mensura::transport
