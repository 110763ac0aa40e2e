// SPDX-License-Identifier: BSD-3-Clause
// How fields given as formulas are evaluated and complained about; of concern to fields only.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "gp/field.hpp"
#include "input/expression.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// A formula on points of the problem's dimension, evaluated a piece at a time.
class Formula {
 public:
  static constexpr std::size_t piece = 1024;  ///< points: their columns stay in the cache

  /// Throws Error{usage} for a formula that does not read, or that uses an axis which the points
  /// do not have.
  Formula(const FieldSpec& field, int dimension);

  /// Local. Takes up to `piece` row-major points.
  void load(std::span<const double> coordinates, double time);
  /// Local. Values at the loaded points, moved by `shift` along `axis`.
  void evaluate(std::span<double> values, int axis = 0, double shift = 0);

 private:
  input::Expression expression_;
  std::size_t dimension_;
  std::size_t points_ = 0;
  double time_ = 0;
  std::array<std::vector<double>, 3> columns_;
  std::vector<double> shifted_;
};

/// Collective. Does nothing when no rank has an own point in `bad` (local numbers); otherwise
/// throws Error{input_data} on all ranks with the text for the bad point whose coordinates come
/// first in lexicographic order, which is the same on any number of ranks. `text` gets the local
/// number of that point and how many bad points there are.
void refuse_first(const parallel::Communicator& comm, const FieldPoints& points,
                  std::span<const std::size_t> bad,
                  const std::function<std::string(std::size_t, std::int64_t)>& text);

/// Local. "at (0.5, 1)", and the time where there is one.
std::string place_text(const FieldPoints& points, std::size_t point);
/// Local. "NaN", "Inf", "-Inf" or the number.
std::string value_text(double value);
/// Local. "deck.yaml:7:11: equation.source: the formula 'x'", or "...: source.h5:/f".
std::string subject_text(const FieldSpec& field);

}  // namespace mensura::gp
