// SPDX-License-Identifier: BSD-3-Clause
#include "output/hdf5.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <numeric>

#include "support.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using output::File;
using parallel::Communicator;

std::vector<double> ramp(std::int64_t first, std::int64_t count) {
  std::vector<double> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), static_cast<double>(first));
  return values;
}

std::vector<std::int64_t> integers(std::int64_t first, std::int64_t count) {
  std::vector<std::int64_t> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), first);
  return values;
}

TEST(File, WritesHeaderLabelsAndCompleteness) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::string path = folder / "a.h5";
  File file = File::create(comm, path);
  output::write_header(file, "mensura results", {"Mensura 1", "abc", "def"});
  file.replicated("/quantities/value", ramp(3, 4), {"nats", "estimates"});
  file.attribute("/quantities/value", "ranks", std::vector<std::string>{"one", "", "drei \u00df"});
  file.attribute("/quantities", "weights", std::span<const double>(std::vector<double>{1, 2}));
  file.attribute("/quantities", "order", 0.5);
  file.attribute("/quantities", "order", 0.25);
  EXPECT_EQ(file.path(), path);
  file.finish();
  comm.barrier();
  EXPECT_EQ(serial_text(path, "/", "filetype"), "mensura results");
  EXPECT_EQ(serial_text(path, "/", "producer"), "Mensura 1");
  EXPECT_EQ(serial_text(path, "/", "git_id"), "abc");
  EXPECT_EQ(serial_text(path, "/", "deck_hash"), "def");
  EXPECT_EQ(serial_text(path, "/", "created_utc").size(), 20U);
  EXPECT_EQ(serial_attribute(path, "/", "ranks"), comm.size());
  EXPECT_EQ(serial_attribute(path, "/", "complete"), 1);
  EXPECT_EQ(serial_text(path, "/quantities/value", "unit"), "nats");
  EXPECT_EQ(serial_text(path, "/quantities/value", "long_name"), "estimates");
  EXPECT_EQ(serial_reals(path, "/quantities/value"), ramp(3, 4));
}

TEST(File, IsMarkedIncompleteUntilFinished) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::string path = folder / "a.h5";
  {
    File file = File::create(comm, path);
    output::write_header(file, "mensura results", {});
    file.replicated("/x", ramp(0, 3));
  }
  comm.barrier();
  EXPECT_EQ(serial_attribute(path, "/", "complete"), 0);
  EXPECT_EQ(serial_reals(path, "/x"), ramp(0, 3));
}

TEST(File, RoundTripsReplicatedShapesTextAndBytes) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::string path = folder / "a.h5";
  File file = File::create(comm, path);
  file.replicated("/matrix", ramp(0, 6), {}, {2, 3});
  file.replicated("/counts", integers(-2, 5));
  file.replicated("/names", std::vector<std::string>{"kl", "", "renyi"});
  file.replicated("/nothing", std::vector<double>{});
  const std::string content("\0a\xff\0", 4);
  file.bytes("/bytes", content);
  file.finish();
  comm.barrier();
  EXPECT_EQ(serial_shape(path, "/matrix"), (std::vector<hsize_t>{2, 3}));
  EXPECT_EQ(serial_reals(path, "/matrix"), ramp(0, 6));
  EXPECT_EQ(serial_integers(path, "/counts"), integers(-2, 5));
  EXPECT_EQ(serial_shape(path, "/nothing"), (std::vector<hsize_t>{0}));
  const auto bytes = serial_read<std::uint8_t>(path, "/bytes", H5T_NATIVE_UINT8);
  EXPECT_EQ(bytes, (std::vector<std::uint8_t>{0, 'a', 255, 0}));
  EXPECT_EQ(serial_shape(path, "/names"), (std::vector<hsize_t>{3}));
}

// Uneven parts that begin and end inside of rows, and a rank with nothing.
TEST(File, DistributesAnyFlatRangesInPieces) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::vector<std::int64_t> shape{5, 7, 3};
  const std::int64_t total = 105;
  for (const output::Storage storage :
       {output::Storage::contiguous, output::Storage::checksummed}) {
    for (const std::int64_t limit : {std::int64_t{1}, std::int64_t{64}, std::int64_t{1} << 30}) {
      const TransferLimit lowered(limit);
      const std::string path = folder / ("a" + std::to_string(limit) + ".h5");
      const std::int64_t holders = std::max(1, comm.size() - 1);
      const auto cut = [&](std::int64_t r) { return std::min(r, holders) * total / holders; };
      const std::int64_t first = cut(comm.rank());
      const std::int64_t count = cut(comm.rank() + 1) - first;
      File file = File::create(comm, path, storage);
      file.distributed("/x", ramp(first, count), {shape, first}, {"m", "x"});
      EXPECT_TRUE(file.last_transfer_was_collective());
      file.distributed("/i", integers(first, count), {shape, first});
      EXPECT_TRUE(file.last_transfer_was_collective());
      file.finish();
      comm.barrier();
      EXPECT_EQ(serial_shape(path, "/x"), (std::vector<hsize_t>{5, 7, 3}));
      EXPECT_EQ(serial_reals(path, "/x"), ramp(0, total)) << limit;
      EXPECT_EQ(serial_integers(path, "/i"), integers(0, total)) << limit;
      comm.barrier();
    }
  }
}

// More than one chunk (1 MiB), shared by ranks, written in pieces that do not end with chunks.
TEST(File, WritesSharedChecksummedChunks) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::int64_t total = 300001;
  for (const std::int64_t limit : {std::int64_t{400000}, std::int64_t{1} << 30}) {
    const TransferLimit lowered(limit);
    const std::string path = folder / ("a" + std::to_string(limit) + ".h5");
    const Part part(comm, total);
    File file = File::create(comm, path, output::Storage::checksummed);
    file.distributed("/x", ramp(part.first, part.count()), {{total}, part.first});
    EXPECT_TRUE(file.last_transfer_was_collective());
    file.finish();
    comm.barrier();
    if (comm.is_root()) {
      EXPECT_TRUE(serial_reals(path, "/x") == ramp(0, total)) << limit;
    }
  }
}

// The bytes of a file depend on its contents alone; what differs is the attribute `ranks`, the
// date and what HDF5 leaves unwritten, so compare the sizes and the places of the data.
TEST(File, HasTheSameLayoutOnAnyRanks) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const auto write = [&](const Communicator& group, const std::string& path) {
    const Part part(group, 1000);
    File file = File::create(group, path);
    file.distributed("/x", ramp(part.first, part.count()), {{1000}, part.first});
    file.replicated("/y", ramp(0, 10));
    file.finish();
  };
  write(comm, folder / "all.h5");
  const Communicator alone = comm.split(comm.rank(), 0);
  if (comm.is_root()) write(alone, folder / "one.h5");
  comm.barrier();
  EXPECT_EQ(std::filesystem::file_size(folder / "all.h5"),
            std::filesystem::file_size(folder / "one.h5"));
  EXPECT_EQ(slurp(folder / "all.h5").find(std::string(16, '\0')),
            slurp(folder / "one.h5").find(std::string(16, '\0')));
  EXPECT_EQ(serial_reals(folder / "all.h5", "/x"), serial_reals(folder / "one.h5", "/x"));
}

TEST(File, LeavesNoReservedSpaceBehind) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::string path = folder / "a.h5";
  File file = File::create(comm, path);
  output::write_header(file, "mensura results", {});
  file.replicated("/x", ramp(0, 3));
  file.finish();
  comm.barrier();
  // HDF5's own records take blocks of 32 KiB; a quarter of a MiB was reserved.
  EXPECT_LT(std::filesystem::file_size(path), 80U << 10U);
}

TEST(File, AgreesOnErrors) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  Caught caught = catch_error([&] { File::create(comm, folder / "none/a.h5"); });
  EXPECT_EQ(caught.code, 6);
  EXPECT_EQ(caught.text, folder / "none/a.h5" + ": cannot create: No such file or directory");
  caught = catch_error([&] { File::create(comm, folder.path()); });
  EXPECT_EQ(caught.code, 6);
  EXPECT_EQ(caught.text, folder.path() + ": cannot create: Is a directory");
  File file = File::create(comm, folder / "a.h5");
  caught = catch_error(
      [&] { file.distributed("/x", ramp(0, comm.rank() == comm.size() - 1 ? 4 : 0), {{3}, 0}); });
  EXPECT_EQ(caught.code, 70);
  // A name that is taken is HDF5's own error; the file is given up on all ranks.
  file.replicated("/y", ramp(0, 2));
  caught = catch_error([&] { file.replicated("/y", ramp(0, 2)); });
  EXPECT_EQ(caught.code, 6);
  EXPECT_NE(caught.text.find("a.h5: cannot write /y: "), std::string::npos) << caught.text;
  EXPECT_NE(caught.text.find("exists"), std::string::npos) << caught.text;
  EXPECT_FALSE(std::filesystem::exists(folder / "a.h5"));
  EXPECT_EQ(catch_error([&] { file.replicated("/z", ramp(0, 2)); }).code, 6);
}

// While it lives, every write of this process to the file fails, as on a broken disk.
class BrokenDisk {
 public:
  explicit BrokenDisk(const std::string& path) : read_only_(open(path.c_str(), O_RDONLY)) {
    struct stat target{};
    stat(path.c_str(), &target);
    for (int id = 3; id < 1024; ++id) {
      struct stat status{};
      if (id == read_only_ || fstat(id, &status) != 0) continue;
      if (status.st_dev != target.st_dev || status.st_ino != target.st_ino) continue;
      replaced_.emplace_back(id, fcntl(id, F_DUPFD, 1024));
      dup2(read_only_, id);
    }
  }
  BrokenDisk(const BrokenDisk&) = delete;
  BrokenDisk& operator=(const BrokenDisk&) = delete;
  ~BrokenDisk() {
    for (const auto& [id, saved] : replaced_) {
      dup2(saved, id);
      close(saved);
    }
    close(read_only_);
  }

 private:
  int read_only_;
  std::vector<std::pair<int, int>> replaced_;
};

// All ranks get the error, none hangs, the file can be closed (into memory) and is removed.
TEST(File, SurvivesABrokenDisk) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::string path = folder / "a.h5";
  File file = File::create(comm, path);
  output::write_header(file, "mensura results", {});
  const Part part(comm, 12000);
  comm.barrier();
  Caught caught;
  {
    const BrokenDisk broken(path);
    comm.barrier();
    caught = catch_error(
        [&] { file.distributed("/x", ramp(part.first + 1, part.count()), {{12000}, part.first}); });
    comm.barrier();
  }
  comm.barrier();
  // Open MPI may keep the failure to itself; then the look at the finished file finds it.
  const bool silent = caught.code == 0;
  if (silent) caught = catch_error([&] { file.finish(); });
  EXPECT_EQ(caught.code, 6);
  EXPECT_EQ(caught.text.rfind(path + (silent ? ": /x reads back" : ": cannot write /x: "), 0), 0U)
      << caught.text;
  EXPECT_FALSE(std::filesystem::exists(path));
}

// Open MPI 4.1.4 can lose the error of a failed write (seen on four ranks, past a limit on the size
// of files). Reading back finds what is missing.
TEST(File, FindsLostWrites) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::string path = folder / "a.h5";
  File file = File::create(comm, path);
  output::write_header(file, "mensura results", {});
  file.replicated("/x", ramp(1, 500));
  comm.barrier();
  // What a lost write looks like: zeros where the values should be.
  if (comm.is_root()) {
    const std::vector<double> value = ramp(300, 1);
    const std::string bytes(reinterpret_cast<const char*>(value.data()), 8);
    std::string content = slurp(path);
    const std::size_t place = content.find(bytes);
    EXPECT_NE(place, std::string::npos);
    std::fstream raw(path, std::ios::in | std::ios::out | std::ios::binary);
    raw.seekp(static_cast<std::streamoff>(place)).write("\0\0\0\0\0\0\0", 8);
  }
  comm.barrier();
  const Caught caught = catch_error([&] { file.finish(); });
  EXPECT_EQ(caught.code, 6);
  EXPECT_EQ(caught.text, path +
                             ": /x reads back differently from what was written; the disk or the "
                             "MPI-IO layer has lost data, check the disk and the quota of this "
                             "folder");
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
