// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <deque>
#include <limits>
#include <memory>
#include <vector>

#include "transport/anderson.hpp"
#include "transport/cycle.hpp"
#include "transport/cycle_coarse.hpp"
#include "transport/cycle_problem.hpp"
#include "transport/cycle_sweep.hpp"

namespace mensura::transport {

struct CycleSolver::Implementation {
  Implementation(const parallel::Communicator& communicator, CycleProblem cycle,
                 CycleOptions settings);

  void plan_stages();
  void make_coarse();
  void start_stage(const std::function<void()>& poll);
  void step(const std::function<void()>& poll);
  bool rounded();
  void finish_stage();
  std::vector<std::vector<double>> residual() const;  ///< mass that is missing
  void correct(const std::function<void()>& poll);
  bool accelerate(const CycleSweep::Potentials& direction, const std::function<void()>& poll);
  void adapt_shift(double damping, double ratio);
  void prepare_coarse(const std::function<void()>& poll);
  void measure(const std::function<void()>& poll);
  double tolerance() const { return todo.size() > 1 ? options.stage_tolerance : options.tolerance; }
  double objective(double mass) const;  // of the dual, in units of eps
  /// Values in the problem's order, times a factor, and back.
  std::vector<std::vector<double>> given_order(const std::vector<std::vector<double>>& values,
                                               double factor) const;
  std::vector<std::vector<double>> own_order(const std::vector<std::vector<double>>& values,
                                             double factor) const;

  const parallel::Communicator& comm;
  CycleProblem problem;
  CycleOptions options;
  CycleData data;
  std::deque<double> todo;
  std::unique_ptr<CycleSweep> sweep;
  std::unique_ptr<CycleCoarse> coarse;

  std::unique_ptr<Anderson> anderson;
  CycleSweep::Potentials before;  // this step

  std::int64_t idle = 0;  // sweeps since the error halved
  double least_error = std::numeric_limits<double>::infinity();

  bool begun = false, converged = false;
  StageReport report;
  std::vector<StageReport> history;
  double past_epsilon = 0, last_epsilon = 0;
  std::vector<std::vector<double>> past;  // of the last finished stage, times eps, own order
  bool fresh = false;                     // the messages are those of the potentials
  double sampled_error = 0;               // when the coarse matrix was made; 0: there is none
  double shift = 1;                       // of the coarse matrix
  double factored = -1;                   // the shift it was factored with; < 0: not yet
  double accelerated_error = 0;           // at the last extrapolation; infinity: none
  double mass = 1, error = 1;
  double dual = 0;  // objective, in units of eps
};

}  // namespace mensura::transport
