// SPDX-License-Identifier: BSD-3-Clause
#include "gp/noise.hpp"

#include "parallel/error.hpp"

namespace mensura::gp {

using linear::check_petsc;

Noise::Noise(const parallel::Communicator& comm, std::span<const double> variance)
    : comm_(comm), variance_(variance.begin(), variance.end()) {
  for (std::size_t i = 0; i < variance_.size(); ++i) {
    if (variance_[i] > 0) noisy_.push_back(static_cast<PetscInt>(i));
  }
}

namespace {

constexpr const char* prefix = "gp_noise_";

// Zero-fill incomplete Cholesky of every rank's diagonal block, unless options ask for another
// preconditioner; PETSc's own choice would be an incomplete LU.
void choose_block_factor(const parallel::Communicator& comm, KSP krylov) {
  PC pc = nullptr;
  check_petsc(KSPGetPC(krylov, &pc), "KSPGetPC");
  PetscBool blocks = PETSC_FALSE;
  check_petsc(PetscObjectTypeCompare(reinterpret_cast<PetscObject>(pc), PCBJACOBI, &blocks),
              "PetscObjectTypeCompare");
  if (blocks == PETSC_FALSE) return;
  KSP* inner = nullptr;
  PetscInt count = 0;
  check_petsc(PCBJacobiGetSubKSP(pc, &count, nullptr, &inner), "PCBJacobiGetSubKSP");
  int code = 0;
  for (PetscInt i = 0; i < count && code == 0; ++i) {
    check_petsc(KSPGetPC(inner[i], &pc), "KSPGetPC");
    check_petsc(PCSetType(pc, PCICC), "PCSetType");
    check_petsc(PCFactorSetShiftType(pc, MAT_SHIFT_POSITIVE_DEFINITE), "PCFactorSetShiftType");
    code = KSPSetFromOptions(inner[i]);
  }
  linear::check_petsc_options(comm, code, "KSPSetFromOptions", prefix);
}

// Conjugate gradients as options have them. The outer ones need a fixed linear map: they solve the
// inner system tightly.
void make_krylov(const parallel::Communicator& comm, Mat matrix, linear::Krylov& krylov) {
  check_petsc(KSPCreate(comm.handle(), krylov.put()), "KSPCreate");
  check_petsc(KSPSetOptionsPrefix(krylov.get(), prefix), "KSPSetOptionsPrefix");
  check_petsc(KSPSetType(krylov.get(), KSPCG), "KSPSetType");
  check_petsc(KSPSetOperators(krylov.get(), matrix, matrix), "KSPSetOperators");
  PC pc = nullptr;
  check_petsc(KSPGetPC(krylov.get(), &pc), "KSPGetPC");
  check_petsc(PCSetType(pc, PCBJACOBI), "PCSetType");
  check_petsc(KSPSetTolerances(krylov.get(), 1e-12, 0, PETSC_DEFAULT, 1000), "KSPSetTolerances");
  linear::check_petsc_options(comm, KSPSetFromOptions(krylov.get()), "KSPSetFromOptions", prefix);
  linear::check_petsc_options(comm, KSPSetUp(krylov.get()), "KSPSetUp", prefix);
  choose_block_factor(comm, krylov.get());
}

}  // namespace

void Noise::check_options(const parallel::Communicator& comm) {
  linear::Matrix identity;
  check_petsc(MatCreateConstantDiagonal(comm.handle(), 1, 1, PETSC_DETERMINE, PETSC_DETERMINE, 1,
                                        identity.put()),
              "MatCreateConstantDiagonal");
  linear::Matrix matrix;
  check_petsc(MatConvert(identity.get(), MATAIJ, MAT_INITIAL_MATRIX, matrix.put()), "MatConvert");
  linear::Krylov krylov;
  linear::or_destroy([&] { make_krylov(comm, matrix.get(), krylov); }, krylov, matrix, identity);
}

void Noise::factor(Mat lower) {
  PetscInt begin = 0, end = 0;
  check_petsc(MatGetOwnershipRange(lower, &begin, &end), "MatGetOwnershipRange");
  std::vector<PetscInt> columns(noisy_);
  for (PetscInt& column : columns) column += begin;
  IS all = nullptr, chosen = nullptr;
  check_petsc(ISCreateStride(comm_.handle(), end - begin, begin, 1, &all), "ISCreateStride");
  check_petsc(ISCreateGeneral(comm_.handle(), static_cast<PetscInt>(columns.size()), columns.data(),
                              PETSC_COPY_VALUES, &chosen),
              "ISCreateGeneral");
  check_petsc(MatCreateSubMatrix(lower, all, chosen, MAT_INITIAL_MATRIX, columns_.put()),
              "MatCreateSubMatrix");
  check_petsc(ISDestroy(&all), "ISDestroy");
  check_petsc(ISDestroy(&chosen), "ISDestroy");
  // E' Q E = (L E)' (L E), plus R^-1 on the diagonal.
  check_petsc(MatTransposeMatMult(columns_.get(), columns_.get(), MAT_INITIAL_MATRIX, PETSC_DEFAULT,
                                  inner_.put()),
              "MatTransposeMatMult");
  check_petsc(MatCreateVecs(inner_.get(), right_.put(), solution_.put()), "MatCreateVecs");
  PetscScalar* precision = nullptr;
  check_petsc(VecGetArray(right_.get(), &precision), "VecGetArray");
  for (std::size_t i = 0; i < noisy_.size(); ++i) {
    precision[i] = 1 / variance_[static_cast<std::size_t>(noisy_[i])];
  }
  check_petsc(VecRestoreArray(right_.get(), &precision), "VecRestoreArray");
  check_petsc(MatDiagonalSet(inner_.get(), right_.get(), ADD_VALUES), "MatDiagonalSet");
  make_krylov(comm_, inner_.get(), krylov_);
}

void Noise::add(Vec x, Vec y) const {
  const PetscScalar* from = nullptr;
  PetscScalar* to = nullptr;
  check_petsc(VecGetArrayRead(x, &from), "VecGetArrayRead");
  check_petsc(VecGetArray(y, &to), "VecGetArray");
  for (const PetscInt i : noisy_) to[i] += variance_[static_cast<std::size_t>(i)] * from[i];
  check_petsc(VecRestoreArray(y, &to), "VecRestoreArray");
  check_petsc(VecRestoreArrayRead(x, &from), "VecRestoreArrayRead");
}

void Noise::apply(Mat lower, Vec x, Vec y, Vec work) const {
  check_petsc(MatMult(lower, x, work), "MatMult");
  check_petsc(MatMultTranspose(columns_.get(), work, right_.get()), "MatMultTranspose");
  linear::check_petsc_options(comm_, KSPSolve(krylov_.get(), right_.get(), solution_.get()),
                              "KSPSolve", prefix);
  KSPConvergedReason reason = KSP_CONVERGED_ITERATING;
  check_petsc(KSPGetConvergedReason(krylov_.get(), &reason), "KSPGetConvergedReason");
  if (reason < 0) {
    throw parallel::Error(parallel::ExitCode::numerical,
                          std::string("the inner system of the noisy data did not converge (") +
                              KSPConvergedReasons[reason] +
                              "); check the noise levels, or raise -gp_noise_ksp_max_it");
  }
  // Q x - Q E s = L' (L x - (L E) s)
  check_petsc(VecScale(solution_.get(), -1), "VecScale");
  check_petsc(MatMultAdd(columns_.get(), solution_.get(), work, work), "MatMultAdd");
  check_petsc(MatMultTranspose(lower, work, y), "MatMultTranspose");
}

}  // namespace mensura::gp
