// SPDX-License-Identifier: BSD-3-Clause
#include "output/history.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace mensura::output {

namespace {

std::optional<double> number_of(const Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value.data())) {
    return static_cast<double>(*integer);
  }
  if (const auto* real = std::get_if<double>(&value.data())) return *real;
  return std::nullopt;
}

}  // namespace

void write_history(File& file, const Record& record) {
  file.group("/history");
  const Value* history = record.root.find("history");
  const auto* steps = history == nullptr ? nullptr : std::get_if<Value::Array>(&history->data());
  if (steps == nullptr) return;
  std::vector<std::pair<std::string, std::vector<double>>> columns;
  for (std::size_t step = 0; step < steps->size(); ++step) {
    const auto* entry = std::get_if<Value::Object>(&(*steps)[step].data());
    if (entry == nullptr) continue;
    for (const auto& [key, value] : *entry) {
      const auto number = number_of(value);
      if (!number) continue;
      auto column = std::find_if(columns.begin(), columns.end(),
                                 [&](const auto& candidate) { return candidate.first == key; });
      if (column == columns.end()) {
        columns.emplace_back(
            key, std::vector<double>(steps->size(), std::numeric_limits<double>::quiet_NaN()));
        column = columns.end() - 1;
      }
      column->second[step] = *number;
    }
  }
  for (const auto& [key, values] : columns) {
    file.replicated("/history/" + key, values,
                    {key == "seconds" ? "s" : "1", "one entry per step"});
  }
}

}  // namespace mensura::output
