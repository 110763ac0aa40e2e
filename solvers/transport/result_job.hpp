// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <memory>
#include <optional>

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

/// Local and cheap. The job that solves the problem: TransportJob for two given measures, GraphJob
/// for all others. The communicator must outlive it.
std::unique_ptr<ResultJob> make_job(Problem problem, const parallel::Communicator& comm);

}  // namespace mensura::transport
