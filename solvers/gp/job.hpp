// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "gp/answer.hpp"
#include "gp/problem.hpp"
#include "gp/system.hpp"
#include "parallel/communicator.hpp"
#include "run/job.hpp"

namespace mensura::gp {

class Certificate;
class GaussNewton;
class PosteriorStage;
class StateBlocks;
struct NewtonStep;
struct PosteriorState;

/// A GP solve as a batch job: set-up, Gauss-Newton steps or time steps, certificate, mean,
/// posterior.
class GpJob : public run::Job {
 public:
  /// Local and cheap. The communicator must outlive the job.
  GpJob(Problem problem, const parallel::Communicator& comm);
  ~GpJob() override;

  bool finished() const override {
    return answer_.has_value() && !failed_ && (!problem_.posterior || complete_);
  }
  void advance(run::Context& context) override;
  run::Progress progress() const override;
  void save(output::CheckpointWriter& checkpoint) const override;
  void load(const output::CheckpointReader& checkpoint) override;
  void record(output::Record& record) const override;
  bool recover() override;
  /// After a restart too, the checkpoint before stays the newest until the set-up is done.
  bool has_state() const override { return system_.ready() && !history_.empty(); }
  bool setting_up() const override { return !system_.ready(); }
  bool converged() const override;
  std::int64_t checkpoint_bytes() const override;

  /// Local. The mean, once the job is finished; that of the last good step when a solve failed.
  const std::optional<Answer>& result() const { return answer_; }

 private:
  struct HistoryEntry;
  struct Restored;
  void check_options() const;
  void set_up(run::Context& context);
  void begin();
  void newton_step(run::Context& context);
  void time_step(run::Context& context);
  void note(const NewtonStep& step, double time, run::Context& context);
  std::int64_t time_steps() const;
  double time_after(std::int64_t step) const;
  void finish_solve(run::Context& context);
  void make_certificate();
  bool knows_evidence() const;
  void find_determinant(run::Context& context);
  StateBlocks state_blocks() const;
  void find_mean(run::Context& context);
  void find_posterior(run::Context& context);
  double scale() const;

  Problem problem_;
  const parallel::Communicator& comm_;
  System system_;
  std::unique_ptr<GaussNewton> newton_;
  std::unique_ptr<Certificate> certificate_;  // once solved, where the deck asks for it
  std::unique_ptr<Restored> restored_;
  std::vector<HistoryEntry> history_;
  std::vector<double> mean_;     // own rows: posterior mean of the state
  std::int64_t steps_done_ = 0;  // time steps, or Gauss-Newton evaluations
  double log_determinant_ = 0;   // of the last linear system, once solved
  bool solved_ = false;
  bool stalled_ = false;  // Gauss-Newton took its last step without converging
  bool failed_ = false;   // a step was not finished; answer_ is of the one before
  std::optional<Answer> answer_;
  std::unique_ptr<PosteriorStage> posterior_;
  std::unique_ptr<PosteriorState> restored_posterior_;
  bool complete_ = false;  // answer_ has the posterior
};

}  // namespace mensura::gp
