// SPDX-License-Identifier: BSD-3-Clause
#include "gp/equations.hpp"
#include "gp/field.hpp"

namespace mensura::gp {

void Eikonal::prepare(const parallel::Communicator& comm, const EquationPoints& points) {
  source_ = evaluate(comm, spec_.source, points.fields());
}

Functional Eikonal::functional(std::size_t, int row) const {
  Functional f;
  if (row == 0) {
    f.value = 1;
  } else if (row <= dimension_) {
    f.gradient[static_cast<std::size_t>(row - 1)] = 1;
  } else {
    f.laplacian = 1;
  }
  return f;
}

double Eikonal::linearise(std::size_t point, std::span<const double> state,
                          std::span<double> weights) const {
  const auto d = static_cast<std::size_t>(dimension_);
  weights[0] = 0;
  weights[d + 1] = -spec_.viscosity;
  double residual = -spec_.viscosity * state[d + 1] - source_[point];
  for (std::size_t a = 1; a <= d; ++a) {
    weights[a] = 2 * state[a];
    residual += state[a] * state[a];
  }
  return residual;
}

}  // namespace mensura::gp
