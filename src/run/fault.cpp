// SPDX-License-Identifier: BSD-3-Clause
#include "run/fault.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <new>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>

namespace mensura::run::fault {
namespace {

// "kill:rank=1:step=5" -> value of `name`, or -1.
double value_of(const std::string& fault, const std::string& name) {
  const auto at = fault.find(":" + name + "=");
  return at == std::string::npos ? -1 : std::atof(fault.c_str() + at + name.size() + 2);
}

void commit(const std::string& fault, int rank, std::int64_t step) {
  const std::string kind = fault.substr(0, fault.find(':'));
  if (kind == "slow") {
    std::this_thread::sleep_for(std::chrono::duration<double>(value_of(fault, "seconds")));
    return;
  }
  if (value_of(fault, "rank") != rank || value_of(fault, "step") != static_cast<double>(step)) {
    return;
  }
  if (kind == "kill") std::raise(SIGKILL);
  if (kind == "freeze") std::raise(SIGSTOP);
  if (kind == "usr1") std::raise(SIGUSR1);
  if (kind == "usr2") std::raise(SIGUSR2);
  if (kind == "throw") throw std::runtime_error("fault on purpose");
  if (kind == "memory") throw std::bad_alloc();
}

}  // namespace

void before_step(int rank, std::int64_t step) {
  const char* faults = std::getenv("MENSURA_TEST_FAULT");
  if (faults == nullptr) return;
  std::istringstream list(faults);
  for (std::string fault; std::getline(list, fault, ';');) commit(fault, rank, step);
}

}  // namespace mensura::run::fault
