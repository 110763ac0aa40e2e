// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"
#include "parallel/exact_sum.hpp"
#include "transport/cloud.hpp"
#include "transport/kernel.hpp"
#include "transport/tree.hpp"

namespace mensura::transport {

/// One potential per node at its own points; free nodes have none (an empty vector).
using NodePotentials = std::vector<std::vector<double>>;

/// Kullback-Leibler penalties of fixed nodes: infinity where the marginal is exact.
struct TreeOptions {
  double epsilon = 1;
  std::vector<double> rho{};  ///< one per node; empty: all marginals are exact
};

/// Messages of the Gibbs measure of a tree (Haasler, Ringh, Chen, Karlsson 2021; reference/
/// transport 3.1), in the log domain:
///   P(x_1 .. x_K) = prod_k m_k(x_k) exp(phi_k(x_k) / eps) prod_e exp(-c_e / eps),
/// m_k the mass of the cloud of node k (of a free node: the reference measure), phi = 0 at free
/// nodes. The message that arrives at x over edge e from node l is
///   psi(x) = -eps log sum_y m_l(y) exp((phi_l(y) - sum of l's other messages - c_e) / eps),
/// +infinity where the kernel has no pair for x. Members are collective; all references outlive the
/// object.
class TreeMessages {
 public:
  /// `kernels`: one per edge, rows at `from`.
  TreeMessages(const parallel::Communicator& comm, const Tree& tree,
               std::vector<const Cloud*> clouds, std::vector<const Kernel*> kernels,
               TreeOptions options);

  /// All messages towards the root; all messages from it, given those.
  void gather(const NodePotentials& phi, const std::function<void()>& poll);
  void spread(const NodePotentials& phi, const std::function<void()>& poll);
  /// A Gauss-Seidel walk from the root, messages towards it being fresh before and after: every
  /// fixed node moves to its exact update, `factor` times as far. Returns the largest L1 error that
  /// a node had when its turn came, in units of mass.
  double sweep(NodePotentials& phi, double factor, const std::function<void()>& poll);

  /// Local. The sum of all messages that arrive at a node.
  std::vector<double> incoming(std::size_t node) const;
  /// Local. The plan's marginal at own points of a node.
  std::vector<double> marginal(std::size_t node, const NodePotentials& phi) const;
  /// Local. The potential with which an end of an edge enters the edge's plan, f at `from`, g at
  /// `to`: P_e = m m exp((f + g - c_e) / eps).
  std::vector<double> edge_potential(std::size_t edge, std::size_t node,
                                     const NodePotentials& phi) const;
  /// Largest L1 error of the fixed nodes, in units of mass; messages fresh.
  double error(const NodePotentials& phi) const;
  /// Mass of the plan, the root's messages being fresh.
  double mass(const NodePotentials& phi) const;

  const TreeOptions& options() const noexcept { return options_; }

 private:
  std::vector<double>& message(std::size_t edge, std::size_t to_node);
  const std::vector<double>& message(std::size_t edge, std::size_t to_node) const;
  void send(std::size_t edge, std::size_t from, const NodePotentials& phi,
            const std::function<void()>& poll);
  void visit(std::size_t node, NodePotentials& phi, double factor,
             std::vector<parallel::ExactSum>& errors, const std::function<void()>& poll);
  void update(std::size_t node, std::vector<double>& phi, double factor,
              parallel::ExactSum& error) const;
  double largest(std::vector<parallel::ExactSum>& errors) const;
  double rho(std::size_t node) const;

  const parallel::Communicator& comm_;
  const Tree& tree_;
  std::vector<const Cloud*> clouds_;
  std::vector<const Kernel*> kernels_;
  TreeOptions options_;
  std::vector<std::vector<double>> messages_;  // 2 e: at `from`; 2 e + 1: at `to`
};

/// The target of a fixed node's marginal at one point: its mass, less where a penalty lets the
/// potential pay.
double target_mass(double mass, double potential, double rho);

/// Collective. sum over fixed nodes of what their potentials earn, less eps |P|: the dual
/// objective.
double tree_objective(const parallel::Communicator& comm, const Tree& tree,
                      const std::vector<const Cloud*>& clouds, const TreeOptions& options,
                      const NodePotentials& phi, double mass);

}  // namespace mensura::transport
