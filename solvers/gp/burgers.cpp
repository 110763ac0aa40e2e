// SPDX-License-Identifier: BSD-3-Clause
#include <array>

#include "gp/equations.hpp"
#include "gp/field.hpp"

namespace mensura::gp {

namespace {

// First and second derivative by central differences of order eight: weights for offsets 1 ... 4
// (Fornberg 1988, table 1); the centre's weight of the second derivative is -205/72.
constexpr std::array<double, 4> first_weights = {4.0 / 5, -1.0 / 5, 4.0 / 105, -1.0 / 280};
constexpr std::array<double, 4> second_weights = {8.0 / 5, -1.0 / 5, 8.0 / 315, -1.0 / 560};
constexpr double second_centre = -205.0 / 72;

}  // namespace

void Burgers::prepare(const parallel::Communicator& comm, const EquationPoints& points) {
  points_ = points;
  const std::size_t n = points.count();
  const auto values_at = [&](double shift) {
    std::vector<double> x(points.coordinates);
    for (double& value : x) value += shift;
    return evaluate(comm, spec_.initial, {1, x, points.rows, points.total, 0, points.own});
  };
  // 1e-2 of a unit interval balances truncation, (0.01)^8, and rounding, 1e-16 / (0.01)^2.
  constexpr double h = 1e-2;
  initial_.assign(n * 3, 0.0);
  const auto centre = values_at(0);
  for (std::size_t i = 0; i < n; ++i) {
    initial_[3 * i] = centre[i];
    initial_[3 * i + 2] = second_centre * centre[i] / (h * h);
  }
  for (std::size_t k = 0; k < 4; ++k) {
    const double shift = static_cast<double>(k + 1) * h;
    const auto right = values_at(shift);
    const auto left = values_at(-shift);
    for (std::size_t i = 0; i < n; ++i) {
      initial_[3 * i + 1] += first_weights[k] * (right[i] - left[i]) / h;
      initial_[3 * i + 2] += second_weights[k] * (right[i] + left[i]) / (h * h);
    }
  }
}

Functional Burgers::functional(std::size_t, int row) const {
  Functional f;
  if (row == 0) f.value = 1;
  if (row == 1) f.gradient[0] = 1;
  if (row == 2) f.hessian[0] = 1;
  return f;
}

void Burgers::initial_state(std::size_t point, std::span<double> state) const {
  for (std::size_t row = 0; row < 3; ++row) state[row] = initial_[3 * point + row];
}

void Burgers::begin_step(const parallel::Communicator& comm, double time, double step,
                         std::span<const double> state) {
  step_ = step;
  const std::size_t own = state.size() / 3;
  FieldPoints at = points_.fields();
  at.coordinates = at.coordinates.first(own);
  at.rows = at.rows.first(own);
  at.time = time + 0.5 * step;
  const auto source = evaluate(comm, spec_.source, at);
  known_.resize(own);
  for (std::size_t i = 0; i < own; ++i) {
    const double u = state[3 * i], u_x = state[3 * i + 1], u_xx = state[3 * i + 2];
    known_[i] = 2 / step * u - u * u_x + spec_.viscosity * u_xx + 2 * source[i];
  }
}

double Burgers::linearise(std::size_t point, std::span<const double> state,
                          std::span<double> weights) const {
  weights[0] = 2 / step_ + state[1];
  weights[1] = state[0];
  weights[2] = -spec_.viscosity;
  return 2 / step_ * state[0] + state[0] * state[1] - spec_.viscosity * state[2] - known_[point];
}

}  // namespace mensura::gp
