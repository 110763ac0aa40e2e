// SPDX-License-Identifier: BSD-3-Clause
#include "run/progress.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace {

using namespace mensura;

// Lines of the log file that a meter writes for steps 0 to `steps`, one every `seconds`.
std::vector<std::string> lines_of(std::int64_t steps, double seconds) {
  const std::string path = testing::TempDir() + "mensura_progress_" + std::to_string(getpid());
  {
    run::Log log(true, run::ProgressStyle::never);
    log.open(path, false);
    run::ProgressMeter meter(log);
    for (std::int64_t i = 0; i <= steps; ++i) {
      meter.update({i, steps, "watch"}, seconds * static_cast<double>(i));
    }
  }
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  std::filesystem::remove(path);
  return lines;
}

TEST(Progress, OneLinePerFivePercent) {
  EXPECT_EQ(lines_of(1000, 0.001).size(), 20U);
  EXPECT_EQ(lines_of(4, 0.001).size(), 4U);
}

TEST(Progress, OrEveryThirtySeconds) {
  // 40 steps of 30 s: each is due by time, every other one by per cent too.
  EXPECT_EQ(lines_of(40, 30).size(), 40U);
  EXPECT_EQ(lines_of(40, 29).size(), 20U);
}

TEST(Progress, TellsPartTimesAndTheLineOfTheJob) {
  const auto lines = lines_of(20, 60);
  ASSERT_EQ(lines.size(), 20U);
  EXPECT_NE(lines[4].find(" 25 %  5/20  00:05:00 elapsed, 00:15:00 left  watch"), std::string::npos)
      << lines[4];
}

TEST(Progress, ZeroTotalIsNoDivision) {
  EXPECT_NE(run::progress_text({0, 0, ""}, 1, -1).find("0 %"), std::string::npos);
}

TEST(Log, RanksOtherThanZeroAreSilentButRemember) {
  run::Log log(false, run::ProgressStyle::plain);
  testing::internal::CaptureStdout();
  log.line("nobody hears this");
  log.warn("nor this");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(log.warnings(), std::vector<std::string>{"nor this"});
}

TEST(Log, LauncherMeansPlainLines) {
  setenv("SLURM_JOB_ID", "1", 1);
  EXPECT_TRUE(run::under_launcher());
  unsetenv("SLURM_JOB_ID");
  EXPECT_EQ(run::progress_style("auto", true), run::ProgressStyle::plain);
  EXPECT_EQ(run::progress_style("plain", false), run::ProgressStyle::plain);
  EXPECT_EQ(run::progress_style("never", false), run::ProgressStyle::never);
}

}  // namespace
