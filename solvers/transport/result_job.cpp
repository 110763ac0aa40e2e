// SPDX-License-Identifier: BSD-3-Clause
#include "transport/result_job.hpp"

#include <fmt/format.h>

#include <cmath>

#include "transport/graph_job.hpp"
#include "transport/job.hpp"
#include "transport/tuples.hpp"

namespace mensura::transport {

namespace {

constexpr double wide_gap = 0.1;  // of the cost

}  // namespace

void warn_not_converged(run::Context& context, const Answer& answer, const Problem& problem) {
  const std::string& advice = answer.advice;
  context.warn(fmt::format("the marginals are met to {:.3g} in L1, wanted {:g}; {}",
                           answer.marginal_error_l1, problem.tolerance,
                           advice.empty() ? "raise max_newton or max_sinkhorn, loosen tolerance, "
                                            "or raise regularisation.final"
                                          : advice));
}

void warn_wide_gap(run::Context& context, const Answer& answer, const Problem& problem) {
  // A cost of zero has no share.
  if (!(answer.gap_relative > wide_gap) || !std::isfinite(answer.gap_relative)) return;
  if (answer.gap_absolute <= answer.gap_rounding) return;
  const bool regularised = problem.method == Method::automatic ||
                           problem.method == Method::newton || problem.method == Method::sinkhorn;
  context.warn(fmt::format("the gap is {:.3g} of the cost{}", answer.gap_relative,
                           regularised && !problem.exact
                               ? ": the cost is about as small as the regularisation; lower "
                                 "regularisation.final for a sharper answer"
                               : ": the bounds do not meet"));
}

void draw_wanted_tuples(const parallel::Communicator& comm, run::Context& context,
                        const Problem& problem, const std::vector<EdgeSpec>& edges,
                        Answer& answer) {
  if (problem.tuples == 0) return;
  if (draw_tuples(comm, edges, problem.seed, problem.tuples, answer)) return;
  context.warn(
      fmt::format("no samples: method {} has stored no plan to draw them from", answer.method));
}

std::unique_ptr<ResultJob> make_job(Problem problem, const parallel::Communicator& comm) {
  if (problem.is_pair()) return std::make_unique<TransportJob>(std::move(problem), comm);
  return std::make_unique<GraphJob>(std::move(problem), comm);
}

}  // namespace mensura::transport
