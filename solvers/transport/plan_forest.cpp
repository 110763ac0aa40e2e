// SPDX-License-Identifier: BSD-3-Clause
#include "transport/plan_forest.hpp"

#include <algorithm>

namespace mensura::transport {

namespace {

// The pairs at every node, rows before columns.
struct Incidence {
  std::vector<std::size_t> starts, pairs;
};

Incidence incidence_of(std::span<const PairArc> forest, std::size_t rows, std::size_t columns) {
  Incidence result;
  result.starts.assign(rows + columns + 1, 0);
  for (const PairArc& pair : forest) {
    ++result.starts[pair.row + 1];
    ++result.starts[rows + pair.column + 1];
  }
  for (std::size_t k = 1; k < result.starts.size(); ++k) result.starts[k] += result.starts[k - 1];
  std::vector<std::size_t> next(result.starts.begin(), result.starts.end() - 1);
  result.pairs.resize(2 * forest.size());
  for (std::size_t k = 0; k < forest.size(); ++k) {
    result.pairs[next[forest[k].row]++] = k;
    result.pairs[next[rows + forest[k].column]++] = k;
  }
  return result;
}

}  // namespace

std::vector<double> plan_on_forest(std::span<const PairArc> forest,
                                   const std::vector<double>& row_mass,
                                   const std::vector<double>& column_mass) {
  const std::size_t rows = row_mass.size();
  const Incidence at = incidence_of(forest, rows, column_mass.size());
  std::vector<long double> left(row_mass.begin(), row_mass.end());
  left.insert(left.end(), column_mass.begin(), column_mass.end());
  std::vector<std::size_t> degree(left.size()), leaves;
  for (std::size_t node = 0; node < left.size(); ++node) {
    degree[node] = at.starts[node + 1] - at.starts[node];
    if (degree[node] == 1) leaves.push_back(node);
  }
  std::vector<double> values(forest.size(), 0.0);
  std::vector<char> known(forest.size(), 0);
  for (std::size_t l = 0; l < leaves.size(); ++l) {
    const std::size_t leaf = leaves[l];
    for (std::size_t k = at.starts[leaf]; k < at.starts[leaf + 1]; ++k) {
      const std::size_t pair = at.pairs[k];
      if (known[pair] != 0) continue;
      known[pair] = 1;
      const std::size_t row = forest[pair].row, column = rows + forest[pair].column;
      const std::size_t other = leaf == row ? column : row;
      const long double value = std::max(0.0L, std::min(left[leaf], left[other]));
      values[pair] = static_cast<double>(value);
      left[leaf] -= value;
      left[other] -= value;
      if (--degree[other] == 1) leaves.push_back(other);
    }
  }
  return values;
}

}  // namespace mensura::transport
