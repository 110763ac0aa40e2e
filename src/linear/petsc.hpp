// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::linear {

/// Local. Turns a PETSc error code into Error{internal} (out of memory: Error{too_large}) that
/// names the call. PETSc also reports MPI failures this way, so that no return code may go
/// unchecked.
void check_petsc(int code, const char* call);

/// Collective. The same for calls that take up what the user set under `prefix` ("gp_cg_") or first
/// use it: SetFromOptions, SetUp, Solve. What PETSc refuses then is Error{usage} with PETSc's
/// reason and the option, or all options under the prefix when the reason tells no more.
void check_petsc_options(const parallel::Communicator& comm, int code, const char* call,
                         const std::string& prefix);

/// Owner of PETSc's life in the process. PETSc installs no signal handlers (run/ owns them), stays
/// silent about unused options (they become warnings of the run record) and works on a duplicate of
/// the given communicator.
class PetscSession {
 public:
  /// Collective. `options` are (name, value) pairs without the leading dash, from the deck;
  /// `arguments` is what follows `--` on the command line and wins over the deck. Throws
  /// Error{usage} when an argument is not an option.
  PetscSession(const parallel::Communicator& comm,
               const std::vector<std::pair<std::string, std::string>>& options,
               const std::vector<std::string>& arguments);
  ~PetscSession();
  PetscSession(const PetscSession&) = delete;
  PetscSession& operator=(const PetscSession&) = delete;

  /// Options that nothing has asked for so far, as "-name value".
  std::vector<std::string> unused_options() const;

 private:
  parallel::Communicator comm_;
};

/// "3.18.5"; local.
std::string petsc_version();

/// The BLAS that this process runs: the configuration text of OpenBLAS, or the path of the library
/// that holds dgemm_.
std::string blas_name();

}  // namespace mensura::linear
