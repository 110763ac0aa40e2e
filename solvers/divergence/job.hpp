// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <vector>

#include "divergence/pass.hpp"
#include "divergence/problem.hpp"
#include "parallel/communicator.hpp"
#include "run/job.hpp"

namespace mensura::divergence {

/// One answered request, ready for the record.
struct Answer {
  const Request* request = nullptr;
  Estimate estimate;
  const PairFacts* facts = nullptr;
  std::optional<double> truth;
};

/// All requests of a deck: one labelled pass for every pair of sets that is asked about.
class DivergenceJob : public run::Job {
 public:
  /// Local and cheap. The communicator must outlive the job.
  DivergenceJob(Problem problem, const parallel::Communicator& comm);

  bool finished() const override;
  void advance(run::Context& context) override;
  run::Progress progress() const override;
  void save(output::CheckpointWriter& checkpoint) const override;
  void load(const output::CheckpointReader& checkpoint) override;
  void record(output::Record& record) const override;
  bool has_state() const override;
  std::int64_t checkpoint_bytes() const override;

  const Problem& problem() const { return problem_; }
  /// Local. Answers of all finished passes, in the order of the deck.
  std::vector<Answer> answers() const;

 private:
  Problem problem_;
  const parallel::Communicator& comm_;
  std::vector<std::unique_ptr<Pass>> passes_;
  std::size_t current_ = 0;
};

}  // namespace mensura::divergence
