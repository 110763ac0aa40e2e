// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside one folder only (PETSc types).
#pragma once

#include <petscvec.h>

#include <cstddef>

#include "linear/petsc.hpp"

namespace mensura::linear {

/// Read access to the local part of a Vec, given back at the end of the scope. Local.
class ReadArray {
 public:
  explicit ReadArray(Vec vec) : vec_(vec) {
    check_petsc(VecGetArrayRead(vec, &data_), "VecGetArrayRead");
  }
  ~ReadArray() { VecRestoreArrayRead(vec_, &data_); }
  ReadArray(const ReadArray&) = delete;
  ReadArray& operator=(const ReadArray&) = delete;
  double operator[](std::size_t i) const { return data_[i]; }
  const double* data() const { return data_; }

 private:
  Vec vec_;
  const PetscScalar* data_ = nullptr;
};

/// Read and write access.
class WriteArray {
 public:
  explicit WriteArray(Vec vec) : vec_(vec) { check_petsc(VecGetArray(vec, &data_), "VecGetArray"); }
  ~WriteArray() { VecRestoreArray(vec_, &data_); }
  WriteArray(const WriteArray&) = delete;
  WriteArray& operator=(const WriteArray&) = delete;
  double& operator[](std::size_t i) { return data_[i]; }
  double* data() { return data_; }

 private:
  Vec vec_;
  PetscScalar* data_ = nullptr;
};

}  // namespace mensura::linear
