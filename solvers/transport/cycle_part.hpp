// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "transport/cycle.hpp"
#include "transport/dense_answer.hpp"
#include "transport/part.hpp"

namespace mensura::transport {

/// A closed chain of given marginals, with or without a map of its end. Members are collective.
class CyclePart final : public Part {
 public:
  /// Most points of all nodes together: they are on every rank.
  static constexpr std::int64_t most_points = 100'000;

  /// Gathers the marginals and the closing map. Throws on all ranks Error{input_data} for a map
  /// that does not fit the first marginal, and what gather_marginals(), output::read_points() and
  /// CycleSolver throw.
  CyclePart(const parallel::Communicator& comm, Problem problem,
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
  void order_nodes();
  std::vector<double> closing() const;
  std::vector<double> closing_by_formulas() const;
  double largest_cost(const CycleProblem& cycle, double epsilon) const;

  const parallel::Communicator& comm_;
  Problem problem_;
  std::vector<GatheredMarginal> nodes_;  // in the order of the cycle
  std::vector<std::size_t> places_;      // of these among the part's marginals
  std::vector<double> weights_;          // of the edge from each node to the next one
  double largest_cost_ = 0, epsilon_ = 0;
  std::unique_ptr<CycleSolver> solver_;
  bool begun_ = false;
};

}  // namespace mensura::transport
