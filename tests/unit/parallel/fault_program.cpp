// SPDX-License-Identifier: BSD-3-Clause
// Rank 1 does something fatal while the others wait; CMakeLists.txt says how each must end.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <string_view>

#include "parallel/communicator.hpp"
#include "parallel/environment.hpp"
#include "parallel/watchdog.hpp"

using namespace mensura::parallel;

namespace {

void misbehave(std::string_view how, const Communicator& world) {
  if (how == "mpi_error") {
    const int value = 1;  // PETSc does this to the world; our communicator must stay fatal
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Send(&value, 1, MPI_INT, world.size() + 5, 0, world.handle());
  } else if (how == "abort") {
    abort_job(ExitCode::output, "the disk is full; free some space");
  } else if (how == "kill") {
    ::raise(SIGKILL);
  } else if (how == "stop") {
    ::raise(SIGSTOP);
  } else if (how == "leave") {
    ::_exit(0);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Environment environment(argc, argv);
  const auto world = Communicator::world();
  Watchdog::Settings settings;
  settings.heartbeat = Watchdog::Milliseconds(100);
  settings.grace = Watchdog::Milliseconds(500);
  settings.silence = Watchdog::Milliseconds(1500);
  const Watchdog watchdog(world, settings);
  if (world.rank() == 1 && argc > 1) misbehave(argv[1], world);
  world.barrier();
  if (world.is_root()) std::puts("all ranks met");
  return 0;
}
