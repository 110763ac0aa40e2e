// SPDX-License-Identifier: BSD-3-Clause
// Every way in which a data set can be wrong, with its message. All ranks must get the same one.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "output/dataset_reader.hpp"
#include "support.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using output::read_grid;
using output::read_points;
using output::Rows;
using parallel::Communicator;

const double nan = std::numeric_limits<double>::quiet_NaN();
const double infinity = std::numeric_limits<double>::infinity();

class DatasetErrors : public testing::Test {
 protected:
  Communicator comm = Communicator::world();
  SharedFolder folder{comm};
  std::string path = folder / "data.h5";

  void write(const std::string& name, const std::vector<hsize_t>& shape,
             const std::vector<double>& values, hid_t type = H5T_IEEE_F64LE, hsize_t chunk = 0) {
    if (comm.is_root()) serial_write(path, name, H5T_NATIVE_DOUBLE, type, shape, values, chunk);
    comm.barrier();
  }
  void expect(const Caught& caught, const std::string& text) const {
    EXPECT_EQ(caught.code, 3);
    EXPECT_EQ(caught.text, text);
  }
  Caught points(const std::string& dataset, const Rows& rows = {}) const {
    return catch_error([&] { read_points(comm, path, dataset, rows); });
  }
};

TEST_F(DatasetErrors, Files) {
  expect(points("x"), path +
                          ": cannot open the data file: No such file or directory; relative "
                          "paths start at the folder of the deck");
  if (comm.is_root()) spill(folder / "empty.h5", "");
  if (comm.is_root()) spill(folder / "text.h5", "column,column\n1,2\n");
  comm.barrier();
  path = folder.path();
  expect(points("x"), path + ": is a folder, not an HDF5 file");
  path = folder / "empty.h5";
  expect(points("x"), path + ": is empty (0 bytes), not an HDF5 file");
  path = folder / "text.h5";
  expect(points("x"), path + ": is not an HDF5 file");
}

TEST_F(DatasetErrors, Names) {
  write("pixels/coffee", {2, 1}, {1, 2});
  write("pixels/hubble", {2, 1}, {1, 2});
  write("single", {2, 1}, {1, 2});
  expect(points("/pixels/cofee"),
         path +
             ": there is no dataset /pixels/cofee; did you mean /pixels/coffee? /pixels holds "
             "coffee, hubble");
  expect(points("pixel/coffee"), path +
                                     ": there is no dataset /pixel/coffee; did you mean "
                                     "/pixels? / holds pixels, single");
  expect(points("/other"), path + ": there is no dataset /other; / holds pixels, single");
  expect(points("/single/x"), path + ": there is no dataset /single/x; /single is not a group");
  expect(points("/pixels/"), path +
                                 ":/pixels is a group, not a dataset; /pixels holds coffee, "
                                 "hubble");
  expect(points(""), path + ":/ is a group, not a dataset; / holds pixels, single");
}

TEST_F(DatasetErrors, Types) {
  if (comm.is_root()) {
    const hid_t text = H5Tcopy(H5T_C_S1);
    H5Tset_size(text, 4);
    serial_write(path, "text", text, text, {2}, std::vector<char>(8, 'a'));
    const hid_t record = H5Tcreate(H5T_COMPOUND, 8);
    H5Tinsert(record, "x", 0, H5T_NATIVE_DOUBLE);
    serial_write(path, "record", record, record, {2}, std::vector<double>(2));
    const hid_t boolean = H5Tenum_create(H5T_NATIVE_INT8);
    const std::array<signed char, 2> truth{0, 1};
    H5Tenum_insert(boolean, "FALSE", &truth[0]);
    H5Tenum_insert(boolean, "TRUE", &truth[1]);
    serial_write(path, "boolean", boolean, boolean, {2}, std::vector<char>(2));
    const hid_t odd = H5Tcopy(H5T_STD_I32LE);
    H5Tset_precision(odd, 24);
    serial_write(path, "odd", odd, odd, {2}, std::vector<std::int32_t>(2));
  }
  comm.barrier();
  const std::string needed = "; float32, float64 or integers of 8 to 64 bits are needed";
  expect(points("text"), path + ":/text holds text (32 bits each)" + needed);
  expect(points("record"), path + ":/record holds compound records (64 bits each)" + needed);
  expect(points("boolean"),
         path + ":/boolean holds enumerated values (booleans in NumPy) (8 bits each)" + needed);
  expect(points("odd"), path + ":/odd holds numbers of an unusual format (32 bits each)" + needed);
}

TEST_F(DatasetErrors, Shapes) {
  write("cube", {2, 3, 2}, std::vector<double>(12, 1.0));
  write("scalar", {}, {1.0});
  write("none", {0, 3}, {});
  write("flat", {3, 0}, {});
  write("four", {1, 1, 1, 2}, {1, 2});
  expect(points("cube"),
         path + ":/cube has shape (2, 3, 2); points need (n, d), or (n,) for n numbers");
  expect(points("scalar"),
         path + ":/scalar has shape (); points need (n, d), or (n,) for n numbers");
  expect(points("none"), path + ":/none is empty: it has no rows");
  expect(points("flat"), path + ":/flat has shape (3, 0): points without coordinates");
  const auto grid = [&](const std::string& name) {
    return catch_error([&] { read_grid(comm, path, name); });
  };
  expect(grid("four"), path +
                           ":/four has shape (1, 1, 1, 2); a grid needs one to three axes: "
                           "(w,), (h, w) or (l, h, w)");
  expect(grid("flat"), path + ":/flat has shape (3, 0): the grid is empty");
  if (comm.is_root()) {
    const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
    const hid_t nothing = H5Screate(H5S_NULL);
    H5Dclose(
        H5Dcreate2(file, "null", H5T_IEEE_F64LE, nothing, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    // Chunks are made when written, so that a small file can claim any size.
    const std::vector<hsize_t> huge{hsize_t{1} << 61U, 4};
    const std::vector<hsize_t> chunk{4, 4};
    const hid_t space = H5Screate_simple(2, huge.data(), nullptr);
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(creation, 2, chunk.data());
    H5Dclose(H5Dcreate2(file, "huge", H5T_IEEE_F64LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Fclose(file);
  }
  comm.barrier();
  expect(points("null"), path + ":/null has no data at all");
  expect(points("huge"), path +
                             ":/huge claims more elements than 64-bit sizes can count; the file "
                             "is damaged");
}

TEST_F(DatasetErrors, RowSelections) {
  write("x", {10, 2}, std::vector<double>(20, 1.0));
  const std::string needed =
      " do not fit its 10 rows; 0 <= start < stop <= 10 and step >= 1 are needed";
  expect(points("x", {0, 11, 1}), path + ":/x: rows start 0, stop 11, step 1" + needed);
  expect(points("x", {-1, {}, 1}), path + ":/x: rows start -1, stop 10, step 1" + needed);
  expect(points("x", {0, {}, 0}), path + ":/x: rows start 0, stop 10, step 0" + needed);
  expect(points("x", {5, 5, 1}), path + ":/x: no row is selected by start 5, stop 5 of 10 rows");
  expect(points("x", {10, {}, 1}),
         path + ":/x: no row is selected by start 10, stop 10 of 10 rows");
}

TEST_F(DatasetErrors, FirstUnusableValue) {
  const std::string advice = "; remove or replace such values";
  std::vector<double> values(3 * 500, 0.5);
  values[3 * 417 + 1] = nan;
  values[3 * 480] = infinity;
  values[3 * 120 + 2] = -infinity;
  write("later", {500, 3}, values);
  write("narrow", {500, 3}, values, H5T_IEEE_F32BE);
  write("packed", {500, 3}, values, H5T_IEEE_F64LE, 7);
  for (const std::int64_t limit : {8 * 30, 1 << 30}) {
    const TransferLimit lowered(limit);
    for (const std::string name : {"later", "narrow", "packed"}) {
      const std::string place = path + ":/" + name + ": ";
      expect(points(name), place + "row 120, column 2 is infinite" + advice);
      expect(points(name, {121, {}, 1}), place + "row 417, column 1 is NaN" + advice);
      expect(points(name, {0, {}, 3}), place + "row 120, column 2 is infinite" + advice);
      expect(points(name, {0, {}, 32}), place + "row 480, column 0 is infinite" + advice);
      EXPECT_EQ(points(name, {1, {}, 40}).code, 0);
      expect(catch_error([&] { read_grid(comm, path, name); }),
             place + "row 120, column 2 is infinite" + advice);
    }
  }
}

TEST_F(DatasetErrors, IntegersThatLoseDigits) {
  const std::int64_t most = std::int64_t{1} << 53;
  if (comm.is_root()) {
    serial_write(path, "i", H5T_NATIVE_INT64, H5T_STD_I64BE, {4},
                 std::vector<std::int64_t>{most, -most, -most - 1, most + 1});
    serial_write(path, "u", H5T_NATIVE_UINT64, H5T_STD_U64LE, {1, 3},
                 std::vector<std::uint64_t>{1, ~std::uint64_t{0}, 2});
  }
  comm.barrier();
  const std::string reason =
      ", above 2^53 in magnitude: a double cannot hold it exactly; rescale the data";
  expect(points("i"), path + ":/i: row 2, column 0 is -9007199254740993" + reason);
  expect(points("u"), path + ":/u: row 0, column 1 is 18446744073709551615" + reason);
}

TEST_F(DatasetErrors, TooLargeForTheMemory) {
  write("x", {1000, 2}, std::vector<double>(2000, 1.0));
  setenv("MENSURA_MEMORY_LIMIT", "10K", 1);
  const Caught caught = points("x");
  unsetenv("MENSURA_MEMORY_LIMIT");
  EXPECT_EQ(caught.code, 7);
  EXPECT_EQ(caught.text.rfind("reading " + path + ":/x needs 15.6", 0), 0U) << caught.text;
  EXPECT_EQ(points("x").code, 0);
}

// A file cut anywhere is refused, or read correctly when only the unused tail is gone.
TEST_F(DatasetErrors, TruncatedFiles) {
  write("x", {1000, 2}, std::vector<double>(2000, 1.25));
  const std::string bytes = slurp(path);
  std::mt19937_64 random(7);
  for (int trial = 0; trial < 24; ++trial) {
    const std::size_t length = trial == 0 ? bytes.size() - 1 : random() % bytes.size();
    comm.barrier();
    if (comm.is_root()) spill(path, bytes.substr(0, length));
    comm.barrier();
    const Caught caught = points("x");
    EXPECT_EQ(caught.code, 3) << length;
    const bool explained = caught.text.find("truncated") != std::string::npos ||
                           caught.text.find("not an HDF5 file") != std::string::npos;
    EXPECT_TRUE(explained) << length << ": " << caught.text;
  }
}

// Only the last rank meets the damaged chunk: the others must neither hang nor go on.
TEST_F(DatasetErrors, DamagedChunk) {
  std::vector<double> values;
  std::mt19937_64 random(3);
  for (int i = 0; i < 4000; ++i) values.push_back(static_cast<double>(random() % 1000000));
  write("x", {2000, 2}, values, H5T_IEEE_F64LE, 50);
  const auto size = std::filesystem::file_size(path);
  if (comm.is_root()) {
    std::string bytes = slurp(path);
    // Compressed noise fills the file; the last chunks lie at its end.
    for (std::size_t i = size - 400; i < size - 300; ++i) bytes[i] = static_cast<char>(~bytes[i]);
    spill(path, bytes);
  }
  comm.barrier();
  const Caught caught = points("x");
  EXPECT_EQ(caught.code, 3);
  EXPECT_EQ(caught.text.rfind(path + ":/x: rows ", 0), 0U) << caught.text;
  EXPECT_NE(caught.text.find("to 1999 cannot be read ("), std::string::npos) << caught.text;
  EXPECT_EQ(points("x", {0, 500, 1}).code, 0);
}

}  // namespace
