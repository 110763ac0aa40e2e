// SPDX-License-Identifier: BSD-3-Clause
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>

#include "parallel/exchange.hpp"

namespace mensura::parallel {
namespace {

using Packet = SparseExchange::Packet;

std::vector<std::byte> filled(std::size_t length, unsigned seed) {
  std::vector<std::byte> bytes(length);
  std::minstd_rand draw(seed + 1);
  for (auto& byte : bytes) byte = static_cast<std::byte>(draw() & 0xffU);
  return bytes;
}

// What `from` sends in a round: 0 to 6 packets to random ranks (itself included), some empty. Every
// rank can compute it, which gives the expected result without communication.
std::vector<Packet> packets_of(int from, int size, unsigned round) {
  std::minstd_rand draw(static_cast<unsigned>(from) * 7919U + round * 104729U + 1U);
  draw.discard(3);
  std::vector<Packet> packets(draw() % 7U);
  for (auto& packet : packets) {
    packet.rank = static_cast<int>(draw() % static_cast<unsigned>(size));
    packet.bytes = filled(draw() % 4U == 0 ? 0 : draw() % 300U, static_cast<unsigned>(draw()));
  }
  return packets;
}

std::vector<Packet> expected_at(int rank, int size, unsigned round) {
  std::vector<Packet> expected;
  for (int from = 0; from < size; ++from) {
    for (auto& packet : packets_of(from, size, round)) {
      if (packet.rank == rank) expected.push_back({from, std::move(packet.bytes)});
    }
  }
  return expected;
}

void expect_equal(const std::vector<Packet>& received, const std::vector<Packet>& expected,
                  unsigned round) {
  EXPECT_EQ(received.size(), expected.size()) << "round " << round;
  for (std::size_t i = 0; i < std::min(received.size(), expected.size()); ++i) {
    EXPECT_EQ(received[i].rank, expected[i].rank) << "round " << round << " packet " << i;
    EXPECT_TRUE(received[i].bytes == expected[i].bytes) << "round " << round << " packet " << i;
  }
}

class Sparse : public testing::TestWithParam<std::int64_t> {
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

TEST_P(Sparse, ManyRandomRounds) {
  SparseExchange exchange(world_, 0);
  for (unsigned round = 0; round < 60; ++round) {
    exchange.begin(packets_of(world_.rank(), world_.size(), round));
    exchange.wait();
    EXPECT_TRUE(exchange.progress());  // stays complete
    expect_equal(exchange.take_received(), expected_at(world_.rank(), world_.size(), round), round);
  }
}

// Channels overlap, ranks progress them in opposite orders, and other collectives run in between:
// a barrier shared by the channels or by the communicator would mix them up.
TEST_P(Sparse, ChannelsInFlightTogether) {
  SparseExchange first(world_, 1);
  SparseExchange second(world_, 1023);
  for (unsigned round = 0; round < 20; ++round) {
    first.begin(packets_of(world_.rank(), world_.size(), 2 * round));
    second.begin(packets_of(world_.rank(), world_.size(), 2 * round + 1));
    EXPECT_EQ(world_.sum(std::int64_t{1}), world_.size());
    bool first_done = false;
    while (!first_done) {  // odd ranks look after the second channel as well, and first
      if (world_.rank() % 2 == 1) second.progress();
      first_done = first.progress();
    }
    world_.barrier();
    second.wait();
    expect_equal(first.take_received(), expected_at(world_.rank(), world_.size(), 2 * round),
                 round);
    expect_equal(second.take_received(), expected_at(world_.rank(), world_.size(), 2 * round + 1),
                 round);
  }
}

// Without the alternation kept in the communicator a fast rank's next exchange, begun through a new
// object, could be taken for the current one of a slow rank.
TEST_P(Sparse, NewObjectsContinueTheChannel) {
  for (unsigned round = 0; round < 30; ++round) {
    std::optional<SparseExchange> exchange(std::in_place, world_, 5);
    exchange->begin(packets_of(world_.rank(), world_.size(), round));
    exchange->wait();
    const auto received = exchange->take_received();
    expect_equal(received, expected_at(world_.rank(), world_.size(), round), round);
    exchange.reset();
  }
}

INSTANTIATE_TEST_SUITE_P(Limits, Sparse, testing::Values(16, 100, 1 << 20));

TEST(SparseExchange, NobodySends) {
  const auto world = Communicator::world();
  SparseExchange exchange(world, 0);
  exchange.begin({});
  exchange.wait();
  EXPECT_TRUE(exchange.take_received().empty());
}

TEST(SparseExchange, PacketsToItselfAreMovedNotSent) {
  const auto world = Communicator::world();
  SparseExchange exchange(world, 0);
  auto bytes = filled(1000, 1);
  const auto* place = bytes.data();
  const auto before = traffic();
  std::vector<Packet> packets;
  packets.push_back({world.rank(), std::move(bytes)});
  exchange.begin(std::move(packets));
  exchange.wait();
  const auto received = exchange.take_received();
  EXPECT_EQ(received.size(), 1U);
  EXPECT_EQ(received.at(0).bytes.data(), place);
  EXPECT_EQ(traffic().messages, before.messages);
}

TEST(SparseExchange, MessagesArePerPacketNotPerRank) {
  const auto world = Communicator::world();
  SparseExchange exchange(world, 0);
  const auto before = traffic();
  std::vector<Packet> packets;
  if (world.size() > 1 && world.is_root()) packets.push_back({1, filled(10, 1)});
  const auto sent = static_cast<std::int64_t>(packets.size());
  exchange.begin(std::move(packets));
  exchange.wait();
  EXPECT_EQ(traffic().messages - before.messages, sent);
  EXPECT_EQ(traffic().bytes - before.bytes, 10 * sent);
}

TEST(SparseExchange, DestructionCompletesAnExchangeInFlight) {
  const auto world = Communicator::world();
  {
    SparseExchange(world, 2).begin(packets_of(world.rank(), world.size(), 3));
  }
  SparseExchange next(world, 2);
  next.begin(packets_of(world.rank(), world.size(), 4));
  next.wait();
  expect_equal(next.take_received(), expected_at(world.rank(), world.size(), 4), 4);
}

TEST(SparseExchange, MisuseIsRefusedLocally) {
  const auto world = Communicator::world();
  EXPECT_THROW(SparseExchange(world, -1), Error);
  EXPECT_THROW(SparseExchange(world, SparseExchange::channels), Error);
  SparseExchange exchange(world, 0);
  EXPECT_THROW(exchange.progress(), Error);
  EXPECT_THROW(static_cast<void>(exchange.take_received()), Error);
  std::vector<Packet> packets;
  packets.push_back({world.size(), {}});
  EXPECT_THROW(exchange.begin(std::move(packets)), Error);
}

}  // namespace
}  // namespace mensura::parallel
