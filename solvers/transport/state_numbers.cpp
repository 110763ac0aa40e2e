// SPDX-License-Identifier: BSD-3-Clause
#include "transport/state_numbers.hpp"

namespace mensura::transport {

std::vector<double> packed(std::vector<StageReport> stages) {
  StateNumbers numbers;
  numbers.list(stages, [&](StageReport& stage) { visit(numbers, stage); });
  return numbers.values();
}

std::vector<StageReport> unpacked(std::vector<double> values) {
  StateNumbers numbers(std::move(values));
  std::vector<StageReport> stages;
  numbers.list(stages, [&](StageReport& stage) { visit(numbers, stage); });
  return stages;
}

}  // namespace mensura::transport
