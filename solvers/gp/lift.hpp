// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <span>

#include "gp/rows.hpp"

namespace mensura::gp {

/// Local. rows = S points: every row takes its point's number times its entry of `lift`. Numbers
/// are doubles or linear::Eight; `points`: own points, `rows`: their rows.
template <class Number>
void lift_to_rows(const RowLayout& layout, std::span<const double> lift, const Number* points,
                  std::size_t count, Number* rows) {
  for (std::size_t p = 0; p < count; ++p) {
    for (auto r = static_cast<std::size_t>(layout.first[p]);
         r < static_cast<std::size_t>(layout.first[p + 1]); ++r) {
      rows[r] = lift[r] * points[p];
    }
  }
}

/// Local. points = S' rows: the sum over a point's rows of `lift` times the row's number.
template <class Number>
void restrict_to_points(const RowLayout& layout, std::span<const double> lift, const Number* rows,
                        std::size_t count, Number* points) {
  for (std::size_t p = 0; p < count; ++p) {
    Number sum{};
    for (auto r = static_cast<std::size_t>(layout.first[p]);
         r < static_cast<std::size_t>(layout.first[p + 1]); ++r) {
      sum = sum + lift[r] * rows[r];
    }
    points[p] = sum;
  }
}

}  // namespace mensura::gp
