// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <type_traits>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::parallel {

/// Largest number of bytes in one MPI message (default 256 MiB). Everything above it is sent in
/// pieces. Tests lower it.
std::int64_t message_limit() noexcept;
void set_message_limit(std::int64_t bytes);

/// Collective. Dense exchange of raw bytes: send_bytes[r] bytes for rank r lie one after another in
/// `send`. Returns what was received, ordered by source rank; recv_bytes[r] tells how much came
/// from r. 64-bit counts.
std::vector<std::byte> exchange_bytes(const Communicator& comm, std::span<const std::byte> send,
                                      std::span<const std::int64_t> send_bytes,
                                      std::vector<std::int64_t>& recv_bytes);

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
                     std::span<const std::int64_t> send_counts);

/// A non-blocking sparse exchange (NBX: Hoefler, Siebert, Lumsdaine 2010): every rank sends byte
/// packets to few others and learns who sent to it without any O(size) buffer. begin() is
/// collective in the sense that all ranks must call it in the same order; progress() may be called
/// at any time; the exchange is complete when progress() returns true. Several exchanges may be in
/// flight when they were given different `channel`s.
class SparseExchange {
 public:
  struct Packet {
    int rank;  ///< destination when sending, source when receiving
    std::vector<std::byte> bytes;
  };
  SparseExchange(const Communicator& comm, int channel);
  SparseExchange(const SparseExchange&) = delete;
  SparseExchange& operator=(const SparseExchange&) = delete;
  ~SparseExchange();
  void begin(std::vector<Packet> packets);
  bool progress();                      ///< true when complete; never blocks
  void wait();                          ///< blocks (progressing) until complete
  std::vector<Packet> take_received();  ///< after completion: sorted by source rank; packets of one
                                        ///< source in send order

 private:
  struct State;
  State* state_;
};

}  // namespace mensura::parallel
