// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/by_index.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <string>

#include "parallel/exchange.hpp"

namespace mensura::parallel {
namespace {

// Every entry of every row is different, and exact in a double.
double entry(std::uint64_t row, int column) {
  return static_cast<double>(row) * 8 + column;
}

std::vector<double> block_of(const Communicator& comm, std::int64_t total, int width) {
  const Blocks blocks{total, comm.size()};
  std::vector<double> block;
  for (auto row = blocks.begin(comm.rank()); row < blocks.begin(comm.rank() + 1); ++row) {
    for (int c = 0; c < width; ++c) block.push_back(entry(static_cast<std::uint64_t>(row), c));
  }
  return block;
}

std::string internal_error(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.code() == ExitCode::internal ? error.what() : "another exit code";
  }
  return "nothing thrown";
}

// The same text on all ranks.
bool agreed(const Communicator& comm, const std::string& text) {
  std::string of_root = text;
  comm.broadcast(of_root);
  return comm.min(std::int64_t{of_root == text}) == 1;
}

TEST(Blocks, OwnersMatchTheirRanges) {
  for (const std::int64_t total : {1, 2, 5, 7, 64, 1001}) {
    for (const int ranks : {1, 2, 3, 7, 64, 1000}) {
      const Blocks blocks{total, ranks};
      EXPECT_EQ(blocks.begin(0), 0);
      EXPECT_EQ(blocks.begin(ranks), total);
      for (std::int64_t i = 0; i < total; ++i) {
        const int owner = blocks.owner(i);
        ASSERT_GE(i, blocks.begin(owner)) << total << " rows on " << ranks;
        ASSERT_LT(i, blocks.begin(owner + 1)) << total << " rows on " << ranks;
      }
    }
  }
}

TEST(Blocks, CountsNearTheEndOfInt64DoNotOverflow) {
  const Blocks blocks{std::numeric_limits<std::int64_t>::max(), 999983};
  std::mt19937_64 draw(5);
  for (int i = 0; i < 1000; ++i) {
    const auto index = static_cast<std::int64_t>(draw() >> 1U) - 1;
    const int owner = blocks.owner(index);
    ASSERT_LE(blocks.begin(owner), index);
    ASSERT_GT(blocks.begin(owner + 1), index);
  }
  EXPECT_EQ(blocks.owner(blocks.total - 1), blocks.ranks - 1);
}

TEST(FetchRows, AnyOrderAndRepetitions) {
  const auto comm = Communicator::world();
  for (const std::int64_t total : {1, 3, 5, 1000}) {  // fewer rows than ranks, too
    for (int width = 1; width <= 4; ++width) {
      std::mt19937_64 draw(static_cast<std::uint64_t>(comm.rank() + 1));
      // Ranks ask for different numbers of rows, the last one for none.
      const int asked = comm.rank() + 1 == comm.size() && comm.size() > 1 ? 0 : 300 * comm.rank();
      std::vector<std::uint64_t> indices(static_cast<std::size_t>(asked) + (comm.size() == 1));
      for (auto& index : indices) index = draw() % static_cast<std::uint64_t>(total);
      const auto rows = fetch_rows(comm, block_of(comm, total, width), total, width, indices);
      std::vector<double> expected;
      for (const auto index : indices) {
        for (int c = 0; c < width; ++c) expected.push_back(entry(index, c));
      }
      EXPECT_EQ(rows, expected) << total << " rows of " << width;
    }
  }
}

TEST(FetchRows, NothingAtAll) {
  const auto comm = Communicator::world();
  EXPECT_TRUE(fetch_rows(comm, {}, 0, 3, {}).empty());
}

TEST(FetchRows, MessagesInPieces) {
  const auto comm = Communicator::world();
  const auto old = message_limit();
  set_message_limit(24);  // less than a row of four
  std::vector<std::uint64_t> indices(200);
  std::iota(indices.rbegin(), indices.rend(), std::uint64_t{0});
  const auto rows = fetch_rows(comm, block_of(comm, 200, 4), 200, 4, indices);
  set_message_limit(old);
  ASSERT_EQ(rows.size(), 800U);
  for (std::size_t i = 0; i < 800; ++i) {
    ASSERT_EQ(rows[i], entry(199 - i / 4, static_cast<int>(i % 4)));
  }
}

TEST(FetchRows, IndexOutOfRangeOnOneRank) {
  const auto comm = Communicator::world();
  std::vector<std::uint64_t> indices{3, 9};
  if (comm.rank() == comm.size() - 1) indices.push_back(10);
  const auto text = internal_error(
      [&] { static_cast<void>(fetch_rows(comm, block_of(comm, 10, 1), 10, 1, indices)); });
  EXPECT_NE(text.find("index 10 lies in the 10 rows"), std::string::npos) << text;
  EXPECT_TRUE(agreed(comm, text));
}

TEST(FetchRows, BlockOfTheWrongSize) {
  const auto comm = Communicator::world();
  auto block = block_of(comm, 10, 2);
  if (comm.is_root()) block.push_back(0);
  const auto text = internal_error([&] { static_cast<void>(fetch_rows(comm, block, 10, 2, {})); });
  EXPECT_NE(text.find("the block has the rows of this rank"), std::string::npos) << text;
  EXPECT_TRUE(agreed(comm, text));
}

// Rows dealt out by a fixed shuffle; ranks below `skip` get none.
std::vector<std::uint64_t> dealt(const Communicator& comm, std::uint64_t total, int skip) {
  std::vector<std::uint64_t> all(total);
  std::iota(all.begin(), all.end(), std::uint64_t{0});
  std::shuffle(all.begin(), all.end(), std::mt19937_64(17));
  std::vector<std::uint64_t> mine;
  const int dealers = comm.size() - skip;
  for (std::size_t i = 0; i < total; ++i) {
    if (static_cast<int>(i % static_cast<std::size_t>(dealers)) + skip == comm.rank()) {
      mine.push_back(all[i]);
    }
  }
  return mine;
}

TEST(ToBlocks, RoundTrip) {
  const auto comm = Communicator::world();
  for (const std::uint64_t total : {0U, 1U, 5U, 1003U}) {
    for (int width = 1; width <= 4; ++width) {
      const auto indices = dealt(comm, total, comm.size() > 1 ? 1 : 0);
      std::vector<double> rows;
      for (const auto index : indices) {
        for (int c = 0; c < width; ++c) rows.push_back(entry(index, c));
      }
      const auto count = static_cast<std::int64_t>(total);
      const auto block = to_blocks(comm, rows, width, indices, count);
      EXPECT_EQ(block, block_of(comm, count, width)) << total << " rows of " << width;
      EXPECT_EQ(fetch_rows(comm, block, count, width, indices), rows);
    }
  }
}

TEST(ToBlocks, FaultyIndices) {
  const auto comm = Communicator::world();
  auto indices = dealt(comm, 50, 0);
  const auto run = [&](const std::vector<std::uint64_t>& list) {
    const std::vector<double> rows(list.size());
    return internal_error([&] { static_cast<void>(to_blocks(comm, rows, 1, list, 50)); });
  };
  const auto replaced = [&](std::uint64_t by) {  // index 7 becomes another one
    auto list = indices;
    std::replace(list.begin(), list.end(), std::uint64_t{7}, by);
    return list;
  };
  auto text = run(replaced(50));
  EXPECT_NE(text.find("index 50 lies in the 50 rows"), std::string::npos) << text;
  EXPECT_TRUE(agreed(comm, text));
  text = run(replaced(8));  // twice here, missing there: owners of both complain, the lowest wins
  EXPECT_NE(text.find("is held"), std::string::npos) << text;
  EXPECT_TRUE(agreed(comm, text));
  std::erase(indices, std::uint64_t{7});
  text = run(indices);
  EXPECT_NE(text.find("index 7 is held by a rank"), std::string::npos) << text;
  EXPECT_TRUE(agreed(comm, text));
}

}  // namespace
}  // namespace mensura::parallel
