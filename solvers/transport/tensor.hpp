// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/answer.hpp"
#include "transport/tensor_slices.hpp"

namespace mensura::transport {

struct TensorOptions {
  double epsilon = 1;              ///< the last regularisation, absolute
  double first_epsilon = 0;        ///< 0: the range of the finite costs, summed over the edges
  double tolerance = 1e-9;         ///< of the largest L1 error of a marginal
  std::int64_t warm_sweeps = 20;   ///< before the first Newton step at a regularisation
  std::int64_t max_sweeps = 1000;  ///< at a regularisation; a Newton step is followed by one
  /// Of the nodes and their points, for messages; without them numbers from zero.
  std::vector<std::string> names{};
  std::vector<std::vector<std::uint64_t>> ids{};

  std::string node(std::size_t k) const;
  std::string point(std::size_t k, std::size_t i) const;
};

/// Small multi-marginal problems with any pairwise costs:
///   minimise sum_e w_e <c_e, P_e> + eps KL(P | product of the marginals)
/// over P with all marginals prescribed, along falling regularisations: Sinkhorn sweeps over the
/// nodes (log domain, each with all others' newest potentials), then steps of Newton's method with
/// the dense Hessian of the dual and a line search (reference/transport 1, 2.3). With three nodes
/// or more sweeps alone may take many thousands, and over-relaxation has no reliable factor there.
/// Forbidden pairs (cost +infinity) have no mass; where they leave no plan at all nothing
/// converges. Two to five nodes, at most largest_tensor entries and most_points points; work prod
/// n_k per sweep, some five times that per Newton step, over all ranks, which share the slices of
/// node 0: it should have as many points as there are ranks. Masses, costs and potentials are the
/// same on all ranks. Members are collective but for accessors; the communicator outlives the
/// object.
class TensorSolver {
 public:
  static constexpr std::int64_t largest_tensor = 200'000'000;
  static constexpr std::int64_t most_points = 2000;  ///< of all nodes together: of the Hessian

  /// Throws on all ranks: Error{input_data} for masses that are not positive or do not sum to one
  /// (1e-9; a smaller difference is divided out), costs that are neither finite nor +infinity, a
  /// point that may not be paired with any of a neighbour; Error{too_large} for too many points or
  /// entries; Error{internal} for broken shapes.
  TensorSolver(const parallel::Communicator& comm, NodeFields masses,
               std::span<const DenseEdge> edges, const TensorOptions& options);

  bool finished() const noexcept { return stage_ == epsilons_.size(); }
  bool converged() const noexcept { return finished() && converged_; }
  /// The work between two safe points: some sweeps and Newton steps. Throws Error{numerical} on all
  /// ranks when values leave the finite numbers.
  void advance(const std::function<void()>& poll);

  /// All that a restart needs, with the same problem and options on any number of ranks.
  struct State {
    std::int64_t stage = 0, sweeps = 0, newton = 0, idle = 0;
    NodeFields potentials;
    double dual = 0, error = 0, rate = 1, least = 0, seconds = 0;
    bool converged = false;
    std::vector<StageReport> history;
    std::vector<NodeFields> past;  ///< potentials at the end of every finished stage
  };
  State state() const;
  void resume(State state);

  const NodeFields& potentials() const noexcept { return at_; }
  const NodeFields& masses() const noexcept { return masses_; }
  double epsilon() const noexcept { return epsilons_.back(); }
  const std::vector<StageReport>& history() const noexcept { return history_; }
  double error_l1() const noexcept { return error_; }  ///< of the potentials, largest of all nodes

  // Of the plan at potentials(), once finished.

  /// P_k of every node.
  NodeFields marginals(const std::function<void()>& poll) const;
  /// P_kl for k < l: the rows of this rank's block of node k (Blocks), row-major.
  std::vector<double> pair_marginal(std::size_t k, std::size_t l,
                                    const std::function<void()>& poll) const;
  struct Values {
    double linear = 0;       ///< sum_e w_e <c_e, P_e>
    double regularised = 0;  ///< with eps KL(P | product of the marginals)
  };
  Values values(const std::function<void()>& poll) const;
  /// Bounds of the unregularised optimum (reference/transport 2.7). Dual: node after node its
  /// exact transform, phi_k = min over the others of c - sum phi_l. Primal: node after node P <- P
  /// min(1, m_k / P_k), and what is missing as a product. Where that has forbidden pairs, the plan
  /// is repaired instead: P (1 + sum_k d_k(x_k)) has the exact marginals for H d = m - P_k with the
  /// Hessian H of the dual, and no mass where P has none. Where the plan's parts communicate too
  /// little for that, a small part of a plan of a larger regularisation takes up the error. The
  /// bound is infinite when all of them would need negative entries.
  struct Bounds {
    double primal = 0;     ///< cost of a plan with the exact marginals, up to rounding
    double dual = 0;       ///< value of feasible potentials
    double remainder = 0;  ///< mass that had to be moved for the primal
  };
  Bounds certify(const std::function<void()>& poll) const;

 private:
  bool step(const std::function<void()>& poll);
  void sweep(const TensorSlices::Rest& rest, const std::function<void()>& poll);
  bool newton(const std::function<void()>& poll);
  double missed(const TensorSlices::Rest& rest) const;
  double update(const TensorSlices::Rest& rest, std::size_t node);
  double dual(const NodeFields& phi, const std::function<void()>& poll) const;
  void finish_stage();
  double repaired(double& remainder, const std::function<void()>& poll) const;
  bool last_stage() const { return stage_ + 1 == epsilons_.size(); }
  double resolution() const;
  bool two_nodes() const noexcept { return masses_.size() == 2; }

  const parallel::Communicator& comm_;
  TensorOptions options_;
  NodeFields masses_;
  TensorSlices slices_;
  std::vector<double> epsilons_;
  std::size_t stage_ = 0;
  std::int64_t sweeps_ = 0, newton_ = 0;  // of the running stage
  std::int64_t idle_ = 0;                 // Newton steps since the error has halved
  NodeFields at_;
  double dual_ = 0, error_ = 0, rate_ = 1, seconds_ = 0;
  double least_ = 0;  // the error when it last had halved
  bool converged_ = false;
  std::vector<StageReport> history_;
  std::vector<NodeFields> past_;
};

}  // namespace mensura::transport
