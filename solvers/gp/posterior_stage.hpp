// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <memory>
#include <string>

#include "gp/answer.hpp"
#include "gp/gauss_newton.hpp"
#include "gp/interpolation.hpp"
#include "gp/posterior.hpp"

namespace mensura::gp {

/// The posterior as a stage of the job: what the deck wants at the points of the answer, from the
/// equation linearised at the mean (the Laplace approximation where it is not linear).
class PosteriorStage {
 public:
  /// Collective. References must outlive the stage; `mean`: own rows.
  PosteriorStage(const parallel::Communicator& comm, const Problem& problem, System& system,
                 const GaussNewton& newton, std::span<const double> mean, const Answer& answer,
                 const std::function<void()>& poll);

  bool finished() const { return posterior_->finished(); }
  void advance(const std::function<void()>& poll) { posterior_->advance(poll); }  ///< Collective.
  std::int64_t done() const { return posterior_->done(); }
  std::int64_t steps() const { return posterior_->steps(); }
  std::string progress() const;

  /// Collective, when finished. Variance and samples at the answer's points, under a prior of this
  /// scale.
  void complete(Answer& answer, double scale);
  void record(output::Record& record, const Answer& answer) const;  ///< Local.

  std::int64_t checkpoint_bytes() const { return posterior_->checkpoint_bytes(); }
  void save(output::CheckpointWriter& checkpoint) const { posterior_->save(checkpoint); }
  void resume(const PosteriorState& state) { posterior_->resume(state); }

 private:
  Targets targets_at(const Answer& answer, const std::function<void()>& poll);
  void complete(PredictedField& field, std::size_t number, double scale) const;

  const parallel::Communicator& comm_;
  const Problem& problem_;
  System& system_;
  Measurements measurements_;
  std::vector<std::size_t> inside_;                   // of the answer's own points
  std::vector<std::unique_ptr<Interpolation>> maps_;  // of the fields
  std::vector<double> variance_;                      // own targets: fields of one point adjacent
  std::unique_ptr<Posterior> posterior_;
};

}  // namespace mensura::gp
