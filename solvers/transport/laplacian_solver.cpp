// SPDX-License-Identifier: BSD-3-Clause
#include "transport/laplacian_solver.hpp"

#include <petscksp.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "linear/arrays.hpp"

namespace mensura::transport {

using linear::check_petsc;

namespace {

constexpr std::array<const char*, 2> prefixes{"transport_newton_", "transport_tree_"};

const char* prefix_of(LaplacianSolver::Use use) {
  return prefixes[static_cast<std::size_t>(use)];
}

// BoomerAMG for many solves with one matrix: thinner hierarchies and half the smoothing, one more
// iteration or two (measured on stars of photographs: 26.5 s in all become 16.8).
constexpr std::array<std::array<const char*, 2>, 5> thin_hierarchy{
    {{"pc_hypre_boomeramg_coarsen_type", "PMIS"},
     {"pc_hypre_boomeramg_interp_type", "ext+i"},
     {"pc_hypre_boomeramg_P_max", "4"},
     {"pc_hypre_boomeramg_relax_type_down", "SOR/Jacobi"},
     {"pc_hypre_boomeramg_relax_type_up", "backward-SOR/Jacobi"}}};

// PETSc knows these settings as options only: they are there while an object reads its options, but
// for those that the user has given.
class Defaults {
 public:
  explicit Defaults(LaplacianSolver::Use use) {
    if (use != LaplacianSolver::Use::tree) return;
    for (const auto& [key, value] : thin_hierarchy) {
      const std::string name = std::string("-") + prefix_of(use) + key;
      PetscBool given = PETSC_FALSE;
      check_petsc(PetscOptionsHasName(nullptr, nullptr, name.c_str(), &given),
                  "PetscOptionsHasName");
      if (given == PETSC_TRUE) continue;
      check_petsc(PetscOptionsSetValue(nullptr, name.c_str(), value), "PetscOptionsSetValue");
      set_.push_back(name);
    }
  }
  Defaults(const Defaults&) = delete;
  Defaults& operator=(const Defaults&) = delete;
  ~Defaults() {
    for (const std::string& name : set_) (void)PetscOptionsClearValue(nullptr, name.c_str());
  }

 private:
  std::vector<std::string> set_;
};
constexpr double fat_plan = 14;
constexpr PetscInt most_iterations = 200;

void choose_multigrid(PC pc) {
  PetscBool hypre = PETSC_FALSE;
  check_petsc(PetscHasExternalPackage("hypre", &hypre), "PetscHasExternalPackage");
  if (hypre == PETSC_TRUE) {
    check_petsc(PCSetType(pc, PCHYPRE), "PCSetType");
    check_petsc(PCHYPRESetType(pc, "boomeramg"), "PCHYPRESetType");
    return;
  }
  check_petsc(PCSetType(pc, PCGAMG), "PCSetType");
  const PetscReal threshold = 0.05;
  check_petsc(PCGAMGSetThreshold(pc, const_cast<PetscReal*>(&threshold), 1), "PCGAMGSetThreshold");
}

// Conjugate gradients with multigrid, as the options want them.
void make_krylov(const parallel::Communicator& comm, Mat matrix, Mat preconditioner,
                 LaplacianSolver::Use use, double accuracy, linear::Krylov& krylov) {
  const char* prefix = prefix_of(use);
  const Defaults defaults(use);
  check_petsc(KSPCreate(comm.handle(), krylov.put()), "KSPCreate");
  check_petsc(KSPSetOptionsPrefix(krylov.get(), prefix), "KSPSetOptionsPrefix");
  check_petsc(KSPSetType(krylov.get(), KSPCG), "KSPSetType");
  check_petsc(KSPSetOperators(krylov.get(), matrix, preconditioner), "KSPSetOperators");
  PC pc = nullptr;
  check_petsc(KSPGetPC(krylov.get(), &pc), "KSPGetPC");
  choose_multigrid(pc);
  check_petsc(KSPSetTolerances(krylov.get(), accuracy, 0, PETSC_DEFAULT, most_iterations),
              "KSPSetTolerances");
  linear::check_petsc_options(comm, KSPSetFromOptions(krylov.get()), "KSPSetFromOptions", prefix);
}

}  // namespace

void LaplacianSolver::check_options(const parallel::Communicator& comm, Use use) {
  linear::Matrix matrix;  // one unknown per rank
  check_petsc(MatCreateAIJ(comm.handle(), 1, 1, PETSC_DETERMINE, PETSC_DETERMINE, 1, nullptr, 0,
                           nullptr, matrix.put()),
              "MatCreateAIJ");
  check_petsc(MatSetValue(matrix.get(), comm.rank(), comm.rank(), 1, INSERT_VALUES), "MatSetValue");
  check_petsc(MatAssemblyBegin(matrix.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyBegin");
  check_petsc(MatAssemblyEnd(matrix.get(), MAT_FINAL_ASSEMBLY), "MatAssemblyEnd");
  linear::Krylov krylov;
  linear::or_destroy(
      [&] {
        make_krylov(comm, matrix.get(), matrix.get(), use, 0.1, krylov);
        linear::check_petsc_options(comm, KSPSetUp(krylov.get()), "KSPSetUp", prefix_of(use));
      },
      krylov, matrix);
}

bool LaplacianSolver::is_fat(const SparsePlan& plan) {
  return static_cast<double>(plan.total()) > fat_plan * static_cast<double>(plan.x().total);
}

PetscErrorCode LaplacianSolver::multiply(Mat matrix, Vec x, Vec y) {
  Shell* shell = nullptr;
  PetscCall(MatShellGetContext(matrix, &shell));
  const PetscScalar* from = nullptr;
  PetscScalar* to = nullptr;
  PetscCall(VecGetArrayRead(x, &from));
  PetscCall(VecGetArrayWrite(y, &to));
  const auto own = static_cast<std::size_t>(shell->laplacian->own());
  shell->laplacian->apply(shell->shift, {from, own}, {to, own});
  PetscCall(VecRestoreArrayWrite(y, &to));
  PetscCall(VecRestoreArrayRead(x, &from));
  return 0;
}

LaplacianSolver::LaplacianSolver(const Laplacian& laplacian, Use use, double shift,
                                 double least_share, double accuracy)
    : comm_(laplacian.comm()), use_(use), shell_{&laplacian, shift} {
  const auto own = static_cast<PetscInt>(laplacian.own());
  matrix_ = laplacian.assemble(shift, least_share);
  check_petsc(MatCreateShell(comm_.handle(), own, own, PETSC_DETERMINE, PETSC_DETERMINE, &shell_,
                             product_.put()),
              "MatCreateShell");
  check_petsc(
      MatShellSetOperation(product_.get(), MATOP_MULT, reinterpret_cast<void (*)()>(&multiply)),
      "MatShellSetOperation");
  check_petsc(MatSetOption(product_.get(), MAT_SPD, PETSC_TRUE), "MatSetOption");
  make_krylov(comm_, product_.get(), matrix_.get(), use, accuracy, krylov_);
  check_petsc(MatCreateVecs(product_.get(), solution_.put(), right_.put()), "MatCreateVecs");
}

bool LaplacianSolver::solve(const std::vector<double>& right_hand_side,
                            std::vector<double>& solution) {
  std::copy(right_hand_side.begin(), right_hand_side.end(),
            linear::WriteArray(right_.get()).data());
  linear::check_petsc_options(comm_, KSPSolve(krylov_.get(), right_.get(), solution_.get()),
                              "KSPSolve", prefix_of(use_));
  KSPConvergedReason reason = KSP_CONVERGED_ITERATING;
  PetscInt iterations = 0;
  check_petsc(KSPGetConvergedReason(krylov_.get(), &reason), "KSPGetConvergedReason");
  check_petsc(KSPGetIterationNumber(krylov_.get(), &iterations), "KSPGetIterationNumber");
  iterations_ = iterations;
  const linear::ReadArray result(solution_.get());
  solution.assign(result.data(), result.data() + shell_.laplacian->own());
  const bool finite =
      std::all_of(solution.begin(), solution.end(), [](double v) { return std::isfinite(v); });
  return comm_.min(static_cast<std::int64_t>(finite && reason > 0)) > 0;
}

}  // namespace mensura::transport
