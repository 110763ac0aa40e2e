// SPDX-License-Identifier: BSD-3-Clause
#include "divergence/results.hpp"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace mensura::divergence {

using output::Value;

namespace {

std::vector<std::string> names_of(const Problem& problem, const Request& request) {
  return {problem.sets[request.of[0]].name, problem.sets[request.of[1]].name};
}

std::int64_t coincident_of(const Answer& answer) {
  return answer.facts->coincident;
}

std::vector<std::int64_t> neighbours_of(const Estimate& estimate) {
  return {estimate.neighbours.begin(), estimate.neighbours.end()};
}

std::string number(double value, int digits) {
  return std::isnan(value) ? "unknown" : fmt::format("{:.{}g}", value, digits);
}

bool has_counts(const Request& request) {
  return request.method == Method::one_step || request.method == Method::nnr;
}

}  // namespace

std::string summary_line(const Problem& problem, const Answer& answer) {
  const Request& request = *answer.request;
  const Estimate& estimate = answer.estimate;
  const auto names = names_of(problem, request);
  std::string line = fmt::format("{}({} || {})", name_of(request.quantity), names[0], names[1]);
  if (takes_order(request.quantity)) line += fmt::format(" order {}", request.order);
  line += fmt::format(" [{}] = {} {}  standard error {}, bias bar {}, {:g} % interval [{}, {}]",
                      name_of(request.method), number(estimate.value, 6), estimate.units,
                      number(estimate.standard_error, 2), number(estimate.bias_bar, 2),
                      100 * problem.confidence, number(estimate.interval[0], 6),
                      number(estimate.interval[1], 6));
  if (answer.truth) line += fmt::format(", truth {:.6g}", *answer.truth);
  if (estimate.status != "ok") line += "; " + estimate.status;
  return line;
}

Value::Object entry_of(const Problem& problem, const Answer& answer) {
  const Request& request = *answer.request;
  const Estimate& estimate = answer.estimate;
  const auto names = names_of(problem, request);
  const bool searched = request.method != Method::gaussian;
  Value::Object entry;
  const auto put = [&](const char* key, Value value) { entry.emplace_back(key, std::move(value)); };
  put("name", name_of(request.quantity));
  put("of", Value(names));
  if (takes_order(request.quantity)) put("order", request.order);
  put("method", name_of(request.method));
  put("value", estimate.value);
  put("standard_error", estimate.standard_error);
  put("bias_bar", estimate.bias_bar);
  put("interval", Value(std::vector<double>(estimate.interval.begin(), estimate.interval.end())));
  put("confidence", problem.confidence);
  put("units", estimate.units);
  put("convention", estimate.convention);
  put("status", estimate.status);
  if (request.method == Method::one_step) put("flags", estimate.flags);
  put("neighbours", Value(neighbours_of(estimate)));
  put("weights", Value(estimate.weights));
  put("ties", searched ? Value(coincident_of(answer)) : Value());
  put("saturated", has_counts(request) ? Value(estimate.saturated) : Value());
  if (request.method == Method::one_step) {
    put("unextrapolated", estimate.unextrapolated);
    put("profile", Value(estimate.profile));
    put("intrinsic_dimension", estimate.intrinsic_dimension);
  }
  if (answer.truth) put("truth", *answer.truth);
  if (answer.truth && std::isinf(*answer.truth)) put("truth_status", "the true value is infinite");
  return entry;
}

Value pass_entry(const Problem& problem, const Pass& pass) {
  const PairFacts& facts = pass.facts();
  Value entry;
  entry["sets"] = pass.name();
  entry["points"] = Value(std::vector<std::int64_t>(facts.counts.begin(), facts.counts.end()));
  entry["dimension"] = facts.dimension;
  entry["batches"] = pass.batches();
  entry["batches_done"] = pass.batches_done();
  entry["whitening"] = problem.whitening;
  if (facts.sites >= 0) {
    entry["distinct_locations"] = facts.sites;
    entry["coincident_points"] = facts.coincident;
  }
  if (facts.remote_queries >= 0) {
    entry["remote_factor"] =
        static_cast<double>(facts.remote_queries) / static_cast<double>(facts.sites);
  }
  if (!facts.warning.empty()) entry["warning"] = facts.warning;
  return entry;
}

void write_quantities(output::File& file, const Problem& problem,
                      const std::vector<Answer>& answers) {
  constexpr double unknown = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> value, standard_error, bias_bar, interval, order, truths;
  std::vector<std::int64_t> ties, saturated;
  std::vector<std::string> name, of, method, units, status;
  for (const Answer& answer : answers) {
    const Request& request = *answer.request;
    const Estimate& estimate = answer.estimate;
    const auto names = names_of(problem, request);
    name.push_back(name_of(request.quantity));
    of.push_back(names[0] + " || " + names[1]);
    method.push_back(name_of(request.method));
    units.push_back(estimate.units);
    status.push_back(estimate.status);
    value.push_back(estimate.value);
    standard_error.push_back(estimate.standard_error);
    bias_bar.push_back(estimate.bias_bar);
    interval.insert(interval.end(), estimate.interval.begin(), estimate.interval.end());
    order.push_back(takes_order(request.quantity) ? request.order : unknown);
    truths.push_back(answer.truth.value_or(unknown));
    ties.push_back(request.method == Method::gaussian ? -1 : coincident_of(answer));
    saturated.push_back(has_counts(request) ? estimate.saturated : -1);
  }
  const auto count = static_cast<std::int64_t>(answers.size());
  const output::Labels mixed{"nats or 1", ""};
  const auto labels = [&](const char* text) { return output::Labels{mixed.unit, text}; };
  file.group("/quantities");
  file.replicated("/quantities/name", name, {"text", "name of the divergence"});
  file.replicated("/quantities/of", of, {"text", "D(first || second), names of the sets"});
  file.replicated("/quantities/method", method, {"text", "estimator"});
  file.replicated("/quantities/units", units,
                  {"text", "unit of value, standard_error, bias_bar, interval"});
  file.replicated("/quantities/status", status, {"text", "what to know about the estimate"});
  file.replicated("/quantities/value", value, labels("estimate, never clipped"));
  file.replicated("/quantities/standard_error", standard_error, labels("sampling noise"));
  file.replicated("/quantities/bias_bar", bias_bar, labels("size of the remaining bias"));
  file.replicated("/quantities/interval", interval, labels("interval at the deck's confidence"),
                  {count, 2});
  file.replicated("/quantities/order", order, {"1", "order; NaN where the quantity has none"});
  file.replicated("/quantities/truth", truths, labels("closed form; NaN where none is known"));
  file.replicated("/quantities/ties", ties,
                  {"1", "points that share their location with another; -1: not counted"});
  file.replicated("/quantities/saturated", saturated,
                  {"1", "points with no neighbour of the other set; -1: not counted"});
}

}  // namespace mensura::divergence
