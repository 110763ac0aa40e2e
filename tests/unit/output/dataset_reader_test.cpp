// SPDX-License-Identifier: BSD-3-Clause
#include "output/dataset_reader.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "parallel/random.hpp"
#include "support.hpp"

namespace {

using namespace mensura;
using namespace mensura::test;
using output::GridBlock;
using output::PointBlock;
using output::read_grid;
using output::read_points;
using output::Rows;
using parallel::Communicator;

// Values that every number format holds exactly.
double value(std::int64_t i) {
  return static_cast<double>((i * 37 + 11) % 120);
}

std::vector<double> values(std::int64_t count) {
  std::vector<double> result;
  for (std::int64_t i = 0; i < count; ++i) result.push_back(value(i));
  return result;
}

// Written out a second time, independently of the library.
std::uint64_t expected_fingerprint(const std::vector<double>& all, std::int64_t columns) {
  const std::uint64_t golden = 0x9e3779b97f4a7c15ULL;
  const auto n = static_cast<std::int64_t>(all.size()) / columns;
  std::uint64_t sum = 0;
  for (std::int64_t row = 0; row < n; ++row) {
    std::uint64_t hash = parallel::mix(static_cast<std::uint64_t>(row) + golden);
    for (std::int64_t k = 0; k < columns; ++k) {
      hash = parallel::mix(hash ^ std::bit_cast<std::uint64_t>(
                                      all[static_cast<std::size_t>(row * columns + k)])) +
             golden;
    }
    sum += hash;
  }
  return parallel::mix(parallel::mix(sum ^ static_cast<std::uint64_t>(n)) ^
                       static_cast<std::uint64_t>(columns));
}

void expect_block(const Communicator& comm, const PointBlock& block, const std::vector<double>& all,
                  std::int64_t columns) {
  const auto n = static_cast<std::int64_t>(all.size()) / columns;
  const Part part(comm, n);
  EXPECT_EQ(block.total, n);
  EXPECT_EQ(block.dimension, columns);
  EXPECT_EQ(block.first, part.first);
  EXPECT_EQ(block.values, std::vector<double>(all.begin() + part.first * columns,
                                              all.begin() + part.last * columns));
  EXPECT_EQ(block.fingerprint, expected_fingerprint(all, columns));
}

TEST(ReadPoints, AcceptsEveryNumberFormatInPieces) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::string path = folder / "a.h5";
  const std::vector<std::pair<std::string, hid_t>> formats{
      {"float32", H5T_IEEE_F32LE}, {"float32 (big endian)", H5T_IEEE_F32BE},
      {"float64", H5T_IEEE_F64LE}, {"float64 (big endian)", H5T_IEEE_F64BE},
      {"int8", H5T_STD_I8LE},      {"uint8", H5T_STD_U8BE},
      {"int16", H5T_STD_I16LE},    {"int16 (big endian)", H5T_STD_I16BE},
      {"uint16", H5T_STD_U16LE},   {"uint16 (big endian)", H5T_STD_U16BE},
      {"int32", H5T_STD_I32LE},    {"int32 (big endian)", H5T_STD_I32BE},
      {"uint32", H5T_STD_U32LE},   {"uint32 (big endian)", H5T_STD_U32BE},
      {"int64", H5T_STD_I64LE},    {"int64 (big endian)", H5T_STD_I64BE},
      {"uint64", H5T_STD_U64LE},   {"uint64 (big endian)", H5T_STD_U64BE}};
  const std::vector<double> all = values(33);
  for (const auto& [name, type] : formats) {
    if (comm.is_root()) {
      serial_write(path, "/set/" + name, H5T_NATIVE_DOUBLE, type, {11, 3}, all);
    }
  }
  comm.barrier();
  for (const auto& [name, type] : formats) {
    const std::string dataset = "/set/" + name;
    const output::DatasetInfo info = output::inspect(comm, path, dataset);
    EXPECT_EQ(info.type, name);
    EXPECT_EQ(info.shape, (std::vector<std::int64_t>{11, 3}));
    // One number, one row and a half, four rows, everything.
    for (const std::int64_t limit : {8, 36, 100, 1 << 30}) {
      const TransferLimit lowered(limit);
      SCOPED_TRACE(name + " " + std::to_string(limit));
      expect_block(comm, read_points(comm, path, dataset), all, 3);
    }
  }
}

TEST(ReadPoints, KeepsExtremeNumbers) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::string path = folder / "a.h5";
  const std::int64_t most = std::int64_t{1} << 53;
  const std::vector<std::int64_t> wide{most, -most, 0, -1};
  const std::vector<double> reals{std::numeric_limits<double>::denorm_min(), -0.0,
                                  std::numeric_limits<double>::max(), 0.1};
  const std::vector<int> small{-128, 127, 0, -1};
  if (comm.is_root()) {
    serial_write(path, "wide", H5T_NATIVE_INT64, H5T_STD_I64BE, {4}, wide);
    serial_write(path, "reals", H5T_NATIVE_DOUBLE, H5T_IEEE_F64BE, {4}, reals);
    serial_write(path, "small", H5T_NATIVE_INT, H5T_STD_I8LE, {4}, small);
  }
  comm.barrier();
  expect_block(comm, read_points(comm, path, "wide"), {wide.begin(), wide.end()}, 1);
  expect_block(comm, read_points(comm, path, "reals"), reals, 1);
  expect_block(comm, read_points(comm, path, "/small"), {small.begin(), small.end()}, 1);
}

TEST(ReadPoints, SelectsRows) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::string path = folder / "a.h5";
  const std::vector<double> all = values(46);
  if (comm.is_root()) {
    serial_write(path, "plain", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, {23, 2}, all);
    serial_write(path, "packed", H5T_NATIVE_DOUBLE, H5T_IEEE_F32LE, {23, 2}, all, 4);
    serial_write(path, "line", H5T_NATIVE_DOUBLE, H5T_STD_U8LE, {46}, all);
  }
  comm.barrier();
  const std::vector<Rows> choices{{0, {}, 1}, {1, {}, 2}, {3, 20, 5}, {22, 23, 1}, {0, 1, 100}};
  for (const Rows& rows : choices) {
    for (const std::int64_t limit : {8, 40, 1 << 30}) {
      const TransferLimit lowered(limit);
      std::vector<double> chosen;
      for (std::int64_t row = rows.start; row < rows.stop.value_or(23); row += rows.step) {
        chosen.insert(chosen.end(), all.begin() + 2 * row, all.begin() + 2 * row + 2);
      }
      expect_block(comm, read_points(comm, path, "plain", rows), chosen, 2);
      expect_block(comm, read_points(comm, path, "packed", rows), chosen, 2);
    }
  }
  std::vector<double> odd;
  for (std::size_t i = 1; i < all.size(); i += 2) odd.push_back(all[i]);
  expect_block(comm, read_points(comm, path, "line", {1, {}, 2}), odd, 1);
}

TEST(ReadPoints, FingerprintSeesEveryChange) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  std::vector<double> all = values(60);
  const auto fingerprint = [&](const std::string& name, std::vector<hsize_t> shape) {
    const std::string path = folder / name;
    if (comm.is_root()) serial_write(path, "x", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, shape, all);
    comm.barrier();
    return read_points(comm, path, "x").fingerprint;
  };
  const std::uint64_t original = fingerprint("a", {20, 3});
  EXPECT_NE(fingerprint("b", {30, 2}), original);
  std::swap(all[0], all[3]);
  EXPECT_NE(fingerprint("c", {20, 3}), original);
  std::swap(all[0], all[3]);
  EXPECT_EQ(fingerprint("d", {20, 3}), original);
  all[59] = std::nextafter(all[59], 1e9);
  EXPECT_NE(fingerprint("e", {20, 3}), original);
}

TEST(ReadGrid, ReadsOneToThreeAxes) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::string path = folder / "a.h5";
  const std::vector<double> all = values(60);
  const std::vector<std::vector<std::int64_t>> shapes{{60}, {12, 5}, {5, 12}, {3, 4, 5}, {1, 60}};
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    if (comm.is_root()) {
      const std::vector<hsize_t> extents(shapes[i].begin(), shapes[i].end());
      const std::string number = std::to_string(i);
      serial_write(path, "g" + number, H5T_NATIVE_DOUBLE, H5T_STD_U8LE, extents, all);
      serial_write(path, "d" + number, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, extents, all);
    }
  }
  comm.barrier();
  for (const std::int64_t limit : {8, 56, 1 << 30}) {
    const TransferLimit lowered(limit);
    for (std::size_t i = 0; i < shapes.size(); ++i) {
      for (std::string name : {"g", "d"}) {
        name += std::to_string(i);
        const GridBlock grid = read_grid(comm, path, name);
        const Part part(comm, shapes[i][0]);
        const std::int64_t columns = 60 / shapes[i][0];
        EXPECT_EQ(grid.shape, shapes[i]);
        EXPECT_EQ(grid.first_row, part.first);
        EXPECT_EQ(grid.values, std::vector<double>(all.begin() + part.first * columns,
                                                   all.begin() + part.last * columns));
        EXPECT_EQ(grid.fingerprint, expected_fingerprint(all, columns));
      }
    }
  }
}

// Large enough for several chunks per rank and for the conversion buffer to be used twice.
TEST(ReadPoints, ReadsManyRows) {
  const Communicator comm = Communicator::world();
  const SharedFolder folder(comm);
  const std::string path = folder / "a.h5";
  const hsize_t rows = 700001;
  const std::vector<double> all = values(static_cast<std::int64_t>(3 * rows));
  if (comm.is_root()) {
    serial_write(path, "x", H5T_NATIVE_DOUBLE, H5T_STD_I32LE, {rows, 3}, all, 10000);
    serial_write(path, "y", H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, {rows, 3}, all);
  }
  comm.barrier();
  const std::uint64_t expected = expected_fingerprint(all, 3);
  EXPECT_EQ(read_points(comm, path, "x").fingerprint, expected);
  EXPECT_EQ(read_points(comm, path, "y").fingerprint, expected);
}

}  // namespace
