// SPDX-License-Identifier: BSD-3-Clause
#include "gp/contraction.hpp"

#include "gp/multi_index.hpp"

namespace mensura::gp {
namespace {

/// Derivative orders per axis of a gradient or Hessian element.
std::array<int, 3> orders_of(const Basis& basis, std::size_t element) {
  std::array<int, 3> orders{};
  if (element == Basis::value) return orders;
  if (element < basis.hessian(0)) {
    orders[element - basis.gradient(0)] = 1;
    return orders;
  }
  std::size_t entry = element - basis.hessian(0);
  const auto d = static_cast<std::size_t>(basis.dimension);
  std::size_t row = 0;
  for (; entry >= d - row; ++row) entry -= d - row;
  ++orders[row];
  ++orders[row + entry];
  return orders;
}

int partial(int dimension, const std::array<int, 3>& orders) {
  switch (dimension) {
    case 1:
      return multi_indices<1>.find(orders);
    case 2:
      return multi_indices<2>.find(orders);
    default:
      return multi_indices<3>.find(orders);
  }
}

int slot_of(const Basis& basis, const Slots& slots, std::size_t left, std::size_t right) {
  if (left == Basis::laplacian || right == Basis::laplacian) {
    const std::size_t other = left == Basis::laplacian ? right : left;
    if (other == Basis::value) return slots.laplacian();
    if (other == Basis::laplacian) return slots.bilaplacian();
    return other < basis.hessian(0)
               ? slots.laplacian_gradient(static_cast<int>(other - basis.gradient(0)))
               : slots.laplacian_hessian(static_cast<int>(other - basis.hessian(0)));
  }
  auto orders = orders_of(basis, left);
  const auto more = orders_of(basis, right);
  for (std::size_t axis = 0; axis < orders.size(); ++axis) orders[axis] += more[axis];
  return partial(basis.dimension, orders);
}

/// `Width` times eight entries in registers while the summands pass by.
template <std::size_t Width>
[[gnu::always_inline]] inline void contract_lanes(const Summand* summands, std::size_t count,
                                                  std::size_t j, double* out) {
  Eight sum[Width];
  for (std::size_t w = 0; w < Width; ++w) sum[w] = all(0.0);
  for (std::size_t s = 0; s < count; ++s) {
    const Summand& term = summands[s];
    const Eight first = all(term.first), second = all(term.second);
    if (term.b_second == nullptr) {
      for (std::size_t w = 0; w < Width; ++w) {
        const std::size_t k = j + 8 * w;
        sum[w] = fused(first * load(term.b_first + k), load(term.derivative + k), sum[w]);
      }
      continue;
    }
    for (std::size_t w = 0; w < Width; ++w) {
      const std::size_t k = j + 8 * w;
      // Both products round before they meet: exchanging the rows gives the same bits.
      const Eight weight = first * load(term.b_first + k) + second * load(term.b_second + k);
      sum[w] = fused(weight, load(term.derivative + k), sum[w]);
    }
  }
  // Adding zero turns a negative zero, left by underflow, into zero.
  for (std::size_t w = 0; w < Width; ++w) store_loose(sum[w] + all(0.0), out + j + 8 * w);
}

}  // namespace

std::vector<Pair> all_pairs(const Basis& basis, const Slots& slots) {
  std::vector<Pair> pairs;
  for (std::size_t left = 0; left < basis.count(); ++left) {
    for (std::size_t right = left; right < basis.count(); ++right) {
      const int orders[2] = {basis.order(left), basis.order(right)};
      pairs.push_back({left, right, static_cast<std::size_t>(slot_of(basis, slots, left, right)),
                       orders[0] == 1 ? -1.0 : 1.0, orders[1] == 1 ? -1.0 : 1.0,
                       orders[0] + orders[1]});
    }
  }
  return pairs;
}

void contract(const std::vector<Summand>& summands, std::size_t n, double* out) {
  const Summand* first = summands.data();
  const std::size_t count = summands.size();
  std::size_t j = 0;
  for (; j + 64 <= n; j += 64) contract_lanes<8>(first, count, j, out);
  for (; j + 16 <= n; j += 16) contract_lanes<2>(first, count, j, out);
  for (; j < n; j += 8) contract_lanes<1>(first, count, j, out);
}

}  // namespace mensura::gp
