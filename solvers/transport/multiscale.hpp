// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "transport/answer.hpp"
#include "transport/hierarchy.hpp"
#include "transport/newton.hpp"

namespace mensura::transport {

struct MultiscaleOptions {
  double epsilon = 1;       ///< the last regularisation
  double tolerance = 1e-9;  ///< of the larger L1 error of the two marginals, at the last one
  double rho = std::numeric_limits<double>::infinity();  ///< Kullback-Leibler penalty
  std::int64_t max_newton = 60;
  std::int64_t most_pairs = std::int64_t{1} << 31U;
};

/// Newton's method along a list of stages: on every level of the hierarchy some regularisations in
/// units of the level's own squared spacing, coarse to fine, the potentials handed on by soft
/// c-transforms between the levels; on the finest level down to the last regularisation by halves
/// (reference/transport 1.1, transport_robust 1). A stage that does not converge is approached in
/// smaller steps. Members are collective.
class Multiscale {
 public:
  Multiscale(const parallel::Communicator& comm, std::vector<Level> levels, const Cost& cost,
             const MultiscaleOptions& options);

  bool finished() const noexcept { return todo_.empty(); }
  /// The work between two safe points: the start of a stage, or one Newton step.
  void advance(const std::function<void()>& poll);

  bool converged() const noexcept { return converged_; }
  /// On the finest level, once finished; the plan holds its values there.
  const Potentials& potentials() const noexcept { return at_; }
  SparsePlan& plan() { return *plan_; }
  const Level& finest() const { return levels_.front(); }
  const Level& level() const { return levels_[current_level_]; }
  const std::vector<StageReport>& history() const noexcept { return history_; }
  double epsilon() const noexcept { return options_.epsilon; }
  std::size_t stages_left() const noexcept { return todo_.size(); }

  /// State between two calls of advance(), for checkpoints: what is not a potential.
  struct Stage {
    std::size_t level = 0;
    double epsilon = 0;
    double tolerance = 0;
    bool inserted = false;
  };

 private:
  struct Past {
    double epsilon;
    Potentials at;
  };
  void plan_stages();
  void start_stage(const std::function<void()>& poll);
  void finish_stage();
  Potentials prolonged(std::size_t from, std::size_t to, double epsilon,
                       const std::function<void()>& poll) const;
  Potentials predicted(double epsilon) const;
  void report(const Newton& newton);

  const parallel::Communicator& comm_;
  std::vector<Level> levels_;
  const Cost& cost_;
  MultiscaleOptions options_;
  std::deque<Stage> todo_;
  std::size_t current_level_ = 0;
  bool begun_ = false, converged_ = false;
  Potentials at_;
  double epsilon_at_ = 0;   // of at_
  std::vector<Past> past_;  // at most the last two of this level
  std::int64_t inserted_ = 0;
  std::unique_ptr<SparsePlan> plan_;
  std::unique_ptr<Newton> newton_;
  std::vector<StageReport> history_;
  double stage_seconds_ = 0;
};

}  // namespace mensura::transport
