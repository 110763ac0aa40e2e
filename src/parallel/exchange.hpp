// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <type_traits>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::parallel {

/// Largest number of bytes in one MPI message (default 256 MiB). Everything above it is sent in
/// pieces. The same on all ranks; tests lower it.
std::int64_t message_limit() noexcept;
/// Local, but to be called alike on all ranks while nothing is in flight. 1 <= bytes < 2^31.
void set_message_limit(std::int64_t bytes);

/// Collective. Tells every rank how much each other rank has for it: O(size) integers per rank.
std::vector<std::int64_t> exchange_counts(const Communicator& comm,
                                          std::span<const std::int64_t> send_counts);

/// Collective. The bytes of a dense exchange whose receive counts are known (exchange_counts);
/// `recv` has room for the sum of recv_bytes. At most a few dozen messages are in flight per rank.
void exchange_bytes_into(const Communicator& comm, const std::byte* send,
                         std::span<const std::int64_t> send_bytes, std::byte* recv,
                         std::span<const std::int64_t> recv_bytes);

/// Collective. Dense exchange of raw bytes: send_bytes[r] bytes for rank r lie one after another in
/// `send`. Returns what was received, ordered by source rank; recv_bytes[r] tells how much came
/// from r. 64-bit counts. Throws Error{too_large} on all ranks when one cannot hold what it gets.
std::vector<std::byte> exchange_bytes(const Communicator& comm, std::span<const std::byte> send,
                                      std::span<const std::int64_t> send_bytes,
                                      std::vector<std::int64_t>& recv_bytes);

/// Collective. A dense exchange of which every rank knows beforehand what it gets, recv_counts[r]
/// elements from rank r: messages between those that have something for each other and nothing
/// else. `send` and `recv` are as long as their counts say and do not overlap.
template <class T>
  requires std::is_trivially_copyable_v<T>
void exchange_into(const Communicator& comm, std::span<const T> send,
                   std::span<const std::int64_t> send_counts, std::span<T> recv,
                   std::span<const std::int64_t> recv_counts) {
  constexpr auto width = static_cast<std::int64_t>(sizeof(T));
  std::vector<std::int64_t> send_bytes(send_counts.begin(), send_counts.end());
  std::vector<std::int64_t> recv_bytes(recv_counts.begin(), recv_counts.end());
  for (auto& bytes : send_bytes) bytes *= width;
  for (auto& bytes : recv_bytes) bytes *= width;
  exchange_bytes_into(comm, reinterpret_cast<const std::byte*>(send.data()), send_bytes,
                      reinterpret_cast<std::byte*>(recv.data()), recv_bytes);
}

template <class T>
struct Received {
  std::vector<T> data;               ///< ordered by source rank
  std::vector<std::int64_t> counts;  ///< elements from each rank
};

/// Collective. Dense exchange of trivially copyable elements; see exchange_bytes. No copy beyond
/// send and receive buffers.
template <class T>
  requires std::is_trivially_copyable_v<T>
Received<T> exchange(const Communicator& comm, std::span<const T> send,
                     std::span<const std::int64_t> send_counts) {
  Received<T> received;
  received.counts = exchange_counts(comm, send_counts);
  const auto sum = [](std::span<const std::int64_t> counts) {
    return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
  };
  require(sum(send_counts) == static_cast<std::int64_t>(send.size()),
          "send counts add up to the send buffer");
  agree(comm, [&] { received.data.resize(static_cast<std::size_t>(sum(received.counts))); });
  exchange_into<T>(comm, send, send_counts, received.data, received.counts);
  return received;
}

/// A non-blocking sparse exchange (NBX: Hoefler, Siebert, Lumsdaine 2010): every rank sends byte
/// packets to few others and learns who sent to it without any O(size) buffer. begin() is
/// collective in the sense that all ranks must call it in the same order; progress() may be called
/// at any time; the exchange is complete when progress() returns true. Several exchanges may be in
/// flight when they were given different `channel`s; other collectives may run in between. One
/// object after another may use a channel; the communicator must outlive them.
class SparseExchange {
 public:
  static constexpr int channels = 1024;
  struct Packet {
    int rank;  ///< destination when sending, source when receiving
    std::vector<std::byte> bytes;
  };
  /// Local. 0 <= channel < channels.
  SparseExchange(const Communicator& comm, int channel);
  SparseExchange(const SparseExchange&) = delete;
  SparseExchange& operator=(const SparseExchange&) = delete;
  /// Completes an exchange in flight; while an exception unwinds this rank it leaves the buffers to
  /// MPI instead, since the others may never come.
  ~SparseExchange();
  void begin(std::vector<Packet> packets);
  bool progress();                      ///< true when complete; never blocks
  void wait();                          ///< blocks (progressing) until complete
  std::vector<Packet> take_received();  ///< after completion: sorted by source rank; packets of one
                                        ///< source in send order

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mensura::parallel
