// SPDX-License-Identifier: BSD-3-Clause
#include "output/memory.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "support.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using output::available_memory;
using output::check_memory;
using output::parse_bytes;
using parallel::Communicator;

struct Limit {
  explicit Limit(const char* text) { setenv("MENSURA_MEMORY_LIMIT", text, 1); }
  ~Limit() { unsetenv("MENSURA_MEMORY_LIMIT"); }
};

TEST(Memory, ReadsAmounts) {
  EXPECT_EQ(parse_bytes("512"), 512);
  EXPECT_EQ(parse_bytes("64K"), 65536);
  EXPECT_EQ(parse_bytes("1.5G"), std::int64_t{3} << 29);
  EXPECT_EQ(parse_bytes("2T"), std::int64_t{1} << 41);
  for (const char* text : {"", "K", "-1", "5X", "5GB", "nan", "inf", "9e30"}) {
    EXPECT_EQ(catch_error([&] { parse_bytes(text); }).code, 2) << text;
  }
  EXPECT_EQ(output::format_bytes(1023), "1023 bytes");
  EXPECT_EQ(output::format_bytes(3 << 19), "1.50 MiB");
}

// A machine of 8 GiB; process in group /job/step whose own limit is wide and whose parent's is not.
TEST(Memory, TakesTheTightestGroup) {
  const Communicator comm = Communicator::world();
  const SharedFolder root(comm);
  if (comm.is_root()) {
    const std::filesystem::path top = root.path();
    const auto write = [&](const std::string& name, const std::string& text) {
      std::filesystem::create_directories((top / name).parent_path());
      spill((top / name).string(), text);
    };
    write("proc/meminfo", "MemTotal: 16000000 kB\nMemAvailable:    8388608 kB\n");
    EXPECT_EQ(available_memory(root.path()), std::int64_t{8} << 30);
    write("proc/self/cgroup", "0::/job/step\n");
    write("sys/fs/cgroup/job/step/memory.max", "max\n");
    write("sys/fs/cgroup/job/memory.max", "3000\n");
    write("sys/fs/cgroup/job/memory.current", "2500\n");
    write("sys/fs/cgroup/job/memory.stat", "anon 5\ninactive_file 700\n");
    EXPECT_EQ(available_memory(root.path()), 1200);
    write("sys/fs/cgroup/job/memory.current", "9000\n");
    EXPECT_EQ(available_memory(root.path()), 0);
    write("proc/self/cgroup", "3:cpu,cpuacct:/x\n2:memory:/slurm/job\n");
    write("sys/fs/cgroup/memory/slurm/job/memory.limit_in_bytes", "5000\n");
    write("sys/fs/cgroup/memory/slurm/job/memory.usage_in_bytes", "1000\n");
    EXPECT_EQ(available_memory(root.path()), 4000);
    const Limit limit("123K");
    EXPECT_EQ(available_memory(root.path()), 123 * 1024);
  }
  EXPECT_GT(available_memory(), std::int64_t{1} << 20);
}

TEST(Memory, AgreesThatANodeIsTooSmall) {
  const Communicator comm = Communicator::world();
  const Limit limit("1M");
  const std::int64_t share = (std::int64_t{1} << 20) / comm.size();
  EXPECT_EQ(catch_error([&] { check_memory(comm, share, "x"); }).code, 0);
  const bool last = comm.rank() == comm.size() - 1;
  const Caught caught =
      catch_error([&] { check_memory(comm, last ? std::int64_t{3} << 20 : 0, "reading a:/b"); });
  EXPECT_EQ(caught.code, 7);
  EXPECT_EQ(caught.text.rfind("reading a:/b needs 3.00 MiB on node ", 0), 0U) << caught.text;
  EXPECT_NE(caught.text.find("but 1.00 MiB are available there; spread the job over at least 3 "
                             "such nodes (3.00 MiB in all"),
            std::string::npos)
      << caught.text;
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  EXPECT_EQ(catch_error([&] { check_memory(comm, huge, "x"); }).code, 7);
}

TEST(Memory, RefusesAnUnreadableLimit) {
  const Communicator comm = Communicator::world();
  const Limit limit("much");
  const Caught caught = catch_error([&] { check_memory(comm, 1, "x"); });
  EXPECT_EQ(caught.code, 2);
  EXPECT_EQ(
      caught.text.rfind("environment variable MENSURA_MEMORY_LIMIT: \"much\" is no amount", 0), 0U);
}

}  // namespace
