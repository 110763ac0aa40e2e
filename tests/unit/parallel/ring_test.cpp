// SPDX-License-Identifier: BSD-3-Clause
#include "parallel/ring.hpp"

#include <gtest/gtest.h>

#include <cstdint>

#include "parallel/exchange.hpp"

namespace mensura::parallel {
namespace {

// Packets of different lengths, one of them empty.
std::int64_t length(int rank) {
  return rank % 3 == 1 ? 0 : 40 + 7 * rank;
}

double number(int rank, std::size_t i) {
  return 1000.0 * rank + static_cast<double>(i);
}

void fill(Ring& ring) {
  const auto packet = ring.held();
  for (std::size_t i = 0; i < packet.size(); ++i) packet[i] = number(ring.origin(), i);
}

std::vector<std::int64_t> lengths(const Communicator& comm) {
  std::vector<std::int64_t> sizes;
  for (int rank = 0; rank < comm.size(); ++rank) sizes.push_back(length(rank));
  return sizes;
}

class PacketRing : public testing::TestWithParam<std::int64_t> {};

// Bytes per message: far more than a packet, a number at a time, and pieces that end within one.
TEST_P(PacketRing, EveryPacketVisitsEveryRankAndComesHome) {
  const auto before = message_limit();
  set_message_limit(GetParam());
  const auto world = Communicator::world();
  Ring ring(world, lengths(world));
  fill(ring);
  for (int turn = 0; turn < 2; ++turn) {
    for (int step = 0; step < world.size(); ++step) {
      const int origin = (world.rank() + world.size() - step) % world.size();
      EXPECT_EQ(ring.origin(), origin);
      ring.begin_pass();
      // The packet can be read, and others can talk, while it is on its way.
      EXPECT_EQ(world.sum(1), world.size());
      const auto packet = ring.held();
      ASSERT_EQ(static_cast<std::int64_t>(packet.size()), length(origin));
      for (std::size_t i = 0; i < packet.size(); ++i) EXPECT_EQ(packet[i], number(origin, i));
      ring.end_pass();
    }
  }
  EXPECT_EQ(ring.origin(), world.rank());
  set_message_limit(before);
}
INSTANTIATE_TEST_SUITE_P(Pieces, PacketRing, testing::Values(1 << 20, 8, 101));

TEST(Ring, CountsWhatItSends) {
  const auto world = Communicator::world();
  Ring ring(world, lengths(world));
  fill(ring);
  const Traffic before = traffic();
  ring.begin_pass();
  ring.end_pass();
  const bool sent = world.size() > 1 && length(world.rank()) > 0;
  EXPECT_EQ(traffic().messages - before.messages, sent ? 1 : 0);
  EXPECT_EQ(traffic().bytes - before.bytes, sent ? 8 * length(world.rank()) : 0);
}

// A ring that is given up between two collective calls of all ranks waits for its messages; the
// next one on the communicator then finds none of them.
TEST(Ring, LeavesNothingBehind) {
  const auto world = Communicator::world();
  {
    Ring ring(world, lengths(world));
    fill(ring);
    ring.begin_pass();
  }
  Ring ring(world, std::vector<std::int64_t>(static_cast<std::size_t>(world.size()), 3));
  fill(ring);
  ring.begin_pass();
  ring.end_pass();
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(ring.held()[i], number(ring.origin(), i));
}

}  // namespace
}  // namespace mensura::parallel
