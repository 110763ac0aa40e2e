// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gp/field.hpp"
#include "gp/problem.hpp"
#include "gp/weights.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// Interior points for an equation: this rank's own, then ghosts.
struct EquationPoints {
  int dimension = 0;
  std::vector<double> coordinates;  ///< row-major
  std::vector<std::uint64_t> rows;  ///< row in the list of interior points
  std::int64_t total = 0;           ///< interior points over all ranks
  std::size_t own = 0;              ///< the first ones are this rank's own
  std::size_t count() const noexcept { return rows.size(); }
  FieldPoints fields() const { return {dimension, coordinates, rows, total, 0, own}; }
};

/// A second unknown field of an equation.
struct SecondUnknown {
  std::string name;         ///< for records and results: "log_permeability"
  int row = 0;              ///< the state row that is its value
  FunctionalKinds kinds{};  ///< of its weights
  double deviation = 1;     ///< of its values under the prior
};

/// A partial differential equation as the solver sees it: at every interior point a few linear
/// functionals of u (the state rows, the value u always first) and one equation F(state) = 0
/// between them. In inverse problems some state rows are functionals of a second unknown field
/// instead; no state row mixes the two. Everything else - covariances, factor, Gauss-Newton, line
/// search - follows.
class Equation {
 public:
  virtual ~Equation() = default;

  virtual int state_rows() const = 0;
  virtual FunctionalKinds kinds() const = 0;  ///< of the weights of u
  virtual std::optional<SecondUnknown> second() const { return std::nullopt; }

  /// Collective; once. Evaluates the fields of the deck at the points and keeps what it needs.
  virtual void prepare(const parallel::Communicator& comm, const EquationPoints& points) = 0;

  /// Local. State row `row` (0 ... state_rows() - 1) at a prepared point.
  virtual Functional functional(std::size_t point, int row) const = 0;

  /// Local. Where Gauss-Newton starts; zero unless the equation needs better.
  virtual void initial_state(std::size_t point, std::span<double> state) const;

  /// Local. F(state) at the point, and dF/dstate in `weights`. (Gauss-Newton conditions on
  /// weights . state_new = weights . state - F(state).)
  virtual double linearise(std::size_t point, std::span<const double> state,
                           std::span<double> weights) const = 0;

  /// True when F is affine in the state: one step solves it.
  virtual bool linear() const { return false; }

  /// Collective; equations in time only. The step from `time` to time + step begins from `state`,
  /// (own points) x state_rows().
  virtual void begin_step(const parallel::Communicator& comm, double time, double step,
                          std::span<const double> state);
};

/// Local. The equation that the deck names.
std::unique_ptr<Equation> make_equation(const EquationSpec& spec, int dimension);

}  // namespace mensura::gp
