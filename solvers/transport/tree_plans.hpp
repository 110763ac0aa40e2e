// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <memory>
#include <vector>

#include "transport/sparse_plan.hpp"
#include "transport/tree_messages.hpp"

namespace mensura::transport {

/// The Gibbs measure of a tree on sparse supports, one per edge: an exact tree model of its own
/// (dual objective, marginals and second derivatives belong together), from which only pairs are
/// missing that are below exp(-SparsePlan::log_threshold) of both their points' masses. Members are
/// collective; references outlive the object.
class TreePlans {
 public:
  /// `costs`: one per edge.
  TreePlans(const parallel::Communicator& comm, const Tree& tree, std::vector<const Cloud*> clouds,
            const std::vector<const Cost*>& costs, TreeOptions options);

  /// Finds the supports at potentials for which `full`, the messages of all pairs, are fresh in
  /// both directions. False when some rank would hold more than `most` pairs of an edge (nothing is
  /// kept).
  bool search(const NodePotentials& phi, const TreeMessages& full, std::int64_t most);
  /// The largest drift of an edge since the search (SparsePlan::drift).
  double drift(const NodePotentials& phi) const;
  /// Messages, values and sums at these potentials.
  void evaluate(const NodePotentials& phi);
  /// Sweeps on the supports; the largest error that a node had before its last update. Values and
  /// sums are stale afterwards.
  double sweep(NodePotentials& phi, int sweeps);

  const Tree& tree() const { return tree_; }
  const parallel::Communicator& comm() const { return comm_; }
  const std::vector<const Cloud*>& clouds() const { return clouds_; }
  const TreeOptions& options() const { return messages_->options(); }
  const TreeMessages& messages() const { return *messages_; }
  SparsePlan& plan(std::size_t edge) { return *plans_[edge]; }
  const SparsePlan& plan(std::size_t edge) const { return *plans_[edge]; }
  /// Own sums of an edge's plan at one of its nodes, and the plan's product with a function at the
  /// other end.
  std::span<const double> sums(std::size_t edge, std::size_t node) const;
  void multiply_to(std::size_t edge, std::size_t node, std::span<const double> v,
                   std::span<double> result) const;
  std::int64_t pairs() const;  ///< of all edges and ranks
  double fattest_row() const;  ///< pairs per row of the fattest edge
  bool stored() const { return stored_; }
  const NodePotentials& searched_at() const { return searched_; }

 private:
  const parallel::Communicator& comm_;
  const Tree& tree_;
  std::vector<const Cloud*> clouds_;
  std::vector<std::unique_ptr<SparsePlan>> plans_;
  std::vector<std::unique_ptr<Kernel>> kernels_;
  std::unique_ptr<TreeMessages> messages_;
  NodePotentials searched_;
  bool stored_ = false;
};

}  // namespace mensura::transport
