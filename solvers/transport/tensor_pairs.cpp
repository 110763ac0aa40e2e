// SPDX-License-Identifier: BSD-3-Clause
// Marginals of two nodes of the tensor: a matrix of every slice, and their exact sum.
#include <algorithm>
#include <cmath>

#include "parallel/exact_sum.hpp"
#include "transport/cost_rows.hpp"
#include "transport/pace.hpp"
#include "transport/tensor_slices.hpp"

namespace mensura::transport {

namespace {

// Exact sums that are reduced at a time: 600 kB.
constexpr std::size_t piece = 1024;
// Lines of the tensor with less than exp(-300) of mass have no entry that anybody could notice.
constexpr double nothing = -300;

void reduce(const parallel::Communicator& comm, std::vector<parallel::ExactSum>& sums,
            std::vector<double>& result) {
  for (std::size_t begin = 0; begin < sums.size(); begin += piece) {
    parallel::reduce(comm, std::span(sums).subspan(begin, std::min(piece, sums.size() - begin)));
  }
  for (std::size_t i = 0; i < sums.size(); ++i) result[i] = sums[i].value();
}

}  // namespace

// Two nodes that are both left in `rest`.
void TensorSlices::add_rest(const Rest& rest, std::size_t slice, std::size_t k, std::size_t l,
                            const NodeFields& terms, std::span<double> sums) const {
  const std::size_t width = points(rest.last);
  every_tuple(slice, [&](const auto& x, std::size_t t) {
    double lead = 0;
    for (std::size_t j = 0; j < x.size(); ++j) lead += terms[j][x[j]];
    const std::size_t row = (k == 0 ? 0 : x[k]) * points(l);
    for (std::size_t y = 0; y < width; ++y) {
      const std::size_t column = l == rest.last ? y : x[l];
      sums[row + column] += std::exp(rest.values[t * width + y] + lead + terms[rest.last][y]);
    }
  });
}

// Calls visit(x, y, z, c, p) for all entries of an own slice that are not negligible: points of the
// leading nodes and of the last two, cost, mass. `rest` holds the sums over the innermost node.
template <class Visit>
void TensorSlices::every_entry(const Rest& rest, std::size_t slice, const NodeFields& terms,
                               double epsilon, Visit visit) const {
  const std::size_t n = points(inner()), m = points(innermost());
  const std::vector<double>& kernel = cost(inner(), innermost());
  std::vector<double> to_inner(n), to_innermost(m);
  every_tuple(slice, [&](const auto& x, std::size_t t) {
    double lead = 0;
    for (std::size_t j = 0; j < x.size(); ++j) lead += terms[j][x[j]];
    costs_to(x, inner(), to_inner);
    costs_to(x, innermost(), to_innermost);
    const double base = leading_cost(x);
    for (std::size_t y = 0; y < n; ++y) {
      const double own = lead + terms[inner()][y];
      if (!(rest.values[t * n + y] + own > nothing)) continue;
      for (std::size_t z = 0; z < m; ++z) {
        double c = base + to_inner[y] + to_innermost[z];
        if (!kernel.empty()) c += kernel[y * m + z];
        const double exponent = own + terms[innermost()][z] - c / epsilon;
        if (exponent > nothing) visit(x, y, z, c, std::exp(exponent));
      }
    }
  });
}

std::vector<double> TensorSlices::pair(std::size_t k, std::size_t l, const NodeFields& phi,
                                       double epsilon, const std::function<void()>& poll) const {
  parallel::require(k < l && l < nodes(), "two nodes in ascending order");
  const bool last = k == inner();
  const std::size_t without = !last && l == innermost() ? inner() : innermost();
  const Rest rest = sums(without, phi, epsilon, poll);
  NodeFields terms;
  std::vector<parallel::ExactSum> total;
  std::vector<double> matrix, result;
  parallel::agree(comm_, [&] {
    terms = terms_of(phi, epsilon);
    result.resize(points(k) * points(l));
    total.resize(k == 0 ? 0 : result.size());
    // Rows of node 0 are whole on the rank of their slice.
    matrix.resize(k == 0 ? own_slices() * points(l) : result.size());
  });
  const double entries = static_cast<double>(tuples_of_slice()) *
                         static_cast<double>(points(inner()) * (last ? points(innermost()) : 1));
  Pace pace(poll);
  const auto most = static_cast<std::size_t>(comm_.max(static_cast<std::int64_t>(own_slices())));
  for (std::size_t slice = 0; slice < most; ++slice) {
    if (slice < own_slices()) {
      std::span<double> sums_of_slice(matrix);
      if (k == 0) sums_of_slice = sums_of_slice.subspan(slice * points(l), points(l));
      std::ranges::fill(sums_of_slice, 0.0);
      if (last) {
        every_entry(rest, slice, terms, epsilon,
                    [&](const auto&, std::size_t y, std::size_t z, double, double p) {
                      sums_of_slice[y * points(l) + z] += p;
                    });
      } else {
        add_rest(rest, slice, k, l, terms, sums_of_slice);
      }
      for (std::size_t i = 0; i < total.size(); ++i) total[i].add(matrix[i]);
    }
    pace.worked(1e-8 * entries);
  }
  if (k == 0) return everywhere<double>(comm_, matrix);
  reduce(comm_, total, result);
  return result;
}

double TensorSlices::linear_cost(const NodeFields& phi, const NodeFields& d, double epsilon,
                                 const std::function<void()>& poll) const {
  const Rest rest = sums(innermost(), phi, epsilon, poll);
  const NodeFields terms = terms_of(phi, epsilon);
  const auto of = [&](std::size_t k, std::size_t x) { return k < d.size() ? d[k][x] : 0; };
  const double entries = static_cast<double>(tuples_of_slice()) *
                         static_cast<double>(points(inner()) * points(innermost()));
  Pace pace(poll);
  parallel::ExactSum total;
  const auto most = static_cast<std::size_t>(comm_.max(static_cast<std::int64_t>(own_slices())));
  for (std::size_t slice = 0; slice < most; ++slice) {
    double sum = 0;
    if (slice < own_slices()) {
      every_entry(rest, slice, terms, epsilon,
                  [&](const auto& x, std::size_t y, std::size_t z, double c, double p) {
                    double tilt = 1 + of(inner(), y) + of(innermost(), z);
                    for (std::size_t k = 0; k < x.size(); ++k) tilt += of(k, x[k]);
                    sum += c * p * tilt;
                  });
    }
    total.add(sum);
    pace.worked(1e-8 * entries);
  }
  parallel::reduce(comm_, {&total, 1});
  return total.value();
}

}  // namespace mensura::transport
