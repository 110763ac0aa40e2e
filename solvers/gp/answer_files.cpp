// SPDX-License-Identifier: BSD-3-Clause
#include <fmt/format.h>

#include <cmath>

#include "gp/answer.hpp"

namespace mensura::gp {

namespace {

void write_predicted(output::File& file, const std::string& folder, const Answer& answer,
                     const PredictedField& field) {
  const output::Placement here{{answer.total}, answer.first};
  file.distributed(folder + "/mean", field.mean, here,
                   {"1", fmt::format("posterior mean of {}; NaN outside the domain", field.name)});
  if (field.error_known) {
    file.distributed(folder + "/exact", field.exact, here,
                     {"1", fmt::format("exact {} of the deck", field.name)});
  }
  if (field.variance_known) {
    file.distributed(
        folder + "/variance", field.variance, here,
        {"1", fmt::format("posterior variance of {}; NaN outside the domain", field.name)});
  }
  if (field.samples.empty()) return;
  const std::size_t count = field.samples.size();
  std::vector<double> by_point(field.mean.size() * count);
  for (std::size_t i = 0; i < field.mean.size(); ++i) {
    for (std::size_t s = 0; s < count; ++s) by_point[i * count + s] = field.samples[s][i];
  }
  const auto samples = static_cast<std::int64_t>(count);
  file.distributed(
      folder + "/samples", by_point, {{answer.total, samples}, answer.first * samples},
      {"1", fmt::format("samples of the posterior of {}, one per column", field.name)});
}

void write_mean_fields(output::FieldWriter& writer, const PredictedField& field,
                       const std::string& prefix) {
  writer.field(prefix + "mean", field.mean, 1, {"1", "posterior mean of " + field.name});
  if (field.error_known) {
    writer.field(prefix + "exact", field.exact, 1,
                 {"1", fmt::format("exact {} of the deck", field.name)});
    std::vector<double> error(field.mean);
    for (std::size_t i = 0; i < error.size(); ++i) error[i] -= field.exact[i];
    writer.field(prefix + "error", error, 1, {"1", "mean minus exact"});
  }
  if (!field.variance_known) return;
  std::vector<double> deviation;
  for (const double variance : field.variance) deviation.push_back(std::sqrt(variance));
  writer.field(prefix + "deviation", deviation, 1,
               {"1", "posterior standard deviation of " + field.name});
}

// u has no prefix.
std::string prefix_of(const Answer& answer, std::size_t field) {
  return field == 0 ? std::string{} : answer.fields[field].name + "_";
}

}  // namespace

void record_errors(output::Record& record, const Answer& answer, bool early) {
  for (const PredictedField& field : answer.fields) {
    const auto add = [&](const char* name, double value) {
      output::Value::Object entry;
      entry.emplace_back("name", name);
      if (&field != &answer.fields.front()) entry.emplace_back("field", field.name);
      entry.emplace_back("value", field.error_known ? output::Value(value) : output::Value());
      if (!field.error_known) {
        entry.emplace_back("status", "no exact solution in the deck");
      } else if (early) {
        entry.emplace_back("status", "of the last step before the failure");
      }
      record.add_result(std::move(entry));
    };
    add("error_l2", field.error_l2);
    add("error_linf", field.error_linf);
  }
}

void write_answer(output::File& file, const Answer& answer) {
  const std::int64_t d = answer.dimension;
  file.group("/predict");
  file.distributed("/predict/points", answer.points, {{answer.total, d}, answer.first * d},
                   {"1", "where the mean is given"});
  for (std::size_t f = 0; f < answer.fields.size(); ++f) {
    const std::string folder = f == 0 ? "/predict" : "/predict/" + answer.fields[f].name;
    if (f > 0) file.group(folder);
    write_predicted(file, folder, answer, answer.fields[f]);
  }
}

void write_fields(const parallel::Communicator& comm, const std::string& folder,
                  const output::Provenance& provenance, const Answer& answer) {
  const auto place = [&](output::FieldWriter& writer) {
    if (answer.grid) {
      writer.grid(*answer.grid, answer.first);
    } else {
      writer.points(answer.points, answer.dimension, answer.first, answer.total);
    }
  };
  output::FieldWriter writer(comm, folder, "mean", provenance);
  place(writer);
  for (std::size_t f = 0; f < answer.fields.size(); ++f) {
    write_mean_fields(writer, answer.fields[f], prefix_of(answer, f));
  }
  writer.finish();
  if (answer.fields.front().samples.empty()) return;
  output::FieldWriter samples(comm, folder, "samples", provenance);
  place(samples);
  for (std::size_t f = 0; f < answer.fields.size(); ++f) {
    const PredictedField& field = answer.fields[f];
    for (std::size_t s = 0; s < field.samples.size(); ++s) {
      samples.field(fmt::format("{}sample_{}", prefix_of(answer, f), s), field.samples[s], 1,
                    {"1", "sample of the posterior of " + field.name});
    }
  }
  samples.finish();
}

}  // namespace mensura::gp
