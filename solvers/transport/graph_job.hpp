// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "parallel/communicator.hpp"
#include "transport/groups.hpp"
#include "transport/marginal.hpp"
#include "transport/part.hpp"
#include "transport/result_job.hpp"

namespace mensura::transport {

/// A problem of many marginals as a batch job: the graph's parts are solved side by side on groups
/// of ranks, which meet at every safe point, and their answers are put together at the end.
class GraphJob final : public ResultJob {
 public:
  GraphJob(Problem problem, const parallel::Communicator& comm);
  ~GraphJob() override;

  bool finished() const override { return answer_.has_value(); }
  void advance(run::Context& context) override;
  run::Progress progress() const override;
  void save(output::CheckpointWriter& checkpoint) const override;
  void load(const output::CheckpointReader& checkpoint) override;
  void record(output::Record& record) const override;
  bool has_state() const override { return any_begun_; }
  bool recover() override { return has_state(); }
  bool setting_up() const override { return groups_.count() == 0; }
  bool converged() const override { return answer_ && answer_->converged; }
  std::int64_t checkpoint_bytes() const override;

  const std::optional<Answer>& result() const override { return answer_; }
  const Problem& problem() const override { return problem_; }

 private:
  // A part of the graph, known to all ranks; what is below `nodes` to its group alone.
  struct Piece {
    Problem problem;
    std::vector<std::size_t> nodes;  // in the whole problem
    std::vector<Marginal> marginals;
    std::optional<SavedState> saved;  // of a checkpoint; of a part that is done
    std::vector<StageReport> history;
    std::int64_t earlier = 0;  // stages of it that a checkpoint brought
    std::optional<Answer> answer;
  };
  void load_problem(run::Context& context);
  void split(run::Context& context);
  void deliver();
  void work(const std::function<void()>& poll, bool alone);
  void step(Piece& piece, const std::function<void()>& poll);
  void finish(run::Context& context);
  void gather_status();
  void report(run::Context& context);
  double work_of(const Piece& piece) const;
  const parallel::Communicator& group_comm() const { return group_ ? *group_ : comm_; }
  int leader_of(std::size_t piece) const { return groups_.firsts[groups_.of_part(piece)]; }
  bool mine(std::size_t piece) const {
    return groups_.of_part(piece) == groups_.of_rank(comm_.rank());
  }

  Problem problem_;
  const parallel::Communicator& comm_;
  std::vector<Marginal> marginals_;  // after the delivery without their points
  double epsilon_ = 0;
  std::vector<Piece> pieces_;
  Groups groups_;
  std::optional<parallel::Communicator> group_;
  std::unique_ptr<Part> part_;  // of the running piece of this rank's group
  std::size_t current_ = 0;     // that piece
  struct Restored;
  std::unique_ptr<Restored> restored_;
  std::vector<std::int64_t> reported_;
  std::int64_t pieces_done_ = 0;
  bool any_begun_ = false;
  std::optional<Answer> answer_;
};

}  // namespace mensura::transport
