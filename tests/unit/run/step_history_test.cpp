// SPDX-License-Identifier: BSD-3-Clause
#include "run/step_history.hpp"

#include <gtest/gtest.h>

#include <numeric>

namespace {

using mensura::run::StepHistory;

double total(const StepHistory& history) {
  return std::accumulate(history.seconds().begin(), history.seconds().end(), 0.0);
}

TEST(StepHistory, FewStepsHaveAnEntryEach) {
  StepHistory history;
  for (int i = 1; i <= 7; ++i) history.add(i, 10 * i);
  ASSERT_EQ(history.size(), 7U);
  EXPECT_EQ(history.stride(), 1);
  for (std::size_t i = 0; i < 7; ++i) {
    EXPECT_EQ(history.step(i), static_cast<std::int64_t>(i) + 1);
    EXPECT_EQ(history.seconds()[i], static_cast<double>(i + 1));
    EXPECT_EQ(history.done()[i], 10 * static_cast<std::int64_t>(i + 1));
  }
}

// Any number of steps: a bounded number of entries, no second lost, progress as it was after the
// step that an entry names; a history that was stored on the way goes on in the same way.
TEST(StepHistory, ManyStepsAreThinnedAndResumeTheSame) {
  for (const std::int64_t steps : {1023, 1024, 1025, 2048, 2049, 5001, 300'007}) {
    StepHistory history, resumed;
    for (std::int64_t i = 1; i <= steps; ++i) {
      history.add(0.5, 3 * i);
      resumed.add(0.5, 3 * i);
      if (i % 777 == 0) resumed = {resumed.steps(), resumed.seconds(), resumed.done()};
    }
    EXPECT_LE(history.size(), StepHistory::most_entries);
    EXPECT_EQ(history.steps(), steps);
    EXPECT_EQ(total(history), 0.5 * static_cast<double>(steps));
    for (std::size_t i = 0; i < history.size(); ++i) {
      EXPECT_EQ(history.done()[i], 3 * history.step(i));
    }
    EXPECT_EQ(history.step(history.size() - 1), steps);
    EXPECT_EQ(resumed.stride(), history.stride()) << steps;
    EXPECT_EQ(resumed.seconds(), history.seconds());
    EXPECT_EQ(resumed.done(), history.done());
  }
}

TEST(StepHistory, LongHistoriesWithAnEntryPerStepAreTakenUp) {
  std::vector<std::int64_t> done(4099);
  std::iota(done.begin(), done.end(), 1);
  const StepHistory history(4099, std::vector<double>(4099, 1), done);
  EXPECT_LE(history.size(), StepHistory::most_entries);
  EXPECT_EQ(total(history), 4099);
  EXPECT_EQ(history.done().back(), 4099);
  EXPECT_EQ(history.step(history.size() - 1), 4099);
}

}  // namespace
