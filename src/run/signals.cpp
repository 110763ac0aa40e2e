// SPDX-License-Identifier: BSD-3-Clause
#include "run/signals.hpp"

#include <csignal>
#include <initializer_list>

namespace mensura::run {
namespace {

// One flag per signal: setting is atomic, whereas or-ing bits into one word inside a handler is
// not.
volatile std::sig_atomic_t usr1_arrived = 0;
volatile std::sig_atomic_t usr2_arrived = 0;
volatile std::sig_atomic_t term_arrived = 0;
volatile std::sig_atomic_t int_arrived = 0;

extern "C" void on_signal(int number) {
  switch (number) {
    case SIGUSR1:
      usr1_arrived = 1;
      break;
    case SIGUSR2:
      usr2_arrived = 1;
      break;
    case SIGTERM:
      term_arrived = 1;
      break;
    default:
      // The first INT may still wait for its safe point; the second one is an impatient human.
      if (int_arrived != 0) {
        std::signal(SIGINT, SIG_DFL);
        std::raise(SIGINT);
      }
      int_arrived = 1;
  }
}

bool take(volatile std::sig_atomic_t& flag) noexcept {
  if (flag == 0) return false;
  flag = 0;
  return true;
}

}  // namespace

void install_signal_handlers() {
  struct sigaction action{};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGUSR1, SIGUSR2, SIGTERM, SIGINT}) {
    sigaction(number, &action, nullptr);
  }
  std::signal(SIGPIPE, SIG_IGN);
}

unsigned take_signal_requests() noexcept {
  unsigned requests = no_request;
  if (take(usr1_arrived)) requests |= checkpoint_and_stop;
  if (take(usr2_arrived)) requests |= checkpoint_and_continue;
  if (take(term_arrived)) requests |= last_call;
  if (int_arrived != 0) requests |= last_call;  // stays set: a second INT must kill
  return requests;
}

const char* request_name(unsigned requests) noexcept {
  if ((requests & last_call) != 0) return "TERM";
  if ((requests & checkpoint_and_stop) != 0) return "USR1";
  if ((requests & checkpoint_and_continue) != 0) return "USR2";
  return "nothing";
}

}  // namespace mensura::run
