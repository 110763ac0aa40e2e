// SPDX-License-Identifier: BSD-3-Clause
// Points and data from HDF5 files.
#include <gtest/gtest.h>

#include "collocated.hpp"
#include "unit/output/support.hpp"

namespace {

using namespace mensura;
using namespace mensura::gp;
using mensura::test::catch_error;
using mensura::test::Collocated;
using mensura::test::SharedFolder;
using parallel::Communicator;

const Domain square{Box{{0, 0}, {1, 1}}, {}};

class Files : public testing::Test {
 protected:
  Communicator comm = Communicator::world();
  SharedFolder folder{comm};
  std::string path = folder / "points.h5";
  Problem problem;

  void SetUp() override {
    write("interior", {4, 2}, {0.5, 0.5, 0.25, 0.5, 0.5, 0.25, 0.75, 0.75});
    write("boundary", {3, 2}, {0, 0, 1, 0.5, 0.5, 1});
    problem.layout = FileLayout{source("/interior"), source("/boundary")};
    problem.domain = square;
  }
  void write(const std::string& name, const std::vector<hsize_t>& shape,
             const std::vector<double>& values) {
    if (comm.is_root()) {
      test::serial_write(path, name, H5T_NATIVE_DOUBLE, H5T_IEEE_F64LE, shape, values);
    }
    comm.barrier();
  }
  input::FileSource source(const std::string& name, const input::Rows& rows = {}) const {
    return {path, name, rows};
  }
  FileLayout& layout() { return std::get<FileLayout>(problem.layout); }
  void expect_refusal(int code, const std::string& text) {
    const auto caught = catch_error([&] { make_points(comm, problem, {}); });
    EXPECT_EQ(caught.code, code);
    EXPECT_EQ(caught.text, text);
  }
};

TEST_F(Files, PointsNamesAndData) {
  write("stations", {5, 2}, {0.5, 0.5, 0, 1, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6});
  problem.data.push_back({.points = source("/stations", {.start = 1, .stop = {}, .step = 3})});
  problem.data.push_back({.points = source("/stations", {.start = 2, .stop = 4, .step = 1})});
  const auto size = collocation_size(comm, problem);
  const Collocated cloud(comm, problem);
  EXPECT_TRUE(size.exact);
  EXPECT_EQ(size.dimension, 2);
  EXPECT_EQ(size.counts, (std::array<std::int64_t, 3>{3, 4, 4}));
  EXPECT_EQ(cloud.set.counts, size.counts);
  EXPECT_EQ(cloud.set.data_counts, (std::vector<std::int64_t>{2, 2}));
  EXPECT_EQ(cloud.points,
            (std::vector<double>{0,    0,    1,    0.5, 0.5, 1,   0.5, 0.5, 0.25, 0.5, 0.5,
                                 0.25, 0.75, 0.75, 0,   1,   0.5, 0.6, 0.1, 0.2,  0.3, 0.4}));
  EXPECT_EQ(name_of_point(problem, cloud.set, 2), "row 2 of " + path + ":/boundary");
  EXPECT_EQ(name_of_point(problem, cloud.set, 3), "row 0 of " + path + ":/interior");
  EXPECT_EQ(name_of_point(problem, cloud.set, 8), "row 4 of " + path + ":/stations (data)");
  EXPECT_EQ(name_of_point(problem, cloud.set, 10), "row 3 of " + path + ":/stations (data)");
  const Problem plain{.domain = square, .layout = GridLayout{{4}}};
  const auto set = make_points(comm, plain, {});
  EXPECT_EQ(name_of_point(plain, set, 11), "boundary point 11");
  EXPECT_EQ(name_of_point(plain, set, 13), "interior point 1");
}

TEST_F(Files, CloudsWithoutADomain) {
  problem.domain.reset();
  write("far", {2, 2}, {10, 10, -3, 7});
  layout().boundary = source("/far");
  EXPECT_EQ(Collocated(comm, problem).set.counts, (std::array<std::int64_t, 3>{2, 4, 0}));
  write("line", {6}, {1, 2, 3, 4, 5, 6});
  write("ends", {2, 1}, {0, 7});
  layout() = {source("/line"), source("/ends")};
  const Collocated line(comm, problem);
  EXPECT_EQ(line.set.dimension, 1);
  EXPECT_EQ(line.points, (std::vector<double>{0, 7, 1, 2, 3, 4, 5, 6}));
}

TEST_F(Files, InteriorPointsMustLieInside) {
  write("astray", {6, 2}, {0.5, 0.5, 9, 9, 0.5, 0.25, 9, 9, 1, 0.5, 0.5, -0.125});
  layout().interior = source("/astray", {.start = 0, .stop = {}, .step = 2});
  expect_refusal(3, path +
                        ":/astray: row 4, (1, 0.5), lies on the boundary of the box [0, 1] x [0, "
                        "1]; interior points must lie inside (1 of 3 rows does not)");
  layout().interior = source("/astray");
  expect_refusal(3, path +
                        ":/astray: row 1, (9, 9), lies outside the box [0, 1] x [0, 1]; interior "
                        "points must lie inside (4 of 6 rows do not)");
}

TEST_F(Files, BoundaryPointsMustLieOnIt) {
  write("rounded", {3, 2}, {0, 0, 1 + 9e-10, 0.5, 0.5, 1 - 9e-10});
  layout().boundary = source("/rounded");
  EXPECT_EQ(Collocated(comm, problem).set.counts[0], 3);
  write("loose", {3, 2}, {0, 0, 1, 0.5, 0.5, 0.875});
  layout().boundary = source("/loose");
  expect_refusal(3, path +
                        ":/loose: row 2, (0.5, 0.875), lies 0.125 off the boundary of the box [0, "
                        "1] x [0, 1]; boundary points must lie on it within 1.0e-09 (1 of 3 rows "
                        "does not)");
}

TEST_F(Files, DataMustLieInTheDomain) {
  write("stations", {2, 2}, {1, 1, 1.5, 0.5});
  problem.data.push_back({.points = source("/stations")});
  expect_refusal(3, path +
                        ":/stations: row 1, (1.5, 0.5), lies outside the box [0, 1] x [0, 1]; data "
                        "points must lie inside or on the boundary (1 of 2 rows does not)");
}

TEST_F(Files, NumbersOfColumns) {
  write("solid", {2, 3}, {0, 0, 0, 1, 1, 1});
  write("wide", {1, 4}, {0, 0, 0, 0});
  write("flat", {2}, {0, 1});
  layout().boundary = source("/solid");
  expect_refusal(3, path +
                        ":/solid has 3 columns, but the domain, box [0, 1] x [0, 1], has 2 "
                        "dimensions: one column per coordinate is needed");
  problem.domain.reset();
  expect_refusal(3, path + ":/solid has 3 columns, but " + path +
                        ":/interior has 2: one column per coordinate is needed");
  layout().interior = source("/wide");
  expect_refusal(3, path +
                        ":/wide has 4 columns; points have one to three coordinates, one column "
                        "each");
  problem.layout = GridLayout{{5}};
  problem.domain = square;
  problem.data.push_back({.points = source("/flat")});
  expect_refusal(3, path +
                        ":/flat has 1 column, but the domain, box [0, 1] x [0, 1], has 2 "
                        "dimensions: one column per coordinate is needed");
}

TEST_F(Files, MissingDatasets) {
  layout().interior = source("/inferior");
  const auto caught = catch_error([&] { collocation_size(comm, problem); });
  EXPECT_EQ(caught.code, 3);
  EXPECT_NE(caught.text.find("did you mean /interior?"), std::string::npos) << caught.text;
}

}  // namespace
