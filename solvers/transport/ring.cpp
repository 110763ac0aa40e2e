// SPDX-License-Identifier: BSD-3-Clause
#include "transport/ring.hpp"

#include <algorithm>
#include <utility>

#include "parallel/exchange.hpp"

namespace mensura::transport {

namespace {

constexpr int tag = 71;  // below parallel::tags::first

// The messages of one step around the ring, in pieces that MPI can count.
class Step {
 public:
  void send(const parallel::Communicator& comm, std::span<const double> block, int to) {
    in_pieces(block.size_bytes(), [&](std::size_t begin, int bytes) {
      const auto* from = reinterpret_cast<const std::byte*>(block.data()) + begin;
      parallel::check_mpi(MPI_Isend(from, bytes, MPI_BYTE, to, tag, comm.handle(), next_request()),
                          "MPI_Isend");
      ++parallel::traffic().messages;
      parallel::traffic().bytes += bytes;
    });
  }
  void receive(const parallel::Communicator& comm, std::span<double> block, int from) {
    in_pieces(block.size_bytes(), [&](std::size_t begin, int bytes) {
      auto* to = reinterpret_cast<std::byte*>(block.data()) + begin;
      parallel::check_mpi(MPI_Irecv(to, bytes, MPI_BYTE, from, tag, comm.handle(), next_request()),
                          "MPI_Irecv");
    });
  }
  void progress() {
    int finished = 0;
    parallel::check_mpi(MPI_Testall(count(), requests_.data(), &finished, MPI_STATUSES_IGNORE),
                        "MPI_Testall");
  }
  void wait() {
    parallel::check_mpi(MPI_Waitall(count(), requests_.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
    requests_.clear();
  }

 private:
  template <class Action>
  void in_pieces(std::size_t bytes, Action action) {
    const auto limit = static_cast<std::size_t>(parallel::message_limit());
    requests_.reserve(requests_.size() + bytes / limit + 1);
    for (std::size_t begin = 0; begin < bytes; begin += limit) {
      action(begin, static_cast<int>(std::min(limit, bytes - begin)));
    }
  }
  MPI_Request* next_request() {
    requests_.push_back(MPI_REQUEST_NULL);
    return &requests_.back();
  }
  int count() const { return static_cast<int>(requests_.size()); }
  std::vector<MPI_Request> requests_;
};

}  // namespace

void travel(const parallel::Communicator& comm, std::vector<double>& block,
            std::span<const std::int64_t> lengths, const Visit& visit) {
  const int ranks = comm.size();
  std::vector<double> next;
  const auto longest = static_cast<std::size_t>(*std::ranges::max_element(lengths));
  parallel::agree(comm, [&] {
    block.reserve(longest);
    if (ranks > 1) next.reserve(longest);
  });
  const int left = (comm.rank() + ranks - 1) % ranks, right = (comm.rank() + 1) % ranks;
  for (int step = 0; step < ranks; ++step) {
    Step messages;
    if (step + 1 < ranks) {
      next.resize(static_cast<std::size_t>(
          lengths[static_cast<std::size_t>((comm.rank() + step + 1) % ranks)]));
      messages.receive(comm, next, right);
      messages.send(comm, block, left);
    }
    try {
      visit(block, [&] { messages.progress(); });
    } catch (...) {
      messages.wait();  // a poll throws on all ranks in the same step: all messages arrive
      throw;
    }
    messages.wait();
    std::swap(block, next);
  }
}

}  // namespace mensura::transport
