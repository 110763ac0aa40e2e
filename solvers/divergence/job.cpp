// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/job.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "divergence/results.hpp"
#include "divergence/truth.hpp"
#include "output/record.hpp"

namespace mensura::divergence {

DivergenceJob::DivergenceJob(Problem problem, const parallel::Communicator& comm)
    : problem_(std::move(problem)), comm_(comm) {
  std::map<std::pair<std::size_t, std::size_t>, std::vector<std::size_t>> pairs;
  for (std::size_t i = 0; i < problem_.requests.size(); ++i) {
    const auto& of = problem_.requests[i].of;
    pairs[{std::min(of[0], of[1]), std::max(of[0], of[1])}].push_back(i);
  }
  for (auto& [pair, requests] : pairs) {
    passes_.push_back(std::make_unique<Pass>(problem_, pair.first, pair.second, requests));
  }
}

bool DivergenceJob::finished() const {
  return current_ == passes_.size();
}

void DivergenceJob::advance(run::Context& context) {
  Pass& pass = *passes_[current_];
  pass.advance(comm_, context);
  if (!pass.finished()) return;
  for (const Answer& answer : answers()) {
    if (answer.facts == &pass.facts()) context.log(summary_line(problem_, answer));
  }
  ++current_;
}

run::Progress DivergenceJob::progress() const {
  // Work is counted in thousandths of a pass, since the number of batches is known only after the
  // data were read.
  constexpr std::int64_t unit = 1000;
  run::Progress progress;
  progress.total = unit * static_cast<std::int64_t>(passes_.size());
  progress.done = unit * static_cast<std::int64_t>(current_);
  if (finished()) return progress;
  const Pass& pass = *passes_[current_];
  if (pass.batches() > 0) progress.done += unit * pass.batches_done() / pass.batches();
  progress.line =
      fmt::format("sets {}: batch {} of {}", pass.name(), pass.batches_done(), pass.batches());
  return progress;
}

bool DivergenceJob::has_state() const {
  return std::any_of(passes_.begin(), passes_.end(),
                     [](const auto& pass) { return pass->has_state(); });
}

std::int64_t DivergenceJob::checkpoint_bytes() const {
  std::int64_t bytes = 1 << 16;
  for (const auto& pass : passes_) bytes += pass->state_bytes();
  return bytes;
}

namespace {

std::string prefix_of(std::size_t pass) {
  return fmt::format("job/pass_{}/", pass);
}

}  // namespace

void DivergenceJob::save(output::CheckpointWriter& checkpoint) const {
  for (std::size_t i = 0; i < passes_.size(); ++i)
    passes_[i]->save(comm_, checkpoint, prefix_of(i));
}

void DivergenceJob::load(const output::CheckpointReader& checkpoint) {
  for (std::size_t i = 0; i < passes_.size(); ++i)
    passes_[i]->load(comm_, checkpoint, prefix_of(i));
  while (!finished() && passes_[current_]->finished()) ++current_;
}

std::vector<Answer> DivergenceJob::answers() const {
  std::vector<Answer> result(problem_.requests.size());
  for (const auto& pass : passes_) {
    if (!pass->finished()) continue;
    for (std::size_t i = 0; i < pass->requests().size(); ++i) {
      const Request& request = problem_.requests[pass->requests()[i]];
      Answer& answer = result[pass->requests()[i]];
      answer.request = &request;
      answer.estimate = pass->estimate(i);
      answer.facts = &pass->facts();
      const SampleSet& p = problem_.sets[request.of[0]];
      const SampleSet& q = problem_.sets[request.of[1]];
      if (p.law && q.law) answer.truth = truth(request.quantity, request.order, *p.law, *q.law);
    }
  }
  std::erase_if(result, [](const Answer& answer) { return answer.request == nullptr; });
  return result;
}

void DivergenceJob::record(output::Record& record) const {
  for (const Answer& answer : answers()) record.add_result(entry_of(problem_, answer));
  for (const auto& pass : passes_) {
    record.root["passes"].append(pass_entry(problem_, *pass));
  }
}

}  // namespace mensura::divergence
