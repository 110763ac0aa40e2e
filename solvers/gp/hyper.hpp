// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gp/evidence.hpp"
#include "gp/hyper_search.hpp"
#include "gp/hyper_values.hpp"
#include "gp/problem.hpp"
#include "gp/system.hpp"
#include "output/checkpoint.hpp"
#include "output/record.hpp"
#include "parallel/communicator.hpp"
#include "parallel/error.hpp"
#include "run/job.hpp"

namespace mensura::gp {

/// Hyper-parameters by maximum evidence, a stage of the job between set-up and solve: every
/// evaluation solves the problem with other values of lengths, variance and noise (Gauss-Newton
/// from its start for nonlinear equations: Laplace's method) and takes the evidence at its end. All
/// evaluations share order, pattern and the probes of the determinant; when the best values ask for
/// another order (anisotropy, precise data), the points are ordered anew and the fit is repeated
/// from there, twice at most. Afterwards the problem has the fitted values.
///
/// With a second unknown the evidence is that of the data given equation and boundary,
///   p(data | equation) = p(data, equation) / p(equation),
/// both of the linearisation at the mean: what the equation says under the prior of u is no
/// measurement then, and would outweigh the data. As the variance of u's prior grows this becomes
/// the evidence of u(w) with w from its prior.
///
/// With noisy data and no given variance the variance of the prior is always fitted, with exact
/// data only it follows from the other values (evidence.hpp).
class HyperFit {
 public:
  /// True when there is something to fit.
  static bool wanted(const Problem& problem);

  /// Local and cheap. References must outlive the fit, which changes problem and system.
  HyperFit(Problem& problem, System& system, const parallel::Communicator& comm);

  bool finished() const noexcept { return finished_; }
  bool fits_variance() const noexcept;  ///< Local. As a parameter of the search.
  /// Local. Something was evaluated in this run: a checkpoint would know more than the last one.
  bool moved() const noexcept { return moved_; }
  /// Collective. Before the last step of the set-up: after a restart with a finished fit the factor
  /// is that of the fitted values.
  void before_factor();
  /// Collective. One evaluation, or the end of the fit; the system is ready before, but may ask for
  /// its set-up again after. Throws Error{not_converged} or Error{numerical} when all starts fail.
  void advance(run::Context& context);

  std::string line() const;  ///< Local. For progress.
  double share() const;      ///< Local. Done, between 0 and 1, as a guess.

  void save(output::CheckpointWriter& checkpoint) const;
  void load(const output::CheckpointReader& checkpoint);
  std::int64_t checkpoint_bytes() const;
  /// Local. root["hyper"] and one result for every fitted number.
  void record(output::Record& record) const;

 private:
  std::size_t wanted_starts() const;
  void apply(const std::vector<double>& at);
  void prepare_start(run::Context& context);
  void make_search();
  void make_search(std::vector<double> lower, std::vector<double> upper);
  parallel::Error failed(const char* what) const;
  bool solve(run::Context& context, SolveReport& report, Measurements* measured = nullptr);
  Evidence joint_evidence(const SolveReport& report, run::Context& context);
  Evidence equation_evidence(const Measurements& measured, run::Context& context);
  HyperEvaluation evaluate(const std::vector<double>& at, run::Context& context);
  double evidence_scale(const SolveReport& report) const;
  void conclude(run::Context& context);
  void check_fingerprint();
  void note(const HyperEvaluation& evaluation, run::Context& context);
  output::Value parameter_entry(std::size_t parameter) const;
  std::optional<output::Value> profiled_variance() const;
  output::Value start_entries() const;

  Problem& problem_;
  System& system_;
  const parallel::Communicator& comm_;
  HyperSpec spec_;
  std::vector<HyperParameter> parameters_;
  bool exact_ = false;  // no noisy data: the variance, unless given, is that of best_scale()
  bool given_equation_ = false;  // evidence of the data given equation and boundary
  bool profiled_ = false;        // the same, and it is not given
  int pass_ = 0;
  HyperValues base_;                         // with these the points were ordered
  std::vector<std::vector<double>> starts_;  // logarithms; empty: the start failed
  std::optional<HyperSearch> search_;
  // The lengths of the conditioner; empty after a failure; absent after the set-up, which made it.
  std::optional<std::vector<double>> factored_;
  std::optional<std::uint64_t> fingerprint_;  // of the run that the checkpoint is from
  std::optional<parallel::Error> failure_;    // of the last evaluation that failed
  double best_ = 0;
  std::string best_line_;
  bool moved_ = false, finished_ = false;
};

}  // namespace mensura::gp
