// SPDX-License-Identifier: BSD-3-Clause
#include "gp/tile_sums.hpp"

#include <algorithm>
#include <utility>

#include "gp/contraction.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

namespace {

/// The sum of the lanes, always in the same order.
double total(const Eight& value) {
  alignas(64) double lane[8];
  store(value, lane);
  return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/// Flops of one pair of points, the derivatives only: measured on this code, relative to the radial
/// functions alone (50: square root, exponential, three polynomials).
double cost(bool partials, int order, int dimension) {
  if (!partials) return 50;
  static constexpr std::array<std::array<double, 2>, 4> cost = {
      {{}, {{120, 150}}, {{150, 300}}, {{180, 700}}}};
  return cost[static_cast<std::size_t>(dimension)][order > 2 ? 1 : 0];
}

}  // namespace

TileSums::TileSums(const Kernel& kernel, int dimension)
    : basis_(dimension),
      smoothness_(mean_square_derivatives(kernel)),
      derivatives_(kernel, dimension),
      slot_(basis_.count(), std::vector<std::size_t>(basis_.count())),
      derivative_(static_cast<std::size_t>(derivatives_.slots().count())),
      target_(derivative_.size()) {
  for (const Pair& pair : all_pairs(basis_, derivatives_.slots())) {
    slot_[pair.left][pair.right] = slot_[pair.right][pair.left] = pair.slot;
  }
}

void TileSums::check_order(std::size_t element) const {
  if (basis_.order(element) <= smoothness_) return;
  throw parallel::Error(parallel::ExitCode::usage,
                        "prior: functions drawn from it have one derivative, but second "
                        "derivatives are asked for; choose matern_5_2 or smoother");
}

void TileSums::choose(std::vector<std::size_t> left, std::vector<std::size_t> right,
                      std::size_t vectors) {
  parallel::require(vectors == 1 || vectors == 8, "sums are for one vector or for eight");
  left_ = std::move(left);
  right_ = std::move(right);
  vectors_ = vectors;
  for (const std::size_t element : left_) check_order(element);
  for (const std::size_t element : right_) check_order(element);
  request_.order = 0;
  request_.partials = !isotropic();
  request_.wanted.assign(derivative_.size(), 0);
  const auto laplacian = static_cast<std::size_t>(derivatives_.slots().laplacian());
  const auto radial = [&](std::size_t slot) {
    return slot == 0 || slot == laplacian || slot == laplacian + 1;
  };
  for (const std::size_t l : left_) {
    for (const std::size_t r : right_) {
      const std::size_t slot = slot_[l][r];
      request_.wanted[slot] = 1;
      request_.order = std::max(request_.order, basis_.order(l) + basis_.order(r));
      request_.partials = request_.partials || !radial(slot);
    }
  }
  for (std::size_t slot = 0; slot < derivative_.size(); ++slot) {
    if (radial(slot) || request_.wanted[slot] != 0) derivative_[slot].resize(size);
    target_[slot] = derivative_[slot].data();
  }
  flops_ = cost(request_.partials, request_.order, basis_.dimension) +
           2.0 * static_cast<double>(left_.size() * right_.size() * vectors_);
}

/// One left element; `Chains` sums of every vector side by side keep the multipliers busy.
template <std::size_t Vectors, std::size_t Chains>
void TileSums::contract(std::size_t left, const double* strengths, double* sums) const {
  Eight sum[Chains][Vectors];
  for (auto& chain : sum) {
    for (Eight& one : chain) one = all(0.0);
  }
  for (std::size_t right = 0; right < right_.size(); ++right) {
    const double* derivative = derivative_[slot_[left_[left]][right_[right]]].data();
    const double* strength = strengths + right * Vectors * size;
    for (std::size_t j = 0; j < size; j += 8 * Chains) {
      for (std::size_t c = 0; c < Chains; ++c) {
        const Eight value = load(derivative + j + 8 * c);
        for (std::size_t v = 0; v < Vectors; ++v) {
          sum[c][v] = fused(value, load(strength + v * size + j + 8 * c), sum[c][v]);
        }
      }
    }
  }
  for (std::size_t v = 0; v < Vectors; ++v) {
    for (std::size_t c = 1; c < Chains; ++c) sum[0][v] = sum[0][v] + sum[c][v];
    sums[v] = total(sum[0][v]);
  }
}

void TileSums::at(const std::array<double, 3>& x, const std::array<const double*, 3>& y,
                  const double* strengths, double* sums) {
  derivatives_.evaluate(x, y, size, request_, target_);
  for (std::size_t left = 0; left < left_.size(); ++left) {
    if (vectors_ == 1) {
      contract<1, 4>(left, strengths, sums + left);
    } else {
      contract<8, 1>(left, strengths, sums + 8 * left);
    }
  }
}

}  // namespace mensura::gp
