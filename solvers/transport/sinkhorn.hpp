// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

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
  double strength = 0;  ///< rho of the penalty, or the mass of a partial transport
};

struct SinkhornReport {
  std::int64_t sweeps = 0;       ///< both marginals updated once
  double error_l1 = 0;           ///< larger of the two marginals' L1 errors
  double rate = 1;               ///< last settled error ratio per sweep
  double over_relaxation = 1;    ///< largest factor that was used
  double dual_objective = 0;     ///< of the returned potentials, regularised problem
  std::vector<double> errors{};  ///< error_l1 after every sweep
  bool converged = false;
};

/// Collective. Log-domain block ascent on f and g (own points, start and result; the first sweep
/// begins with f, so that only the start of g matters), over-relaxed, unbalanced by
/// reference/transport 2.8: KL: phi <- rho / (rho + eps) * (balanced update); total variation:
/// clamp to [-rho, rho]. Partial transport of mass m: potentials f' <= 0, g' <= 0 and a multiplier
/// t of the total mass with P = m(x) m(y) exp((f' + g' + t - c) / eps); every update is exact in
/// its potential and t together. The returned f is f' + t, so t is its largest value, and the
/// start's largest value is taken for it. The error of unbalanced problems is the L1 residual of
/// the optimality condition: |m exp(-f/rho) - P1| for KL, the distance to the marginal after the
/// exact update for the others. Over-relaxation starts after the ratio has settled, is dropped when
/// the dual objective falls, and its iterates are never returned without a final plain sweep
/// (partial transport does without). A sweep costs soft_rows and soft_columns; one more soft_rows
/// measures the result. Throws Error{numerical} on all ranks for values that are not finite.
SinkhornReport sinkhorn(const parallel::Communicator& comm, const Kernel& kernel, const Cloud& x,
                        const Cloud& y, const SinkhornOptions& options, std::span<double> f,
                        std::span<double> g, const std::function<void()>& poll);

/// Collective. The symmetric problem of a measure with itself, one potential for both sides: f <-
/// (f + T f) / 2 (reference/transport 1.1), a dozen sweeps where the alternation takes thousands.
/// `kernel` is one of x with x; a sweep is one soft_rows. Relaxation by KL and total variation as
/// above; Error{internal} for partial transport. The error counts one marginal, as both are equal.
SinkhornReport sinkhorn_symmetric(const parallel::Communicator& comm, const Kernel& kernel,
                                  const Cloud& x, const SinkhornOptions& options,
                                  std::span<double> f, const std::function<void()>& poll);

}  // namespace mensura::transport
