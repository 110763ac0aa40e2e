// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "gp/equation.hpp"
#include "gp/pattern.hpp"
#include "gp/rows.hpp"

namespace mensura::gp {

/// What the single row of a boundary or data point measures, by the point's global id.
using MeasuredFunctional = std::function<Functional(std::uint64_t id)>;

/// Local. The value of u.
Functional value_of_u();
/// Local. The value of the second unknown.
Functional value_of_second();

/// Local. The weights of all local rows: the state rows of the equation, prepared at the interior
/// points of the pattern in their order there, and one row for every other point.
/// `measured_kinds`: weights that those have, of u and of the second unknown.
RowWeights equation_rows(const Pattern& pattern, const RowLayout& layout, const Equation& equation,
                         const MeasuredFunctional& measured,
                         const std::array<FunctionalKinds, 2>& measured_kinds = {});

}  // namespace mensura::gp
