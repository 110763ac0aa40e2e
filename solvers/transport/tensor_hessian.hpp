// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <vector>

#include "transport/tensor_slices.hpp"

namespace mensura::transport {

/// The Hessian of the dual of a multi-marginal problem times -eps: H_kk = diag(P_k), H_kl = P_kl
/// (reference/transport 1), a dense matrix of all nodes' points, which rank 0 factors.
class TensorHessian {
 public:
  /// Collective. For `nodes` nodes (all that have potentials).
  TensorHessian(const parallel::Communicator& comm, const TensorSlices& slices,
                const NodeFields& phi, double epsilon, const std::function<void()>& poll);

  /// Whether there is a factor; without one nothing can be solved: potentials are far from those of
  /// a plan.
  bool positive() const noexcept { return positive_; }
  /// P_k.
  const NodeFields& marginals() const noexcept { return marginals_; }

  /// Collective. d with H d = right, for right sides of equal sums over every node: H is singular,
  /// constants that cancel between the nodes being its kernel, and nearly so for a small eps.
  /// Conjugate gradients preconditioned by the factor of H with its diagonal raised by 1e-13.
  /// `missed`: the largest L1 norm of H d - right over the nodes.
  NodeFields solve(const NodeFields& right, double& missed) const;

 private:
  bool factor();
  void project(std::vector<double>& r) const;
  std::vector<double> times(const std::vector<double>& x) const;
  std::vector<double> preconditioned(std::vector<double> x) const;
  std::vector<double> solve_on_root(const std::vector<double>& right, double& missed) const;

  const parallel::Communicator& comm_;
  NodeFields marginals_;
  std::size_t size_ = 0;
  bool positive_ = false;
  std::vector<double> scale_;           // 1 / sqrt of the diagonal
  std::vector<double> matrix_, upper_;  // with unit diagonal: on rank 0
};

}  // namespace mensura::transport
