// SPDX-License-Identifier: BSD-3-Clause
// The order of the input after any distribution, and what a run leaves behind. Nothing here
// computes more than sums of whole numbers: everything is compared exactly.
#include "transport/results.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "parallel/by_index.hpp"
#include "parallel/random.hpp"
#include "transport/input_order.hpp"
#include "unit/output/support.hpp"

namespace {

using namespace mensura;
using namespace mensura::transport;
using mensura::test::catch_error;
using mensura::test::SharedFolder;
using parallel::Communicator;

// Which rank holds a row, unrelated to its number.
bool is_own(const Communicator& comm, std::uint64_t id) {
  return parallel::mix(id + 5) % static_cast<std::uint64_t>(comm.size()) ==
         static_cast<std::uint64_t>(comm.rank());
}

TEST(InputOrder, RowsReturnToTheirPlaces) {
  const auto comm = Communicator::world();
  for (const std::int64_t total : {1, 2, 5, 41}) {
    std::vector<std::uint64_t> ids;
    std::vector<double> rows;
    for (std::int64_t i = total - 1; i >= 0; --i) {  // descending: any order will do
      const auto id = static_cast<std::uint64_t>(i);
      if (i % 3 == 1 || !is_own(comm, id)) continue;
      ids.push_back(id);
      rows.insert(rows.end(), {static_cast<double>(i), static_cast<double>(-i)});
    }
    const auto block = to_input_blocks(comm, rows, 2, ids, total, 0.5);
    const parallel::Blocks blocks{total, comm.size()};
    ASSERT_EQ(std::ssize(block), 2 * blocks.size(comm.rank()));
    for (std::int64_t k = 0; k < blocks.size(comm.rank()); ++k) {
      const std::int64_t i = blocks.begin(comm.rank()) + k;
      EXPECT_EQ(block[static_cast<std::size_t>(2 * k)], i % 3 == 1 ? 0.5 : static_cast<double>(i));
      EXPECT_EQ(block[static_cast<std::size_t>(2 * k + 1)],
                i % 3 == 1 ? 0.5 : static_cast<double>(-i));
    }
  }
}

TEST(InputOrder, RepeatedAndForeignRowsAreRefused) {
  const auto comm = Communicator::world();
  const bool last = comm.rank() == comm.size() - 1;
  const std::vector<double> two{1, 2};
  const std::vector<std::uint64_t> twice{3, 3}, beyond{3, 9};
  for (const auto& ids : {twice, beyond}) {
    const auto caught = catch_error([&] {
      to_input_blocks(comm, last ? two : std::vector<double>{}, 1,
                      last ? ids : std::vector<std::uint64_t>{}, 9, 0);
    });
    EXPECT_EQ(caught.code, 70);
  }
}

// A plan with rows of very different lengths: row i couples with the columns (7 i + 5 k) mod 23.
struct Sparse {
  std::int64_t rows = 19, columns = 23;
  static std::int64_t length(std::int64_t row) { return row % 4 == 2 ? 0 : row % 7 == 0 ? 23 : 2; }
  std::int64_t column(std::int64_t row, std::int64_t k) const {
    return (7 * row + 5 * k) % columns;
  }
  static double value(std::int64_t row, std::int64_t column) {
    return static_cast<double>(100 * row + column);
  }
  PlanAnswer own(const Communicator& comm, bool all_on_one) const {
    PlanAnswer plan{.edge = "a-b", .row_ids = {}, .row_starts = {0}, .columns = {}, .values = {}};
    for (std::int64_t row = rows - 1; row >= 0; --row) {
      const auto id = static_cast<std::uint64_t>(row);
      if (all_on_one ? comm.rank() != comm.size() - 1 : !is_own(comm, id)) continue;
      if (row % 4 == 2) continue;  // without mass
      plan.row_ids.push_back(id);
      for (std::int64_t k = 0; k < length(row); ++k) {
        plan.columns.push_back(column(row, k));
        plan.values.push_back(value(row, column(row, k)));
      }
      plan.row_starts.push_back(std::ssize(plan.columns));
    }
    return plan;
  }
};

TEST(InputOrder, PlansAreSharedEvenly) {
  const auto comm = Communicator::world();
  const Sparse sparse;
  std::vector<std::int64_t> starts{0}, columns;
  for (std::int64_t row = 0; row < sparse.rows; ++row) {
    std::vector<std::int64_t> mine;
    for (std::int64_t k = 0; k < Sparse::length(row); ++k) mine.push_back(sparse.column(row, k));
    std::sort(mine.begin(), mine.end());
    columns.insert(columns.end(), mine.begin(), mine.end());
    starts.push_back(std::ssize(columns));
  }
  for (const bool all_on_one : {false, true}) {
    const auto plan = to_input_order(comm, sparse.own(comm, all_on_one), sparse.rows);
    EXPECT_EQ(plan.rows, sparse.rows);
    EXPECT_EQ(plan.nonzeros, std::ssize(columns));
    const parallel::Blocks rows{sparse.rows, comm.size()}, entries{plan.nonzeros, comm.size()};
    const bool last = comm.rank() == comm.size() - 1;
    ASSERT_EQ(std::ssize(plan.row_starts), rows.size(comm.rank()) + (last ? 1 : 0));
    for (std::size_t i = 0; i < plan.row_starts.size(); ++i) {
      EXPECT_EQ(plan.row_starts[i], starts[static_cast<std::size_t>(rows.begin(comm.rank())) + i]);
    }
    ASSERT_EQ(std::ssize(plan.columns), entries.size(comm.rank()));
    for (std::size_t i = 0; i < plan.columns.size(); ++i) {
      const auto flat = static_cast<std::size_t>(entries.begin(comm.rank())) + i;
      EXPECT_EQ(plan.columns[i], columns[flat]);
      const auto row =
          std::upper_bound(starts.begin(), starts.end(), static_cast<std::int64_t>(flat)) -
          starts.begin() - 1;
      EXPECT_EQ(plan.values[i], Sparse::value(row, columns[flat]));
    }
  }
}

TEST(InputOrder, PlansMayBeEmpty) {
  const auto comm = Communicator::world();
  const auto plan = to_input_order(comm, {}, 3);
  EXPECT_EQ(plan.nonzeros, 0);
  EXPECT_TRUE(plan.values.empty());
  for (const auto start : plan.row_starts) EXPECT_EQ(start, 0);
  EXPECT_EQ(comm.sum(std::ssize(plan.row_starts)), 4);
}

class Results : public testing::Test {
 protected:
  Communicator comm = Communicator::world();
  SharedFolder folder{comm};

  // A grid of 3 x 5 without its middle column, and a cloud of 7 points in three dimensions.
  Answer answer() const {
    Answer result;
    result.converged = true;
    result.method = "newton";
    result.reason = "a grid";
    result.marginal_error_l1 = 1e-10;
    result.cost_linear = 0.25;
    result.history = {{.level = 1, .points = 4, .method = "sinkhorn", .cg = {}, .sinkhorn = 12},
                      {.level = 0, .points = 12, .method = "newton", .newton = 3, .cg = {5, 6}}};
    result.newton_iterations = {0, 3};
    result.nodes = {grid_node(), cloud_node()};
    PlanAnswer plan;
    plan.edge = "a-b";
    plan.row_ids = result.nodes[0].ids;
    plan.row_starts = {0};
    for (const std::uint64_t id : plan.row_ids) {
      plan.columns.push_back(static_cast<std::int64_t>(id % 7));
      plan.values.push_back(static_cast<double>(id));
      plan.row_starts.push_back(std::ssize(plan.columns));
    }
    result.plans.push_back(std::move(plan));
    return result;
  }
  static Problem problem() {
    Problem problem;
    problem.marginals = {{.name = "a"}, {.name = "b", .kind = MarginalKind::points}};
    problem.edges = {{}};
    return problem;
  }

 private:
  NodeAnswer grid_node() const {
    NodeAnswer node;
    node.name = "a";
    node.dimension = 2;
    node.input_total = 15;
    node.grid = output::RegularGrid{{3, 5}, {0.1, 0.1}, {0.2, 0.2}};
    for (std::uint64_t id = 0; id < 15; ++id) {
      if (id % 5 == 2 || !is_own(comm, id)) continue;
      const auto number = static_cast<double>(id);
      node.ids.push_back(id);
      node.coordinates.insert(node.coordinates.end(), {number, 2 * number});
      node.mass.push_back(number + 1);
      node.transported.push_back(number + 2);
      node.potential.push_back(-number);
      node.map.insert(node.map.end(), {number + 3, 2 * number + 4});
    }
    return node;
  }
  NodeAnswer cloud_node() const {
    NodeAnswer node;
    node.name = "b";
    node.dimension = 3;
    node.input_total = 7;
    for (std::uint64_t id = 0; id < 7; ++id) {
      if (!is_own(comm, id)) continue;
      node.ids.push_back(id);
      node.coordinates.insert(node.coordinates.end(), {0.0, 1.0, 2.0});
      node.mass.push_back(static_cast<double>(id));
    }
    return node;
  }
};

TEST_F(Results, FilesHaveTheShapeOfTheInputs) {
  const std::string path = folder / "results.h5";
  {
    auto file = output::File::create(comm, path);
    output::write_header(file, "mensura-transport", {});
    write_answer(file, problem(), answer());
    file.finish();
  }
  comm.barrier();
  using Shape = std::vector<hsize_t>;
  EXPECT_EQ(test::serial_shape(path, "/marginals/a/mass"), (Shape{3, 5}));
  EXPECT_EQ(test::serial_shape(path, "/maps/a"), (Shape{3, 5, 2}));
  EXPECT_EQ(test::serial_shape(path, "/marginals/b/mass"), (Shape{7}));
  const auto mass = test::serial_reals(path, "/marginals/a/mass");
  const auto moved = test::serial_reals(path, "/marginals/a/transported");
  const auto potential = test::serial_reals(path, "/potentials/a");
  const auto map = test::serial_reals(path, "/maps/a");
  ASSERT_EQ(mass.size(), 15U);
  for (std::size_t i = 0; i < 15; ++i) {
    const auto number = static_cast<double>(i);
    if (i % 5 == 2) {
      EXPECT_EQ(mass[i], 0);
      EXPECT_EQ(moved[i], 0);
      EXPECT_TRUE(std::isnan(potential[i]));
      EXPECT_TRUE(std::isnan(map[2 * i]) && std::isnan(map[2 * i + 1]));
      continue;
    }
    EXPECT_EQ(mass[i], number + 1);
    EXPECT_EQ(moved[i], number + 2);
    EXPECT_EQ(potential[i], -number);
    EXPECT_EQ(map[2 * i], number + 3);
    EXPECT_EQ(map[2 * i + 1], 2 * number + 4);
  }
  const auto starts = test::serial_integers(path, "/plans/a-b/indptr");
  const auto columns = test::serial_integers(path, "/plans/a-b/indices");
  const auto values = test::serial_reals(path, "/plans/a-b/data");
  ASSERT_EQ(starts.size(), 16U);
  ASSERT_EQ(columns.size(), 12U);
  for (std::size_t row = 0; row < 15; ++row) {
    ASSERT_EQ(starts[row + 1] - starts[row], row % 5 == 2 ? 0 : 1);
    if (row % 5 == 2) continue;
    const auto entry = static_cast<std::size_t>(starts[row]);
    EXPECT_EQ(columns[entry], static_cast<std::int64_t>(row % 7));
    EXPECT_EQ(values[entry], static_cast<double>(row));
  }
  // What is not known is not there.
  EXPECT_TRUE(test::serial_shape(path, "/potentials/b").empty());
  EXPECT_TRUE(test::serial_shape(path, "/maps/b").empty());
}

TEST_F(Results, PlansStayAwayWhereTheDeckSaysSo) {
  const std::string path = folder / "results.h5";
  Problem quiet = problem();
  quiet.write_plan = false;
  {
    auto file = output::File::create(comm, path);
    output::write_header(file, "mensura-transport", {});
    write_answer(file, quiet, answer());
    file.finish();
  }
  comm.barrier();
  EXPECT_TRUE(test::serial_shape(path, "/plans/a-b/indptr").empty());
  EXPECT_FALSE(test::serial_shape(path, "/marginals/a/mass").empty());
}

TEST_F(Results, FieldsShowTheDisplacementInXYZ) {
  write_fields(comm, folder / "fields", {}, answer());
  comm.barrier();
  const std::string path = folder / "fields/a.h5";
  EXPECT_EQ(test::serial_shape(path, "/fields/mass"), (std::vector<hsize_t>{3, 5}));
  const auto displacement = test::serial_reals(path, "/fields/displacement");
  ASSERT_EQ(displacement.size(), 45U);  // two components are stored as three
  for (std::size_t i = 0; i < 15; ++i) {
    if (i % 5 == 2) continue;
    EXPECT_EQ(displacement[3 * i], 4);  // x is the last axis of the grid
    EXPECT_EQ(displacement[3 * i + 1], 3);
    EXPECT_EQ(displacement[3 * i + 2], 0);
  }
  EXPECT_FALSE(test::slurp(folder / "fields/a.xdmf").empty());
  EXPECT_TRUE(test::slurp(folder / "fields/b.h5").empty());  // a cloud has no grid
}

TEST_F(Results, TheRecordHasEveryPromisedEntry) {
  output::Record told;
  record(answer(), told);
  const std::string json = told.root.to_json();
  for (const char* name : {"marginal_error_l1", "cost_linear", "cost_regularised", "primal_rounded",
                           "dual", "gap_absolute", "gap_relative", "regularisation",
                           "newton_iterations", "cg_iterations", "sinkhorn_iterations", "method"}) {
    EXPECT_NE(json.find("\"name\": \"" + std::string(name) + "\""), std::string::npos) << name;
  }
  const auto& results = std::get<output::Value::Array>(told.root.find("results")->data());
  const auto entry = [&](const std::string& name) -> const output::Value& {
    for (const auto& result : results) {
      if (std::get<std::string>(result.find("name")->data()) == name) return result;
    }
    throw parallel::Error(parallel::ExitCode::internal, "no entry " + name);
  };
  EXPECT_EQ(std::get<double>(entry("cost_linear").find("value")->data()), 0.25);
  EXPECT_EQ(entry("cost_linear").find("status"), nullptr);
  EXPECT_EQ(entry("cost_linear").find("standard_error"), nullptr);
  EXPECT_NE(entry("dual").find("status"), nullptr);  // NaN says why
  EXPECT_EQ(std::get<std::string>(entry("method").find("reason")->data()), "a grid");
  EXPECT_EQ(json.find("divergence"), std::string::npos);
  const auto& history = std::get<output::Value::Array>(told.root.find("history")->data());
  ASSERT_EQ(history.size(), 2U);
  EXPECT_EQ(std::get<std::int64_t>(history[1].find("newton_iterations")->data()), 3);
  EXPECT_EQ(std::get<std::int64_t>(history[0].find("level")->data()), 1);
}

}  // namespace
