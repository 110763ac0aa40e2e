// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/ring.hpp"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "parallel/exchange.hpp"
#include "parallel/tags.hpp"

namespace mensura::parallel {

namespace {

constexpr std::align_val_t cache_line{64};

}  // namespace

void Ring::Free::operator()(double* memory) const noexcept {
  ::operator delete[](memory, cache_line);
}

Ring::Buffer Ring::allocate(std::int64_t numbers) {
  return Buffer(new (cache_line) double[static_cast<std::size_t>(numbers)]);
}

Ring::Ring(const Communicator& comm, std::vector<std::int64_t> sizes)
    : comm_(comm),
      sizes_(std::move(sizes)),
      origin_(comm.rank()),
      unwinding_at_birth_(std::uncaught_exceptions()) {
  require(sizes_.size() == static_cast<std::size_t>(comm.size()), "one size per rank");
  const std::int64_t largest = *std::max_element(sizes_.begin(), sizes_.end());
  held_ = allocate(largest);
  if (comm.size() > 1) coming_ = allocate(largest);
}

Ring::~Ring() {
  if (requests_.empty()) return;
  if (std::uncaught_exceptions() > unwinding_at_birth_) {
    static_cast<void>(held_.release());  // MPI may still read and write there
    static_cast<void>(coming_.release());
    return;
  }
  end_pass();
}

std::span<double> Ring::held() noexcept {
  return {held_.get(), static_cast<std::size_t>(size_of(origin_))};
}

void Ring::begin_pass() {
  require(requests_.empty(), "a pass ends before the next one begins");
  if (comm_.size() == 1) return;
  const int from = before(comm_.rank()), to = (comm_.rank() + 1) % comm_.size();
  // Pieces of one message arrive in the order in which they were sent.
  const auto for_pieces = [](std::int64_t bytes, const auto& action) {
    for (std::int64_t done = 0; done < bytes; done += message_limit()) {
      action(done, static_cast<int>(std::min(bytes - done, message_limit())));
    }
  };
  constexpr auto width = static_cast<std::int64_t>(sizeof(double));
  auto* const in = reinterpret_cast<std::byte*>(coming_.get());
  for_pieces(size_of(before(origin_)) * width, [&](std::int64_t offset, int bytes) {
    check_mpi(MPI_Irecv(in + offset, bytes, MPI_BYTE, from, tags::ring, comm_.handle(),
                        &requests_.emplace_back()),
              "MPI_Irecv");
  });
  const auto* const out = reinterpret_cast<const std::byte*>(held_.get());
  for_pieces(size_of(origin_) * width, [&](std::int64_t offset, int bytes) {
    check_mpi(MPI_Isend(out + offset, bytes, MPI_BYTE, to, tags::ring, comm_.handle(),
                        &requests_.emplace_back()),
              "MPI_Isend");
  });
  if (size_of(origin_) == 0) return;
  ++traffic().messages;
  traffic().bytes += size_of(origin_) * width;
}

void Ring::end_pass() {
  if (comm_.size() == 1) return;
  check_mpi(MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE),
            "MPI_Waitall");
  requests_.clear();
  std::swap(held_, coming_);
  origin_ = before(origin_);
}

}  // namespace mensura::parallel
