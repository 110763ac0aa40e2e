// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/answer.hpp"
#include "transport/marginal.hpp"
#include "transport/problem.hpp"
#include "transport/result_job.hpp"

namespace mensura::transport {

class PairSolver;
class Pricing;

/// A transport problem between two given measures as a batch job: marginals, hierarchy, stages,
/// certificate. A Sinkhorn divergence solves three problems one after another.
class TransportJob : public ResultJob {
 public:
  /// Local and cheap. The communicator must outlive the job.
  TransportJob(Problem problem, const parallel::Communicator& comm);
  ~TransportJob() override;

  bool finished() const override { return answer_.has_value(); }
  void advance(run::Context& context) override;
  run::Progress progress() const override;
  void save(output::CheckpointWriter& checkpoint) const override;
  void load(const output::CheckpointReader& checkpoint) override;
  void record(output::Record& record) const override;
  bool has_state() const override;
  bool recover() override { return has_state(); }
  bool setting_up() const override { return !solver_ && pair_ == 0; }
  bool converged() const override { return answer_ && answer_->converged; }
  std::int64_t checkpoint_bytes() const override;

  const std::optional<Answer>& result() const override { return answer_; }
  const Problem& problem() const override { return problem_; }

 private:
  struct Restored;
  void load_marginals(run::Context& context);
  void check_memory() const;
  void begin_pair(run::Context& context);
  bool price(run::Context& context);
  void end_pair(run::Context& context);
  bool wants_exact() const;
  void solve_exactly(run::Context& context);
  void finish(run::Context& context);
  std::size_t pairs() const { return problem_.divergence ? 3 : 1; }
  const Marginal& side(std::size_t number) const;  // 0: rows, 1: columns

  Problem problem_;
  const parallel::Communicator& comm_;
  std::vector<Marginal> marginals_;
  std::size_t pair_ = 0;  // the last one is a with b; before it a with a, b with b
  std::unique_ptr<PairSolver> solver_;
  std::unique_ptr<Pricing> pricing_;  // of the last pair; needs the solver
  std::unique_ptr<Restored> restored_;
  std::vector<double> values_;  // of the pairs that are done
  double epsilon_ = 0;
  bool symmetric_converged_ = true;  // and the last pair, once it is done
  std::size_t reported_ = 0;
  Answer partial_;  // filled by the last pair
  std::optional<Answer> answer_;
};

}  // namespace mensura::transport
