// SPDX-License-Identifier: BSD-3-Clause
// What happens when the disk is full or read-only. Run by with_small_disk.sh, which mounts a disk
// of 4 MiB and a read-only one.
#include <gtest/gtest.h>

#include "checkpoint_support.hpp"
#include "output/field_writer.hpp"
#include "output/record.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using output::File;
using parallel::Communicator;

class FullDisk : public testing::Test {
 protected:
  Communicator comm = Communicator::world();
  std::string small = std::getenv("MENSURA_TEST_SMALL_DISK");
  std::string read_only = std::getenv("MENSURA_TEST_READ_ONLY_DISK");

  void TearDown() override {
    comm.barrier();
    if (comm.is_root()) {
      for (const auto& entry : std::filesystem::directory_iterator(small)) {
        std::filesystem::remove_all(entry.path());
      }
    }
    comm.barrier();
  }
  std::vector<double> block(std::int64_t megabytes) const {
    return std::vector<double>(
        static_cast<std::size_t>(megabytes << 17U) / static_cast<std::size_t>(comm.size()), 1.5);
  }
  void write(File& file, const std::string& name, std::int64_t megabytes) const {
    const std::vector<double> values = block(megabytes);
    const auto count = static_cast<std::int64_t>(values.size());
    file.distributed(name, values, {{count * comm.size()}, count * comm.rank()});
  }
  // Somebody else takes all that is left.
  void fill() const {
    comm.barrier();
    if (comm.is_root()) {
      std::ofstream rest(small + "/rest");
      const std::string page(4096, 'x');
      while (rest.write(page.data(), 4096).flush()) {
      }
    }
    comm.barrier();
  }
  void expect_full(const Caught& caught, const std::string& path) const {
    EXPECT_EQ(caught.code, 6);
    EXPECT_EQ(caught.text.rfind(path + ": cannot write ", 0), 0U) << caught.text;
    EXPECT_NE(caught.text.find("No space left on device"), std::string::npos) << caught.text;
    EXPECT_NE(caught.text.find(" free; free some space or choose another output folder"),
              std::string::npos)
        << caught.text;
  }
};

TEST_F(FullDisk, ResultsThatDoNotFitAreRemoved) {
  const std::string path = small + "/results.h5";
  File file = File::create(comm, path);
  output::write_header(file, "mensura results", {});
  write(file, "/fits", 1);
  expect_full(catch_error([&] { write(file, "/too_large", 16); }), path);
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(catch_error([&] { file.finish(); }).code, 6);
  File next = File::create(comm, small + "/next.h5");
  write(next, "/fits", 2);
  next.finish();
  comm.barrier();
  EXPECT_EQ(serial_reals(small + "/next.h5", "/fits").size(), std::size_t{2} << 17U);
}

// The disk fills between two datasets: what HDF5 still has to write fits nevertheless.
TEST_F(FullDisk, AnotherProgramTakesTheSpace) {
  const std::string path = small + "/results.h5";
  File file = File::create(comm, path);
  output::write_header(file, "mensura results", {});
  write(file, "/first", 1);
  fill();
  file.attribute("/", "note", "within the reserve");
  expect_full(catch_error([&] { write(file, "/second", 1); }), path);
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(FullDisk, AFullDiskAtTheEndStillGivesAWholeFile) {
  const std::string path = small + "/results.h5";
  File file = File::create(comm, path);
  output::write_header(file, "mensura results", {});
  write(file, "/first", 1);
  fill();
  file.finish();
  comm.barrier();
  EXPECT_EQ(serial_attribute(path, "/", "complete"), 1);
  EXPECT_EQ(serial_reals(path, "/first").back(), 1.5);
}

TEST_F(FullDisk, NothingCanBeCreated) {
  fill();
  expect_full(catch_error([&] { File::create(comm, small + "/results.h5"); }),
              small + "/results.h5");
  EXPECT_FALSE(std::filesystem::exists(small + "/results.h5"));
}

TEST_F(FullDisk, CheckpointsLeaveTheOlderOnesIntact) {
  const std::string folder = small + "/checkpoint";
  const State state{1000};
  save(comm, folder, 1, state);
  // Known to be too large before it is begun, and found out on the way.
  const std::int64_t much = std::int64_t{1} << 24;
  Caught caught = catch_error([&] { output::CheckpointWriter(comm, folder, 2, much); });
  expect_full(caught, folder);
  caught = catch_error([&] {
    output::CheckpointWriter writer(comm, folder, 3, 1000);
    const std::vector<double> values = block(16);
    const auto count = static_cast<std::int64_t>(values.size());
    writer.distributed("u", values, count * comm.rank(), count * comm.size());
  });
  expect_full(caught, folder + "/000000003/state.h5");
  fill();
  EXPECT_EQ(catch_error([&] { save(comm, folder, 4, state); }).code, 6);
  for (const char* step : {"/000000002", "/000000003", "/000000004"}) {
    EXPECT_FALSE(std::filesystem::exists(folder + step)) << step;
  }
  EXPECT_EQ(newest(comm, folder), folder + "/000000001");
  expect_state(comm, folder + "/000000001", state);
  comm.barrier();
  if (comm.is_root()) std::filesystem::remove(small + "/rest");
  comm.barrier();
  save(comm, folder, 5, state);
  EXPECT_EQ(newest(comm, folder), folder + "/000000005");
}

TEST_F(FullDisk, TheOldRecordSurvives) {
  const std::string path = small + "/run.json";
  output::Record record;
  record.root["exit"] = 0;
  output::write_record(comm, path, record);
  const std::string before = slurp(path);
  fill();
  record.root["notes"] = std::string(100000, 'n');
  const Caught caught = catch_error([&] { output::write_record(comm, path, record); });
  EXPECT_EQ(caught.code, 6);
  EXPECT_EQ(caught.text, path + ": cannot write: No space left on device");
  EXPECT_EQ(slurp(path), before);
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
}

TEST_F(FullDisk, FieldsThatDoNotFit) {
  const Caught caught = catch_error([&] {
    output::FieldWriter writer(comm, small + "/fields", "u", {});
    const std::vector<double> values = block(16);
    const auto count = static_cast<std::int64_t>(values.size());
    writer.points(values, 1, count * comm.rank(), count * comm.size());
  });
  expect_full(caught, small + "/fields/u.h5");
}

TEST_F(FullDisk, ReadOnly) {
  const std::string reason = "Read-only file system";
  Caught caught = catch_error([&] { File::create(comm, read_only + "/results.h5"); });
  EXPECT_EQ(caught.code, 6);
  EXPECT_EQ(caught.text, read_only + "/results.h5: cannot create: " + reason);
  caught = catch_error([&] { output::CheckpointWriter(comm, read_only + "/checkpoint", 1, 10); });
  EXPECT_EQ(caught.code, 6);
  EXPECT_EQ(caught.text, read_only + "/checkpoint: cannot make the folder: " + reason);
  caught = catch_error([&] { output::write_record(comm, read_only + "/run.json", {}); });
  EXPECT_EQ(caught.code, 6);
  EXPECT_EQ(caught.text, read_only + "/run.json: cannot create: " + reason);
  caught = catch_error([&] { output::FieldWriter(comm, read_only + "/fields", "u", {}); });
  EXPECT_EQ(caught.code, 6);
}

}  // namespace
