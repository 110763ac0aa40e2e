// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "transport/free_support.hpp"
#include "transport/pair_solver.hpp"
#include "transport/part.hpp"

namespace mensura::transport {

/// A star around a free centre whose points of equal mass move: FreeSupport over a PairSolver for
/// each edge in turn, all at the problem's regularisation,
///   min over z of sum_k w_k min over P_k of [<|z - x_k|^2, P_k> + eps KL(P_k | m_z x m_k)].
/// The places are found when no point moves by more than the root of the problem's tolerance (at
/// most 1e-3) in diameters of the given points; then every edge is solved once more where they are
/// now, for the results. Members are collective.
class FreeSupportPart final : public Part {
 public:
  /// As make_part(). The centre's coordinates are the start. The deck makes sure of the star and of
  /// the squared Euclidean cost.
  FreeSupportPart(const parallel::Communicator& comm, Problem problem,
                  const std::vector<Marginal>& marginals, double epsilon,
                  const std::function<void()>& poll);

  bool finished() const override { return results_.size() == problem_.edges.size(); }
  bool begun() const override;
  bool converged() const override;
  void advance(const std::function<void()>& poll) override;
  std::string line() const override;
  std::string method() const override { return method_; }
  std::string reason() const override;
  /// One entry for every step of the points.
  std::vector<StageReport> history() const override { return history_; }

  /// Nodes: the centre's potential is sum_k w_k f_k, and its coordinates are where the points are.
  /// The primal bound is the unregularised cost of these places, and so one for the whole problem;
  /// there is no dual one, for the problem is not convex in the places.
  Answer describe(const std::function<void()>& poll) override;

  /// In the middle of the solution for an edge too. The last solutions, for the results, begin
  /// anew.
  SavedState save() const override;
  void restore(const SavedState& saved) override;

 private:
  // An edge's solution at the last places.
  struct Result {
    Answer answer;
    std::optional<PlanAnswer> plan;
    bool converged = false;
  };
  struct Numbers {
    FreeSupportReport report;
    double objective = 0;
    std::size_t edge = 0;
    StageReport step;
    std::vector<StageReport> history;
  };
  template <class Visitor>
  static void visit_numbers(Visitor& visitor, Numbers& numbers);
  void measure(const std::function<void()>& poll);
  FreeSupportOptions options_of() const;
  std::size_t edge() const { return free_->finished() ? results_.size() : free_->edge(); }
  std::size_t leaf(std::size_t edge) const { return problem_.edges[edge].from; }
  double weight(std::size_t edge) const { return problem_.edges[edge].weight / weights_; }
  bool rises() const { return free_->report().largest_rise > allowed_rise_; }
  void start(const std::function<void()>& poll);
  void note(const std::vector<StageReport>& stages);
  void take(const std::function<void()>& poll);
  void conclude(const std::function<void()>& poll);
  NodeAnswer centre_answer() const;
  std::vector<double> rows_of(const SavedState& saved, const char* what) const;
  std::string advice() const;

  const parallel::Communicator& comm_;
  Problem problem_, pair_;           // of an edge alone, weight one
  std::vector<Marginal> marginals_;  // of the centre with the places of the running step
  std::size_t centre_ = 0;
  double epsilon_ = 0, diameter_ = 0, mass_ = 0, weights_ = 0, allowed_rise_ = 0;
  std::int64_t first_ = 0;  // own points of the centre, among all
  std::unique_ptr<FreeSupport> free_;
  std::unique_ptr<PairSolver> solver_;
  std::string method_;  // of the edges at the last places
  StageReport step_;
  std::vector<StageReport> history_;
  std::vector<Result> results_;
};

}  // namespace mensura::transport
