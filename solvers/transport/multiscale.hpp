// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "transport/answer.hpp"
#include "transport/hierarchy.hpp"
#include "transport/kernel.hpp"
#include "transport/newton.hpp"
#include "transport/sinkhorn.hpp"
#include "transport/stages.hpp"

namespace mensura::transport {

/// Makes the kernel of the finest level, for stages whose plan is too fat to be stored.
using MakeKernel = std::function<std::unique_ptr<Kernel>(const Cloud& x, const Cloud& y)>;

struct MultiscaleOptions {
  double epsilon = 1;       ///< the last regularisation
  double tolerance = 1e-9;  ///< of the larger L1 error of the two marginals, at the last one
  Relaxation relaxation = Relaxation::none;
  double strength = 0;         ///< rho of a penalty, mass of a partial transport
  bool only_sinkhorn = false;  ///< on the finest level; required but for none and kullback_leibler
  bool symmetric = false;      ///< x and y are one measure
  std::int64_t max_newton = 60, max_sinkhorn = 100000;
  std::int64_t most_pairs = std::int64_t{1} << 31U;  ///< on one rank
  double mass = 1;           ///< the larger total mass: errors are relative to it
  double mass_product = 1;   ///< of the two total masses: eps times it is a constant in every value
  double first_epsilon = 0;  ///< where the coarsest level begins
  Hessian hessian = Hessian::full;
  double kept_per_point = 2;       ///< of the count rule
  int warm_sweeps = 20;            ///< before the first Newton step of a stage
  const CostRows* rows = nullptr;  ///< of a cost matrix, in place of a cost; outlives the object
};

/// A transport problem along a list of stages: on every level of the hierarchy some regularisations
/// in units of the level's own squared spacing, coarse to fine, the potentials handed on by soft
/// c-transforms between the levels; on the finest level down to the last regularisation by halves
/// (reference/transport 1.1, transport_robust 1). Stages are solved by Newton's method on the
/// sparse plan, or, where that plan does not fit, by Sinkhorn's iteration with a kernel. A stage
/// that does not converge is approached in smaller steps. Members are collective.
class Multiscale {
 public:
  /// All that a restart needs. Potentials belong to the points of `level`.
  struct State {
    std::vector<Stage> todo;
    std::size_t level = 0;
    bool begun = false, converged = false, by_sinkhorn = false;
    std::int64_t inserted = 0;
    double epsilon = 0, seconds = 0;
    Potentials at;  ///< of the running stage, or the last result
    std::vector<double> past_epsilons;
    std::vector<Potentials> past;  ///< results on this level, the last two at most
    Newton::Memory newton;
    SinkhornReport sinkhorn;
    std::vector<StageReport> history;
    /// newton.searched counts: of the running stage, or of the finished last one.
    bool keeps_support() const { return !by_sinkhorn && (begun || todo.empty()); }
  };

  Multiscale(const parallel::Communicator& comm, std::vector<Level> levels, const Cost* cost,
             MakeKernel make_kernel, const MultiscaleOptions& options);

  bool finished() const noexcept { return todo_.empty(); }
  /// The work between two safe points: the start of a stage, one Newton step, some sweeps.
  void advance(const std::function<void()>& poll);
  bool converged() const noexcept { return converged_; }
  bool begun() const noexcept { return level_ < levels_.size(); }

  State state() const;
  void resume(State state);

  /// On the finest level, once finished.
  const Potentials& potentials() const noexcept { return at_; }
  /// The plan on the finest level at the final potentials; nullptr where it does not fit.
  SparsePlan* plan();
  const Kernel& kernel();
  const Level& finest() const { return levels_.front(); }
  const Level& level(std::size_t number) const { return levels_[number]; }
  const std::vector<StageReport>& history() const noexcept { return history_; }
  const MultiscaleOptions& options() const noexcept { return options_; }
  std::size_t stages_left() const noexcept { return todo_.size(); }
  std::string line() const;  ///< what is going on, in a few words

 private:
  void plan_stages();
  double unit_of(std::size_t level) const;
  void start_stage(const std::function<void()>& poll);
  void enter(std::size_t level);
  bool start_newton(const Stage& stage, Potentials start, const Newton::Memory* memory);
  const Kernel& kernel_at(std::size_t level);
  bool sweep(const std::function<void()>& poll);
  double resolution(const Potentials& at) const;
  void finish_stage(bool accepted);
  Potentials first_guess(const Stage& stage, const std::function<void()>& poll);
  Potentials prolonged(std::size_t from, std::size_t to, double epsilon,
                       const std::function<void()>& poll) const;
  Potentials predicted(double epsilon) const;
  void report();
  double rho() const;

  const parallel::Communicator& comm_;
  std::vector<Level> levels_;
  const Cost* cost_;
  MakeKernel make_kernel_;
  MultiscaleOptions options_;
  std::deque<Stage> todo_;
  std::size_t level_ = 0;
  bool begun_ = false, converged_ = false, by_sinkhorn_ = false;
  Potentials at_;
  double epsilon_ = 0;  // of at_
  std::vector<double> past_epsilons_;
  std::vector<Potentials> past_;
  std::int64_t inserted_ = 0;
  std::unique_ptr<SparsePlan> plan_;
  std::unique_ptr<Newton> newton_;
  std::unique_ptr<Kernel> kernel_;
  SinkhornReport sinkhorn_;
  std::vector<StageReport> history_;
  double seconds_ = 0;
};

}  // namespace mensura::transport
