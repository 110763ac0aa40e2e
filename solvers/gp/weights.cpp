// SPDX-License-Identifier: BSD-3-Clause
#include "gp/weights.hpp"

namespace mensura::gp {

void allocate(FieldWeights& weights, const FunctionalKinds& kinds, int dimension,
              std::size_t rows) {
  const auto d = static_cast<std::size_t>(dimension);
  weights.value.assign(rows, 0.0);
  if (kinds.laplacian) weights.laplacian.assign(rows, 0.0);
  for (std::size_t a = 0; kinds.gradient && a < d; ++a) weights.gradient[a].assign(rows, 0.0);
  for (std::size_t e = 0; kinds.hessian && e < d * (d + 1) / 2; ++e) {
    weights.hessian[e].assign(rows, 0.0);
  }
}

void set_row(RowWeights& weights, std::size_t row, const Functional& functional) {
  each_kind(
      [&](std::vector<double>& column, const double& weight) {
        if (!column.empty()) column[row] = weight;
      },
      weights, functional);
}

bool is_row(const RowWeights& weights, std::size_t row, const Functional& functional) {
  bool same = true;
  each_kind(
      [&](const std::vector<double>& column, const double& weight) {
        same = same && (column.empty() ? 0.0 : column[row]) == weight;
      },
      weights, functional);
  return same;
}

}  // namespace mensura::gp
