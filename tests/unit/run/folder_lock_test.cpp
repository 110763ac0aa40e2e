// SPDX-License-Identifier: BSD-3-Clause
#include "run/folder_lock.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "parallel/error.hpp"

namespace {

using namespace mensura;

class FolderLockTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "mensura_lock_" + std::to_string(getpid());
    std::filesystem::create_directories(folder_);
    path_ = folder_ + "/lock";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string folder_, path_;
};

TEST_F(FolderLockTest, OneOwnerAtATime) {
  EXPECT_EQ(run::living_owner(path_), "");
  {
    const run::FolderLock lock(path_);
    EXPECT_NE(run::living_owner(path_).find("process " + std::to_string(getpid())),
              std::string::npos);
    EXPECT_THROW(run::FolderLock second(path_), parallel::Error);
    EXPECT_NE(run::living_owner(path_), "");  // the refused one has not touched it
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
  const run::FolderLock again(path_);
}

TEST_F(FolderLockTest, DiesWithItsProcess) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const run::FolderLock lock(path_);
    [[maybe_unused]] const auto written = write(ready[1], "r", 1);
    pause();
    _exit(0);
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  EXPECT_NE(run::living_owner(path_).find("process " + std::to_string(child)), std::string::npos);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
  EXPECT_TRUE(std::filesystem::exists(path_));
  EXPECT_EQ(run::living_owner(path_), "");
  const run::FolderLock taken_over(path_);
  EXPECT_EQ(run::read_lock(path_)->pid, getpid());
}

TEST_F(FolderLockTest, ForeignTextIsNobody) {
  std::ofstream(path_) << "the user's own file";
  EXPECT_FALSE(run::read_lock(path_).has_value());
  EXPECT_EQ(run::living_owner(path_), "");
}

}  // namespace
