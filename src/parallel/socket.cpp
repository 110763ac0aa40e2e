// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/socket.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace mensura::parallel {

namespace {

// close-on-exec: a child process must not keep a connection alive after its parent died.
Socket new_socket() noexcept {
  return Socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

bool ready(int descriptor, short events, std::chrono::milliseconds patience) noexcept {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (;;) {
    pollfd waited{descriptor, events, 0};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    const int count = ::poll(&waited, 1, left.count() > 0 ? static_cast<int>(left.count()) : 0);
    if (count > 0) return true;
    if (count == 0 || errno != EINTR) return false;
  }
}

sockaddr_in ip_address(std::uint32_t address, std::uint16_t port) noexcept {
  sockaddr_in full{};
  full.sin_family = AF_INET;
  full.sin_port = htons(port);
  full.sin_addr.s_addr = address;
  return full;
}

}  // namespace

Socket& Socket::operator=(Socket&& other) noexcept {
  if (this != &other) {
    close();
    descriptor_ = std::exchange(other.descriptor_, -1);
  }
  return *this;
}

void Socket::close() noexcept {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

Socket Socket::listening() noexcept {
  Socket socket = new_socket();
  const auto any = ip_address(htonl(INADDR_ANY), 0);
  if (socket.empty() ||
      ::bind(socket.descriptor_, reinterpret_cast<const sockaddr*>(&any), sizeof(any)) != 0 ||
      ::listen(socket.descriptor_, 8) != 0) {
    return {};
  }
  return socket;
}

Socket Socket::connected(std::uint32_t address, std::uint16_t port,
                         std::chrono::milliseconds patience) noexcept {
  Socket socket = new_socket();
  if (socket.empty()) return {};
  const auto peer = ip_address(address, port);
  if (::connect(socket.descriptor_, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) == 0) {
    return socket;
  }
  if (errno != EINPROGRESS || !ready(socket.descriptor_, POLLOUT, patience)) return {};
  int failure = 0;
  socklen_t length = sizeof(failure);
  ::getsockopt(socket.descriptor_, SOL_SOCKET, SO_ERROR, &failure, &length);
  return failure == 0 ? std::move(socket) : Socket();
}

Socket Socket::accept(std::chrono::milliseconds patience) const noexcept {
  if (empty() || !ready(descriptor_, POLLIN, patience)) return {};
  return Socket(::accept4(descriptor_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
}

std::uint16_t Socket::port() const noexcept {
  sockaddr_in own{};
  socklen_t length = sizeof(own);
  if (empty() || ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&own), &length) != 0) {
    return 0;
  }
  return ntohs(own.sin_port);
}

bool Socket::send(std::string_view bytes) const noexcept {
  const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent >= 0 || errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

bool Socket::receive(void* bytes, std::size_t count,
                     std::chrono::milliseconds patience) const noexcept {
  auto* next = static_cast<char*>(bytes);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (count > 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (!ready(descriptor_, POLLIN, left)) return false;
    const auto got = ::recv(descriptor_, next, count, 0);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (got < 0) continue;
    next += got;
    count -= static_cast<std::size_t>(got);
  }
  return true;
}

std::vector<std::uint32_t> own_addresses() {
  std::vector<std::uint32_t> result;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return result;
  for (const ifaddrs* item = list; item != nullptr; item = item->ifa_next) {
    if (item->ifa_addr == nullptr || item->ifa_addr->sa_family != AF_INET) continue;
    if ((item->ifa_flags & IFF_UP) == 0 || (item->ifa_flags & IFF_LOOPBACK) != 0) continue;
    sockaddr_in address{};
    std::memcpy(&address, item->ifa_addr, sizeof(address));
    result.push_back(address.sin_addr.s_addr);
  }
  ::freeifaddrs(list);
  return result;
}

}  // namespace mensura::parallel
