// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "transport/answer.hpp"
#include "transport/laplacian.hpp"
#include "transport/problem.hpp"
#include "transport/sparse_plan.hpp"

namespace mensura::transport {

struct NewtonOptions {
  double epsilon = 1;
  double tolerance = 1e-9;  ///< of the larger L1 error of the two marginals, relative to the mass
  double rho = std::numeric_limits<double>::infinity();  ///< Kullback-Leibler penalty
  Hessian hessian = Hessian::full;
  double kept_per_point = 2;  ///< of the count rule, points of the larger side
  std::int64_t max_steps = 60;
  int warm_sweeps = 20;                              ///< of Sinkhorn, before the first step
  std::int64_t most_pairs = std::int64_t{1} << 31U;  ///< on one rank
};

struct NewtonReport {
  std::int64_t steps = 0, sweeps = 0, searches = 0, linear_failures = 0;
  std::vector<std::int64_t> cg;                    ///< iterations of every linear solve
  double error_l1 = 0;                             ///< larger of the two marginals' L1 errors
  double dual_objective = 0;                       ///< of the regularised problem
  double plan_per_row = 0, laplacian_per_row = 0;  ///< largest over the steps
  std::int64_t heavy_columns = 0;                  ///< most over the steps
  double sweep_rate = 1;   ///< error ratio of one Sinkhorn sweep, measured before the first step
  std::int64_t inner = 0;  ///< trees: most iterations of a Laplacian inside one of cg
};

/// Local. What a stage reports of it; level, points, regularisation and time are the caller's.
StageReport stage_of(const NewtonReport& report);

/// Tells when Newton's method goes on without progress at errors that rounding explains. Local.
class Stagnation {
 public:
  /// After every step. True when the tolerance is out of reach.
  bool reached(double error);

 private:
  double least_ = std::numeric_limits<double>::infinity();
  std::int64_t steps_ = 0;  // without a much smaller error
};

/// One regularisation by Newton's method on the support of the plan: 20 Sinkhorn sweeps, then steps
/// with the graph Laplacian of the plan, solved by conjugate gradients with algebraic multigrid
/// (PETSc options prefix transport_newton_; BoomerAMG, or GAMG where hypre is missing), shifted in
/// proportion to the error, damped, each followed by one sweep (reference/transport_robust 1).
/// Where the measured rate of the sweeps promises the tolerance in few more of them, these come
/// first. Members are collective.
class Newton {
 public:
  /// References outlive the object; `plan` is used for nothing else meanwhile.
  Newton(SparsePlan& plan, Potentials start, const NewtonOptions& options);

  /// Finds the support and makes the first sweeps. False when a rank would hold too many pairs.
  bool begin();
  /// What a restart needs beside the potentials.
  struct Memory {
    Potentials searched;  ///< where the support was found
    double kappa = 0, least_share = 0;
    NewtonReport report;
  };
  Memory memory() const { return {plan_.searched_at(), kappa_, least_share_, report_}; }
  /// In place of begin(): goes on from where memory() was taken.
  bool resume(const Memory& memory);
  /// One step, or the last check. True when finished: converged, or out of steps.
  bool step();

  bool converged() const noexcept { return converged_; }
  const Potentials& potentials() const noexcept { return at_; }
  const NewtonReport& report() const noexcept { return report_; }

 private:
  struct State {
    std::vector<double> row_residual, column_residual;
    double error = 0;    // both marginals together, relative to the mass
    double largest = 0;  // of the two
    double objective = 0;
  };
  struct Direction {
    std::vector<double> f, g;  // in units of eps
    double largest = 0;        // |df + dg| on pairs that carry mass
    double slope = 0;
    bool good = false;
  };
  bool search();
  void sweep_to_the_end();
  std::optional<SparsePlan> thinned() const;
  double count_threshold() const;
  State evaluate(const Potentials& at);
  void sinkhorn(int sweeps);
  Direction direction();
  bool solve(const Laplacian& laplacian, double shift, const std::vector<double>& rhs,
             std::vector<double>& solution);
  double share_to_drop() const;
  bool line_search(const Direction& direction, double& damping);
  void note();

  SparsePlan& plan_;
  Potentials at_;
  NewtonOptions options_;
  State state_;
  NewtonReport report_;
  double kappa_;
  double least_share_;  // of a fat plan's row and column: smaller entries precondition nothing
  double mass_ = 1;     // the larger total mass: errors are relative to it
  Stagnation stagnation_;
  bool converged_ = false;
};

/// Collective. The constants of the dual objective and of the residuals: f'm + g'n - eps |P| and
/// its gradient, with the penalty's terms.
double dual_objective(const parallel::Communicator& comm, const SparsePlan& plan,
                      const Potentials& at, double epsilon, double rho);

}  // namespace mensura::transport
