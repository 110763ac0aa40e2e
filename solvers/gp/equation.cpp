// SPDX-License-Identifier: BSD-3-Clause
#include "gp/equation.hpp"

#include <algorithm>

#include "gp/equations.hpp"
#include "parallel/error.hpp"

namespace mensura::gp {

void Equation::initial_state(std::size_t, std::span<double> state) const {
  std::fill(state.begin(), state.end(), 0.0);
}

void Equation::begin_step(const parallel::Communicator&, double, double, std::span<const double>) {
  parallel::require(false, "an equation without time takes no time steps");
}

std::unique_ptr<Equation> make_equation(const EquationSpec& spec, int dimension) {
  switch (spec.name) {
    case EquationName::darcy_inverse:
      return std::make_unique<UnknownDiffusion>(spec, dimension);
    case EquationName::elliptic:
      if (spec.inverse && spec.inverse->unknown == Unknown::diffusion) {
        return std::make_unique<UnknownDiffusion>(spec, dimension);
      }
      return std::make_unique<Elliptic>(spec, dimension);
    case EquationName::burgers:
      return std::make_unique<Burgers>(spec);
    case EquationName::monge_ampere:
      return std::make_unique<MongeAmpere>(spec);
    case EquationName::eikonal:
      return std::make_unique<Eikonal>(spec, dimension);
  }
  return nullptr;
}

}  // namespace mensura::gp
