// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/communicator.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <new>
#include <numeric>
#include <stdexcept>
#include <utility>

#include "parallel/environment.hpp"
#include "parallel/exchange.hpp"
#include "parallel/hosts.hpp"

namespace mensura::parallel {
namespace {

class LowerLimit {  // restores the message limit of all other tests
 public:
  explicit LowerLimit(std::int64_t bytes) : before_(message_limit()) { set_message_limit(bytes); }
  LowerLimit(const LowerLimit&) = delete;
  LowerLimit& operator=(const LowerLimit&) = delete;
  ~LowerLimit() { set_message_limit(before_); }

 private:
  std::int64_t before_;
};

TEST(Communicator, ReducesIntegersAndExtremes) {
  const auto world = Communicator::world();
  const std::int64_t rank = world.rank();
  const std::int64_t size = world.size();
  EXPECT_EQ(world.sum(rank + 1), size * (size + 1) / 2);
  EXPECT_EQ(world.min(rank - 5), -5);
  EXPECT_EQ(world.max(rank), size - 1);
  EXPECT_EQ(world.min(0.5 - static_cast<double>(rank)), 1.5 - static_cast<double>(size));
  EXPECT_EQ(world.max(static_cast<double>(-rank)), 0.0);
  EXPECT_EQ(world.exclusive_scan(rank + 1), rank * (rank + 1) / 2);
  // Beyond 2^53: a detour through doubles would lose the last bits.
  const std::int64_t large = (std::int64_t{1} << 60U) / size;
  EXPECT_EQ(world.sum(large + rank), large * size + size * (size - 1) / 2);
}

TEST(Communicator, ReducesSpansInPieces) {
  const auto world = Communicator::world();
  for (const std::int64_t limit : {std::int64_t{24}, message_limit()}) {
    const LowerLimit lower(limit);
    std::vector<std::int64_t> integers(11);
    std::iota(integers.begin(), integers.end(), world.rank());
    world.sum(integers);
    std::vector<double> low(11, world.rank());
    std::vector<double> high(low);
    world.min(low);
    world.max(high);
    for (std::size_t i = 0; i < integers.size(); ++i) {
      EXPECT_EQ(integers[i], world.size() * (world.size() - 1) / 2 +
                                 world.size() * static_cast<std::int64_t>(i));
      EXPECT_EQ(low[i], 0.0);
      EXPECT_EQ(high[i], world.size() - 1.0);
    }
    std::vector<std::int64_t> nothing;
    world.sum(nothing);
  }
}

TEST(Communicator, BroadcastsAndGathersInPieces) {
  const auto world = Communicator::world();
  for (const std::int64_t limit : {std::int64_t{7}, message_limit()}) {
    const LowerLimit lower(limit);
    const int root = world.size() - 1;
    std::string text = world.rank() == root ? "forty characters of text, more or less.." : "old";
    world.broadcast(text, root);
    EXPECT_EQ(text, "forty characters of text, more or less..");
    std::string empty = world.is_root() ? "" : "old";
    world.broadcast(empty);
    EXPECT_EQ(empty, "");

    struct Record {
      double value;
      std::int32_t rank;
    };
    const std::vector<Record> mine{{0.5, world.rank()}, {1.5, -world.rank()}};
    const auto all = world.all_gather(std::span<const Record>(mine));
    EXPECT_EQ(all.size(), 2U * static_cast<std::size_t>(world.size()));
    for (int r = 0; r < world.size(); ++r) {
      const auto first = static_cast<std::size_t>(2 * r);
      EXPECT_EQ(all[first].rank, r);
      EXPECT_EQ(all[first + 1].rank, -r);
      EXPECT_EQ(all[first + 1].value, 1.5);
    }
  }
}

TEST(Communicator, SplitsAndMoves) {
  const auto world = Communicator::world();
  auto half = world.split(world.rank() % 2, -world.rank());
  const int expected_size = (world.size() + (world.rank() % 2 == 0 ? 1 : 0)) / 2;
  EXPECT_EQ(half.size(), expected_size);
  EXPECT_EQ(half.rank(), half.size() - 1 - world.rank() / 2);  // the key turns the order round
  Communicator moved = std::move(half);
  EXPECT_EQ(moved.sum(std::int64_t{1}), expected_size);
  auto other = Communicator::duplicate(moved.handle());
  moved = std::move(other);
  EXPECT_EQ(moved.sum(std::int64_t{1}), expected_size);
  EXPECT_THROW(static_cast<void>(world.split(-1, 0)), Error);
}

TEST(Communicator, OwnErrorHandlerOnEveryCopy) {
  const auto world = Communicator::world();
  const auto copy = Communicator::duplicate(world.handle());
  const auto part = copy.split(0, 0);
  for (const auto* comm : {&world, &copy, &part}) {
    MPI_Errhandler handler = MPI_ERRHANDLER_NULL;
    MPI_Comm_get_errhandler(comm->handle(), &handler);
    EXPECT_NE(handler, MPI_ERRORS_RETURN);
    EXPECT_NE(handler, MPI_ERRORS_ARE_FATAL);  // the job's exit code is ours: parallel_fault tests
    MPI_Errhandler_free(&handler);
  }
}

TEST(Communicator, IsNotFreedWhileThisRankUnwinds) {
  const auto world = Communicator::world();
  MPI_Comm kept = MPI_COMM_NULL;
  try {
    const auto inner = Communicator::duplicate(world.handle());
    kept = inner.handle();
    throw Error(ExitCode::numerical, "all ranks throw here");
  } catch (const Error&) {
    int rank = -1;  // still a living communicator
    EXPECT_EQ(MPI_Comm_rank(kept, &rank), MPI_SUCCESS);
    EXPECT_EQ(rank, world.rank());
    // A communicator born inside the handler is freed as usual.
    EXPECT_EQ(Communicator::duplicate(kept).sum(std::int64_t{1}), world.size());
  }
  MPI_Comm_free(&kept);
}

TEST(Communicator, CountsItsTraffic) {
  const auto world = Communicator::world();
  const auto before = traffic();
  world.barrier();
  static_cast<void>(world.sum(std::int64_t{1}));
  EXPECT_EQ(traffic().reductions - before.reductions, 2);
  EXPECT_EQ(traffic().messages, before.messages);
}

TEST(Agree, CostsOneReductionWhenNothingFails) {
  const auto world = Communicator::world();
  const auto before = traffic().reductions;
  int calls = 0;
  agree(world, [&]() { ++calls; });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(traffic().reductions - before, 1);
}

// The code and text that `agree` throws on this rank.
std::pair<ExitCode, std::string> agreed(const Communicator& comm,
                                        const std::function<void()>& action) {
  try {
    agree(comm, action);
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {ExitCode::success, ""};
}

TEST(Agree, OneFailureReachesAll) {
  const auto world = Communicator::world();
  for (int bad = 0; bad < world.size(); ++bad) {
    const auto [code, text] = agreed(world, [&]() {
      if (world.rank() == bad) throw Error(ExitCode::input_data, "row 417 is NaN");
    });
    EXPECT_EQ(code, ExitCode::input_data);
    EXPECT_EQ(text, "row 417 is NaN");
  }
  EXPECT_EQ(world.sum(std::int64_t{1}), world.size());  // the ranks are still in step
}

TEST(Agree, TheLowestOfSeveralFailuresWins) {
  const auto world = Communicator::world();
  const int lowest = world.size() > 2 ? 1 : 0;
  const auto [code, text] = agreed(world, [&]() {
    if (world.rank() < lowest) return;
    throw Error(world.rank() == lowest ? ExitCode::output : ExitCode::usage,
                "rank " + std::to_string(world.rank()));
  });
  EXPECT_EQ(code, ExitCode::output);
  EXPECT_EQ(text, "rank " + std::to_string(lowest));
}

TEST(Agree, ForeignExceptionsGetTheirCodes) {
  const auto world = Communicator::world();
  const int last = world.size() - 1;
  auto [code, text] = agreed(world, [&]() {
    if (world.rank() == last) throw std::bad_alloc();
  });
  EXPECT_EQ(code, ExitCode::too_large);
  EXPECT_THAT(text, testing::HasSubstr("rank " + std::to_string(last) + " is out of memory"));
  std::tie(code, text) = agreed(world, [&]() {
    if (world.rank() == last) std::vector<char>().reserve(static_cast<std::size_t>(-1));
  });
  EXPECT_EQ(code, ExitCode::too_large);
  std::tie(code, text) = agreed(world, [&]() {
    if (world.rank() == last) throw std::runtime_error("library trouble");
  });
  EXPECT_EQ(code, ExitCode::internal);
  EXPECT_EQ(text, "library trouble");
  std::tie(code, text) = agreed(world, [&]() {
    if (world.rank() == last) throw 42;
  });
  EXPECT_EQ(code, ExitCode::internal);
}

TEST(Agree, LongTextsTravelInPieces) {
  const auto world = Communicator::world();
  const LowerLimit lower(5);
  const std::string text(1000, 'x');
  EXPECT_EQ(agreed(world, [&]() { throw Error(ExitCode::usage, text); }).second, text);
}

TEST(Require, NamesThePlace) {
  EXPECT_NO_THROW(require(true, "holds"));
  try {
    require(false, "counts add up");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::internal);
    EXPECT_THAT(error.what(), testing::HasSubstr("communicator_test.cpp"));
    EXPECT_THAT(error.what(), testing::HasSubstr("counts add up"));
  }
}

TEST(Hosts, NamesEachNodeOnce) {
  const auto world = Communicator::world();
  const auto names = host_names(world);
  char mine[MPI_MAX_PROCESSOR_NAME];
  int length = 0;
  MPI_Get_processor_name(mine, &length);
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_EQ(std::count(names.begin(), names.end(), std::string(mine)), 1);
  EXPECT_LE(names.size(), static_cast<std::size_t>(world.size()));
}

TEST(Environment, LeavesAnInitialisedMpiAlone) {
  int argc = 0;
  char** argv = nullptr;
  {
    const Environment second(argc, argv);
  }
  int finalised = 1;
  MPI_Finalized(&finalised);
  EXPECT_EQ(finalised, 0);
  EXPECT_FALSE(mpi_version().empty());
  EXPECT_EQ(mpi_version().find('\n'), std::string::npos);
}

}  // namespace
}  // namespace mensura::parallel
