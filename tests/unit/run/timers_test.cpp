// SPDX-License-Identifier: BSD-3-Clause
#include "run/timers.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>

#include "run/memory.hpp"

namespace {

using namespace mensura;

void spend(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

run::PhaseSummary find(const std::vector<run::PhaseSummary>& phases, const std::string& name) {
  const auto found = std::find_if(phases.begin(), phases.end(),
                                  [&](const auto& phase) { return phase.name == name; });
  return found == phases.end() ? run::PhaseSummary{} : *found;
}

// Sleeping takes at least its time; an upper bound on a busy machine would only be noise, so that
// the sum over phases against the whole is what is checked from above.
TEST(Timers, NestedPhaseInterruptsTheOuterOne) {
  const auto comm = parallel::Communicator::world();
  const auto start = std::chrono::steady_clock::now();
  run::Timers timers;
  {
    const auto outer = timers.phase("outer");
    spend(0.02);
    {
      const auto inner = timers.phase("inner");
      spend(0.05);
    }
    spend(0.02);
    const auto inner = timers.phase("inner");
    spend(0.05);
  }
  spend(0.03);
  const auto phases = timers.summary(comm);
  const double whole =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ASSERT_EQ(phases.size(), 3U);
  EXPECT_EQ(phases.back().name, "other");
  EXPECT_GE(find(phases, "outer").min_seconds, 0.04);
  EXPECT_GE(find(phases, "inner").min_seconds, 0.10);
  EXPECT_GE(find(phases, "other").min_seconds, 0.03);
  double sum = 0;
  for (const auto& phase : phases) {
    EXPECT_LE(phase.min_seconds, phase.mean_seconds * (1 + 1e-12));
    EXPECT_LE(phase.mean_seconds, phase.max_seconds * (1 + 1e-12));
    sum += phase.min_seconds;
  }
  // Were inner time counted in outer as well, the sum would exceed the whole by 0.1 s.
  EXPECT_LE(sum, whole + 1e-6);
}

TEST(Timers, RanksNeedNotEnterTheSamePhases) {
  const auto comm = parallel::Communicator::world();
  run::Timers timers;
  {
    const auto own = timers.phase("rank " + std::to_string(comm.rank()));
    spend(0.01);
  }
  const auto phases = timers.summary(comm);
  ASSERT_EQ(phases.size(), static_cast<std::size_t>(comm.size()) + 1);
  for (int rank = 0; rank < comm.size(); ++rank) {
    const auto& phase = phases[static_cast<std::size_t>(rank)];
    EXPECT_EQ(phase.name, "rank " + std::to_string(rank));
    EXPECT_GE(phase.max_seconds, 0.01);
    EXPECT_NEAR(phase.mean_seconds * comm.size(), phase.max_seconds, 1e-9 * comm.size());
    if (comm.size() > 1) {
      EXPECT_EQ(phase.min_seconds, 0.0);
    }
  }
}

TEST(Timers, GrowthOfMemoryIsBookedToItsPhase) {
  const auto comm = parallel::Communicator::world();
  constexpr std::size_t size = 64U << 20U;
  run::Timers timers;
  timers.memory().set_baseline();
  {
    const auto quiet = timers.phase("quiet");
  }
  void* block = MAP_FAILED;
  {
    const auto greedy = timers.phase("greedy");
    block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block != MAP_FAILED) std::memset(block, 1, size);
  }
  const std::int64_t held = run::pss_bytes();
  if (block != MAP_FAILED) munmap(block, size);
  const auto phases = timers.summary(comm);
  ASSERT_NE(block, MAP_FAILED);
  // The mark of the kernel counts pages in batches per processor, and our share of the libraries'
  // pages changes when other programs begin and end: an eighth of slack.
  constexpr std::int64_t slack = std::int64_t{size} / 8;
  EXPECT_GE(find(phases, "greedy").min_bytes, double(size) - double(slack));
  EXPECT_LE(find(phases, "quiet").max_bytes, double(slack));
  EXPECT_GE(timers.memory().resident_growth(), std::int64_t{size} - slack);
  EXPECT_GE(held - run::pss_bytes(), std::int64_t{size} - slack);
}

TEST(Timers, TableHasALinePerPhase) {
  const auto lines = run::phase_table({{"search", 1, 2, 3, 0, 0, 2097152}});
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_NE(lines[1].find("search"), std::string::npos);
  EXPECT_NE(lines[1].find("3.000"), std::string::npos);
  EXPECT_NE(lines[1].find("2.0 MiB"), std::string::npos);
}

}  // namespace
