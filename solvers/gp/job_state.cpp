// SPDX-License-Identifier: BSD-3-Clause
// The job's way to a checkpoint and back.
#include "gp/gauss_newton.hpp"
#include "gp/job_parts.hpp"
#include "gp/posterior_stage.hpp"
#include "gp/prediction.hpp"
#include "gp/state_blocks.hpp"
#include "output/checkpoint.hpp"
#include "parallel/by_index.hpp"

namespace mensura::gp {

namespace {

constexpr const char* state_name = "job/state";
constexpr const char* mean_name = "job/mean";
constexpr const char* solution_name = "job/solution";
constexpr const char* factorised_name = "job/factorised";
constexpr const char* history_name = "job/history";
constexpr const char* determinant_name = "job/log_determinant";
constexpr const char* counts_name = "job/counts";

}  // namespace

StateBlocks GpJob::state_blocks() const {
  return {comm_, system_.pattern(), system_.layout(), system_.equation().state_rows()};
}

std::int64_t GpJob::checkpoint_bytes() const {
  if (!system_.ready()) return 1 << 20;
  return (fit_ ? fit_->checkpoint_bytes() : 0) +
         state_bytes(system_.points(), system_.equation().state_rows()) +
         static_cast<std::int64_t>(history_.size() * HistoryEntry::width * 8) +
         (posterior_ ? posterior_->checkpoint_bytes() : 0) +
         (certificate_ ? certificate_->checkpoint_bytes() : 0);
}

void GpJob::save(output::CheckpointWriter& checkpoint) const {
  if (fit_) fit_->save(checkpoint);
  if (!newton_) return;
  std::vector<double> state(mean_.size());
  if (problem_.time) {
    state = mean_;
  } else {
    newton_->state(state);
  }
  const StateBlocks by_id = state_blocks();
  const std::int64_t width = by_id.width();
  const parallel::Blocks blocks{system_.points(), comm_.size()};
  const std::int64_t first = blocks.begin(comm_.rank()) * width, total = system_.points() * width;
  checkpoint.distributed(state_name, by_id.from_rows(state), first, total);
  checkpoint.distributed(mean_name, by_id.from_rows(mean_), first, total);
  if (steps_done_ > 0) {  // there is something for the conditioner of the next run to know
    const ConditionerMemory memory = system_.conditioner().memory();
    checkpoint.distributed(solution_name, by_id.from_points(memory.solution),
                           blocks.begin(comm_.rank()), system_.points());
    checkpoint.distributed(factorised_name, by_id.from_rows(memory.factorised), first, total);
  }
  if (certificate_) certificate_->save(checkpoint);
  std::vector<double> history;
  for (const HistoryEntry& entry : history_) {
    history.insert(history.end(),
                   {entry.time, entry.relative_step, entry.damping, entry.equation_residual,
                    entry.iterations, entry.residual, entry.quadratic, entry.complete});
  }
  checkpoint.replicated(history_name, history);
  checkpoint.replicated(determinant_name,
                        std::vector<double>{determinant_.value, determinant_.standard_error});
  const std::vector<std::int64_t> counts{steps_done_, solved_ ? 1 : 0, stalled_ ? 1 : 0,
                                         static_cast<std::int64_t>(system_.fingerprint()), width};
  checkpoint.replicated(counts_name, counts);
  if (posterior_) posterior_->save(checkpoint);
}

void GpJob::load(const output::CheckpointReader& checkpoint) {
  if (fit_) fit_->load(checkpoint);
  if (!checkpoint.has(counts_name)) return;  // within the fit
  const auto counts = checkpoint.integers(counts_name);
  const auto history = checkpoint.reals(history_name);
  const auto determinant = checkpoint.reals(determinant_name);
  parallel::require(
      counts.size() == 5 && determinant.size() == 2 && history.size() % HistoryEntry::width == 0,
      "the checkpoint has the shape that save() gave it");
  steps_done_ = counts[0];
  // A search that stalled goes on where the limit now allows it.
  stalled_ = counts[2] != 0 && steps_done_ >= problem_.solve.max_newton;
  solved_ = counts[1] != 0 && (counts[2] == 0 || stalled_);
  determinant_ = {determinant[0], determinant[1]};
  restored_ = std::make_unique<Restored>();
  restored_->fingerprint = static_cast<std::uint64_t>(counts[3]);
  const std::int64_t width = counts[4];
  for (std::size_t i = 0; i < history.size(); i += HistoryEntry::width) {
    history_.push_back({history[i], history[i + 1], history[i + 2], history[i + 3], history[i + 4],
                        history[i + 5], history[i + 6], history[i + 7]});
  }
  const parallel::Blocks blocks{checkpoint.extent(state_name) / width, comm_.size()};
  const std::int64_t first = blocks.begin(comm_.rank()) * width;
  const std::int64_t count = blocks.size(comm_.rank()) * width;
  restored_->state = checkpoint.reals(state_name, first, count);
  restored_->mean = checkpoint.reals(mean_name, first, count);
  if (checkpoint.has(solution_name)) {
    restored_->solution =
        checkpoint.reals(solution_name, blocks.begin(comm_.rank()), blocks.size(comm_.rank()));
    restored_->factorised = checkpoint.reals(factorised_name, first, count);
  }
  restored_->certificate = Certificate::load(comm_, checkpoint);
  if (PosteriorState::in(checkpoint)) {
    restored_posterior_ = std::make_unique<PosteriorState>(PosteriorState::load(comm_, checkpoint));
  }
}

}  // namespace mensura::gp
