// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/answer.hpp"
#include "transport/cloud.hpp"
#include "transport/marginal.hpp"
#include "transport/problem.hpp"
#include "transport/saved_state.hpp"

namespace mensura::transport {

/// What a graph problem is made of: something that is solved by itself, on all ranks or on some.
/// Members are collective on the part's communicator, but for accessors.
class Part {
 public:
  virtual ~Part() = default;
  virtual bool finished() const = 0;
  virtual bool begun() const = 0;  ///< there is something worth saving
  virtual bool converged() const = 0;
  virtual void advance(const std::function<void()>& poll) = 0;  ///< up to the next safe point
  virtual std::string line() const = 0;                         ///< what is going on
  virtual std::string method() const = 0;
  virtual std::string reason() const = 0;
  virtual std::vector<StageReport> history() const = 0;
  /// The solution, once finished: nodes in the order of the part's marginals, plans with rows at
  /// the edge's `from`.
  virtual Answer describe(const std::function<void()>& poll) = 0;
  virtual SavedState save() const = 0;
  /// In place of the first advance().
  virtual void restore(const SavedState& saved) = 0;
};

/// Collective. `problem`: of the part alone, its marginals being those given here (free ones with
/// their points and a reference mass); `epsilon`: absolute. The communicator outlives the part.
std::unique_ptr<Part> make_part(const parallel::Communicator& comm, Problem problem,
                                const std::vector<Marginal>& marginals, double epsilon,
                                const std::function<void()>& poll);

/// Local. The problem of some nodes and edges alone, nodes renumbered; edges point from fixed to
/// free nodes where they differ.
Problem part_of(const Problem& problem, const std::vector<std::size_t>& nodes,
                const std::vector<std::size_t>& edges);

/// Local. What an answer says of a marginal's own points before anything is known of a plan.
NodeAnswer node_answer(const Marginal& head, const Cloud& cloud);

}  // namespace mensura::transport
