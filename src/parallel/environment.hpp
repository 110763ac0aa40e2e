// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <mpi.h>

#include <string>

#include "parallel/error.hpp"

namespace mensura::parallel {

/// Owner of MPI's life in the process: MPI_Init_thread (serialized: the watchdog thread may abort)
/// to MPI_Finalize.
class Environment {
 public:
  Environment(int& argc, char**& argv);
  ~Environment();
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
};

/// Local; does not return. Prints `text` on stderr (one write, with the rank) and calls
/// MPI_Abort(world, code).
[[noreturn]] void abort_job(ExitCode code, const std::string& text) noexcept;

/// "Open MPI v4.1.4, ..." first line of MPI_Get_library_version.
std::string mpi_version();

}  // namespace mensura::parallel
