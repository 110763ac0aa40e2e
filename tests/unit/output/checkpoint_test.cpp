// SPDX-License-Identifier: BSD-3-Clause
#include "output/checkpoint.hpp"

#include <gtest/gtest.h>

#include "checkpoint_support.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using output::CheckpointReader;
using output::CheckpointWriter;
using parallel::Communicator;

bool exists(const std::string& path) {
  return std::filesystem::exists(path);
}

TEST(Checkpoint, RoundTripsInPieces) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const State state{200003};
  std::int64_t step = 0;
  for (const std::int64_t limit : {std::int64_t{300000}, std::int64_t{1} << 30}) {
    const TransferLimit lowered(limit);
    save(comm, folder / "checkpoint", ++step, state);
    const std::string path = newest(comm, folder / "checkpoint");
    EXPECT_EQ(path, folder / "checkpoint/00000000" + std::to_string(step));
    expect_state(comm, path, state);
  }
}

// Written by P ranks and read by every smaller number, and the other way round.
TEST(Checkpoint, IsReadByAnotherNumberOfRanks) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const State state{1009};
  save(comm, folder / "all", 1, state);
  for (int size = 1; size <= comm.size(); ++size) {
    const bool inside = comm.rank() < size;
    const Communicator group = comm.split(inside ? 0 : 1, comm.rank());
    const std::string few = folder / ("few" + std::to_string(size));
    if (inside) {
      expect_state(group, folder / "all/000000001", state);
      save(group, few, 5, state);
    }
    comm.barrier();
    expect_state(comm, few + "/000000005", state);
  }
}

TEST(Checkpoint, KeepsTheTwoNewest) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  for (const std::int64_t step : {3, 12, 1000000007}) save(comm, folder.path(), step, State{10});
  EXPECT_FALSE(exists(folder / "000000003"));
  EXPECT_TRUE(exists(folder / "000000012/COMPLETE"));
  EXPECT_EQ(newest(comm, folder.path()), folder / "1000000007");
  comm.barrier();
  // Half-written ones and a branch that was left go with the next good one.
  if (comm.is_root()) std::filesystem::create_directory(folder / "000000015");
  if (comm.is_root()) std::filesystem::create_directory(folder / "notes");
  comm.barrier();
  save(comm, folder.path(), 20, State{10});
  EXPECT_FALSE(exists(folder / "000000015"));
  EXPECT_FALSE(exists(folder / "1000000007"));
  EXPECT_TRUE(exists(folder / "000000012"));
  EXPECT_TRUE(exists(folder / "notes"));
  std::vector<std::string> why;
  EXPECT_EQ(newest(comm, folder.path(), &why), folder / "000000020");
  EXPECT_EQ(why, std::vector<std::string>{folder / "notes: it is not a checkpoint"});
}

TEST(Checkpoint, NeverOverwritesAGoodOne) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  save(comm, folder.path(), 4, State{10, 1});
  save(comm, folder.path(), 4, State{10, 2});
  EXPECT_EQ(newest(comm, folder.path()), folder / "000000004.2");
  expect_state(comm, folder / "000000004", State{10, 1});
  expect_state(comm, folder / "000000004.2", State{10, 2});
  comm.barrier();
  if (comm.is_root()) std::filesystem::remove(folder / "000000004.2/COMPLETE");
  comm.barrier();
  save(comm, folder.path(), 4, State{10, 3});
  expect_state(comm, folder / "000000004.2", State{10, 3});
}

TEST(Checkpoint, LeavesNothingWhenNotCommitted) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  save(comm, folder.path(), 1, State{10});
  {
    CheckpointWriter writer(comm, folder.path(), 2, 100);
    add(writer, comm, State{10});
    EXPECT_TRUE(exists(folder / "000000002"));
    comm.barrier();
  }
  EXPECT_FALSE(exists(folder / "000000002"));
  EXPECT_EQ(newest(comm, folder.path()), folder / "000000001");
}

TEST(Checkpoint, FindsNothing) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  std::vector<std::string> why;
  EXPECT_EQ(newest(comm, folder / "absent", &why), "");
  EXPECT_EQ(newest(comm, folder.path(), &why), "");
  EXPECT_TRUE(why.empty());
}

TEST(Checkpoint, ExplainsWrongUse) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  save(comm, folder.path(), 1, State{10});
  const std::string path = folder / "000000001";
  const CheckpointReader reader(comm, path);
  Caught caught = catch_error([&] { reader.reals("steps"); });
  EXPECT_EQ(caught.code, 3);
  EXPECT_EQ(caught.text, path +
                             ": the checkpoint has no array steps of the expected kind; it was "
                             "written by another solver or version and cannot be restarted from");
  EXPECT_EQ(catch_error([&] { reader.extent("absent"); }).code, 3);
  EXPECT_EQ(catch_error([&] { reader.integers("field/count", 8, 3); }).code, 70);
  caught = catch_error([&] { CheckpointReader(comm, folder / "000000002"); });
  EXPECT_EQ(caught.code, 3);
  EXPECT_EQ(caught.text, folder / "000000002" +
                             ": the checkpoint cannot be used: it is "
                             "half-written (the file COMPLETE is missing)");
  caught = catch_error([&] { CheckpointWriter(comm, folder / "a/b", 1, 10); });
  EXPECT_EQ(caught.code, 6);
  EXPECT_EQ(caught.text, folder / "a/b" + ": cannot make the folder: No such file or directory");
  caught = catch_error([&] { CheckpointWriter(comm, folder.path(), 2, std::int64_t{1} << 60); });
  EXPECT_EQ(caught.code, 6);
  EXPECT_NE(caught.text.find("No space left on device"), std::string::npos) << caught.text;
  EXPECT_FALSE(exists(folder / "000000002"));
}

}  // namespace
