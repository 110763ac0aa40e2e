// SPDX-License-Identifier: BSD-3-Clause
#include "run/clock.hpp"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <string_view>

namespace mensura::run {
namespace {

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = error == std::errc() && end == text.data() + text.size();
  return whole && std::isfinite(value) && value >= 0 ? std::optional(value) : std::nullopt;
}

// EndTime=2026-03-01T12:00:00 in local time, as scontrol prints it.
std::optional<std::time_t> end_time_in(const std::string& text) {
  const auto at = text.find("EndTime=");
  if (at == std::string::npos) return std::nullopt;
  std::tm parts{};
  if (std::sscanf(text.c_str() + at, "EndTime=%d-%d-%dT%d:%d:%d", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec) != 6) {
    return std::nullopt;
  }
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  parts.tm_isdst = -1;
  return std::mktime(&parts);
}

// Slurm before 23.02 does not export the end time to every kind of step.
std::optional<std::time_t> ask_scontrol(std::string_view job) {
  if (job.empty() || job.find_first_not_of("0123456789_") != std::string_view::npos) {
    return std::nullopt;
  }
  const std::string command = fmt::format("timeout 10 scontrol show job -o {} 2>/dev/null", job);
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  if (!pipe) return std::nullopt;
  std::string text;
  std::array<char, 4096> buffer{};
  while (std::fgets(buffer.data(), static_cast<int>(buffer.size()), pipe.get()) != nullptr) {
    text += buffer.data();
  }
  return end_time_in(text);
}

}  // namespace

double Clock::elapsed() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

bool Clock::must_stop(double elapsed_now, double slowest_step, double checkpoint) const noexcept {
  return elapsed_now + 1.5 * slowest_step + checkpoint > limit_.seconds;
}

std::optional<double> slurm_seconds_left() {
  const char* job = std::getenv("SLURM_JOB_ID");
  if (job == nullptr) return std::nullopt;
  std::optional<std::time_t> end;
  if (const char* text = std::getenv("SLURM_JOB_END_TIME")) {
    if (const auto seconds = number(text)) end = static_cast<std::time_t>(*seconds);
  }
  if (!end) end = ask_scontrol(job);
  if (!end) return std::nullopt;
  return std::difftime(*end, std::time(nullptr));
}

void share_limit(const parallel::Communicator& comm, Clock& clock, const TimeLimit& asked) {
  TimeLimit limit = asked;
  if (comm.is_root()) {
    const auto left = slurm_seconds_left();
    const double end = left ? clock.elapsed() + *left : limit.seconds;
    if (end < limit.seconds) limit = {end, "end of the Slurm job"};
  }
  std::array<double, 1> seconds{limit.seconds};
  comm.broadcast(std::span<double>(seconds));
  limit.seconds = seconds[0];
  comm.broadcast(limit.source);
  clock.set_limit(limit);
}

}  // namespace mensura::run
