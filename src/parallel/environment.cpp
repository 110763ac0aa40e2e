// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/environment.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <exception>
#include <string_view>
#include <thread>

#include "parallel/communicator.hpp"

namespace mensura::parallel {

namespace {

bool mpi_is_alive() noexcept {
  int initialised = 0;
  int finalised = 0;
  MPI_Initialized(&initialised);
  MPI_Finalized(&finalised);
  return initialised != 0 && finalised == 0;
}

// One write(2) for the whole line, so that lines of several ranks do not mix.
void write_line(int rank, const std::string& text) noexcept {
  try {
    const std::string line =
        rank < 0 ? fmt::format("mensura: {}\n", text) : fmt::format("[rank {}] {}\n", rank, text);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
  } catch (...) {  // no memory for the formatted line: the bare text must do
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
  }
}

// Ends the process should MPI_Abort itself get stuck (its daemon is gone, a lock is held).
void arm_last_resort(int code) noexcept {
  try {
    std::thread([code]() {
      std::this_thread::sleep_for(std::chrono::seconds(5));
      ::_exit(code);
    }).detach();
  } catch (...) {  // no thread to be had: MPI_Abort alone must do
  }
}

}  // namespace

Environment::Environment(int& argc, char**& argv)
    : unwinding_at_birth_(std::uncaught_exceptions()) {
  int initialised = 0;
  MPI_Initialized(&initialised);
  if (initialised != 0) return;
  int provided = MPI_THREAD_SINGLE;
  if (MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &provided) != MPI_SUCCESS) {
    throw Error(ExitCode::internal, "MPI_Init_thread failed; check the MPI installation");
  }
  owner_ = true;
  if (provided < MPI_THREAD_SERIALIZED) {
    abort_job(ExitCode::internal,
              "this MPI library lacks MPI_THREAD_SERIALIZED; build it with thread support");
  }
}

Environment::~Environment() {
  if (!owner_ || !mpi_is_alive()) return;
  if (std::uncaught_exceptions() > unwinding_at_birth_) return;
  MPI_Finalize();
}

void abort_job(ExitCode code, const std::string& text) noexcept {
  static std::atomic<bool> aborting = false;
  const int status = static_cast<int>(code);
  const bool alive = mpi_is_alive();
  int rank = -1;
  if (alive) MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  write_line(rank, text);
  if (!alive) ::_exit(status);
  if (aborting.exchange(true)) {  // another thread is at it; two MPI_Abort at once may lock up
    std::this_thread::sleep_for(std::chrono::seconds(10));
    ::_exit(status);
  }
  arm_last_resort(status);
  MPI_Abort(MPI_COMM_WORLD, status);
  ::_exit(status);
}

std::string mpi_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  check_mpi(MPI_Get_library_version(text.data(), &length), "MPI_Get_library_version");
  const std::string version(text.data(), static_cast<std::size_t>(length));
  // Some libraries count the closing zero into the length.
  return version.substr(0, version.find_first_of(std::string_view("\n\0", 2)));
}

}  // namespace mensura::parallel
