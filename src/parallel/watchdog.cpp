// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/watchdog.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <random>
#include <string_view>
#include <thread>
#include <utility>

#include "parallel/environment.hpp"
#include "parallel/socket.hpp"
#include "parallel/tags.hpp"

namespace mensura::parallel {

namespace {

using Milliseconds = Watchdog::Milliseconds;
using Clock = std::chrono::steady_clock;

// What a rank tells its neighbours about itself.
struct Card {
  std::array<char, 128> host{};
  std::array<std::uint32_t, 16> addresses{};
  std::uint64_t token = 0;  ///< the connecting neighbour shows it, strangers do not know it
  std::int64_t pid = 0;
  std::int32_t rank = 0;
  std::uint16_t port = 0;
  std::uint16_t address_count = 0;
};

Card own_card(const Communicator& comm, const Socket& listener) {
  Card card;
  ::gethostname(card.host.data(), card.host.size() - 1);
  const auto addresses = own_addresses();
  card.address_count =
      static_cast<std::uint16_t>(std::min(addresses.size(), card.addresses.size()));
  std::copy_n(addresses.begin(), card.address_count, card.addresses.begin());
  std::random_device entropy;
  card.token = (std::uint64_t{entropy()} << 32U) | entropy();
  card.pid = ::getpid();
  card.rank = comm.rank();
  card.port = listener.port();
  return card;
}

// Collective on the ring: sends to one neighbour and receives from the other.
template <class T>
T pass(const Communicator& comm, T value, int to, int from) {
  T received{};
  check_mpi(MPI_Sendrecv(&value, sizeof(T), MPI_BYTE, to, tags::watchdog, &received, sizeof(T),
                         MPI_BYTE, from, tags::watchdog, comm.handle(), MPI_STATUS_IGNORE),
            "MPI_Sendrecv");
  return received;
}

Socket connect_to(const Card& peer, const Card& self) {
  if (peer.port == 0) return {};
  constexpr Milliseconds patience{1000};
  if (peer.host == self.host) {
    auto socket = Socket::connected(htonl(INADDR_LOOPBACK), peer.port, patience);
    if (!socket.empty()) return socket;
  }
  const std::span mine(self.addresses.data(), self.address_count);
  for (const auto address : std::span(peer.addresses.data(), peer.address_count)) {
    // An address that both nodes have (the bridge of a container host) would lead back here.
    const bool shared = std::find(mine.begin(), mine.end(), address) != mine.end();
    if (shared && peer.host != self.host) continue;
    auto socket = Socket::connected(address, peer.port, patience);
    if (!socket.empty()) return socket;
  }
  return {};
}

Socket accept_from_neighbour(const Socket& listener, std::uint64_t token) {
  const auto deadline = Clock::now() + Milliseconds(5000);
  while (Clock::now() < deadline) {
    auto socket = listener.accept(Milliseconds(1000));
    std::uint64_t shown = 0;
    if (!socket.empty() && socket.receive(&shown, sizeof(shown), Milliseconds(1000)) &&
        shown == token) {
      return socket;
    }
  }
  return {};
}

// The bytes on a connection.
constexpr char heartbeat = 'h';
constexpr char goodbye = 'b';
constexpr char notice = 'n';  ///< followed by a text and a line feed

struct Link {
  Socket socket;
  Card peer;
  bool closed = false;       ///< by the other side, without a goodbye
  Clock::duration quiet{0};  ///< since the last byte, or since it was closed
  bool in_notice = false;
  std::string text;  ///< of a notice
  bool noticed = false;
};

// Empties the socket's buffer. A goodbye closes the link in peace.
void read_link(Link& link) {
  std::array<char, 256> buffer{};
  while (!link.socket.empty() && !link.closed) {
    const auto got = ::recv(link.socket.descriptor(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
    if (got <= 0) {
      link.closed = true;
      link.quiet = Clock::duration(0);
      return;
    }
    link.quiet = Clock::duration(0);
    for (const char byte : std::string_view(buffer.data(), static_cast<std::size_t>(got))) {
      if (link.in_notice) {
        link.noticed = link.noticed || byte == '\n';
        if (!link.noticed) link.text += byte;
      } else if (byte == notice) {
        link.in_notice = true;
      } else if (byte == goodbye) {
        link.socket.close();
        return;
      }
    }
  }
}

}  // namespace

class Watchdog::Ring {
 public:
  Ring(const Communicator& comm, Settings settings);
  ~Ring() { stop(); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  int missing() const noexcept;
  void start();
  void stop() noexcept;
  void say_goodbye() noexcept;

 private:
  void connect(const Communicator& comm);
  void watch() noexcept;
  bool wait_for_news();
  std::string verdict() const;
  void spread(const std::string& text) noexcept;

  Settings settings_;
  std::array<Link, 2> links_;  // to the next rank, from the previous one
  int wake_ = -1;              // an eventfd that ends the thread
  std::thread thread_;
};

Watchdog::Ring::Ring(const Communicator& comm, Settings settings) : settings_(std::move(settings)) {
  if (!settings_.act) {
    settings_.act = [](const std::string& text) { abort_job(ExitCode::rank_lost, text); };
  }
  connect(comm);
}

// Every rank listens, then all connect to their next one (the system answers for a listening
// process), then all accept. Each end is told whether the other has the connection.
void Watchdog::Ring::connect(const Communicator& comm) {
  const int next = (comm.rank() + 1) % comm.size();
  const int previous = (comm.rank() + comm.size() - 1) % comm.size();
  const Socket listener = Socket::listening();
  const Card self = own_card(comm, listener);
  auto& [to_next, from_previous] = links_;
  to_next.peer = pass(comm, self, previous, next);
  from_previous.peer = pass(comm, self, next, previous);
  to_next.socket = connect_to(to_next.peer, self);
  const auto token = to_next.peer.token;
  const bool connected =
      !to_next.socket.empty() &&
      to_next.socket.send({reinterpret_cast<const char*>(&token), sizeof(token)});
  if (pass(comm, connected, next, previous)) {
    from_previous.socket = accept_from_neighbour(listener, self.token);
  }
  const bool accepted = !from_previous.socket.empty();
  if (!pass(comm, accepted, previous, next)) to_next.socket.close();
}

int Watchdog::Ring::missing() const noexcept {
  return links_[0].socket.empty() ? 1 : 0;
}

void Watchdog::Ring::start() {
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  require(wake_ >= 0, "no event descriptor for the watchdog: too many open files");
  // Signals are the main thread's business: their handlers must interrupt its system calls.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    thread_ = std::thread([this]() { watch(); });
  } catch (...) {
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    throw Error(ExitCode::too_large, "no thread for the watchdog; raise the limit (ulimit -u)");
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void Watchdog::Ring::stop() noexcept {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_, &one, sizeof(one));
    thread_.join();
  }
  if (wake_ >= 0) ::close(std::exchange(wake_, -1));
}

void Watchdog::Ring::say_goodbye() noexcept {
  for (const auto& link : links_) {
    if (!link.socket.empty()) link.socket.send({&goodbye, 1});
  }
}

// Sleeps until there is something to read or the next heartbeat is due. False: stop was asked for.
bool Watchdog::Ring::wait_for_news() {
  std::array<pollfd, 3> waited{};
  waited[0] = {wake_, POLLIN, 0};
  for (std::size_t i = 0; i < links_.size(); ++i) {
    // poll() ignores negative descriptors; a closed socket would be readable for ever.
    const auto& link = links_[i];
    waited[i + 1] = {link.closed ? -1 : link.socket.descriptor(), POLLIN, 0};
  }
  ::poll(waited.data(), waited.size(), static_cast<int>(settings_.heartbeat.count()));
  return waited[0].revents == 0;
}

// The text about a neighbour that is gone, or nothing.
std::string Watchdog::Ring::verdict() const {
  constexpr std::string_view advice = "ending this rank; the last checkpoint is restartable";
  for (const auto& link : links_) {
    if (link.socket.empty()) continue;
    if (link.noticed) return link.text;
    const auto who = fmt::format("rank {} on host {} (pid {})", link.peer.rank,
                                 link.peer.host.data(), link.peer.pid);
    if (link.closed && link.quiet >= settings_.grace)
      return fmt::format("{} is gone; {}", who, advice);
    if (!link.closed && link.quiet >= settings_.silence) {
      return fmt::format("{} gave no sign of life for {:.0f} s (stopped, or its node is lost); {}",
                         who, std::chrono::duration<double>(settings_.silence).count(), advice);
    }
  }
  return {};
}

void Watchdog::Ring::spread(const std::string& text) noexcept {
  for (const auto& link : links_) {
    if (link.socket.empty() || link.closed) continue;
    link.socket.send({&notice, 1});
    link.socket.send(text);
    link.socket.send("\n");
  }
}

void Watchdog::Ring::watch() noexcept {
  try {
    auto last_pass = Clock::now();
    auto last_beat = last_pass - settings_.heartbeat;
    while (wait_for_news()) {
      const auto now = Clock::now();
      if (now - last_beat >= settings_.heartbeat) {
        last_beat = now;
        for (const auto& link : links_) {
          if (!link.socket.empty() && !link.closed) link.socket.send({&heartbeat, 1});
        }
      }
      // Should this process have been suspended, the pause counts as one heartbeat at most.
      const auto passed = std::min<Clock::duration>(now - last_pass, 2 * settings_.heartbeat);
      last_pass = now;
      for (auto& link : links_) {
        link.quiet += passed;
        read_link(link);
      }
      const auto text = verdict();
      if (text.empty()) continue;
      spread(text);
      settings_.act(text);
      return;
    }
  } catch (const std::exception& error) {
    abort_job(ExitCode::internal, std::string("the watchdog failed: ") + error.what());
  }
}

Watchdog::Watchdog(const Communicator& comm, Settings settings)
    : comm_(comm), unwinding_at_birth_(std::uncaught_exceptions()) {
  if (comm.size() == 1) return;
  ring_ = std::make_unique<Ring>(comm, std::move(settings));
  missing_links_ = static_cast<int>(comm.sum(static_cast<std::int64_t>(ring_->missing())));
  agree(comm, [this]() { ring_->start(); });
}

Watchdog::~Watchdog() {
  if (!ring_) return;
  int finalised = 0;
  MPI_Finalized(&finalised);
  const bool unwinding = std::uncaught_exceptions() > unwinding_at_birth_;
  if (!unwinding && finalised == 0) comm_.barrier();
  ring_->stop();
  if (!unwinding) ring_->say_goodbye();
}

}  // namespace mensura::parallel
