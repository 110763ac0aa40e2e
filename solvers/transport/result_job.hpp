// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "parallel/communicator.hpp"
#include "run/job.hpp"
#include "transport/answer.hpp"
#include "transport/problem.hpp"

namespace mensura::transport {

/// A transport problem as a batch job that ends with an answer.
class ResultJob : public run::Job {
 public:
  /// Local. What was found, once the job is finished.
  virtual const std::optional<Answer>& result() const = 0;
  virtual const Problem& problem() const = 0;
};

/// Local. Warnings that users of every job get: what to do about marginals that are not met, and
/// about a gap of more than a tenth of the cost that is not rounding.
void warn_not_converged(run::Context& context, const Answer& answer, const Problem& problem);
void warn_wide_gap(run::Context& context, const Answer& answer, const Problem& problem);

/// Collective. The samples that the deck wants; a warning where there is no plan to draw from.
/// Edges as draw_tuples() has them.
void draw_wanted_tuples(const parallel::Communicator& comm, run::Context& context,
                        const Problem& problem, const std::vector<EdgeSpec>& edges, Answer& answer);

/// Local and cheap. The job that solves the problem: TransportJob for two given measures, GraphJob
/// for all others. The communicator must outlive it.
std::unique_ptr<ResultJob> make_job(Problem problem, const parallel::Communicator& comm);

}  // namespace mensura::transport
