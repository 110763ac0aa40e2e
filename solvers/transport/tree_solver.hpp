// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "transport/answer.hpp"
#include "transport/hierarchy.hpp"
#include "transport/part.hpp"
#include "transport/stages.hpp"
#include "transport/tree_newton.hpp"

namespace mensura::transport {

/// A regularised tree problem with free inner and fixed outer nodes: stages from coarse to fine,
/// each by Newton's method on sparse supports or by sweeps over all pairs. The counterpart of
/// PairSolver; members are collective.
class TreeSolver final : public Part {
 public:
  /// Distributes the points, chooses the method, builds the hierarchy. The marginals, one for each
  /// of the problem's (of a free one its points and the reference mass), may be freed afterwards;
  /// edges point from fixed to free nodes where they differ. `epsilon`: absolute.
  TreeSolver(const parallel::Communicator& comm, Problem problem,
             const std::vector<Marginal>& marginals, double epsilon,
             const std::function<void()>& poll);
  ~TreeSolver() override;

  bool finished() const override { return todo_.empty(); }
  void advance(const std::function<void()>& poll) override;
  bool converged() const override { return converged_; }
  bool begun() const override { return level_ < layers_.size(); }
  std::string method() const override { return method_; }
  std::string reason() const override { return reason_; }
  std::vector<StageReport> history() const override { return history_; }
  std::string line() const override;

  /// Everything about the solution, once finished: nodes in the order of the problem's; plans under
  /// the names of the edges, rows at the edge's `from`; costs; bounds for the unregularised problem
  /// (the primal with one common marginal at free nodes).
  Answer describe(const std::function<void()>& poll) override;

  SavedState save() const override;
  void restore(const SavedState& saved) override;

 private:
  // Kernels and messages at one level and regularisation.
  struct Model {
    std::vector<std::unique_ptr<Kernel>> kernels;
    std::unique_ptr<TreeMessages> messages;
  };
  // All that a restart needs beside the potentials.
  struct Numbers {
    std::vector<Stage> todo;
    std::size_t level = 0;
    bool begun = false, converged = false, by_sweeps = false, has_past = false;
    std::int64_t inserted = 0;
    double at_epsilon = 0, past_epsilon = 0, seconds = 0;
    TreeNewton::Memory newton;
    StageReport sweeps;
    std::vector<StageReport> history;
  };
  template <class Visitor>
  static void visit_numbers(Visitor& visitor, Numbers& numbers);
  Numbers numbers() const;
  bool keeps_supports() const { return !by_sweeps_ && (begun_ || todo_.empty()); }
  void choose();
  double unit_of(std::size_t level) const;
  std::int64_t largest(std::size_t level) const;  // points of a node, at most
  std::int64_t most_pairs() const;
  std::unique_ptr<Kernel> make_kernel(std::size_t edge, std::size_t level, bool with_cost) const;
  Model make_model(std::size_t level, double epsilon) const;
  TreeOptions tree_options(double epsilon) const;
  std::vector<const Cloud*> clouds_at(std::size_t level) const;
  void start_stage(const std::function<void()>& poll);
  void enter(std::size_t level, double epsilon);
  bool start_newton(const Stage& stage, NodePotentials start, const TreeNewton::Memory* memory,
                    const std::function<void()>& poll);
  bool sweep(const std::function<void()>& poll);
  NodePotentials first_guess(const Stage& stage, const std::function<void()>& poll);
  double resolution(const NodePotentials& at) const;
  void finish_stage(bool accepted);
  void report();
  bool find_plans(const std::function<void()>& poll);
  std::vector<std::vector<double>> marginals() const;
  double linear_cost(std::size_t edge, const std::function<void()>& poll) const;
  double hidden_centre_cost(std::span<const double> marginal,
                            const std::function<void()>& poll) const;
  double hidden_centre_distance() const;
  std::vector<double> projection(std::size_t edge, std::size_t node) const;
  double counted(std::size_t level) const;
  double primal(const std::vector<std::vector<double>>& marginals,
                const std::function<void()>& poll) const;
  void describe_stages(Answer& answer) const;
  PlanAnswer plan_answer(std::size_t edge) const;

  const parallel::Communicator& comm_;
  Problem problem_;
  std::vector<Marginal> heads_;  // of the marginals: names, grids, sizes; no points
  Tree tree_;
  std::vector<EdgeSpec> edges_;
  std::vector<Cost> costs_;
  std::vector<Layer> layers_;
  double epsilon_ = 0, mass_ = 0, reference_mass_ = 1, largest_cost_ = 0;
  std::string method_, reason_;
  std::deque<Stage> todo_;
  std::size_t level_ = 0;
  bool begun_ = false, converged_ = false, by_sweeps_ = false;
  std::int64_t inserted_ = 0;
  NodePotentials at_, past_;  // of the running or last stage; of the last one that ended well
  double at_epsilon_ = 0, past_epsilon_ = 0;
  std::unique_ptr<Model> model_;
  std::unique_ptr<TreePlans> plans_;
  std::unique_ptr<TreeNewton> newton_;
  StageReport sweeps_;
  std::vector<StageReport> history_;
  double seconds_ = 0;
};

}  // namespace mensura::transport
