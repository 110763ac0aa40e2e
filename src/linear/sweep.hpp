// SPDX-License-Identifier: BSD-3-Clause
// The inner loops of the triangular solve. Private to this folder.
#pragma once

#include <petscsys.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "linear/lanes.hpp"
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

// Fetches a later unit into the second-level cache, a few lines at a time in between the work on
// this one: units follow each other in no order that the hardware could foresee, and asking for all
// lines at once would fill the queue that the work itself needs (measured: 1.5 times slower).
class Ahead {
 public:
  Ahead(const LocalRows& rows, const Unit& unit) noexcept {
    const auto& pattern = rows.pattern;
    // The rows of a pair are neighbours in storage, and the columns of the second are not read.
    const auto low = unit.second >= 0 ? std::min(unit.row, unit.second) : unit.row;
    const auto high = std::max(unit.row, unit.second);
    values_ = {rows.value + pattern.begin[low], rows.value + pattern.begin[high + 1]};
    columns_ = {pattern.column + pattern.begin[unit.row],
                pattern.column + pattern.begin[unit.row + 1]};
  }
  /// As much as eight entries of a pair take up.
  void step() noexcept {
    values_.step();
    values_.step();
    columns_.step();
  }
  void finish() noexcept {
    values_.finish();
    columns_.finish();
  }

 private:
  struct Stream {
    Stream() = default;
    Stream(const void* begin, const void* end) noexcept
        : next(static_cast<const char*>(begin)), last(static_cast<const char*>(end)) {}
    void step() noexcept {
      __builtin_prefetch(next, 0, 2);
      next = next + line < last ? next + line : last;
    }
    void finish() noexcept {
      for (; next < last; next += line) __builtin_prefetch(next, 0, 2);
    }
    const char* next = nullptr;
    const char* last = nullptr;
  };
  Stream values_, columns_;
};

// How many units to look ahead: one leaves too little time for a row to arrive.
constexpr std::size_t distance = 2;

// Entries per round of the inner loops. In a product partial sums, in a fixed order, hide the
// latency of the additions; in an update all loads may come before the stores, since the columns of
// a row differ. An unknown is one number, or Eight of as many right-hand sides.
constexpr std::size_t block = 8;
constexpr std::size_t lanes = 4;
template <class Unknown>
using Sums = std::array<Unknown, lanes>;

template <class Unknown>
Unknown total(const Sums<Unknown>& sum) noexcept {
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

[[gnu::always_inline]] inline void add(double& sum, double value, double unknown) noexcept {
  sum += value * unknown;
}
[[gnu::always_inline]] inline void add(Eight& sum, double value, const Eight& unknown) noexcept {
  sum = fused(all(value), unknown, sum);
}

template <class Unknown>
Unknown dot(const double* value, const PetscInt* column, std::size_t entries, const Unknown* y,
            Ahead& ahead) noexcept {
  Sums<Unknown> sum{};
  std::size_t k = 0;
  for (; k + block <= entries; k += block) {
    ahead.step();
    for (std::size_t l = 0; l < block; ++l) add(sum[l % lanes], value[k + l], y[column[k + l]]);
  }
  for (; k < entries; ++k) add(sum[0], value[k], y[column[k]]);
  return total(sum);
}

template <class Unknown>
struct Two {
  Unknown first{}, second{};
};

template <class Unknown>
Two<Unknown> dot(const double* first, const double* second, const PetscInt* column,
                 std::size_t entries, const Unknown* y, Ahead& ahead) noexcept {
  Sums<Unknown> a{}, b{};
  std::size_t k = 0;
  for (; k + block <= entries; k += block) {
    ahead.step();
    for (std::size_t l = 0; l < block; ++l) {
      const Unknown unknown = y[column[k + l]];
      add(a[l % lanes], first[k + l], unknown);
      add(b[l % lanes], second[k + l], unknown);
    }
  }
  for (; k < entries; ++k) {
    add(a[0], first[k], y[column[k]]);
    add(b[0], second[k], y[column[k]]);
  }
  return {total(a), total(b)};
}

template <class Unknown>
void subtract(const double* value, const PetscInt* column, std::size_t entries, const Unknown& x,
              Unknown* y, Ahead& ahead) noexcept {
  std::size_t k = 0;
  for (; k + block <= entries; k += block) {
    ahead.step();
    std::array<Unknown, block> next;
    for (std::size_t l = 0; l < block; ++l) next[l] = y[column[k + l]] - value[k + l] * x;
    for (std::size_t l = 0; l < block; ++l) y[column[k + l]] = next[l];
  }
  for (; k < entries; ++k) y[column[k]] = y[column[k]] - value[k] * x;
}

template <class Unknown>
void subtract(const double* first, const double* second, const PetscInt* column,
              std::size_t entries, const Two<Unknown>& x, Unknown* y, Ahead& ahead) noexcept {
  std::size_t k = 0;
  for (; k + block <= entries; k += block) {
    ahead.step();
    std::array<Unknown, block> next;
    for (std::size_t l = 0; l < block; ++l) {
      next[l] = y[column[k + l]] - (first[k + l] * x.first + second[k + l] * x.second);
    }
    for (std::size_t l = 0; l < block; ++l) y[column[k + l]] = next[l];
  }
  for (; k < entries; ++k) {
    y[column[k]] = y[column[k]] - (first[k] * x.first + second[k] * x.second);
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

[[gnu::always_inline]] inline double over(double sum, double diagonal) noexcept {
  return sum / diagonal;
}
[[gnu::always_inline]] inline Eight over(const Eight& sum, double diagonal) noexcept {
  return (1 / diagonal) * sum;
}

template <class Unknown>
void forward(const Place& at, const Unit& unit, const Unknown* b, Unknown* y, const Unknown* ghosts,
             Ahead& ahead) noexcept {
  const auto rest = at.before + 1;
  if (unit.second < 0) {
    Unknown sum = dot(at.first, at.column, at.before, y, ahead) +
                  dot(at.first + rest, at.column + rest, at.after, y, ahead);
    if (at.ghosts > 0) sum = sum + dot(at.ghost_first, at.ghost_column, at.ghosts, ghosts, ahead);
    y[unit.row] = over(b[unit.row] - sum, at.first[at.before]);
    return;
  }
  const Two<Unknown> head = dot(at.first, at.second, at.column, at.before, y, ahead);
  const Two<Unknown> tail =
      dot(at.first + rest, at.second + rest + 1, at.column + rest, at.after, y, ahead);
  Two<Unknown> sum{head.first + tail.first, head.second + tail.second};
  if (at.ghosts > 0) {
    const Two<Unknown> far =
        dot(at.ghost_first, at.ghost_second, at.ghost_column, at.ghosts, ghosts, ahead);
    sum = {sum.first + far.first, sum.second + far.second};
  }
  const Unknown first = over(b[unit.row] - sum.first, at.first[at.before]);
  y[unit.row] = first;
  y[unit.second] =
      over(b[unit.second] - sum.second - at.second[at.of_first] * first, at.second[at.of_second]);
}

template <class Unknown>
void backward(const Place& at, const Unit& unit, Unknown* y, Unknown* ghosts,
              Ahead& ahead) noexcept {
  const auto rest = at.before + 1;
  if (unit.second < 0) {
    const Unknown x = over(y[unit.row], at.first[at.before]);
    y[unit.row] = x;
    subtract(at.first, at.column, at.before, x, y, ahead);
    subtract(at.first + rest, at.column + rest, at.after, x, y, ahead);
    subtract(at.ghost_first, at.ghost_column, at.ghosts, x, ghosts, ahead);
    return;
  }
  Two<Unknown> x;
  x.second = over(y[unit.second], at.second[at.of_second]);
  x.first = over(y[unit.row] - at.second[at.of_first] * x.second, at.first[at.before]);
  y[unit.second] = x.second;
  y[unit.row] = x.first;
  subtract(at.first, at.second, at.column, at.before, x, y, ahead);
  subtract(at.first + rest, at.second + rest + 1, at.column + rest, at.after, x, y, ahead);
  subtract(at.ghost_first, at.ghost_second, at.ghost_column, at.ghosts, x, ghosts, ahead);
}

}  // namespace sweep

/// Local. Rows of L y = b for the units in order; `y` may be `b`.
template <class Unknown>
void sweep_forward(const LocalRows& rows, std::span<const Unit> units, const Unknown* b, Unknown* y,
                   const Unknown* ghosts) noexcept {
  for (std::size_t i = 0; i < units.size(); ++i) {
    sweep::Ahead ahead(rows, units[std::min(i + sweep::distance, units.size() - 1)]);
    sweep::forward(sweep::locate(rows, units[i]), units[i], b, y, ghosts, ahead);
    ahead.finish();
  }
}

/// Local. Rows of L' x = b for the units in reverse: y holds b minus what is known so far and
/// becomes x; what the rows subtract from ghosts is added up in `ghosts`.
template <class Unknown>
void sweep_backward(const LocalRows& rows, std::span<const Unit> units, Unknown* y,
                    Unknown* ghosts) noexcept {
  for (std::size_t i = units.size(); i-- > 0;) {
    sweep::Ahead ahead(rows, units[i - std::min(i, sweep::distance)]);
    sweep::backward(sweep::locate(rows, units[i]), units[i], y, ghosts, ahead);
    ahead.finish();
  }
}

}  // namespace mensura::linear
