// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/watchdog.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <thread>

namespace mensura::parallel {
namespace {

using Milliseconds = Watchdog::Milliseconds;

// What the watchdog of this rank said, instead of ending the job.
struct Verdict {
  std::atomic<bool> given = false;
  std::mutex mutex;
  std::string text;
};

Watchdog::Settings impatient(Verdict& verdict) {
  Watchdog::Settings settings;
  settings.heartbeat = Milliseconds(50);
  settings.grace = Milliseconds(300);
  settings.silence = Milliseconds(1500);
  settings.act = [&verdict](const std::string& text) {
    const std::lock_guard lock(verdict.mutex);
    verdict.text = text;
    verdict.given = true;
  };
  return settings;
}

bool given_within(const Verdict& verdict, Milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  while (!verdict.given && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(Milliseconds(10));
  }
  return verdict.given;
}

TEST(Watchdog, AllLinksOfTheRingAreMade) {
  const auto world = Communicator::world();
  const Watchdog watchdog(world);
  EXPECT_EQ(watchdog.missing_links(), 0);
}

// A rank that computes for longer than all limits, its watchdog thread alive, is not dead.
TEST(Watchdog, LongComputationIsNoAlarm) {
  const auto world = Communicator::world();
  Verdict verdict;
  {
    const Watchdog watchdog(world, impatient(verdict));
    if (world.rank() == 0) {
      const auto end = std::chrono::steady_clock::now() + Milliseconds(2200);
      while (std::chrono::steady_clock::now() < end) {
      }
    }
    world.barrier();
  }
  EXPECT_FALSE(verdict.given) << verdict.text;
}

TEST(Watchdog, CleanEndsAreNoAlarm) {
  const auto world = Communicator::world();
  Verdict verdict;
  for (int i = 0; i < 5; ++i) {
    const Watchdog watchdog(world, impatient(verdict));
    // The others wait in the destructor for longer than the grace.
    if (i == 4 && world.rank() == 0) std::this_thread::sleep_for(Milliseconds(600));
  }
  EXPECT_FALSE(verdict.given) << verdict.text;
}

// A rank whose watchdog went away without a goodbye: to its neighbours the same as a dead process.
TEST(Watchdog, NoticesARankThatIsGone) {
  const auto world = Communicator::world();
  Verdict verdict;
  auto watchdog = std::make_unique<Watchdog>(world, impatient(verdict));
  const int gone = world.size() - 1;
  if (world.size() > 1 && world.rank() == gone) {
    struct Unwinding {  // an exception that unwinds this rank alone
      std::unique_ptr<Watchdog>& watchdog;
      ~Unwinding() { std::unique_ptr<Watchdog>(std::move(watchdog)).reset(); }
    };
    try {
      const Unwinding unwinding{watchdog};
      throw std::runtime_error("leaving");
    } catch (const std::runtime_error&) {
    }
  } else if (world.size() > 1) {
    EXPECT_TRUE(given_within(verdict, Milliseconds(10000)));
    const std::lock_guard lock(verdict.mutex);
    EXPECT_EQ(verdict.text.find("rank " + std::to_string(gone) + " on host "), 0U) << verdict.text;
    EXPECT_NE(verdict.text.find("is gone; ending this rank"), std::string::npos) << verdict.text;
  }
  world.barrier();
  // What is left ends without its collective barrier, which the gone rank could not join.
  try {
    const auto last = std::move(watchdog);
    throw std::runtime_error("done");
  } catch (const std::runtime_error&) {
  }
}

// A stopped process holds its connections open and falls silent.
TEST(Watchdog, NoticesAStoppedRank) {
  const auto world = Communicator::world();
  Verdict verdict;
  const auto pids =
      world.all_gather(std::span<const int>(std::array{static_cast<int>(::getpid())}));
  const int stopped = world.size() - 1;
  {
    const Watchdog watchdog(world, impatient(verdict));
    world.barrier();
    if (world.size() > 1 && world.rank() == 0) {
      ::kill(pids[static_cast<std::size_t>(stopped)], SIGSTOP);
      EXPECT_TRUE(given_within(verdict, Milliseconds(10000)));
      ::kill(pids[static_cast<std::size_t>(stopped)], SIGCONT);
      const std::lock_guard lock(verdict.mutex);
      EXPECT_NE(verdict.text.find("gave no sign of life"), std::string::npos) << verdict.text;
      EXPECT_EQ(verdict.text.find("rank " + std::to_string(stopped) + " on host "), 0U)
          << verdict.text;
    }
    world.barrier();
  }
}

// A pause of the whole job (scontrol suspend) must not look like death: time that passes while this
// process itself is stopped does not count. Only the pause of the watched rank does, and it is
// shorter than the limit.
TEST(Watchdog, AShortPauseIsForgiven) {
  const auto world = Communicator::world();
  Verdict verdict;
  const auto pids =
      world.all_gather(std::span<const int>(std::array{static_cast<int>(::getpid())}));
  {
    const Watchdog watchdog(world, impatient(verdict));
    world.barrier();
    if (world.size() > 1 && world.rank() == 0) {
      for (int r = 1; r < world.size(); ++r) ::kill(pids[static_cast<std::size_t>(r)], SIGSTOP);
      std::this_thread::sleep_for(Milliseconds(500));
      for (int r = 1; r < world.size(); ++r) ::kill(pids[static_cast<std::size_t>(r)], SIGCONT);
      std::this_thread::sleep_for(Milliseconds(1500));
    }
    world.barrier();
  }
  EXPECT_FALSE(verdict.given) << verdict.text;
}

}  // namespace
}  // namespace mensura::parallel
