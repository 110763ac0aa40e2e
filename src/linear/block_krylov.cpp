// SPDX-License-Identifier: BSD-3-Clause
#include "linear/block_krylov.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "linear/lane_sums.hpp"
#include "parallel/error.hpp"

namespace mensura::linear {

namespace {

// Zero is the residual of a solution.
void check_positive(double value, std::size_t system, std::int64_t iteration, const char* what) {
  if (value >= 0 && std::isfinite(value)) return;
  throw parallel::Error(
      parallel::ExitCode::numerical,
      fmt::format("conjugate gradients: the {} of system {} is {:.3g} in iteration {}; expected a "
                  "positive number: the matrix or its preconditioner is not positive definite",
                  what, system, value, iteration));
}

}  // namespace

BlockReport block_conjugate_gradients(const parallel::Communicator& comm,
                                      const BlockOperator& apply, const BlockOperator& precondition,
                                      std::span<const Eight> b, std::span<Eight> x,
                                      const BlockGoal& goal, std::int64_t limit,
                                      const std::function<void()>& poll) {
  std::vector<Eight> residual, way, product, z;
  parallel::agree(comm, [&] {
    for (auto* block : {&residual, &way, &product, &z}) block->resize(b.size());
  });
  std::ranges::fill(x, all(0));
  std::ranges::copy(b, residual.begin());
  BlockReport report;
  Lanes before{}, size{}, reached{};  // r' M r of the last iteration, b' M b, b' x
  for (;; ++report.iterations) {
    precondition(residual, z);
    const Lanes rest = dot(comm, residual, z);
    if (report.iterations == 0) size = rest;
    std::array<bool, 8> done{};
    for (std::size_t l = 0; l < 8; ++l) {
      check_positive(rest[l], l, report.iterations, "preconditioned residual");
      report.residual[l] = size[l] > 0 ? std::sqrt(rest[l] / size[l]) : 0;
      double target = goal.tolerance * goal.tolerance * size[l];
      if (goal.whole != nullptr) {
        target = goal.allowed(std::max(0.0, (*goal.whole)[l] - reached[l]));
      }
      target = std::max(target, goal.floor * goal.floor * size[l]);
      done[l] = rest[l] <= target;
    }
    report.converged = std::ranges::all_of(done, [](bool is) { return is; });
    if (report.converged || report.iterations == limit) return report;
    poll();
    Lanes beta{}, step{};
    for (std::size_t l = 0; l < 8; ++l) {
      beta[l] = before[l] > 0 && !done[l] ? rest[l] / before[l] : 0;
    }
    before = rest;
    const Eight turn = eight_of(beta);
    for (std::size_t i = 0; i < b.size(); ++i) way[i] = fused(turn, way[i], z[i]);
    apply(way, product);
    const Lanes curvature = dot(comm, way, product);
    for (std::size_t l = 0; l < 8; ++l) {
      if (done[l]) continue;
      check_positive(curvature[l], l, report.iterations + 1, "curvature");
      step[l] = curvature[l] > 0 ? rest[l] / curvature[l] : 0;
      reached[l] += step[l] * rest[l];
    }
    const Eight forward = eight_of(step);
    for (std::size_t i = 0; i < b.size(); ++i) {
      x[i] = fused(forward, way[i], x[i]);
      residual[i] = residual[i] - forward * product[i];
    }
  }
}

}  // namespace mensura::linear
