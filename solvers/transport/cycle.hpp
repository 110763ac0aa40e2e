// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/answer.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// A weighted point set, the same on every rank.
struct PointSet {
  int dimension = 1;
  std::vector<double> coordinates;  ///< n x dimension, row-major
  std::vector<double> mass;         ///< n, > 0, sum one
  std::size_t size() const noexcept { return mass.size(); }
};

/// Transport with the marginals of K nodes and the cost of a closed chain,
///   c(x_0, ..., x_{K-1}) = sum_k w_k c(x_k, x_{k+1}),  x_K = x_0 or closing(x_0),
/// as in the generalised incompressible flow of Brenier (reference/transport 3.2). Replicated.
struct CycleProblem {
  std::vector<PointSet> nodes;  ///< K >= 3, of one dimension
  std::vector<double> weights;  ///< K, > 0: of the edges k -> k + 1 mod K
  CostSpec cost;                ///< kinds other than matrix
  std::vector<double> closing;  ///< n_0 x dimension: where x_0 ends; empty: at x_0
};

struct CycleOptions {
  double epsilon = 1;        ///< factor of the entropy relative to the product of the marginals
  double tolerance = 1e-9;   ///< of the largest L1 error of a marginal
  double first_epsilon = 0;  ///< where the stages begin; 0: a quarter of the largest cost
  double stage_factor = 4;   ///< from one stage to the next
  double stage_tolerance = 1e-2;        ///< of all stages but the last
  std::int64_t max_sweeps = 1000;       ///< per stage
  std::int64_t max_newton = 200;        ///< corrections on the coarse space, per stage
  std::int64_t coarse_unknowns = 2048;  ///< of all nodes together; 0: sweeps only
  std::uint64_t seed = 1;               ///< of the sampled trajectories
};

/// Bounds of the unregularised problem's value: dual <= optimum <= primal.
struct CycleCertificate {
  double primal = 0;     ///< cost of the rounded plan
  double dual = 0;       ///< of feasible potentials
  double remainder = 0;  ///< mass that the rounding moved
};

/// Entropic transport on a cycle,
///   P = prod_k m_k(x_k) exp(phi_k(x_k) / eps) prod_k exp(-w_k c(x_k, x_{k+1}) / eps),
/// by exact block updates of the potentials, node after node (Gauss-Seidel sweeps), between
/// corrections on a space of functions that are smooth on every node. Sweeps alone need tens of
/// thousands of rounds, since functions that alternate from node to node hardly change a smooth
/// trajectory's sum; these are few, and Newton's matrix for them is an average over trajectories
/// drawn from the plan. Regularisations go from large to small. Every rank owns columns: values of
/// x_0, conditioned on which the cycle is a chain; memory O(K n^2 / P) and one n x n cost matrix
/// for every edge unlike the others. Members are collective.
class CycleSolver {
 public:
  /// Throws Error{input_data} on all ranks for a problem that is none.
  CycleSolver(const parallel::Communicator& comm, CycleProblem problem, CycleOptions options);
  ~CycleSolver();

  /// After the last stage, or one that used up its sweeps far from its tolerance: later ones would.
  bool finished() const noexcept;
  bool converged() const noexcept;
  /// The start of a regularisation, or a sweep with its correction.
  void advance(const std::function<void()>& poll);

  /// What a restart needs, on any number of ranks; replicated.
  struct State {
    std::vector<double> todo;  ///< regularisations, the running one first
    bool begun = false, converged = false;
    double epsilon = 0;                           ///< of the potentials
    std::vector<std::vector<double>> potentials;  ///< per node, in the problem's order
    double past_epsilon = 0;                      ///< of the last finished stage; 0: none
    std::vector<std::vector<double>> past;
    double shift = 1;  ///< of the coarse matrix, relative to the error
    std::vector<StageReport> history;
  };
  State state() const;
  void resume(State state);
  /// Local. The planned regularisations from this one on, before resume().
  std::vector<double> stages_from(double epsilon) const;

  /// Of the running stage, or of the last one.
  double error_l1() const noexcept;
  double epsilon() const noexcept;
  const std::vector<StageReport>& history() const noexcept;
  std::int64_t sweeps() const noexcept;  ///< of all stages

  // Once finished; nodes and points in the problem's order, replicated.
  std::vector<std::vector<double>> potentials() const;
  std::vector<std::vector<double>> marginals() const;  ///< of the plan
  std::vector<double> errors() const;                  ///< L1, per node
  double cost_linear(const std::function<void()>& poll) const;
  /// Cost plus eps times the divergence from the product of the marginals (the dual objective).
  double cost_regularised() const noexcept;

  /// Own rows of the marginal of (x_k, x_{k+1 mod K}): rows [first, first + rows) of n_k, all
  /// columns. Needs n_k x n_{k+1} numbers on every rank for a moment.
  struct PairMarginal {
    std::int64_t first = 0, rows = 0, columns = 0;
    std::vector<double> values;
  };
  PairMarginal pair_marginal(std::size_t edge, const std::function<void()>& poll) const;

  /// Bounds of the unregularised optimum. Primal: of paths that start with the exact masses of x_0,
  /// what every node in turn has too much of is left out, and the product of what is missing added.
  /// Dual: exact block updates of the
  /// potentials, minima in place of soft ones, which are feasible from the first one on
  /// (reference/transport 2.7).
  CycleCertificate certify(const std::function<void()>& poll) const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> self_;
};

}  // namespace mensura::transport
