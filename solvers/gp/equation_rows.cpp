// SPDX-License-Identifier: BSD-3-Clause
#include "gp/equation_rows.hpp"

namespace mensura::gp {

Functional value_of_u() {
  return {.value = 1};
}

Functional value_of_second() {
  return {.second = {.value = 1}};
}

RowWeights equation_rows(const Pattern& pattern, const RowLayout& layout, const Equation& equation,
                         const MeasuredFunctional& measured,
                         const std::array<FunctionalKinds, 2>& measured_kinds) {
  const auto rows = static_cast<std::size_t>(layout.local());
  RowWeights weights;
  const auto joined = [](const FunctionalKinds& a, const FunctionalKinds& b) {
    return FunctionalKinds{a.laplacian || b.laplacian, a.gradient || b.gradient,
                           a.hessian || b.hessian};
  };
  allocate(weights, joined(equation.kinds(), measured_kinds[0]), pattern.dimension, rows);
  if (const auto second = equation.second()) {
    allocate(weights.second, joined(second->kinds, measured_kinds[1]), pattern.dimension, rows);
  }
  std::size_t interior = 0;
  for (std::size_t p = 0; p < pattern.ids.size(); ++p) {
    const auto first = static_cast<std::size_t>(layout.first[p]);
    if (pattern.kind(p) != PointKind::interior) {
      set_row(weights, first, measured(pattern.ids[p]));
      continue;
    }
    for (int r = 0; r < equation.state_rows(); ++r) {
      set_row(weights, first + static_cast<std::size_t>(r), equation.functional(interior, r));
    }
    ++interior;
  }
  return weights;
}

}  // namespace mensura::gp
