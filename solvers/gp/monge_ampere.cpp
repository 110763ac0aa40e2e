// SPDX-License-Identifier: BSD-3-Clause
#include "gp/equations.hpp"
#include "gp/field.hpp"

namespace mensura::gp {

void MongeAmpere::prepare(const parallel::Communicator& comm, const EquationPoints& points) {
  source_ = evaluate(comm, spec_.source, points.fields());
  require_positive(comm, spec_.source, points.fields(), source_,
                   "the source must be positive at every interior point, or there is no convex "
                   "solution");
}

Functional MongeAmpere::functional(std::size_t, int row) const {
  Functional f;
  if (row == 0) {
    f.value = 1;
  } else {
    f.hessian[static_cast<std::size_t>(row - 1)] = 1;  // xx, xy, yy
  }
  return f;
}

void MongeAmpere::initial_state(std::size_t, std::span<double> state) const {
  state[0] = 0;
  state[1] = 1, state[2] = 0, state[3] = 1;  // a convex start keeps the linearisation elliptic
}

double MongeAmpere::linearise(std::size_t point, std::span<const double> state,
                              std::span<double> weights) const {
  weights[0] = 0;
  weights[1] = state[3];
  weights[2] = -2 * state[2];
  weights[3] = state[1];
  return state[1] * state[3] - state[2] * state[2] - source_[point];
}

}  // namespace mensura::gp
