// SPDX-License-Identifier: BSD-3-Clause
#include "run/signals.hpp"

#include <gtest/gtest.h>

#include <csignal>

namespace {

using namespace mensura::run;

TEST(Signals, AreRememberedTogetherAndTakenOnce) {
  install_signal_handlers();
  EXPECT_EQ(take_signal_requests(), no_request);
  std::raise(SIGUSR2);
  std::raise(SIGUSR1);
  std::raise(SIGUSR1);
  EXPECT_EQ(take_signal_requests(), checkpoint_and_stop | checkpoint_and_continue);
  EXPECT_EQ(take_signal_requests(), no_request);
  std::raise(SIGTERM);
  EXPECT_EQ(take_signal_requests(), last_call);
  EXPECT_EQ(take_signal_requests(), no_request);
}

TEST(Signals, BrokenPipeIsIgnored) {
  install_signal_handlers();
  EXPECT_EQ(std::raise(SIGPIPE), 0);  // by default this would end the program
}

TEST(Signals, LastCallHasTheLoudestName) {
  EXPECT_STREQ(request_name(checkpoint_and_stop | checkpoint_and_continue | last_call), "TERM");
  EXPECT_STREQ(request_name(checkpoint_and_stop | checkpoint_and_continue), "USR1");
  EXPECT_STREQ(request_name(checkpoint_and_continue), "USR2");
}

TEST(SignalsDeathTest, SecondInterruptKills) {
  testing::GTEST_FLAG(death_test_style) = "fast";
  EXPECT_EXIT(
      {
        install_signal_handlers();
        std::raise(SIGINT);
        if (take_signal_requests() != last_call) std::_Exit(1);
        std::raise(SIGINT);
        std::_Exit(2);
      },
      testing::KilledBySignal(SIGINT), "");
}

}  // namespace
