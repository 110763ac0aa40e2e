// SPDX-License-Identifier: BSD-3-Clause
// The inner loops of the triangular solve. Private to this folder.
#pragma once

#include <petscsys.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "linear/schedule.hpp"

namespace mensura::linear {

/// The structure of this rank's rows with the values of the moment.
struct LocalRows {
  LocalPattern pattern;
  const double* value = nullptr;        ///< as pattern.column
  const double* ghost_value = nullptr;  ///< as pattern.ghost_column
};

namespace sweep {

constexpr std::size_t line = 64;  // bytes of a cache line

// Rows follow each other in no order that the hardware could foresee, so that each would begin with
// a wait for memory: fetch the next one while this one is worked on.
inline void prefetch(const void* begin, std::size_t bytes) noexcept {
  const auto* address = static_cast<const char*>(begin);
  for (std::size_t i = 0; i < bytes; i += line) __builtin_prefetch(address + i, 0, 2);
}

inline void prefetch_row(const LocalRows& rows, std::int32_t row, bool columns) noexcept {
  const auto begin = rows.pattern.begin[row];
  const auto entries = static_cast<std::size_t>(rows.pattern.begin[row + 1] - begin);
  prefetch(rows.value + begin, entries * sizeof(double));
  if (columns) prefetch(rows.pattern.column + begin, entries * sizeof(PetscInt));
}

inline void prefetch_unit(const LocalRows& rows, const Unit& unit) noexcept {
  prefetch_row(rows, unit.row, true);
  if (unit.second >= 0) prefetch_row(rows, unit.second, false);
}

// Independent partial sums hide the latency of the additions; their order is fixed.
constexpr std::size_t lanes = 4;

inline double dot(const double* value, const PetscInt* column, std::size_t entries,
                  const double* y) noexcept {
  std::array<double, lanes> sum{};
  std::size_t k = 0;
  for (; k + lanes <= entries; k += lanes) {
    for (std::size_t l = 0; l < lanes; ++l) sum[l] += value[k + l] * y[column[k + l]];
  }
  for (; k < entries; ++k) sum[0] += value[k] * y[column[k]];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

struct Two {
  double first = 0, second = 0;
};

inline Two dot(const double* first, const double* second, const PetscInt* column,
               std::size_t entries, const double* y) noexcept {
  std::array<double, lanes> a{}, b{};
  std::size_t k = 0;
  for (; k + lanes <= entries; k += lanes) {
    for (std::size_t l = 0; l < lanes; ++l) {
      const double unknown = y[column[k + l]];
      a[l] += first[k + l] * unknown;
      b[l] += second[k + l] * unknown;
    }
  }
  for (; k < entries; ++k) {
    a[0] += first[k] * y[column[k]];
    b[0] += second[k] * y[column[k]];
  }
  return {(a[0] + a[1]) + (a[2] + a[3]), (b[0] + b[1]) + (b[2] + b[3])};
}

inline void subtract(const double* value, const PetscInt* column, std::size_t entries, double x,
                     double* y) noexcept {
  for (std::size_t k = 0; k < entries; ++k) y[column[k]] -= value[k] * x;
}

inline void subtract(const double* first, const double* second, const PetscInt* column,
                     std::size_t entries, Two x, double* y) noexcept {
  for (std::size_t k = 0; k < entries; ++k) {
    y[column[k]] -= first[k] * x.first + second[k] * x.second;
  }
}

/// Where the parts of a unit's rows lie: `before` entries, the own ones, `after` entries.
struct Place {
  std::size_t before, after;
  const PetscInt* column;           ///< of the first row; its diagonal is column[before]
  const double* first;              ///< values of the first row
  const double* second;             ///< of the second row; own ones at [before] and [before + 1]
  std::size_t of_first, of_second;  ///< places of the two own columns among the second row's values
  const PetscInt* ghost_column;
  const double* ghost_first;
  const double* ghost_second;
  std::size_t ghosts;
};

inline Place locate(const LocalRows& rows, const Unit& unit) noexcept {
  const auto& pattern = rows.pattern;
  const auto begin = pattern.begin[unit.row];
  Place place{};
  place.before = static_cast<std::size_t>(unit.diagonal);
  place.after = static_cast<std::size_t>(pattern.begin[unit.row + 1] - begin) - place.before - 1;
  place.column = pattern.column + begin;
  place.first = rows.value + begin;
  if (pattern.ghost_begin != nullptr) {
    const auto ghost = pattern.ghost_begin[unit.row];
    place.ghosts = static_cast<std::size_t>(pattern.ghost_begin[unit.row + 1] - ghost);
    place.ghost_column = pattern.ghost_column + ghost;
    place.ghost_first = rows.ghost_value + ghost;
  }
  if (unit.second < 0) return place;
  place.second = rows.value + pattern.begin[unit.second];
  place.of_first = place.before + (unit.second < unit.row ? 1 : 0);
  place.of_second = place.before + (unit.second < unit.row ? 0 : 1);
  if (place.ghosts > 0) place.ghost_second = rows.ghost_value + pattern.ghost_begin[unit.second];
  return place;
}

inline void forward(const Place& at, const Unit& unit, const double* b, double* y,
                    const double* ghosts) noexcept {
  const auto rest = at.before + 1;
  if (unit.second < 0) {
    double sum = dot(at.first, at.column, at.before, y) +
                 dot(at.first + rest, at.column + rest, at.after, y);
    if (at.ghosts > 0) sum += dot(at.ghost_first, at.ghost_column, at.ghosts, ghosts);
    y[unit.row] = (b[unit.row] - sum) / at.first[at.before];
    return;
  }
  const Two head = dot(at.first, at.second, at.column, at.before, y);
  const Two tail = dot(at.first + rest, at.second + rest + 1, at.column + rest, at.after, y);
  Two sum{head.first + tail.first, head.second + tail.second};
  if (at.ghosts > 0) {
    const Two far = dot(at.ghost_first, at.ghost_second, at.ghost_column, at.ghosts, ghosts);
    sum = {sum.first + far.first, sum.second + far.second};
  }
  const double first = (b[unit.row] - sum.first) / at.first[at.before];
  y[unit.row] = first;
  y[unit.second] =
      (b[unit.second] - sum.second - at.second[at.of_first] * first) / at.second[at.of_second];
}

inline void backward(const Place& at, const Unit& unit, double* y, double* ghosts) noexcept {
  const auto rest = at.before + 1;
  if (unit.second < 0) {
    const double x = y[unit.row] / at.first[at.before];
    y[unit.row] = x;
    subtract(at.first, at.column, at.before, x, y);
    subtract(at.first + rest, at.column + rest, at.after, x, y);
    subtract(at.ghost_first, at.ghost_column, at.ghosts, x, ghosts);
    return;
  }
  Two x;
  x.second = y[unit.second] / at.second[at.of_second];
  x.first = (y[unit.row] - at.second[at.of_first] * x.second) / at.first[at.before];
  y[unit.second] = x.second;
  y[unit.row] = x.first;
  subtract(at.first, at.second, at.column, at.before, x, y);
  subtract(at.first + rest, at.second + rest + 1, at.column + rest, at.after, x, y);
  subtract(at.ghost_first, at.ghost_second, at.ghost_column, at.ghosts, x, ghosts);
}

}  // namespace sweep

/// Local. Rows of L y = b for the units in order; `y` may be `b`.
inline void sweep_forward(const LocalRows& rows, std::span<const Unit> units, const double* b,
                          double* y, const double* ghosts) noexcept {
  for (std::size_t i = 0; i < units.size(); ++i) {
    if (i + 1 < units.size()) sweep::prefetch_unit(rows, units[i + 1]);
    sweep::forward(sweep::locate(rows, units[i]), units[i], b, y, ghosts);
  }
}

/// Local. Rows of L' x = b for the units in reverse: y holds b minus what is known so far and
/// becomes x; what the rows subtract from ghosts is added up in `ghosts`.
inline void sweep_backward(const LocalRows& rows, std::span<const Unit> units, double* y,
                           double* ghosts) noexcept {
  for (std::size_t i = units.size(); i-- > 0;) {
    if (i > 0) sweep::prefetch_unit(rows, units[i - 1]);
    sweep::backward(sweep::locate(rows, units[i]), units[i], y, ghosts);
  }
}

}  // namespace mensura::linear
