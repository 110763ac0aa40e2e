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

// Values of the fields at inner points; elsewhere u is measured or close to such a point.
std::vector<ValueRow> value_rows(const System& system, const Prior& prior) {
  const Pattern& pattern = system.pattern();
  const auto second = system.equation().second();
  std::vector<ValueRow> rows;
  for (std::size_t p = 0; p < static_cast<std::size_t>(pattern.own); ++p) {
    if (pattern.kind(p) != PointKind::interior) continue;
    rows.push_back({.row = system.layout().first[p],
                    .point = p,
                    .field = 0,
                    .deviation = std::sqrt(prior_variance(prior.first))});
    if (!second) continue;
    rows.push_back({.row = system.layout().first[p] + second->row,
                    .point = p,
                    .field = 1,
                    .deviation = second->deviation});
  }
  return rows;
}

// Every `stride`-th number from `first` on, and the way back.
std::vector<Eight> every(std::span<const Eight> all, std::size_t first, std::size_t stride) {
  std::vector<Eight> part;
  part.reserve(all.size() / stride + 1);
  for (std::size_t i = first; i < all.size(); i += stride) part.push_back(all[i]);
  return part;
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
      value_rows(system, problem.priors()), targets_at(answer, poll));
}

// The fields of a point are adjacent targets.
Targets PosteriorStage::targets_at(const Answer& answer, const std::function<void()>& poll) {
  inside_ = inside_points(problem_, answer);
  const std::vector<double> places = chosen_rows(answer, inside_);
  for (const PredictedField& field : answer.fields) {
    maps_.push_back(std::make_unique<Interpolation>(comm_, system_.state_rows(), places, poll,
                                                    field.functional));
  }
  const std::size_t fields = maps_.size();
  Targets targets;
  targets.fields = fields;
  targets.own = static_cast<std::int64_t>(inside_.size() * fields);
  targets.first = comm_.exclusive_scan(targets.own);
  targets.total = comm_.sum(targets.own);
  targets.values = [this, fields](std::span<const Eight> rows) {
    std::vector<Eight> values(inside_.size() * fields);
    for (std::size_t f = 0; f < fields; ++f) {
      const auto of_field = maps_[f]->multiply(rows);
      for (std::size_t i = 0; i < of_field.size(); ++i) values[i * fields + f] = of_field[i];
    }
    return values;
  };
  targets.transposed = [this, fields](std::span<const Eight> values) {
    std::vector<Eight> rows = maps_[0]->multiply_transposed(every(values, 0, fields));
    for (std::size_t f = 1; f < fields; ++f) {
      const auto more = maps_[f]->multiply_transposed(every(values, f, fields));
      for (std::size_t r = 0; r < rows.size(); ++r) rows[r] = rows[r] + more[r];
    }
    return rows;
  };
  targets.local_variance.resize(inside_.size() * fields);
  for (std::size_t f = 0; f < fields; ++f) {
    const auto local = maps_[f]->variance();
    for (std::size_t i = 0; i < local.size(); ++i) {
      targets.local_variance[i * fields + f] = local[i];
    }
  }
  return targets;
}

std::string PosteriorStage::progress() const {
  return fmt::format("posterior, {} of {} blocks of solves", done(), steps());
}

void PosteriorStage::complete(Answer& answer, double scale) {
  variance_ = posterior_->variance();
  for (std::size_t f = 0; f < answer.fields.size(); ++f) complete(answer.fields[f], f, scale);
  for (PredictedField& field : answer.fields) find_coverage(comm_, field);
}

void PosteriorStage::complete(PredictedField& field, std::size_t number, double scale) const {
  const std::size_t fields = maps_.size();
  field.variance_known = true;
  field.variance.assign(field.mean.size(), unknown);
  for (std::size_t i = 0; i < inside_.size(); ++i) {
    field.variance[inside_[i]] = scale * variance_[i * fields + number];
  }
  field.samples.clear();
  const linear::EightVectors& blocks = posterior_->samples();
  const double deviation = std::sqrt(scale);
  const auto wanted = static_cast<std::size_t>(problem_.posterior->samples);
  for (std::size_t s = 0; s < std::min(wanted, 8 * blocks.size()); ++s) {
    std::vector<double>& sample = field.samples.emplace_back(field.mean.size(), unknown);
    for (std::size_t i = 0; i < inside_.size(); ++i) {
      const double* lanes = reinterpret_cast<const double*>(&blocks[s / 8][i * fields + number]);
      sample[inside_[i]] = field.mean[inside_[i]] + deviation * lanes[s % 8];
    }
  }
}

void PosteriorStage::record(output::Record& record, const Answer& answer) const {
  const PosteriorReport& report = posterior_->report();
  const bool exact = problem_.posterior->variance == VarianceMethod::exact;
  for (std::size_t f = 0; f < answer.fields.size(); ++f) {
    const PredictedField& field = answer.fields[f];
    const VarianceReport& quality = report.fields[f];
    const bool first = f == 0;
    output::Value::Object entry;
    entry.emplace_back("name", "variance");
    if (!first) entry.emplace_back("field", field.name);
    entry.emplace_back("value", field.mean_variance);
    entry.emplace_back("method", exact ? "exact" : "modes");
    if (!exact) {
      entry.emplace_back("modes", report.modes);
      entry.emplace_back("samples", report.samples);
    }
    entry.emplace_back("relative_error", quality.relative_error);
    entry.emplace_back("largest_relative_error", quality.largest_relative_error);
    entry.emplace_back("share_of_samples", quality.rest);
    entry.emplace_back("share_between_points", quality.local);
    if (first) entry.emplace_back("cg_iterations", output::Value(report.iterations));
    record.add_result(std::move(entry));
    if (!field.error_known) continue;
    output::Value::Object coverage;
    coverage.emplace_back("name", "coverage");
    if (!first) coverage.emplace_back("field", field.name);
    coverage.emplace_back("value", field.coverage);
    coverage.emplace_back("status",
                          "share of the prediction points whose 95 % interval holds the exact "
                          "one; errors of one solution are correlated, so that only the mean over "
                          "many should be near 0.95");
    record.add_result(std::move(coverage));
  }
}

}  // namespace mensura::gp
