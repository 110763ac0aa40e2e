// SPDX-License-Identifier: BSD-3-Clause
#include "gp/posterior_stage.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "output/record.hpp"

namespace mensura::gp {

using linear::Eight;

namespace {

constexpr double unknown = std::numeric_limits<double>::quiet_NaN();

// Values of u at inner points; elsewhere u is measured or close to such a point.
std::vector<ValueRow> value_rows(const System& system, const Kernel& prior) {
  const Pattern& pattern = system.pattern();
  const double deviation = std::sqrt(prior_variance(prior));
  std::vector<ValueRow> rows;
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
    if (pattern.kind(p) != PointKind::interior) continue;
    rows.push_back(
        {.row = system.layout().first[p], .point = p, .field = 0, .deviation = deviation});
  }
  return rows;
}

}  // namespace

PosteriorStage::PosteriorStage(const parallel::Communicator& comm, const Problem& problem,
                               System& system, const GaussNewton& newton,
                               std::span<const double> mean, const Answer& answer,
                               const std::function<void()>& poll)
    : comm_(comm), problem_(problem), system_(system), measurements_(newton.linearised(mean)) {
  system.conditioner().adopt(measurements_, poll);
  posterior_ = std::make_unique<Posterior>(
      comm, *problem.posterior, problem.seed, problem.solve.tolerance, system.pattern(),
      system.layout(), measurements_.lift, measurements_.noise, system.conditioner(),
      value_rows(system, problem.prior), targets_at(answer, poll));
}

Targets PosteriorStage::targets_at(const Answer& answer, const std::function<void()>& poll) {
  inside_ = inside_points(problem_, answer);
  map_ = std::make_unique<Interpolation>(comm_, system_.state_rows(), chosen_rows(answer, inside_),
                                         poll);
  Targets targets;
  targets.own = static_cast<std::int64_t>(inside_.size());
  targets.first = comm_.exclusive_scan(targets.own);
  targets.total = comm_.sum(targets.own);
  targets.values = [this](std::span<const Eight> rows) { return map_->multiply(rows); };
  targets.transposed = [this](std::span<const Eight> values) {
    return map_->multiply_transposed(values);
  };
  targets.local_variance.assign(map_->variance().begin(), map_->variance().end());
  return targets;
}

std::string PosteriorStage::progress() const {
  return fmt::format("posterior, {} of {} blocks of solves", done(), steps());
}

void PosteriorStage::complete(Answer& answer, double scale) {
  const std::vector<double> variance = posterior_->variance();
  answer.variance.assign(answer.mean.size(), unknown);
  for (std::size_t i = 0; i < inside_.size(); ++i) {
    answer.variance[inside_[i]] = scale * variance[i];
  }
  answer.samples.clear();
  const linear::EightVectors& blocks = posterior_->samples();
  const double deviation = std::sqrt(scale);
  const auto wanted = static_cast<std::size_t>(problem_.posterior->samples);
  for (std::size_t s = 0; s < std::min(wanted, 8 * blocks.size()); ++s) {
    std::vector<double>& sample = answer.samples.emplace_back(answer.mean.size(), unknown);
    for (std::size_t i = 0; i < inside_.size(); ++i) {
      const double* lanes = reinterpret_cast<const double*>(&blocks[s / 8][i]);
      sample[inside_[i]] = answer.mean[inside_[i]] + deviation * lanes[s % 8];
    }
  }
  find_coverage(comm_, answer);
}

void PosteriorStage::record(output::Record& record, const Answer& answer) const {
  const PosteriorReport report = posterior_->report();
  const bool exact = problem_.posterior->variance == VarianceMethod::exact;
  output::Value::Object entry;
  entry.emplace_back("name", "variance");
  entry.emplace_back("value", answer.mean_variance);
  entry.emplace_back("method", exact ? "exact" : "modes");
  if (!exact) {
    entry.emplace_back("modes", report.modes);
    entry.emplace_back("samples", report.samples);
  }
  entry.emplace_back("relative_error", report.relative_error);
  entry.emplace_back("largest_relative_error", report.largest_relative_error);
  entry.emplace_back("share_of_samples", report.rest);
  entry.emplace_back("share_between_points", report.local);
  entry.emplace_back("cg_iterations", output::Value(report.iterations));
  record.add_result(std::move(entry));
  if (!answer.error_known) return;
  output::Value::Object coverage;
  coverage.emplace_back("name", "coverage");
  coverage.emplace_back("value", answer.coverage);
  coverage.emplace_back("status",
                        "share of the prediction points whose 95 % interval holds the exact "
                        "solution; errors of one solution are correlated, so that only the mean "
                        "over many should be near 0.95");
  record.add_result(std::move(coverage));
}

}  // namespace mensura::gp
