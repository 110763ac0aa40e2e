// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "gp/pattern.hpp"
#include "gp/rows.hpp"
#include "linear/block_krylov.hpp"
#include "output/record.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// What is measured in one linear solve. Every own point has one measurement: a combination of its
/// rows (`lift`: one weight per own row; boundary and data points have the single weight 1) with a
/// value and the variance of its noise (0: exact).
struct Measurements {
  std::vector<double> lift;   ///< own rows
  std::vector<double> value;  ///< own points
  std::vector<double> noise;  ///< own points: variance; empty: none
};

/// What one linear solve tells beside the state.
struct SolveReport {
  std::int64_t iterations = 0;  ///< of the conjugate gradients; 0: direct
  double residual = 0;          ///< ||y - (S' Theta S + R) alpha|| / ||y||, recomputed
  double quadratic = 0;         ///< y' (S' Theta S + R)^-1 y
  double tolerance = 0;         ///< on the residual, as options have it; 0: direct
  bool complete = true;         ///< solved to the tolerance, not just as far as deserved
};

/// A log determinant, and the standard error of its estimate; 0: exact.
struct LogDeterminant {
  double value = 0;
  double standard_error = 0;
};

/// What a conditioner knows from its last solve; a restart hands it back.
struct ConditionerMemory {
  std::vector<double> solution;    ///< own points: alpha; empty: none
  std::vector<double> factorised;  ///< own rows: the lift of the factor over measurements; or empty
};

/// Which energy |e|^2 the error of C r may have where the posterior leaves the variance `left` =
/// r . C r. The quadratic form itself errs by |e|^2, the image C r at a row by |e| times the
/// prior's deviation of that row, where the image of a single row is of the size of `left`.
using AllowedError = std::function<double(double left)>;

/// For quadratic forms and for vectors to relative accuracies; `spread`: the image is smaller than
/// `left` by this factor.
inline AllowedError form_to(double accuracy) {
  return [=](double left) { return accuracy * left; };
}
inline AllowedError image_to(double accuracy, double spread = 1) {
  return [=](double left) { return accuracy * left / spread * (accuracy * left / spread); };
}

/// Conditions the prior on linear measurements: state = Theta S alpha with (S' Theta S + R) alpha
/// = y, Theta the covariance of all state rows.
class Conditioner {
 public:
  virtual ~Conditioner() = default;

  /// Collective. `state`: posterior mean of all own rows. `distance`: norm of the nonlinear
  /// residual at the point of linearisation, the same on all ranks; an iterative solve need not go
  /// much below what the next linearisation will change. 0: to the tolerance of the deck. Throws
  /// Error{not_converged} or Error{numerical} on all ranks; the memory is then that of the last
  /// solve that did not fail.
  virtual SolveReport condition(const Measurements& measurements, double distance,
                                std::span<double> state, const std::function<void()>& poll) = 0;

  /// Collective, after condition(). log det (S' Theta S + R).
  virtual LogDeterminant log_determinant(const std::function<void()>& poll) = 0;

  /// Collective. Posterior mean of a functional at any points (row-major), after condition(). Empty
  /// when this back end has no kernel sums; then it is interpolated from the state (mean.hpp).
  virtual std::vector<double> mean_at(std::span<const double> coordinates,
                                      const Functional& functional) = 0;

  /// Collective. Takes the functionals and the noise that the calls below refer to, without a solve
  /// for a mean: after a restart, or to stand where no solve was made. condition() does so too.
  virtual void adopt(const Measurements& measurements, const std::function<void()>& poll) = 0;

  /// Collective, after condition() or adopt(). z close to (S' K S + R)^-1 r with the exact
  /// covariance K, own points: a step of preconditioning for iterations with the exact matrix
  /// (certificate.hpp), almost linear in r. Throws Error{not_converged} or Error{numerical} on all
  /// ranks.
  virtual void precondition(std::span<const double> r, std::span<double> z,
                            const std::function<void()>& poll) = 0;

  // Eight vectors at once, under a prior of unit scale. C = Theta - Theta S (S' Theta S + R)^-1
  // S' Theta is the posterior covariance of the state.

  /// Collective. Own rows: independent standard normal numbers become draws of the prior.
  virtual void draw_prior(std::span<linear::Eight> rows, const std::function<void()>& poll) = 0;
  /// Collective. Own rows := Theta rows.
  virtual void apply_prior(std::span<linear::Eight> rows, const std::function<void()>& poll) = 0;
  /// Collective. The state Theta S (S' Theta S + R)^-1 values; `values`: own points, `rows`: own
  /// rows. `tolerance`: of the error in the energy norm, relative to that of the solution. Throws
  /// Error{not_converged} or Error{numerical} on all ranks.
  virtual linear::BlockReport condition_block(std::span<const linear::Eight> values,
                                              std::span<linear::Eight> rows, double tolerance,
                                              const std::function<void()>& poll) = 0;
  /// Collective. Own rows := C rows. Throws as condition_block().
  virtual linear::BlockReport apply_posterior(std::span<linear::Eight> rows,
                                              const AllowedError& allowed,
                                              const std::function<void()>& poll) = 0;

  // What is measured beside the points: averages (updated_conditioner.hpp).

  /// Local. What conditions on the points alone; after a call of it this one is to forget all.
  virtual Conditioner& without_averages() { return *this; }

  /// Local. Variance of the errors; as many as there are, the same on all ranks.
  virtual std::span<const double> noise_beside() const { return {}; }
  /// Collective. The values of eight states, without errors; the same on all ranks.
  virtual std::vector<linear::Eight> measure_beside(std::span<const linear::Eight> /*rows*/) {
    return {};
  }
  /// Collective. As condition_block(), which takes zeros for these values.
  virtual linear::BlockReport condition_all(std::span<const linear::Eight> values,
                                            std::span<const linear::Eight> /*beside*/,
                                            std::span<linear::Eight> rows, double tolerance,
                                            const std::function<void()>& poll) {
    return condition_block(values, rows, tolerance, poll);
  }

  /// Local. False when options replace the test of an iterative solve: it is complete then.
  virtual bool adapts() const { return true; }
  virtual ConditionerMemory memory() const = 0;  ///< Local.
  /// Collective, before the first solve. An empty memory: forgets all earlier solves.
  virtual void remember(const ConditionerMemory&) = 0;

  virtual double nonzeros_per_row() const = 0;
  virtual void record(output::Value& entry) const = 0;  ///< Local: diagnostics of the factor
};

}  // namespace mensura::gp
