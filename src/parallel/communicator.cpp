// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/communicator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <exception>
#include <new>
#include <utility>

#include "parallel/environment.hpp"
#include "parallel/exchange.hpp"

namespace mensura::parallel {

namespace {

std::string mpi_error_text(int code) {
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  return {text.data(), static_cast<std::size_t>(length)};
}

// PETSc sets MPI_ERRORS_RETURN on its world; our communicators must not inherit that silence.
void fatal_handler(MPI_Comm* comm, int* code, ...) {
  std::array<char, MPI_MAX_OBJECT_NAME> name{};
  int length = 0;
  if (*comm != MPI_COMM_NULL) MPI_Comm_get_name(*comm, name.data(), &length);
  abort_job(ExitCode::internal,
            fmt::format("MPI error on communicator '{}': {}", name.data(), mpi_error_text(*code)));
}

void make_errors_fatal(MPI_Comm comm) {
  MPI_Errhandler handler = MPI_ERRHANDLER_NULL;
  check_mpi(MPI_Comm_create_errhandler(fatal_handler, &handler), "MPI_Comm_create_errhandler");
  check_mpi(MPI_Comm_set_errhandler(comm, handler), "MPI_Comm_set_errhandler");
  check_mpi(MPI_Errhandler_free(&handler), "MPI_Errhandler_free");  // the communicator keeps it
}

void all_reduce(MPI_Comm comm, void* values, std::size_t count, std::size_t width,
                MPI_Datatype type, MPI_Op op) {
  const auto limit = std::max<std::size_t>(1, static_cast<std::size_t>(message_limit()) / width);
  auto* bytes = static_cast<std::byte*>(values);
  do {  // at least once: an empty reduction is still a collective
    const auto piece = std::min(count, limit);
    check_mpi(MPI_Allreduce(MPI_IN_PLACE, bytes, static_cast<int>(piece), type, op, comm),
              "MPI_Allreduce");
    ++traffic().reductions;
    bytes += piece * width;
    count -= piece;
  } while (count > 0);
}

template <class T>
T reduced(MPI_Comm comm, T value, MPI_Datatype type, MPI_Op op) {
  all_reduce(comm, &value, 1, sizeof(T), type, op);
  return value;
}

}  // namespace

Traffic& traffic() noexcept {
  static Traffic counters;
  return counters;
}

void check_mpi(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  abort_job(ExitCode::internal, fmt::format("{} failed: {}", call, mpi_error_text(code)));
}

Communicator::Communicator(MPI_Comm owned)
    : handle_(owned), unwinding_at_birth_(std::uncaught_exceptions()) {
  make_errors_fatal(handle_);
  check_mpi(MPI_Comm_set_name(handle_, "mensura"), "MPI_Comm_set_name");
  check_mpi(MPI_Comm_rank(handle_, &rank_), "MPI_Comm_rank");
  check_mpi(MPI_Comm_size(handle_, &size_), "MPI_Comm_size");
}

Communicator Communicator::duplicate(MPI_Comm parent) {
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(parent, &copy), "MPI_Comm_dup");
  return Communicator(copy);
}

Communicator::Communicator(Communicator&& other) noexcept
    : handle_(std::exchange(other.handle_, MPI_COMM_NULL)),
      rank_(other.rank_),
      size_(other.size_),
      unwinding_at_birth_(std::uncaught_exceptions()) {}

Communicator& Communicator::operator=(Communicator&& other) noexcept {
  if (this == &other) return *this;
  release();
  handle_ = std::exchange(other.handle_, MPI_COMM_NULL);
  rank_ = other.rank_;
  size_ = other.size_;
  return *this;
}

Communicator::~Communicator() {
  release();
}

void Communicator::release() noexcept {
  if (handle_ == MPI_COMM_NULL) return;
  MPI_Comm doomed = std::exchange(handle_, MPI_COMM_NULL);
  // MPI_Comm_free may wait for all ranks, and an exception may be unwinding this one alone.
  if (std::uncaught_exceptions() > unwinding_at_birth_) return;
  int finalised = 0;
  MPI_Finalized(&finalised);
  if (finalised == 0) MPI_Comm_free(&doomed);
}

Communicator Communicator::split(int colour, int key) const {
  require(colour >= 0, "a communicator is split with a colour of zero or more");
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(handle_, colour, key, &part), "MPI_Comm_split");
  return Communicator(part);
}

void Communicator::barrier() const {
  check_mpi(MPI_Barrier(handle_), "MPI_Barrier");
  ++traffic().reductions;
}

std::int64_t Communicator::sum(std::int64_t value) const {
  return reduced(handle_, value, MPI_INT64_T, MPI_SUM);
}
std::int64_t Communicator::min(std::int64_t value) const {
  return reduced(handle_, value, MPI_INT64_T, MPI_MIN);
}
std::int64_t Communicator::max(std::int64_t value) const {
  return reduced(handle_, value, MPI_INT64_T, MPI_MAX);
}
double Communicator::min(double value) const {
  return reduced(handle_, value, MPI_DOUBLE, MPI_MIN);
}
double Communicator::max(double value) const {
  return reduced(handle_, value, MPI_DOUBLE, MPI_MAX);
}
void Communicator::sum(std::span<std::int64_t> values) const {
  all_reduce(handle_, values.data(), values.size(), sizeof(std::int64_t), MPI_INT64_T, MPI_SUM);
}
void Communicator::min(std::span<double> values) const {
  all_reduce(handle_, values.data(), values.size(), sizeof(double), MPI_DOUBLE, MPI_MIN);
}
void Communicator::max(std::span<double> values) const {
  all_reduce(handle_, values.data(), values.size(), sizeof(double), MPI_DOUBLE, MPI_MAX);
}

std::int64_t Communicator::exclusive_scan(std::int64_t value) const {
  std::int64_t before = 0;
  check_mpi(MPI_Exscan(&value, &before, 1, MPI_INT64_T, MPI_SUM, handle_), "MPI_Exscan");
  ++traffic().reductions;
  return rank_ == 0 ? 0 : before;  // MPI leaves rank 0's result undefined
}

void Communicator::broadcast(std::string& bytes, int root) const {
  auto length = static_cast<std::int64_t>(bytes.size());
  broadcast_bytes(&length, sizeof(length), root);
  agree(*this, [&]() { bytes.resize(static_cast<std::size_t>(length)); });
  broadcast_bytes(bytes.data(), length, root);
}

void Communicator::broadcast_bytes(void* data, std::int64_t bytes, int root) const {
  auto* next = static_cast<std::byte*>(data);
  while (bytes > 0) {
    const auto piece = std::min(bytes, message_limit());
    check_mpi(MPI_Bcast(next, static_cast<int>(piece), MPI_BYTE, root, handle_), "MPI_Bcast");
    ++traffic().reductions;
    next += piece;
    bytes -= piece;
  }
}

void Communicator::all_gather_bytes(const void* data, std::int64_t bytes, void* result) const {
  const auto* next = static_cast<const std::byte*>(data);
  auto* place = static_cast<std::byte*>(result);
  for (std::int64_t done = 0; done < bytes;) {
    const auto piece = std::min(bytes - done, message_limit());
    // A piece of every rank lands `bytes` apart: the extent of the receiving type says so.
    MPI_Datatype packed = MPI_DATATYPE_NULL;
    MPI_Datatype spaced = MPI_DATATYPE_NULL;
    check_mpi(MPI_Type_contiguous(static_cast<int>(piece), MPI_BYTE, &packed),
              "MPI_Type_contiguous");
    check_mpi(MPI_Type_create_resized(packed, 0, static_cast<MPI_Aint>(bytes), &spaced),
              "MPI_Type_create_resized");
    check_mpi(MPI_Type_commit(&spaced), "MPI_Type_commit");
    check_mpi(MPI_Allgather(next + done, static_cast<int>(piece), MPI_BYTE, place + done, 1, spaced,
                            handle_),
              "MPI_Allgather");
    check_mpi(MPI_Type_free(&spaced), "MPI_Type_free");
    check_mpi(MPI_Type_free(&packed), "MPI_Type_free");
    ++traffic().reductions;
    done += piece;
  }
}

namespace {

struct Failure {
  bool failed = false;
  ExitCode code = ExitCode::success;
  std::string text;
};

Failure attempt(const std::function<void()>& action, int rank) {
  try {
    action();
    return {};
  } catch (const Error& error) {
    return {true, error.code(), error.what()};
  } catch (const std::bad_alloc&) {
    return {true, ExitCode::too_large,
            fmt::format("rank {} is out of memory; use more nodes, fewer ranks per node, or a "
                        "smaller problem (--dry-run predicts the memory)",
                        rank)};
  } catch (const std::length_error& error) {
    return {
        true, ExitCode::too_large,
        fmt::format("rank {} asked for an impossible amount of memory ({})", rank, error.what())};
  } catch (const std::exception& error) {
    return {true, ExitCode::internal, error.what()};
  } catch (...) {
    return {true, ExitCode::internal,
            fmt::format("rank {} met an exception of unknown type", rank)};
  }
}

}  // namespace

void agree(const Communicator& comm, const std::function<void()>& action) {
  Failure failure = attempt(action, comm.rank());
  const auto none = static_cast<std::int64_t>(comm.size());
  const auto lowest =
      static_cast<int>(comm.min(failure.failed ? static_cast<std::int64_t>(comm.rank()) : none));
  if (lowest == comm.size()) return;
  std::array<std::int64_t, 2> head{static_cast<std::int64_t>(failure.code),
                                   static_cast<std::int64_t>(failure.text.size())};
  comm.broadcast(std::span<std::int64_t>(head), lowest);
  failure.text.resize(static_cast<std::size_t>(head[1]));
  comm.broadcast(std::span<char>(failure.text), lowest);
  throw Error(static_cast<ExitCode>(head[0]), failure.text);
}

}  // namespace mensura::parallel
