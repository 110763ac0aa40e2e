// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "parallel/communicator.hpp"
#include "transport/kernel.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

struct SinkhornOptions {
  double epsilon = 1;
  double tolerance = 1e-9;  ///< of the larger L1 error of the two marginals
  std::int64_t max_sweeps = 1000;
  bool over_relax = true;  ///< automatic: w = 2 / (1 + sqrt(1 - q)), q a settled error ratio
  Relaxation relaxation = Relaxation::none;
  double strength = 0;  ///< rho
};

struct SinkhornReport {
  std::int64_t sweeps = 0;  ///< both marginals updated once
  double error_l1 = 0;      ///< larger of the two marginals' L1 errors
  double rate = 1;          ///< last settled error ratio per sweep
  double over_relaxation = 1;
  bool converged = false;
};

/// Collective. Log-domain block ascent on f and g (own points, start and result), over-relaxed,
/// unbalanced by reference/transport 2.8: KL: phi <- rho / (rho + eps) * (balanced update); total
/// variation: clamp to [-rho, rho]. The error of unbalanced problems is the L1 residual of the
/// optimality condition. Over-relaxation starts after the ratio has settled, is dropped when the
/// dual objective falls, and its iterates are never returned without a final plain sweep.
/// Throws Error{numerical} on all ranks for values that are not finite.
SinkhornReport sinkhorn(const parallel::Communicator& comm, const Kernel& kernel, const Cloud& x,
                        const Cloud& y, const SinkhornOptions& options, std::span<double> f,
                        std::span<double> g, const std::function<void()>& poll);

}  // namespace mensura::transport
