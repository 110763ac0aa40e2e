// SPDX-License-Identifier: BSD-3-Clause
// Owners of PETSc objects. Include this in .cpp files and in headers of concern inside one folder
// only.
#pragma once

#include <petscsnes.h>

#include <exception>
#include <utility>

#include "linear/petsc.hpp"

namespace mensura::linear {

/// Move-only owner of a PETSc object. Destruction is collective; while an exception unwinds this
/// rank, or after PETSc was finalised, the object is left to the library.
template <class T, PetscErrorCode (*destroy)(T*)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T owned) : object_(owned), unwinding_at_birth_(std::uncaught_exceptions()) {}
  Handle(Handle&& other) noexcept { swap(other); }
  Handle& operator=(Handle&& other) noexcept {
    Handle moved(std::move(other));
    swap(moved);
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(); }

  T get() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  /// Address for a PETSc function that creates the object; what was held before is destroyed.
  T* put() {
    reset();
    unwinding_at_birth_ = std::uncaught_exceptions();
    return &object_;
  }
  void reset() noexcept {
    if (object_ == nullptr) return;
    PetscBool finalised = PETSC_FALSE;
    if (PetscFinalized(&finalised) == 0 && finalised == PETSC_FALSE &&
        std::uncaught_exceptions() <= unwinding_at_birth_) {
      destroy(&object_);
    }
    object_ = nullptr;
  }

 private:
  void swap(Handle& other) noexcept {
    std::swap(object_, other.object_);
    std::swap(unwinding_at_birth_, other.unwinding_at_birth_);
  }
  T object_ = nullptr;
  int unwinding_at_birth_ = 0;
};

/// Collective. Runs an action that fails on all ranks or on none; when it throws, the objects are
/// destroyed before the exception goes on, which would leave them to the library.
template <class Action, class... Objects>
void or_destroy(const Action& action, Objects&... objects) {
  try {
    action();
  } catch (...) {
    (objects.reset(), ...);
    throw;
  }
}

using Vector = Handle<Vec, VecDestroy>;
using Matrix = Handle<Mat, MatDestroy>;
using Krylov = Handle<KSP, KSPDestroy>;
using Nonlinear = Handle<SNES, SNESDestroy>;
using Scatter = Handle<VecScatter, VecScatterDestroy>;

}  // namespace mensura::linear
