// SPDX-License-Identifier: BSD-3-Clause
#include "run/run_record.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <ctime>
#include <utility>

#include "linear/petsc.hpp"
#include "parallel/hosts.hpp"
#include "run/memory.hpp"
#include "run/versions.hpp"

namespace mensura::run {
namespace {

using output::Value;

Value spread(double least, double mean, double most) {
  return Value::Object{{"min", least}, {"mean", mean}, {"max", most}};
}

Value bytes_spread(const PhaseSummary& phase) {
  const auto whole = [](double bytes) { return static_cast<std::int64_t>(bytes); };
  return Value::Object{{"min", whole(phase.min_bytes)},
                       {"mean", whole(phase.mean_bytes)},
                       {"max", whole(phase.max_bytes)}};
}

Value phases_value(const std::vector<PhaseSummary>& phases) {
  Value::Object all;
  for (const auto& phase : phases) {
    all.emplace_back(
        phase.name,
        Value::Object{{"seconds", spread(phase.min_seconds, phase.mean_seconds, phase.max_seconds)},
                      {"bytes", bytes_spread(phase)}});
  }
  return all;
}

// Collective.
void add_memory(Value& root, const parallel::Communicator& comm, Timers& timers) {
  timers.memory().sample();
  const MemoryWatch& watch = timers.memory();
  const std::int64_t peak = peak_resident_bytes();
  std::array<std::int64_t, 4> sums{peak, watch.baseline_pss(), watch.peak_pss(),
                                   watch.resident_growth()};
  comm.sum(std::span<std::int64_t>(sums));
  root["peak_memory_bytes"] = Value::Object{{"max", comm.max(peak)}, {"sum", sums[0]}};
  // Sums over ranks of what each rank saw at its own worst moment: upper bounds of the real peak.
  root["memory"] = Value::Object{{"baseline_pss_bytes", sums[1]},
                                 {"peak_pss_bytes", sums[2]},
                                 {"peak_resident_growth_bytes", sums[3]}};
}

// Collective.
void add_communication(Value& root, const parallel::Communicator& comm) {
  const parallel::Traffic mine = parallel::traffic();
  std::array<std::int64_t, 2> sums{mine.messages, mine.bytes};
  comm.sum(std::span<std::int64_t>(sums));
  root["communication"] = Value::Object{
      {"messages", sums[0]}, {"bytes", sums[1]}, {"reductions", comm.max(mine.reductions)}};
}

void add_software(Value& root) {
  Value::Object libraries;
  for (const auto& [name, version] : library_versions()) libraries.emplace_back(name, version);
  root["libraries"] = Value(std::move(libraries));
  root["blas"] = linear::blas_name();
}

void add_job(Value& root, const output::Record& job) {
  root["results"] = Value::Array{};
  root["history"] = Value::Array{};
  const auto* entries = std::get_if<Value::Object>(&job.root.data());
  if (entries == nullptr) return;
  for (const auto& [name, value] : *entries) root[name] = value;
}

}  // namespace

Value loop_history(const LoopState& loop) {
  Value::Array entries;
  const StepHistory& history = loop.history;
  for (std::size_t i = 0; i < history.size(); ++i) {
    entries.emplace_back(Value::Object{
        {"step", history.step(i)}, {"seconds", history.seconds()[i]}, {"done", history.done()[i]}});
  }
  return entries;
}

std::string utc_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

std::string run_record(const parallel::Communicator& comm, const RunFacts& facts,
                       const Identity& identity, const LoopState& loop, Timers& timers,
                       const std::vector<PhaseSummary>& phases, const output::Record& job) {
  Value root;
  root["mensura"] = Value::Object{{"version", mensura_version()}, {"git", git_id()}};
  root["driver"] = identity.driver;
  root["exit"] = facts.exit ? Value(*facts.exit) : Value();
  root["status"] = facts.status;
  if (!facts.error.empty()) root["error"] = facts.error;
  root["warnings"] = Value(facts.warnings);
  root["deck"] = facts.deck_file;
  root["deck_hash"] = facts.deck_hash;
  root["problem_hash"] = identity.problem_hash;
  root["inputs"] = Value(identity.inputs);
  root["seed"] = static_cast<std::int64_t>(facts.seed);
  root["ranks"] = comm.size();
  root["hosts"] = Value(parallel::host_names(comm));
  add_software(root);
  root["started"] = facts.started;
  root["wall_seconds"] = facts.wall_seconds;
  root["total_wall_seconds"] = loop.earlier_seconds + facts.wall_seconds;
  root["restarts"] = loop.restarts;
  root["steps"] = loop.steps;
  root["phases"] = phases_value(phases);
  add_memory(root, comm, timers);
  add_communication(root, comm);
  add_job(root, job);
  return root.to_json() + "\n";
}

}  // namespace mensura::run
