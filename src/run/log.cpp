// SPDX-License-Identifier: BSD-3-Clause
#include "run/log.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <initializer_list>
#include <sstream>

#include "parallel/error.hpp"

namespace mensura::run {
namespace {

std::string stamp() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

}  // namespace

bool under_launcher() {
  for (const char* name : {"SLURM_JOB_ID", "OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMIX_RANK"}) {
    if (std::getenv(name) != nullptr) return true;
  }
  return false;
}

ProgressStyle progress_style(const std::string& choice, bool launched) {
  if (choice == "never") return ProgressStyle::never;
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || std::strcmp(terminal, "dumb") == 0;
  if (choice == "auto" && !launched && !dumb && isatty(STDOUT_FILENO) != 0) {
    return ProgressStyle::live;
  }
  return ProgressStyle::plain;
}

void Log::open(const std::string& path, bool append) {
  if (!is_root_) return;
  errno = 0;
  file_.open(path, append ? std::ios::app : std::ios::trunc);
  if (!file_) {
    throw parallel::Error(parallel::ExitCode::output,
                          fmt::format("cannot write the log '{}': {}", path, std::strerror(errno)));
  }
  for (const auto& text : held_) file(text);
  held_.clear();
}

void Log::line(const std::string& text) {
  if (!is_root_) return;
  terminal(text);
  file(text);
}

void Log::note(const std::string& text) {
  if (is_root_) file(text);
}

void Log::warn(const std::string& text) {
  if (std::find(warnings_.begin(), warnings_.end(), text) == warnings_.end()) {
    warnings_.push_back(text);
  }
  line("warning: " + text);
}

void Log::recall(const std::vector<std::string>& warnings) {
  warnings_.insert(warnings_.begin(), warnings.begin(), warnings.end());
}

void Log::progress(const std::string& text, bool whole_step) {
  if (!is_root_) return;
  if (whole_step) file(text);
  if (style_ == ProgressStyle::live) {
    fmt::print("\r\033[K{}", text);
    std::fflush(stdout);
    transient_ = true;
  } else if (style_ == ProgressStyle::plain && whole_step) {
    terminal(text);
  }
}

// One write per line, flushed: a line that is out survives a kill.
void Log::terminal(const std::string& text) {
  const std::string whole = (transient_ ? "\r\033[K" : "") + text + "\n";
  transient_ = false;
  std::fwrite(whole.data(), 1, whole.size(), stdout);
  std::fflush(stdout);
}

void Log::file(const std::string& text) {
  if (!file_.is_open()) {
    held_.push_back(text);
    return;
  }
  std::istringstream lines(text);
  const std::string time = stamp();
  for (std::string one; std::getline(lines, one);) file_ << time << "  " << one << '\n';
  file_.flush();
  file_.clear();  // a full disk is reported where results are lost, not here
}

}  // namespace mensura::run
