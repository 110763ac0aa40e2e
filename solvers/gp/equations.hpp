// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "gp/equation.hpp"

namespace mensura::gp {

/// -div(a grad u) + alpha u^m = f. State rows: u and -a Lap u - grad a . grad u; where the source f
/// or the coefficient alpha is unknown, its value is the third.
class Elliptic final : public Equation {
 public:
  Elliptic(const EquationSpec& spec, int dimension) : spec_(spec), dimension_(dimension) {}
  int state_rows() const override { return spec_.inverse ? 3 : 2; }
  FunctionalKinds kinds() const override;
  std::optional<SecondUnknown> second() const override;
  void prepare(const parallel::Communicator& comm, const EquationPoints& points) override;
  Functional functional(std::size_t point, int row) const override;
  double linearise(std::size_t point, std::span<const double> state,
                   std::span<double> weights) const override;
  bool linear() const override;

 private:
  bool constant_diffusion() const;
  bool unknown(Unknown what) const { return spec_.inverse && spec_.inverse->unknown == what; }
  EquationSpec spec_;
  int dimension_;
  std::vector<double> diffusion_, gradient_, source_;
};

/// -div(e^w grad u) + alpha u^m = f with unknown log-diffusion w, divided by e^w (reference gp_pde
/// 3.1):
///   -(Lap u + grad w . grad u) + (alpha u^m - f) e^-w = 0.
/// State rows: u, its gradient, Lap u, w, its gradient.
class UnknownDiffusion final : public Equation {
 public:
  UnknownDiffusion(const EquationSpec& spec, int dimension) : spec_(spec), dimension_(dimension) {}
  int state_rows() const override { return 2 * dimension_ + 3; }
  FunctionalKinds kinds() const override { return {.laplacian = true, .gradient = true}; }
  std::optional<SecondUnknown> second() const override;
  void prepare(const parallel::Communicator& comm, const EquationPoints& points) override;
  Functional functional(std::size_t point, int row) const override;
  double linearise(std::size_t point, std::span<const double> state,
                   std::span<double> weights) const override;

 private:
  int second_row() const { return dimension_ + 2; }
  EquationSpec spec_;
  int dimension_;
  std::vector<double> source_;
};

/// u_t + u u_x - nu u_xx = f in one dimension, Crank-Nicolson in time (reference gp_pde 3.1). State
/// rows: u, u_x, u_xx.
class Burgers final : public Equation {
 public:
  explicit Burgers(const EquationSpec& spec) : spec_(spec) {}
  int state_rows() const override { return 3; }
  FunctionalKinds kinds() const override { return {.gradient = true, .hessian = true}; }
  void prepare(const parallel::Communicator& comm, const EquationPoints& points) override;
  Functional functional(std::size_t point, int row) const override;
  void initial_state(std::size_t point, std::span<double> state) const override;
  double linearise(std::size_t point, std::span<const double> state,
                   std::span<double> weights) const override;
  void begin_step(const parallel::Communicator& comm, double time, double step,
                  std::span<const double> state) override;

 private:
  EquationSpec spec_;
  EquationPoints points_;
  std::vector<double> initial_;  // points x 3
  std::vector<double> known_;    // what the step takes from its start, per own point
  double step_ = 1;
};

/// det D2 u = f > 0 in two dimensions, convex solution. State rows: u, u_xx, u_xy, u_yy.
class MongeAmpere final : public Equation {
 public:
  explicit MongeAmpere(const EquationSpec& spec) : spec_(spec) {}
  int state_rows() const override { return 4; }
  FunctionalKinds kinds() const override { return {.hessian = true}; }
  void prepare(const parallel::Communicator& comm, const EquationPoints& points) override;
  Functional functional(std::size_t point, int row) const override;
  void initial_state(std::size_t point, std::span<double> state) const override;
  double linearise(std::size_t point, std::span<const double> state,
                   std::span<double> weights) const override;

 private:
  EquationSpec spec_;
  std::vector<double> source_;
};

/// |grad u|^2 - eps Lap u = f. State rows: u, the gradient, Lap u.
class Eikonal final : public Equation {
 public:
  Eikonal(const EquationSpec& spec, int dimension) : spec_(spec), dimension_(dimension) {}
  int state_rows() const override { return dimension_ + 2; }
  FunctionalKinds kinds() const override { return {.laplacian = true, .gradient = true}; }
  void prepare(const parallel::Communicator& comm, const EquationPoints& points) override;
  Functional functional(std::size_t point, int row) const override;
  double linearise(std::size_t point, std::span<const double> state,
                   std::span<double> weights) const override;

 private:
  EquationSpec spec_;
  int dimension_;
  std::vector<double> source_;
};

}  // namespace mensura::gp
