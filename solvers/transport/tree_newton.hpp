// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "transport/edge_system.hpp"
#include "transport/newton.hpp"
#include "transport/tree_plans.hpp"

namespace mensura::transport {

/// The direction of Newton's method for a tree with fixed leaves and free inner nodes. With
/// e_k = E[sum of all d | x_k] the second derivative H d = P_k e_k on the fixed nodes; e is known
/// there, and on a tree
///   d_k = sum over k's edges of d_k^edge - (degree - 1) e_k,
/// d^edge the solution of the edge's own two-marginal system for (P e) at both its ends. That d
/// vanishes at free nodes is a symmetric positive definite system for their e,
///   (Z e)_k = P_k (sum over edges of d_k^edge - (degree - 1) e_k) = 0,
/// for a star the Schur complement of reference/transport_robust 4. It is solved by conjugate
/// gradients with the Neumann series of the averaged edge Laplacians as preconditioner, and one
/// constant where penalties let the plan's mass change.
class TreeDirection {
 public:
  struct Options {
    double shift = 0, least_share = 0;
    double accuracy = 1e-9;   ///< of the edges' systems
    double tolerance = 1e-4;  ///< L1 norm of the residual, relative to the right-hand sides'
  };
  /// Collective. `plans` hold the values at the potentials (and outlive the object); `extra`: what
  /// penalties add to the diagonal of fixed nodes, empty vectors for none.
  TreeDirection(const TreePlans& plans, const NodePotentials& extra, const Options& options);
  ~TreeDirection();

  /// Collective. From the residuals of the fixed nodes: the changes of their potentials and of the
  /// logarithm of the marginals of all nodes, in units of eps. False when an inner iteration failed
  /// or the result is not finite.
  bool solve(const NodePotentials& residuals, NodePotentials& change, NodePotentials& means);
  /// Collective. Z e for means e of free nodes (sums of P e: zero at all of them; with penalties
  /// one number), less its kernel, and the d of fixed nodes that go with e: H d = P e, zero at
  /// fixed nodes, for d = (Z e) / P at free ones, up to constants. All arguments have the nodes'
  /// sizes. False when an inner iteration failed.
  bool multiply(const NodePotentials& means, NodePotentials& product, NodePotentials& change);
  std::int64_t iterations() const noexcept { return iterations_; }      ///< of Z's
  std::int64_t inner() const noexcept { return inner_; }                ///< most of a Laplacian's
  double entries_per_row() const noexcept { return entries_per_row_; }  ///< of the fattest one

 private:
  bool edges(const NodePotentials& weighted, NodePotentials& result);
  void precondition(const NodePotentials& residual, NodePotentials& result) const;
  void add_constant(const NodePotentials& residual, NodePotentials& result) const;
  void average(std::size_t node, std::span<const double> v, std::span<double> result) const;
  void project(NodePotentials& values, bool weighted) const;
  double dot(const NodePotentials& a, const NodePotentials& b) const;
  double size(const NodePotentials& a, bool free) const;

  const TreePlans& plans_;
  const Tree& tree_;
  Options options_;
  bool singular_ = true;
  std::vector<std::unique_ptr<EdgeSystem>> systems_;
  NodePotentials marginals_;
  double stiffness_ = 0;  // of one constant at all free nodes, where there are penalties
  std::int64_t iterations_ = 0, inner_ = 0;
  double entries_per_row_ = 0;
};

/// Tells when steps lead nowhere, long before they run out. Local; numbers for checkpoints.
struct Standstill {
  double error = std::numeric_limits<double>::infinity(), objective = 0;  // at the last progress
  std::int64_t steps = 0;                                                 // since then

  /// Before every step. `unit`: of the objective, for a mass of all in the wrong place.
  bool reached(double now, double value, double unit);
};

/// One regularisation of a tree with free inner nodes by Newton's method on sparse supports: a few
/// sweeps, then shifted and damped steps, each followed by a sweep (reference/transport_robust 4).
/// Members are collective; references outlive the object.
class TreeNewton {
 public:
  struct Options {
    double tolerance = 1e-9;  ///< of the largest L1 error of a fixed node, relative to the mass
    double mass = 1;
    std::int64_t max_steps = 60;
    int warm_sweeps = 10;
    std::int64_t most_pairs = std::int64_t{1} << 31U;  ///< of an edge on one rank
  };
  /// `full`: the messages of all pairs, used for searches and for the last check.
  TreeNewton(TreePlans& plans, TreeMessages& full, NodePotentials start, const Options& options);

  /// Finds the supports and makes the first sweeps. False when a rank would hold too many pairs.
  bool begin(const std::function<void()>& poll);
  struct Memory {
    NodePotentials searched;
    double kappa = 0, floor = 0, least_share = 0, accuracy = 0;
    Standstill standstill;
    NewtonReport report;
  };
  Memory memory() const {
    return {plans_.searched_at(), kappa_, floor_, least_share_, accuracy_, standstill_, report_};
  }
  /// In place of begin(): goes on from where memory() was taken.
  bool resume(const Memory& memory, const std::function<void()>& poll);
  /// One step, or the last check. True when finished: converged, or out of steps.
  bool step(const std::function<void()>& poll);

  bool converged() const noexcept { return converged_; }
  const NodePotentials& potentials() const noexcept { return at_; }
  const NewtonReport& report() const noexcept { return report_; }

 private:
  struct State {
    NodePotentials residuals;
    double error = 0;    // all fixed nodes together, relative to the mass
    double largest = 0;  // of one node
    double objective = 0;
  };
  struct Way {
    NodePotentials change;
    double largest = 0, slope = 0;
    bool solved = false, good = false;  // the linear systems; and a way up
  };
  bool starved() const;
  bool search(const std::function<void()>& poll);
  State evaluate(const NodePotentials& at);
  NodePotentials bounded(NodePotentials residuals) const;
  Way direction();
  bool bound(Way& way) const;
  bool line_search(const Way& way, double most, double least, double& damping);
  bool settle(const std::function<void()>& poll);
  bool follow(const NodePotentials& before, const State& old, int sweeps,
              const std::function<void()>& poll);
  bool sweep_all(const NodePotentials& from, int sweeps, const std::function<void()>& poll);
  double rho(std::size_t node) const;
  void note();

  TreePlans& plans_;
  TreeMessages& full_;
  NodePotentials at_;
  Options options_;
  State state_;
  NewtonReport report_;
  double kappa_, floor_, least_share_, accuracy_;
  Stagnation stagnation_;
  Standstill standstill_;
  bool converged_ = false;
};

}  // namespace mensura::transport
