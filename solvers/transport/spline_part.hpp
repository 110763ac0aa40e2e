// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "transport/cloud.hpp"
#include "transport/part.hpp"
#include "transport/spline.hpp"

namespace mensura::transport {

/// A Wasserstein spline through the marginals. Members are collective.
class SplinePart final : public Part {
 public:
  /// Throws Error{input_data} on all ranks for positions in more than two dimensions and velocity
  /// intervals that do not fit the dimension, and what SplineSolver throws.
  SplinePart(const parallel::Communicator& comm, Problem problem,
             const std::vector<Marginal>& marginals, double epsilon);

  bool finished() const override { return solver_->finished(); }
  bool begun() const override { return begun_; }
  bool converged() const override { return solver_->converged(); }
  void advance(const std::function<void()>& poll) override;
  std::string line() const override;
  std::string method() const override { return "sinkhorn"; }
  std::string reason() const override { return reason_; }
  std::vector<StageReport> history() const override { return solver_->history(); }
  /// No bounds: the velocities' grid and entropy are parts of the problem that is solved.
  Answer describe(const std::function<void()>& poll) override;
  SavedState save() const override;
  void restore(const SavedState& saved) override;

 private:
  NodeAnswer node_at(std::size_t time, const SplineSolver::Result& result) const;
  std::vector<std::vector<double>> canonical_potentials() const;

  const parallel::Communicator& comm_;
  Problem problem_;
  std::vector<Marginal> heads_;  // of the marginals: names, grids, sizes; no points
  std::vector<Cloud> clouds_;    // masses sum to one
  std::string reason_;
  std::optional<SplineSolver> solver_;
  bool begun_ = false;
};

}  // namespace mensura::transport
