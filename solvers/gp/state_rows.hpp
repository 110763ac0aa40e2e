// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <span>

#include "gp/kernel.hpp"
#include "gp/pattern.hpp"
#include "gp/rows.hpp"

namespace mensura::gp {

/// What a state is made of: its points, their functionals and the prior. Everything that is
/// referred to outlives its user.
struct StateRows {
  const Pattern& pattern;
  const RowLayout& layout;
  const RowWeights& weights;
  Prior prior;
  double nugget = 0;                   ///< relative to every diagonal entry
  std::span<const double> axis_scale;  ///< powers of two that make the axes comparable
};

}  // namespace mensura::gp
