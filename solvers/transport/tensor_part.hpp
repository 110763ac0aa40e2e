// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "transport/dense_answer.hpp"
#include "transport/part.hpp"
#include "transport/tensor.hpp"

namespace mensura::transport {

/// Small graphs with any pairwise costs, Coulomb's among them: the whole plan is a dense tensor.
/// Members are collective.
class TensorPart final : public Part {
 public:
  /// Gathers the marginals; edges point from lower to higher nodes. Throws what TensorSolver
  /// throws.
  TensorPart(const parallel::Communicator& comm, Problem problem,
             const std::vector<Marginal>& marginals, double epsilon);

  bool finished() const override { return solver_->finished(); }
  bool begun() const override { return begun_; }
  bool converged() const override { return solver_->converged(); }
  void advance(const std::function<void()>& poll) override;
  std::string line() const override;
  std::string method() const override;
  std::string reason() const override;
  std::vector<StageReport> history() const override { return solver_->history(); }
  Answer describe(const std::function<void()>& poll) override;
  SavedState save() const override;
  void restore(const SavedState& saved) override;

 private:
  void check_electrons() const;
  std::vector<DenseEdge> dense_edges() const;
  void add_plan(const EdgeSpec& edge, const std::function<void()>& poll, Answer& answer) const;
  void set_maps(const PlanAnswer& plan, Answer& answer) const;

  const parallel::Communicator& comm_;
  Problem problem_;
  std::vector<GatheredMarginal> nodes_;
  double largest_cost_ = 0;  // of all edges together, where they are finite
  std::optional<TensorSolver> solver_;
  bool begun_ = false;
};

}  // namespace mensura::transport
