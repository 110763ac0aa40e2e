// SPDX-License-Identifier: BSD-3-Clause
// What a fit leaves in checkpoints and in the record.
#include <array>
#include <cmath>
#include <limits>

#include "gp/hyper.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

namespace {

constexpr const char* state_name = "hyper/state";
constexpr const char* base_name = "hyper/base";
constexpr const char* starts_name = "hyper/starts";
constexpr const char* bounds_name = "hyper/bounds";
constexpr const char* values_name = "hyper/values";

// Standard deviations of a 95 % interval.
constexpr double deviations = 1.959963984540054;

std::vector<double> exponentials(const std::vector<double>& logarithms) {
  std::vector<double> result;
  for (const double number : logarithms) result.push_back(std::exp(number));
  return result;
}

// Value, error and interval of a parameter from those of its logarithm.
output::Value fitted(const std::string& name, double logarithm, double deviation) {
  output::Value entry;
  const double value = std::exp(logarithm);
  entry["name"] = name;
  entry["value"] = value;
  entry["standard_error"] = value * deviation;
  entry["log_standard_error"] = deviation;
  entry["interval"] = std::vector<double>{std::exp(logarithm - deviations * deviation),
                                          std::exp(logarithm + deviations * deviation)};
  return entry;
}

const char* outcome(HyperEnd::Kind kind) {
  switch (kind) {
    case HyperEnd::Kind::failed:
      return "the evidence could not be computed";
    case HyperEnd::Kind::unfinished:
      return "ended without convergence";
    case HyperEnd::Kind::converged:
      return "converged";
    case HyperEnd::Kind::joined:
      break;
  }
  return "joined an earlier search";
}

}  // namespace

void HyperFit::save(output::CheckpointWriter& checkpoint) const {
  const auto p = static_cast<std::int64_t>(parameters_.size());
  checkpoint.replicated(
      state_name, std::vector<std::int64_t>{
                      pass_, finished_ ? 1 : 0, std::ssize(starts_), search_ ? 1 : 0, p,
                      static_cast<std::int64_t>(fingerprint_.value_or(system_.fingerprint()))});
  std::vector<double> base(base_.lengths), starts;
  base.push_back(base_.variance.value_or(std::numeric_limits<double>::quiet_NaN()));
  base.insert(base.end(), base_.noise.begin(), base_.noise.end());
  checkpoint.replicated(base_name, base);
  for (const auto& start : starts_) {
    std::vector<double> row(start);
    row.resize(parameters_.size(), std::numeric_limits<double>::quiet_NaN());
    starts.insert(starts.end(), row.begin(), row.end());
  }
  if (!starts.empty()) checkpoint.replicated(starts_name, starts);
  if (!search_) return;
  std::vector<double> bounds(search_->spec().lower), values;
  bounds.insert(bounds.end(), search_->spec().upper.begin(), search_->spec().upper.end());
  checkpoint.replicated(bounds_name, bounds);
  for (const HyperEvaluation& evaluation : search_->evaluations()) {
    values.insert(values.end(), evaluation.at.begin(), evaluation.at.end());
    values.insert(values.end(),
                  {evaluation.value, evaluation.standard_error, evaluation.log_scale});
  }
  if (!values.empty()) checkpoint.replicated(values_name, values);
}

void HyperFit::load(const output::CheckpointReader& checkpoint) {
  const auto state = checkpoint.integers(state_name);
  const auto base = checkpoint.reals(base_name);
  const std::size_t p = parameters_.size(), lengths = base_.lengths.size();
  parallel::require(state.size() == 6 && state[4] == static_cast<std::int64_t>(p) &&
                        base.size() == lengths + 1 + base_.noise.size(),
                    "the checkpoint has the shape that save() gave it");
  pass_ = static_cast<int>(state[0]);
  fingerprint_ = static_cast<std::uint64_t>(state[5]);
  base_.lengths.assign(base.begin(), base.begin() + static_cast<std::ptrdiff_t>(lengths));
  base_.variance.reset();
  if (!std::isnan(base[lengths])) base_.variance = base[lengths];
  base_.noise.assign(base.begin() + static_cast<std::ptrdiff_t>(lengths) + 1, base.end());
  set_values(problem_, base_);
  const auto starts =
      checkpoint.has(starts_name) ? checkpoint.reals(starts_name) : std::vector<double>();
  for (std::size_t i = 0; i < static_cast<std::size_t>(state[2]); ++i) {
    const auto first = starts.begin() + static_cast<std::ptrdiff_t>(i * p);
    starts_.emplace_back(first, first + static_cast<std::ptrdiff_t>(p));
    if (std::isnan(starts_.back().front())) starts_.back().clear();
  }
  if (state[3] == 0) return;
  const auto bounds = checkpoint.reals(bounds_name);
  make_search({bounds.begin(), bounds.begin() + static_cast<std::ptrdiff_t>(p)},
              {bounds.begin() + static_cast<std::ptrdiff_t>(p), bounds.end()});
  const auto values =
      checkpoint.has(values_name) ? checkpoint.reals(values_name) : std::vector<double>();
  finished_ = state[1] != 0;
  for (std::size_t i = 0; i + p + 3 <= values.size(); i += p + 3) {
    // What could not be evaluated is tried again: the restart may have other keys in `solve`.
    if (std::isnan(values[i + p]) && !finished_) continue;
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(i);
    search_->add({{first, first + static_cast<std::ptrdiff_t>(p)},
                  values[i + p],
                  values[i + p + 1],
                  values[i + p + 2]});
  }
  if (finished_) {
    parallel::require(!search_->next() && search_->optimum(), "a finished fit has its optimum");
  }
}

std::int64_t HyperFit::checkpoint_bytes() const {
  const std::size_t evaluations = search_ ? search_->evaluations().size() : 0;
  return static_cast<std::int64_t>(8 * (evaluations + 10) * (parameters_.size() + 3));
}

output::Value HyperFit::parameter_entry(std::size_t parameter) const {
  const HyperOptimum& optimum = *search_->optimum();
  const std::size_t n = parameters_.size();
  const double variance = optimum.covariance[parameter * n + parameter];
  const int bound = optimum.bound[parameter];
  const double deviation = bound == 0 ? std::sqrt(variance) : NAN;
  output::Value entry = fitted(parameters_[parameter].name, optimum.best.at[parameter], deviation);
  entry["bounds"] =
      exponentials({search_->spec().lower[parameter], search_->spec().upper[parameter]});
  if (bound != 0) {
    entry["at_bound"] = bound < 0 ? "lower" : "upper";
    entry["status"] = "at a bound: no uncertainty";
  } else if (std::isnan(variance)) {
    entry["status"] = "the evidence is flat: no uncertainty";
  }
  std::vector<double> at, evidence;
  for (const ProfilePoint& point : optimum.profile[parameter]) {
    at.push_back(std::exp(point.parameter));
    evidence.push_back(point.value);
  }
  if (at.empty()) return entry;
  output::Value profile;
  profile["value"] = at;
  profile["log_evidence"] = evidence;
  entry["profile"] = std::move(profile);
  return entry;
}

// With exact data: 2 / n at the other values, and what their uncertainty adds.
std::optional<output::Value> HyperFit::profiled_variance() const {
  if (!profiled_) return std::nullopt;
  const HyperOptimum& optimum = *search_->optimum();
  const std::size_t n = parameters_.size();
  double variance = 2 / static_cast<double>(system_.measurements());
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      variance += optimum.scale_slope[i] * optimum.covariance[i * n + j] * optimum.scale_slope[j];
    }
  }
  return fitted("variance", optimum.best.log_scale, std::sqrt(variance));
}

output::Value HyperFit::start_entries() const {
  output::Value entries;
  for (std::size_t i = 0; i < search_->ends().size(); ++i) {
    const HyperEnd& end = search_->ends()[i];
    output::Value entry;
    entry["from"] = exponentials(search_->spec().starts[i]);
    entry["outcome"] = outcome(end.kind);
    if (end.kind != HyperEnd::Kind::failed) {
      entry["to"] = exponentials(end.at);
      entry["log_evidence"] = end.value;
    }
    entries.append(std::move(entry));
  }
  return entries;
}

void HyperFit::record(output::Record& record) const {
  if (!search_) return;
  output::Value hyper;
  hyper["evaluations"] = std::ssize(search_->evaluations());
  hyper["evidence"] = given_equation_ ? "data given equation and boundary" : "all measurements";
  hyper["orders"] = pass_ + 1;
  hyper["starts_without_solution"] = std::ssize(starts_) - std::ssize(search_->spec().starts);
  std::vector<std::string> names;
  for (const HyperParameter& parameter : parameters_) names.push_back(parameter.name);
  hyper["parameters"] = names;
  output::Value history;
  for (const HyperEvaluation& evaluation : search_->evaluations()) {
    output::Value entry;
    entry["at"] = exponentials(evaluation.at);
    entry["log_evidence"] = evaluation.value;
    history.append(std::move(entry));
  }
  if (finished_) {
    const HyperOptimum& optimum = *search_->optimum();
    hyper["log_evidence"] = optimum.best.value;
    hyper["standard_error"] = optimum.best.standard_error;
    output::Value entries;
    const auto add = [&](output::Value entry) {
      entries.append(entry);
      output::Value::Object result;
      for (const char* key :
           {"name", "value", "standard_error", "interval", "at_bound", "status"}) {
        const output::Value* found = entry.find(key);
        if (found == nullptr) continue;
        const bool name = std::string_view(key) == "name";
        result.emplace_back(
            key, name ? output::Value("fitted_" + std::get<std::string>(found->data())) : *found);
      }
      record.add_result(std::move(result));
    };
    for (std::size_t i = 0; i < parameters_.size(); ++i) add(parameter_entry(i));
    if (auto variance = profiled_variance()) add(*std::move(variance));
    hyper["fitted"] = std::move(entries);
    hyper["starts"] = start_entries();
  }
  hyper["history"] = std::move(history);
  record.root["hyper"] = std::move(hyper);
}

}  // namespace mensura::gp
