// SPDX-License-Identifier: BSD-3-Clause
#include <cmath>

#include "gp/equations.hpp"
#include "gp/field.hpp"
#include "input/expression.hpp"

namespace mensura::gp {

namespace {

// One number for the whole domain: the formula has no variable.
bool is_constant(const FieldSpec& field) {
  if (field.file) return false;
  const input::Expression expression(field.expression);
  for (const auto& variable : expression.variables()) {
    if (expression.uses(variable)) return false;
  }
  return true;
}

}  // namespace

bool Elliptic::constant_diffusion() const {
  return is_constant(spec_.diffusion);
}

FunctionalKinds Elliptic::kinds() const {
  // A constant coefficient needs no gradient, and the kernel blocks are cheaper without.
  return {.laplacian = true, .gradient = !constant_diffusion()};
}

std::optional<SecondUnknown> Elliptic::second() const {
  if (!spec_.inverse) return std::nullopt;
  return SecondUnknown{spec_.inverse->name, 2, {}, std::sqrt(prior_variance(spec_.inverse->prior))};
}

bool Elliptic::linear() const {
  if (unknown(Unknown::reaction)) return false;
  return spec_.power == 1 || spec_.reaction == 0;
}

void Elliptic::prepare(const parallel::Communicator& comm, const EquationPoints& points) {
  const auto d = static_cast<std::size_t>(dimension_);
  const FieldPoints at = points.fields();
  diffusion_ = evaluate(comm, spec_.diffusion, at);
  require_positive(comm, spec_.diffusion, at, diffusion_,
                   "the diffusion must be positive in the whole domain");
  if (!constant_diffusion()) {
    if (spec_.diffusion_gradient.empty()) {
      gradient_ = evaluate_gradient(comm, spec_.diffusion, at);
    } else {
      gradient_.resize(points.count() * d);
      for (std::size_t a = 0; a < d; ++a) {
        const auto component = evaluate(comm, spec_.diffusion_gradient[a], at);
        for (std::size_t i = 0; i < component.size(); ++i) gradient_[i * d + a] = component[i];
      }
    }
  }
  if (!spec_.manufactured) {
    if (!unknown(Unknown::source)) source_ = evaluate(comm, spec_.source, at);
    return;
  }
  // The source that makes the series the solution.
  const std::size_t n = points.count();
  std::vector<double> u(n), grad(constant_diffusion() ? 0 : n * d), laplacian(n);
  sine_series(*spec_.manufactured, dimension_, points.coordinates, u, grad, laplacian);
  source_.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    source_[i] = -diffusion_[i] * laplacian[i] + spec_.reaction * std::pow(u[i], spec_.power);
    for (std::size_t a = 0; a < d && !grad.empty(); ++a) {
      source_[i] -= gradient_[i * d + a] * grad[i * d + a];
    }
  }
}

Functional Elliptic::functional(std::size_t point, int row) const {
  Functional f;
  if (row == 0) {
    f.value = 1;
    return f;
  }
  if (row == 2) {
    f.second.value = 1;
    return f;
  }
  f.laplacian = -diffusion_[point];
  const auto d = static_cast<std::size_t>(dimension_);
  for (std::size_t a = 0; a < d && !gradient_.empty(); ++a) {
    f.gradient[a] = -gradient_[point * d + a];
  }
  return f;
}

double Elliptic::linearise(std::size_t point, std::span<const double> state,
                           std::span<double> weights) const {
  const double below = std::pow(state[0], spec_.power - 1), power = below * state[0];
  const double reaction = unknown(Unknown::reaction) ? state[2] : spec_.reaction;
  weights[0] = reaction * spec_.power * below;
  weights[1] = 1;
  if (unknown(Unknown::source)) {
    weights[2] = -1;
    return state[1] + reaction * power - state[2];
  }
  if (unknown(Unknown::reaction)) weights[2] = power;
  return state[1] + reaction * power - source_[point];
}

}  // namespace mensura::gp
