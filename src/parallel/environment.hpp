// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <mpi.h>

#include <string>

#include "parallel/error.hpp"

namespace mensura::parallel {

/// Owner of MPI's life in the process: MPI_Init_thread (serialized: the watchdog thread may abort)
/// to MPI_Finalize. Does neither when MPI was already initialised by somebody else. While an
/// exception unwinds this rank MPI_Finalize is left out, because it would wait for the others: the
/// outermost catch must end the job (abort_job).
class Environment {
 public:
  Environment(int& argc, char**& argv);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  bool owner_ = false;
  int unwinding_at_birth_ = 0;
};

/// Local; does not return; may be called from any thread. Prints `text` on stderr (one write, with
/// the rank) and calls MPI_Abort(world, code). Should MPI_Abort itself hang, the process ends with
/// the same code five seconds later.
[[noreturn]] void abort_job(ExitCode code, const std::string& text) noexcept;

/// "Open MPI v4.1.4, ..." first line of MPI_Get_library_version.
std::string mpi_version();

}  // namespace mensura::parallel
