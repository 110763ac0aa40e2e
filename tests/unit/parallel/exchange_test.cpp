// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/exchange.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>
#include <random>

namespace mensura::parallel {
namespace {

class Limits : public testing::TestWithParam<std::int64_t> {
 protected:
  void SetUp() override {
    before_ = message_limit();
    set_message_limit(GetParam());
  }
  void TearDown() override { set_message_limit(before_); }
  Communicator world_ = Communicator::world();

 private:
  std::int64_t before_ = 0;
};

// Every rank can compute every block: element k that rank `from` sends to rank `to` in a round.
std::uint32_t element(int from, int to, int round, std::int64_t k) {
  return static_cast<std::uint32_t>(((from * 31 + to) * 17 + round) * 1000 + k);
}

// Block lengths: a fixed pseudo-random pattern with many empty ones.
std::int64_t length(int from, int to, int round) {
  std::minstd_rand draw(static_cast<unsigned>(1 + from + 100 * to + 10000 * round));
  draw.discard(5);
  return draw() % 3 == 0 ? 0 : static_cast<std::int64_t>(draw() % 200);
}

TEST_P(Limits, DenseExchangeDeliversEverythingInOrder) {
  for (int round = 0; round < 10; ++round) {
    std::vector<std::uint32_t> send;
    std::vector<std::int64_t> counts;
    for (int to = 0; to < world_.size(); ++to) {
      counts.push_back(length(world_.rank(), to, round));
      for (std::int64_t k = 0; k < counts.back(); ++k) {
        send.push_back(element(world_.rank(), to, round, k));
      }
    }
    const auto received = exchange<std::uint32_t>(world_, send, counts);
    std::vector<std::uint32_t> expected;
    std::vector<std::int64_t> expected_counts;
    for (int from = 0; from < world_.size(); ++from) {
      expected_counts.push_back(length(from, world_.rank(), round));
      for (std::int64_t k = 0; k < expected_counts.back(); ++k) {
        expected.push_back(element(from, world_.rank(), round, k));
      }
    }
    EXPECT_EQ(received.data, expected);
    EXPECT_EQ(received.counts, expected_counts);
    // Counts that all know need no collective.
    std::vector<std::uint32_t> known(expected.size());
    const auto before = traffic();
    exchange_into<std::uint32_t>(world_, send, counts, known, expected_counts);
    EXPECT_EQ(known, expected);
    EXPECT_EQ(traffic().reductions, before.reductions);
  }
}

TEST_P(Limits, OneRankToAllAndAllToOne) {
  // 40 pieces per partner at the lowest limit: more than are in flight at once.
  const std::int64_t bytes = std::min<std::int64_t>(GetParam() * 40 + 1, 100000);
  const auto size = static_cast<std::size_t>(world_.size());
  std::vector<std::int64_t> to_all(size, world_.is_root() ? bytes : 0);
  std::vector<std::byte> send(world_.is_root() ? size * static_cast<std::size_t>(bytes) : 0);
  for (std::size_t i = 0; i < send.size(); ++i) send[i] = static_cast<std::byte>(i % 251);
  std::vector<std::int64_t> counts;
  auto mine = exchange_bytes(world_, send, to_all, counts);
  EXPECT_EQ(mine.size(), static_cast<std::size_t>(bytes));
  EXPECT_EQ(counts.front(), bytes);

  std::vector<std::int64_t> to_root(size, 0);
  to_root[0] = bytes;
  const auto back = exchange_bytes(world_, mine, to_root, counts);
  EXPECT_EQ(back, send);  // empty on all ranks but the root
}

TEST_P(Limits, EmptyExchange) {
  const std::vector<std::int64_t> none(static_cast<std::size_t>(world_.size()), 0);
  const auto before = traffic();
  const auto received = exchange<double>(world_, {}, none);
  EXPECT_TRUE(received.data.empty());
  EXPECT_EQ(traffic().messages, before.messages);
}

INSTANTIATE_TEST_SUITE_P(Exchange, Limits, testing::Values(1, 3, 64, 1 << 20));

TEST(Exchange, CountsOneMessagePerNonEmptyDestination) {
  const auto world = Communicator::world();
  const auto size = static_cast<std::size_t>(world.size());
  std::vector<std::int64_t> counts(size, 2);
  counts[0] = 0;
  const std::vector<double> send(2 * (size - 1), 1.0);
  const auto before = traffic();
  static_cast<void>(exchange<double>(world, send, counts));
  const std::int64_t partners = world.size() - (world.is_root() ? 1 : 2);
  EXPECT_EQ(traffic().messages - before.messages, world.size() == 1 ? 0 : partners);
  EXPECT_EQ(traffic().bytes - before.bytes, world.size() == 1 ? 0 : 16 * partners);
}

TEST(Exchange, ImpossibleLimitsAndCountsAreRefused) {
  const auto world = Communicator::world();
  EXPECT_THROW(set_message_limit(0), Error);
  EXPECT_THROW(set_message_limit(std::int64_t{1} << 31U), Error);
  const std::vector<std::int64_t> short_counts(static_cast<std::size_t>(world.size()) + 1, 0);
  EXPECT_THROW(static_cast<void>(exchange_counts(world, short_counts)), Error);
}

}  // namespace
}  // namespace mensura::parallel
