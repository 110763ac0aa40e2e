// SPDX-License-Identifier: BSD-3-Clause
#include "run/clock.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <ctime>
#include <string>

namespace {

using namespace mensura;

class SlurmClock : public testing::Test {
 protected:
  void SetUp() override { unset(); }
  void TearDown() override { unset(); }
  static void unset() {
    unsetenv("SLURM_JOB_ID");
    unsetenv("SLURM_JOB_END_TIME");
  }
  static void job_that_ends_in(long seconds) {
    setenv("SLURM_JOB_ID", "1", 1);
    setenv("SLURM_JOB_END_TIME", std::to_string(std::time(nullptr) + seconds).c_str(), 1);
  }
  parallel::Communicator comm_ = parallel::Communicator::world();
  run::Clock clock_;
};

TEST_F(SlurmClock, StopsWhenAnotherSlowStepAndACheckpointMayNotFit) {
  clock_.set_limit({100, "test"});
  EXPECT_FALSE(clock_.must_stop(80, 10, 5));   // 80 + 15 + 5 is exactly the limit
  EXPECT_TRUE(clock_.must_stop(80.1, 10, 5));  // beyond it
  EXPECT_TRUE(clock_.must_stop(80, 10.1, 5));
  EXPECT_TRUE(clock_.must_stop(80, 10, 5.1));
}

TEST_F(SlurmClock, NeverStopsWithoutALimit) {
  EXPECT_FALSE(clock_.must_stop(1e9, 1e6, 1e6));
  run::share_limit(comm_, clock_, {});
  EXPECT_FALSE(clock_.must_stop(1e9, 1e6, 1e6));
}

TEST_F(SlurmClock, LimitOfRankZeroReachesAll) {
  run::share_limit(comm_, clock_, {comm_.is_root() ? 42.0 : 7.0, comm_.is_root() ? "--wall" : ""});
  EXPECT_EQ(clock_.limit().seconds, 42.0);
  EXPECT_EQ(clock_.limit().source, "--wall");
}

TEST_F(SlurmClock, EarlierOfSlurmAndTheAskedLimitCounts) {
  job_that_ends_in(1000);
  run::share_limit(comm_, clock_, {3600, "--wall"});
  EXPECT_EQ(clock_.limit().source, "end of the Slurm job");
  // Slurm counts whole seconds, and the test may be suspended for a while.
  EXPECT_NEAR(clock_.limit().seconds, 1000, 5);
  run::share_limit(comm_, clock_, {60, "--wall"});
  EXPECT_EQ(clock_.limit().source, "--wall");
  EXPECT_EQ(clock_.limit().seconds, 60);
}

TEST_F(SlurmClock, UnreadableEndTimeIsNoLimit) {
  setenv("SLURM_JOB_ID", "x; false", 1);  // not a number: scontrol is not even asked
  setenv("SLURM_JOB_END_TIME", "soon", 1);
  EXPECT_FALSE(run::slurm_seconds_left().has_value());
}

}  // namespace
