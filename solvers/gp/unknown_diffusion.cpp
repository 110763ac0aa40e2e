// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>

#include "gp/equations.hpp"
#include "gp/field.hpp"

namespace mensura::gp {

std::optional<SecondUnknown> UnknownDiffusion::second() const {
  return SecondUnknown{spec_.inverse->name,
                       second_row(),
                       {.gradient = true},
                       std::sqrt(prior_variance(spec_.inverse->prior))};
}

void UnknownDiffusion::prepare(const parallel::Communicator& comm, const EquationPoints& points) {
  source_ = evaluate(comm, spec_.source, points.fields());
}

Functional UnknownDiffusion::functional(std::size_t /*point*/, int row) const {
  Functional f;
  if (row == 0) {
    f.value = 1;
  } else if (row <= dimension_) {
    f.gradient[static_cast<std::size_t>(row - 1)] = 1;
  } else if (row < second_row()) {
    f.laplacian = 1;
  } else if (row == second_row()) {
    f.second.value = 1;
  } else {
    f.second.gradient[static_cast<std::size_t>(row - second_row() - 1)] = 1;
  }
  return f;
}

double UnknownDiffusion::linearise(std::size_t point, std::span<const double> state,
                                   std::span<double> weights) const {
  const auto d = static_cast<std::size_t>(dimension_);
  const std::size_t w = d + 2;
  const double below = std::pow(state[0], spec_.power - 1);
  const double resistance = std::exp(-state[w]);
  const double rest = (spec_.reaction * below * state[0] - source_[point]) * resistance;
  double flow = state[d + 1];
  for (std::size_t a = 1; a <= d; ++a) {
    flow += state[w + a] * state[a];
    weights[a] = -state[w + a];
    weights[w + a] = -state[a];
  }
  weights[0] = spec_.reaction * spec_.power * below * resistance;
  weights[d + 1] = -1;
  weights[w] = -rest;
  return rest - flow;
}

}  // namespace mensura::gp
