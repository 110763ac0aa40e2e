// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <cstdint>
#include <vector>

#include "linear/handles.hpp"
#include "transport/laplacian.hpp"

namespace mensura::transport {

/// Conjugate gradients on a plan's shifted Laplacian without its matrix, preconditioned by
/// algebraic multigrid on the assembled one (BoomerAMG, or GAMG where hypre is missing;
/// reference/transport_robust 2). Members are collective.
class LaplacianSolver {
 public:
  /// PETSc options prefixes transport_newton_, one solve with a matrix, and transport_tree_, many.
  enum class Use { newton, tree };
  /// Throws Error{usage} on all ranks for options under the prefix that PETSc refuses, before
  /// anything is built.
  static void check_options(const parallel::Communicator& comm, Use use);

  /// Plans with more pairs per row are fat: what links their rows and columns least may be left out
  /// of the preconditioner, `first_share` to begin with (Laplacian::assemble).
  static bool is_fat(const SparsePlan& plan);
  static constexpr double first_share = 1e-5;
  static constexpr std::int64_t many_iterations = 25;

  /// Sets the preconditioner up. `accuracy`: of the residual, relative to the right-hand side. The
  /// Laplacian outlives the object.
  LaplacianSolver(const Laplacian& laplacian, Use use, double shift, double least_share,
                  double accuracy);
  LaplacianSolver(const LaplacianSolver&) = delete;
  LaplacianSolver& operator=(const LaplacianSolver&) = delete;

  /// False when the iteration did not converge or found what is not finite.
  bool solve(const std::vector<double>& right_hand_side, std::vector<double>& solution);
  std::int64_t iterations() const noexcept { return iterations_; }  ///< of the last solve

 private:
  struct Shell {
    const Laplacian* laplacian;
    double shift;
  };
  static PetscErrorCode multiply(Mat matrix, Vec x, Vec y);

  const parallel::Communicator& comm_;
  Use use_;
  Shell shell_;
  linear::Matrix product_, matrix_;
  linear::Krylov krylov_;
  linear::Vector right_, solution_;
  std::int64_t iterations_ = 0;
};

}  // namespace mensura::transport
