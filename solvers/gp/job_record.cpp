// SPDX-License-Identifier: BSD-3-Clause
// What the job tells in run.json.
#include "gp/gauss_newton.hpp"
#include "gp/job_parts.hpp"
#include "gp/posterior_stage.hpp"
#include "output/record.hpp"

namespace mensura::gp {

void GpJob::record(output::Record& record) const {
  system_.record(record.root);
  if (fit_) fit_->record(record);
  for (std::size_t i = 0; i < history_.size(); ++i) {
    const HistoryEntry& entry = history_[i];
    output::Value::Object object;
    object.emplace_back("step", static_cast<std::int64_t>(i + 1));
    if (problem_.time) object.emplace_back("time", entry.time);
    object.emplace_back("relative_step", entry.relative_step);
    object.emplace_back("damping", entry.damping);
    object.emplace_back("equation_residual", entry.equation_residual);
    object.emplace_back("cg_iterations", static_cast<std::int64_t>(entry.iterations));
    object.emplace_back("residual", entry.residual);
    object.emplace_back("complete", static_cast<std::int64_t>(entry.complete));
    record.add_history(std::move(object));
  }
  const auto add = [&](const char* name, output::Value value, const char* status = nullptr) {
    output::Value::Object entry;
    entry.emplace_back("name", name);
    entry.emplace_back("value", std::move(value));
    if (status != nullptr) entry.emplace_back("status", status);
    record.add_result(std::move(entry));
  };
  if (history_.empty()) return;
  if (answer_) record_errors(record, *answer_, failed_ && !solved_);
  const HistoryEntry& last = history_.back();
  add("residual", last.residual);
  if (certificate_) certificate_->record(record);
  record_evidence(record);
  add("newton_iterations", static_cast<std::int64_t>(history_.size()));
  std::vector<std::int64_t> iterations;
  for (const HistoryEntry& entry : history_) {
    iterations.push_back(static_cast<std::int64_t>(entry.iterations));
  }
  add("cg_iterations", output::Value(iterations));
  if (system_.ready()) {
    add("nonzeros_per_row", system_.conditioner().nonzeros_per_row());
  }
  if (complete_) posterior_->record(record, *answer_);
}

void GpJob::record_evidence(output::Record& record) const {
  if (solved_) {
    record.add_result(
        describe(evidence_of(system_.measurements(), quadratic(), determinant_, scale())));
  } else {
    record.add_result({{"name", "log_evidence"},
                       {"value", output::Value()},
                       {"status", "the run ended before the last linear system"}});
  }
  const bool fitted = fit_ && fit_->fits_variance();
  record.add_result(
      {{"name", "scale"},
       {"value", scale()},
       {"method", fitted ? "fitted" : (problem_.variance ? "given" : "largest evidence")}});
}

}  // namespace mensura::gp
