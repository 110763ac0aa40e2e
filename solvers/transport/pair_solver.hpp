// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "transport/answer.hpp"
#include "transport/centring.hpp"
#include "transport/certificate.hpp"
#include "transport/marginal.hpp"
#include "transport/multiscale.hpp"
#include "transport/pricing.hpp"
#include "transport/problem.hpp"
#include "transport/saved_state.hpp"

namespace mensura::transport {

/// One regularised problem between two loaded marginals (or of one with itself). Members are
/// collective.
class PairSolver {
 public:
  /// Distributes the points, chooses the method and builds the hierarchy. The marginals may be
  /// freed afterwards; problem and communicator outlive the object. `epsilon`: absolute; 0: as the
  /// problem says, for these two marginals.
  PairSolver(const parallel::Communicator& comm, const Problem& problem, const Marginal& a,
             const Marginal& b, double epsilon, const std::function<void()>& poll);

  bool finished() const { return multiscale_->finished(); }
  void advance(const std::function<void()>& poll) { multiscale_->advance(poll); }
  bool converged() const { return multiscale_->converged(); }
  bool begun() const { return multiscale_->begun(); }
  double epsilon() const noexcept { return epsilon_; }
  const std::string& method() const noexcept { return method_; }
  const std::string& reason() const noexcept { return reason_; }
  Multiscale& multiscale() { return *multiscale_; }
  const Multiscale& multiscale() const { return *multiscale_; }

  /// The regularised value: cost plus eps times the divergence from the product of the marginals.
  double value() const;
  /// The points of the first marginal on this rank and where their mass goes on average, own x
  /// dimension, once finished: from the stored plan, or by sums against the kernel.
  const Cloud& first() const { return multiscale_->finest().x; }
  std::vector<double> map(const std::function<void()>& poll);
  /// The stages so far.
  std::vector<StageReport> history() const;
  /// Everything about the solution but the plan's entries.
  void describe(Answer& answer, const std::function<void()>& poll);
  /// The plan in rows of the first marginal, input positions as columns; none where it does not
  /// fit.
  std::optional<PlanAnswer> plan(const std::string& edge);

  /// The unregularised optimum from here, once finished; for costs that are formulas. The object
  /// must outlive it. Throws Error{too_large} on all ranks for too many points.
  std::unique_ptr<Pricing> price() const;
  /// Stages, then plan, potentials, maps and bounds of the exact solution, in place of describe()
  /// or after it, whose regularised costs are kept.
  void describe_exact(const ExactPlan& exact, Answer& answer) const;
  PlanAnswer exact_plan(const ExactPlan& exact, const std::string& edge) const;

  SavedState save() const;
  /// In place of the first advance().
  void restore(const SavedState& saved);

 private:
  void choose(const Problem& problem, bool fat);
  MakeKernel kernel_for(const Problem& problem) const;
  double moved_cost() const;
  NodeAnswer node(std::size_t side, std::span<const double> potential) const;
  std::array<NodeAnswer, 2> nodes(const Potentials& at) const;
  void describe_stages(Answer& answer) const;
  void set_bounds(double primal, double dual, Answer& answer) const;

  const parallel::Communicator& comm_;
  const Problem& problem_;
  std::unique_ptr<Cost> cost_;  // one of the two
  std::shared_ptr<const CostRows> rows_;
  std::unique_ptr<Multiscale> multiscale_;
  double epsilon_ = 0, mass_ = 1, largest_cost_ = 0;
  std::optional<Centring> centring_;   // the second marginal is solved for where it has moved to
  std::vector<double> y_coordinates_;  // then: where its points are
  std::string method_, reason_, names_[2];
  std::optional<output::RegularGrid> grids_[2];
  std::int64_t input_totals_[2] = {0, 0};
};

}  // namespace mensura::transport
