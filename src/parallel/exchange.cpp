// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/exchange.hpp"

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <numeric>

#include "parallel/tags.hpp"

namespace mensura::parallel {

namespace {

std::int64_t limit_bytes = std::int64_t{256} << 20;

// Walks over the pieces of all messages of one direction: partner after partner, each message in
// pieces of at most the limit. Step s pairs rank r with r + s (sending) or r - s (receiving), so
// that the k-th piece of a step is sent and received at matching places of the two walks.
class Pieces {
 public:
  struct Piece {
    int partner;
    std::int64_t offset;
    int bytes;
  };

  Pieces(std::span<const std::int64_t> bytes, int rank, int direction)
      : bytes_(bytes), offsets_(bytes.size() + 1), rank_(rank), direction_(direction) {
    std::partial_sum(bytes.begin(), bytes.end(), offsets_.begin() + 1);
    skip_finished();
  }
  std::int64_t offset(int rank) const { return offsets_[static_cast<std::size_t>(rank)]; }
  bool finished() const noexcept { return step_ >= size(); }
  Piece next() {
    const auto length = bytes_[static_cast<std::size_t>(partner())];
    const auto piece = std::min(length - done_, message_limit());
    const Piece result{partner(), offset(partner()) + done_, static_cast<int>(piece)};
    done_ += piece;
    skip_finished();
    return result;
  }

 private:
  int size() const noexcept { return static_cast<int>(bytes_.size()); }
  int partner() const noexcept { return (rank_ + direction_ * step_ + size()) % size(); }
  void skip_finished() {
    while (!finished() && done_ >= bytes_[static_cast<std::size_t>(partner())]) {
      ++step_;
      done_ = 0;
    }
  }
  std::span<const std::int64_t> bytes_;
  std::vector<std::int64_t> offsets_;
  int rank_;
  int direction_;
  int step_ = 1;  // step 0 is this rank itself
  std::int64_t done_ = 0;
};

void count_messages(std::span<const std::int64_t> bytes, int self) {
  for (std::size_t r = 0; r < bytes.size(); ++r) {
    if (static_cast<int>(r) == self || bytes[r] == 0) continue;
    ++traffic().messages;
    traffic().bytes += bytes[r];
  }
}

}  // namespace

std::int64_t message_limit() noexcept {
  return limit_bytes;
}

void set_message_limit(std::int64_t bytes) {
  require(bytes >= 1 && bytes <= INT_MAX, "the message limit lies between 1 byte and 2 GiB");
  limit_bytes = bytes;
}

std::vector<std::int64_t> exchange_counts(const Communicator& comm,
                                          std::span<const std::int64_t> send_counts) {
  require(send_counts.size() == static_cast<std::size_t>(comm.size()), "one send count per rank");
  std::vector<std::int64_t> recv_counts(send_counts.size());
  check_mpi(MPI_Alltoall(send_counts.data(), 1, MPI_INT64_T, recv_counts.data(), 1, MPI_INT64_T,
                         comm.handle()),
            "MPI_Alltoall");
  ++traffic().reductions;
  return recv_counts;
}

// Both walks visit (step, piece) in the same order on all ranks and each keeps its first unfinished
// pieces posted. Of all unfinished pieces of the job take one that comes first in that order: its
// sender and its receiver have finished everything before it, so both have it posted. Hence the
// bounded windows cannot lock up.
void exchange_bytes_into(const Communicator& comm, const std::byte* send,
                         std::span<const std::int64_t> send_bytes, std::byte* recv,
                         std::span<const std::int64_t> recv_bytes) {
  Pieces outgoing(send_bytes, comm.rank(), +1);
  Pieces incoming(recv_bytes, comm.rank(), -1);
  const auto self = static_cast<std::size_t>(comm.rank());
  require(send_bytes[self] == recv_bytes[self], "a rank receives from itself what it sends");
  if (send_bytes[self] > 0) {
    std::memcpy(recv + incoming.offset(comm.rank()), send + outgoing.offset(comm.rank()),
                static_cast<std::size_t>(send_bytes[self]));
  }
  count_messages(send_bytes, comm.rank());

  constexpr int window = 32;  // messages in flight per direction: receives first, then sends
  std::array<MPI_Request, 2 * window> requests;
  requests.fill(MPI_REQUEST_NULL);
  const auto post = [&](int slot) {
    auto& request = requests[static_cast<std::size_t>(slot)];
    if (slot < window && !incoming.finished()) {
      const auto piece = incoming.next();
      check_mpi(MPI_Irecv(recv + piece.offset, piece.bytes, MPI_BYTE, piece.partner,
                          tags::dense_exchange, comm.handle(), &request),
                "MPI_Irecv");
    } else if (slot >= window && !outgoing.finished()) {
      const auto piece = outgoing.next();
      check_mpi(MPI_Isend(send + piece.offset, piece.bytes, MPI_BYTE, piece.partner,
                          tags::dense_exchange, comm.handle(), &request),
                "MPI_Isend");
    }
  };
  for (int slot = 0; slot < 2 * window; ++slot) post(slot);
  std::array<int, 2 * window> finished{};
  for (int count = 0;;) {
    check_mpi(
        MPI_Waitsome(2 * window, requests.data(), &count, finished.data(), MPI_STATUSES_IGNORE),
        "MPI_Waitsome");
    if (count == MPI_UNDEFINED) break;  // nothing in flight and nothing left to post
    for (int i = 0; i < count; ++i) post(finished[static_cast<std::size_t>(i)]);
  }
}

std::vector<std::byte> exchange_bytes(const Communicator& comm, std::span<const std::byte> send,
                                      std::span<const std::int64_t> send_bytes,
                                      std::vector<std::int64_t>& recv_bytes) {
  auto received = exchange<std::byte>(comm, send, send_bytes);
  recv_bytes = std::move(received.counts);
  return std::move(received.data);
}

}  // namespace mensura::parallel
