// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "transport/bregman.hpp"
#include "transport/part.hpp"
#include "transport/sparse_plan.hpp"
#include "transport/tree.hpp"
#include "transport/tree_messages.hpp"

namespace mensura::transport {

/// A star around a free centre whose edges have an entropy each, plain or debiased: Bregman over
/// separable kernels on grids and blocked ones on clouds. Members are collective.
class BregmanPart final : public Part {
 public:
  /// As make_part(). The deck makes sure of the star and its weights.
  BregmanPart(const parallel::Communicator& comm, Problem problem,
              const std::vector<Marginal>& marginals, double epsilon);

  bool finished() const override { return solver_->finished(); }
  bool begun() const override { return solver_->report().sweeps > 0; }
  bool converged() const override { return solver_->converged(); }
  void advance(const std::function<void()>& poll) override;
  std::string line() const override;
  std::string method() const override { return "sinkhorn"; }
  std::string reason() const override;
  /// One entry, once finished: the sweeps of all regularisations down to the last one.
  std::vector<StageReport> history() const override;

  /// The centre has no potential and the edges no stored plans; maps of the leaves are sums against
  /// the kernels. Bounds, of balanced problems: the unregularised barycenter on the centre's
  /// points.
  Answer describe(const std::function<void()>& poll) override;

  SavedState save() const override;
  void restore(const SavedState& saved) override;

 private:
  BregmanOptions options_of() const;
  double weight(std::size_t edge) const { return solver_->weight(edge); }
  std::size_t leaf(std::size_t edge) const { return problem_.edges[edge].from; }
  const Cloud& centre() const { return clouds_[centre_]; }
  Potentials at(std::size_t edge) const;
  std::vector<const Cloud*> all_clouds() const;
  double primal(const std::function<void()>& poll) const;
  NodePotentials potentials() const;
  std::string advice() const;

  const parallel::Communicator& comm_;
  Problem problem_;
  Tree tree_;
  std::size_t centre_ = 0;
  std::vector<Marginal> heads_;
  std::vector<Cloud> clouds_;
  std::vector<std::unique_ptr<Kernel>> kernels_;  // one per edge, without the weight
  std::unique_ptr<Kernel> own_;                   // of the centre with itself
  std::vector<CostSpec> costs_;                   // one per edge
  std::unique_ptr<Bregman> solver_;
  double epsilon_ = 0, mass_ = 0, largest_cost_ = 0;
  double seconds_ = 0;
};

}  // namespace mensura::transport
