// SPDX-License-Identifier: BSD-3-Clause
#include "run/timers.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mensura::run {
namespace {

constexpr std::string_view other = "other";

// The union of all ranks' names, in the order of the lowest rank that has them. One round per name;
// their number is that of phases in the source, never that of ranks.
std::vector<std::string> united(const parallel::Communicator& comm,
                                const std::vector<std::string>& mine) {
  std::vector<std::string> all;
  while (true) {
    const auto missing = std::find_if(mine.begin(), mine.end(), [&](const std::string& name) {
      return std::find(all.begin(), all.end(), name) == all.end();
    });
    const std::int64_t nobody = comm.size();
    const auto root = comm.min(missing == mine.end() ? nobody : std::int64_t{comm.rank()});
    if (root == nobody) return all;
    std::string name = comm.rank() == root ? *missing : std::string();
    comm.broadcast(name, static_cast<int>(root));
    all.push_back(std::move(name));
  }
}

}  // namespace

Timers::Timers()
    : entries_{{std::string(other), 0, 0}},
      stack_{0},
      switched_(std::chrono::steady_clock::now()),
      resident_(peak_resident_bytes()) {}

Timers::Phase Timers::phase(std::string_view name) {
  charge();
  stack_.push_back(find(name));
  return Phase(*this);
}

void Timers::end() {
  memory_.sample();
  charge();
  stack_.pop_back();
}

void Timers::charge() {
  const auto now = std::chrono::steady_clock::now();
  const std::int64_t resident = peak_resident_bytes();
  Entry& top = entries_[stack_.back()];
  top.nanoseconds += std::chrono::duration_cast<std::chrono::nanoseconds>(now - switched_).count();
  top.bytes += resident - resident_;
  switched_ = now;
  resident_ = resident;
}

std::size_t Timers::find(std::string_view name) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.name == name; });
  if (found != entries_.end()) return static_cast<std::size_t>(found - entries_.begin());
  entries_.push_back({std::string(name), 0, 0});
  return entries_.size() - 1;
}

std::vector<PhaseSummary> Timers::summary(const parallel::Communicator& comm) {
  charge();
  std::vector<std::string> mine;
  for (std::size_t i = 1; i < entries_.size(); ++i) mine.push_back(entries_[i].name);
  std::vector<std::string> names = united(comm, mine);
  names.emplace_back(other);

  const std::size_t count = names.size();
  std::vector<std::int64_t> sums(2 * count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& e) { return e.name == names[i]; });
    if (entry == entries_.end()) continue;
    sums[2 * i] = entry->nanoseconds;
    sums[2 * i + 1] = entry->bytes;
  }
  std::vector<double> least(sums.begin(), sums.end());
  std::vector<double> most = least;
  comm.min(std::span(least));
  comm.max(std::span(most));
  comm.sum(std::span(sums));

  std::vector<PhaseSummary> result;
  const double ranks = comm.size();
  for (std::size_t i = 0; i < count; ++i) {
    result.push_back({names[i], least[2 * i] * 1e-9,
                      static_cast<double>(sums[2 * i]) * 1e-9 / ranks, most[2 * i] * 1e-9,
                      least[2 * i + 1], static_cast<double>(sums[2 * i + 1]) / ranks,
                      most[2 * i + 1]});
  }
  return result;
}

std::vector<std::string> phase_table(const std::vector<PhaseSummary>& phases) {
  std::size_t width = 5;
  for (const auto& phase : phases) width = std::max(width, phase.name.size());
  std::vector<std::string> lines{fmt::format("{:<{}}  {:>10} {:>10} {:>10}  {:>12}", "phase", width,
                                             "min s", "mean s", "max s", "max growth")};
  for (const auto& phase : phases) {
    lines.push_back(fmt::format("{:<{}}  {:>10.3f} {:>10.3f} {:>10.3f}  {:>8.1f} MiB", phase.name,
                                width, phase.min_seconds, phase.mean_seconds, phase.max_seconds,
                                phase.max_bytes / 1048576));
  }
  return lines;
}

}  // namespace mensura::run
