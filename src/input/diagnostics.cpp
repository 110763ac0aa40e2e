// SPDX-License-Identifier: BSD-3-Clause
#include "input/diagnostics.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

#include "parallel/error.hpp"

namespace mensura::input {
namespace {

// Optimal string alignment distance: insertions, deletions, substitutions and exchanges of
// neighbours cost one each.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = a[i - 1] == b[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return result;
}

}  // namespace

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  // Longer words than any key of a table need no comparison; the bound also keeps the cost small.
  if (word.size() > 64) return {};
  for (const std::string& candidate : candidates) {
    if (lower(candidate) == lower(word)) return candidate;
  }
  std::string best;
  std::size_t best_distance = 3;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > 64) continue;
    const std::size_t found = distance(word, candidate);
    if (2 * found >= std::max(word.size(), candidate.size()) || found >= best_distance) continue;
    best = candidate;
    best_distance = found;
  }
  if (!best.empty() || word.size() < 3) return best;
  // A word cut short or drawn out: euclid for euclidean.
  const auto related = [&](const std::string& candidate) {
    return candidate.size() >= 3 && (candidate.starts_with(word) || word.starts_with(candidate));
  };
  const auto found = std::find_if(candidates.begin(), candidates.end(), related);
  return found == candidates.end() ? best : *found;
}

std::string suggestion(std::string_view word, const std::vector<std::string>& candidates) {
  const std::string best = nearest(word, candidates);
  return best.empty() ? std::string{} : fmt::format("; did you mean '{}'?", best);
}

std::string quote(std::string_view text) {
  std::string result = "'";
  std::size_t length = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const bool continuation = (byte & 0xC0U) == 0x80U;
    if (!continuation && ++length > 60) {
      result += "...";
      break;
    }
    if (byte == '\n') {
      result += "\\n";
    } else if (byte < 0x20 || byte == 0x7F) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += text[i];
    }
  }
  return result + "'";
}

std::string Mark::text() const {
  return line > 0 ? fmt::format("{}:{}:{}", source, line, column) : source;
}

void Diagnostics::error(const Node& node, const std::string& text) {
  error(node.mark(), node.key_path(), text);
}

void Diagnostics::error(const Mark& mark, const std::string& key_path, const std::string& text) {
  const std::string where = key_path.empty() ? std::string{} : key_path + ": ";
  errors_.push_back({mark, fmt::format("{}: {}{}", mark.text(), where, text)});
}

void Diagnostics::unknown_name(const Node& node, const std::string& found, const std::string& what,
                               const std::vector<std::string>& candidates) {
  error(node, fmt::format("found {}; expected {} ({}){}", quote(found), what,
                          fmt::join(candidates, ", "), suggestion(found, candidates)));
}

std::string Diagnostics::text() const {
  std::vector<Entry> sorted = errors_;
  // Positions in the file first, overrides after them in their order.
  std::stable_sort(sorted.begin(), sorted.end(), [](const Entry& a, const Entry& b) {
    return std::tuple(a.mark.line == 0, a.mark.line, a.mark.column) <
           std::tuple(b.mark.line == 0, b.mark.line, b.mark.column);
  });
  std::string result;
  for (const Entry& entry : sorted) result += entry.line + "\n";
  const std::size_t number = errors_.size();
  return result +
         fmt::format("{} error{} in {}; nothing was run", number, number == 1 ? "" : "s", deck_);
}

void Diagnostics::finish() const {
  if (!empty()) throw parallel::Error(parallel::ExitCode::usage, text());
}

}  // namespace mensura::input
