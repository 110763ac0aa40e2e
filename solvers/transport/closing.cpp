// SPDX-License-Identifier: BSD-3-Clause
#include "transport/closing.hpp"

#include <fmt/format.h>

#include "input/expression.hpp"

namespace mensura::transport {

std::vector<ClosingComplaint> closing_complaints(const std::vector<std::string>& formulas,
                                                 const std::string& name, int dimension) {
  if (std::ssize(formulas) != dimension) {
    return {{std::nullopt,
             fmt::format("found {} formula{} and '{}' has dimension {}; expected one for each axis",
                         formulas.size(), formulas.size() == 1 ? "" : "s", name, dimension)}};
  }
  static const std::vector<std::string> axes = {"x", "y", "z"};
  std::vector<ClosingComplaint> result;
  for (std::size_t i = 0; i < formulas.size(); ++i) {
    const input::Expression formula(formulas[i], axes);
    for (auto a = static_cast<std::size_t>(dimension); a < axes.size(); ++a) {
      if (!formula.uses(axes[a])) continue;
      result.push_back(
          {i, fmt::format("found {} and '{}' has dimension {}; expected {}", axes[a], name,
                          dimension, dimension == 1 ? "x only" : "x and y only")});
    }
  }
  return result;
}

}  // namespace mensura::transport
