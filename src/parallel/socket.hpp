// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace mensura::parallel {

/// Owner of a file descriptor of a TCP socket (IPv4). All members are local and none throws for
/// what the network does: a socket that could not be had is empty.
class Socket {
 public:
  Socket() = default;
  explicit Socket(int descriptor) noexcept : descriptor_(descriptor) {}
  Socket(Socket&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Socket& operator=(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(); }

  /// Listens on all interfaces at a port of the system's choice.
  static Socket listening() noexcept;
  /// Connects to `address` (network byte order) or is empty after `patience`.
  static Socket connected(std::uint32_t address, std::uint16_t port,
                          std::chrono::milliseconds patience) noexcept;
  /// The next connection to this listening socket; empty when none comes within `patience`.
  Socket accept(std::chrono::milliseconds patience) const noexcept;

  bool empty() const noexcept { return descriptor_ < 0; }
  int descriptor() const noexcept { return descriptor_; }
  std::uint16_t port() const noexcept;
  void close() noexcept;

  /// False when the connection is lost. Bytes that do not fit the system's buffer are dropped.
  bool send(std::string_view bytes) const noexcept;
  /// Reads exactly `count` bytes or returns false after `patience`.
  bool receive(void* bytes, std::size_t count, std::chrono::milliseconds patience) const noexcept;

 private:
  int descriptor_ = -1;
};

/// Local. The IPv4 addresses of this node's running interfaces (network byte order), no loopback.
std::vector<std::uint32_t> own_addresses();

}  // namespace mensura::parallel
