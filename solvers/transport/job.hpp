// SPDX-License-Identifier: BSD-3-Clause
// Stand-in until the solver's job is there: loads the marginals and finishes.
#pragma once

#include <optional>

#include "parallel/communicator.hpp"
#include "run/job.hpp"
#include "transport/answer.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// A transport problem as a batch job.
class TransportJob : public run::Job {
 public:
  /// Local and cheap. The communicator must outlive the job.
  TransportJob(Problem problem, const parallel::Communicator& comm);

  bool finished() const override { return answer_.has_value(); }
  void advance(run::Context& context) override;
  run::Progress progress() const override;
  void save(output::CheckpointWriter& checkpoint) const override;
  void load(const output::CheckpointReader& checkpoint) override;
  void record(output::Record& record) const override;
  bool has_state() const override { return answer_.has_value(); }
  bool converged() const override { return answer_ && answer_->converged; }

  /// Local. What was found, once the job is finished.
  const std::optional<Answer>& result() const { return answer_; }
  const Problem& problem() const { return problem_; }

 private:
  Problem problem_;
  const parallel::Communicator& comm_;
  std::optional<Answer> answer_;
};

}  // namespace mensura::transport
