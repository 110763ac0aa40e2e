// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace mensura::transport {

/// What is wrong with the formulas of a closing map in a dimension.
struct ClosingComplaint {
  std::optional<std::size_t> formula{};  ///< which of them; none: their number
  std::string text{};
};

/// Local. One formula for each axis, in its first `dimension` coordinates x, y, z. `name`: of a
/// marginal that has this dimension.
std::vector<ClosingComplaint> closing_complaints(const std::vector<std::string>& formulas,
                                                 const std::string& name, int dimension);

}  // namespace mensura::transport
