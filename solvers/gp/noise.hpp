// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <petscmat.h>

#include <span>
#include <vector>

#include "linear/handles.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// Noise of some measurements, kept out of the factor (noise destroys screening; reference gp_pde
/// 3.2 (h)). With Q = L' L ~ Theta^-1 of the noise-free matrix and E the columns of the noisy
/// measurements,
///   (Theta + E R E')^-1 ~ Q - Q E (R^-1 + E' Q E)^-1 E' Q,
/// the inner matrix solved by conjugate gradients with zero-fill incomplete Cholesky.
class Noise {
 public:
  /// Local. `variance`: per own measurement, 0 where it is exact.
  Noise(const parallel::Communicator& comm, std::span<const double> variance);

  /// Collective. Throws Error{usage} when PETSc refuses the options of the inner solver
  /// (gp_noise_).
  static void check_options(const parallel::Communicator& comm);

  /// Collective. Forms the inner matrix from the current values of the small factor.
  void factor(Mat lower);

  void add(Vec x, Vec y) const;  ///< Local. y += R x
  /// Collective. y = (Theta + R)^-1 x, approximately; `work` has the size of x.
  void apply(Mat lower, Vec x, Vec y, Vec work) const;

 private:
  const parallel::Communicator& comm_;
  std::vector<double> variance_;
  std::vector<PetscInt> noisy_;  // local rows
  linear::Matrix columns_, inner_;
  linear::Vector right_, solution_;
  linear::Krylov krylov_;
};

}  // namespace mensura::gp
