// SPDX-License-Identifier: BSD-3-Clause
// No damaged checkpoint may ever be used: flipped bits, cut files, missing parts.
#include <gtest/gtest.h>

#include <random>

#include "checkpoint_support.hpp"
#include "output/checkpoint_folder.hpp"
#include "output/digest.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using parallel::Communicator;

class Damage : public testing::Test {
 protected:
  Communicator comm = Communicator::world();
  SharedFolder folder{comm};
  State good{20, 1};
  State other{700, 2};
  std::string older = folder / "000000001";
  std::string newer = folder / "000000002";
  std::string state_bytes;
  std::string marker_bytes;

  void SetUp() override {
    save(comm, folder.path(), 1, good);
    save(comm, folder.path(), 2, other);
    state_bytes = slurp(newer + "/state.h5");
    marker_bytes = slurp(newer + "/COMPLETE");
    comm.barrier();
  }
  // Rank 0 replaces a file of the newer checkpoint; then the older one must be found.
  std::string reason_after(const std::string& file, const std::string& bytes) {
    comm.barrier();
    if (comm.is_root()) spill(newer + "/" + file, bytes);
    comm.barrier();
    std::vector<std::string> why;
    EXPECT_EQ(newest(comm, folder.path(), &why), older);
    EXPECT_EQ(why.size(), 1U);
    return why.empty() ? "" : why[0];
  }
  void restore() {
    comm.barrier();
    if (comm.is_root()) spill(newer + "/state.h5", state_bytes);
    if (comm.is_root()) spill(newer + "/COMPLETE", marker_bytes);
    comm.barrier();
    EXPECT_EQ(newest(comm, folder.path()), newer);
  }
};

TEST_F(Damage, AnyFlippedBitOfTheStateIsDetected) {
  const std::string expected = newer + ": the contents of its state.h5 have changed since writing";
  // 200 positions on one rank, others and fewer on more.
  std::mt19937_64 random(static_cast<std::uint64_t>(comm.size()));
  for (int trial = 0; trial < 200 / comm.size(); ++trial) {
    std::string bytes = state_bytes;
    const std::size_t bit = random() % (8 * bytes.size());
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(reason_after("state.h5", bytes), expected) << bit;
  }
  restore();
  expect_state(comm, newer, other);
}

TEST_F(Damage, AnyFlippedBitOfTheMarkerIsDetected) {
  const auto stride = static_cast<std::size_t>(comm.size());
  for (std::size_t i = 0; i < marker_bytes.size(); i += stride) {
    std::string bytes = marker_bytes;
    bytes[i] = static_cast<char>(bytes[i] ^ (1 << (i % 8)));
    EXPECT_EQ(reason_after("COMPLETE", bytes), newer + ": its file COMPLETE is damaged") << i;
  }
  restore();
}

TEST_F(Damage, AnyCutIsDetected) {
  std::mt19937_64 random(2);
  for (int trial = 0; trial < 20; ++trial) {
    const std::size_t length = trial == 0 ? state_bytes.size() - 1 : random() % state_bytes.size();
    EXPECT_EQ(reason_after("state.h5", state_bytes.substr(0, length)),
              newer + ": its state.h5 has " + std::to_string(length) + " bytes instead of " +
                  std::to_string(state_bytes.size()));
  }
  EXPECT_NE(reason_after("state.h5", state_bytes + '\0'), "");
  restore();
  for (std::size_t length = 0; length < marker_bytes.size(); length += 7) {
    EXPECT_EQ(reason_after("COMPLETE", marker_bytes.substr(0, length)),
              newer + ": its file COMPLETE is damaged");
  }
  restore();
}

TEST_F(Damage, MissingPartsAreNamed) {
  std::vector<std::string> why;
  if (comm.is_root()) std::filesystem::remove(newer + "/COMPLETE");
  comm.barrier();
  EXPECT_EQ(newest(comm, folder.path(), &why), older);
  EXPECT_EQ(
      why, std::vector<std::string>{newer + ": it is half-written (the file COMPLETE is missing)"});
  restore();
  comm.barrier();
  if (comm.is_root()) std::filesystem::remove(newer + "/state.h5");
  comm.barrier();
  EXPECT_EQ(newest(comm, folder.path(), &why), older);
  EXPECT_EQ(why, std::vector<std::string>{newer + ": its state.h5 is missing"});
  comm.barrier();
  if (comm.is_root()) std::filesystem::remove(older + "/state.h5");
  comm.barrier();
  EXPECT_EQ(newest(comm, folder.path(), &why), "");
  EXPECT_EQ(why.size(), 2U);
}

// A marker that fits, but the file is somebody else's.
TEST_F(Damage, ForeignFilesAreRefused) {
  if (comm.is_root()) {
    std::filesystem::remove(newer + "/state.h5");
    serial_write(newer + "/state.h5", "x", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, {3},
                 std::vector<double>(3, 1.0));
  }
  comm.barrier();
  output::Marker marker;
  marker.step = 2;
  marker.bytes = static_cast<std::int64_t>(std::filesystem::file_size(newer + "/state.h5"));
  marker.digest = output::digest_file(comm, newer + "/state.h5", marker.bytes);
  EXPECT_EQ(reason_after("COMPLETE", marker.text()),
            newer + ": its state.h5 is of another kind (filetype \"\")");
}

// The checksums inside of the file, by themselves: any flip in the values that HDF5 reads back is
// either refused or harmless. (The digest of the bytes, above, would have caught it first.)
TEST_F(Damage, ValuesAreCheckedWhenRead) {
  output::Manifest manifest;
  if (comm.is_root()) manifest = output::StateFile(newer).manifest();
  std::string text = output::to_text(manifest);
  comm.broadcast(text);
  manifest = output::parse_manifest(text);
  EXPECT_EQ(catch_error([&] { output::verify_contents(comm, newer, manifest); }).code, 0);
  // The arrays of 700 numbers: where their values lie in the file.
  const auto number = other.reals(350, 1);
  const std::string pattern(reinterpret_cast<const char*>(number.data()), 8);
  const std::size_t place = state_bytes.find(pattern);
  ASSERT_NE(place, std::string::npos);
  for (const int offset : {-800, -3, 0, 5, 1200}) {
    std::string bytes = state_bytes;
    char& byte = bytes[place + static_cast<std::size_t>(offset)];
    byte = static_cast<char>(byte ^ 16);
    comm.barrier();
    if (comm.is_root()) spill(newer + "/state.h5", bytes);
    comm.barrier();
    const Caught caught = catch_error([&] { output::verify_contents(comm, newer, manifest); });
    EXPECT_EQ(caught.code, 3);
    EXPECT_NE(caught.text.find("field/u cannot be read"), std::string::npos) << caught.text;
  }
  // A wrong value with a right checksum (lost inside the I/O layer) shows in the fingerprint.
  restore();
  manifest.front().fingerprint ^= 1U;
  EXPECT_EQ(catch_error([&] { output::verify_contents(comm, newer, manifest); }).text,
            "its manifest has changed");
}

}  // namespace
