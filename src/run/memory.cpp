// SPDX-License-Identifier: BSD-3-Clause
#include "run/memory.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>

namespace mensura::run {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::int64_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::int64_t total = 0;
  std::int64_t resident = 0;
  file >> total >> resident;
  return file ? resident * sysconf(_SC_PAGESIZE) : 0;
}

}  // namespace

std::int64_t pss_bytes() {
  std::ifstream file("/proc/self/smaps_rollup");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("Pss:")) return std::stoll(line.substr(4)) * 1024;
  }
  return resident_bytes();
}

std::int64_t peak_resident_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

void MemoryWatch::set_baseline() {
  read();
  baseline_pss_ = peak_pss_;
  baseline_resident_ = peak_resident_bytes();
}

void MemoryWatch::sample() {
  if (now() >= next_) read();
}

std::int64_t MemoryWatch::resident_growth() const {
  return peak_resident_bytes() - baseline_resident_;
}

void MemoryWatch::read() {
  const double start = now();
  peak_pss_ = std::max(peak_pss_, pss_bytes());
  const double end = now();
  next_ = end + std::max(0.5, 50 * (end - start));
}

}  // namespace mensura::run
