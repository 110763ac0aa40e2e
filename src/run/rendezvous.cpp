// SPDX-License-Identifier: BSD-3-Clause
#include "run/rendezvous.hpp"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <new>
#include <string>
#include <thread>

#include "parallel/environment.hpp"

namespace mensura::run {

using parallel::Error;
using parallel::ExitCode;

Error to_error(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& error) {
    return error;
  } catch (const std::bad_alloc&) {
    return Error(ExitCode::too_large,
                 "out of memory. Use more nodes, fewer ranks per node, or a smaller problem; "
                 "--dry-run predicts the need");
  } catch (const std::exception& error) {
    return Error(ExitCode::internal,
                 fmt::format("internal error: {}. Please report it with the deck", error.what()));
  } catch (...) {
    return Error(ExitCode::internal, "internal error: unknown exception. Please report it");
  }
}

std::optional<Error> Rendezvous::meet(const std::optional<Error>& mine, double seconds) const {
  wait(mine, seconds);
  const std::int64_t nobody = comm_.size();
  const std::int64_t lowest = comm_.min(mine ? std::int64_t{comm_.rank()} : nobody);
  if (lowest == nobody) return std::nullopt;
  const int root = static_cast<int>(lowest);
  std::string text = mine ? mine->what() : "";
  std::array<int, 1> code{mine ? static_cast<int>(mine->code()) : 0};
  comm_.broadcast(text, root);
  comm_.broadcast(std::span<int>(code), root);
  return Error(static_cast<ExitCode>(code[0]), text);
}

void Rendezvous::wait(const std::optional<Error>& mine, double seconds) const {
  MPI_Request request = MPI_REQUEST_NULL;
  parallel::check_mpi(MPI_Ibarrier(comm_.handle(), &request), "MPI_Ibarrier");
  const auto start = std::chrono::steady_clock::now();
  for (int done = 0; done == 0;) {
    parallel::check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test");
    if (done != 0) return;
    const std::chrono::duration<double> waited = std::chrono::steady_clock::now() - start;
    if (mine && waited.count() > seconds) parallel::abort_job(mine->code(), mine->what());
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
}

}  // namespace mensura::run
