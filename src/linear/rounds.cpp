// SPDX-License-Identifier: BSD-3-Clause
#include "linear/rounds.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>

#include "parallel/exchange.hpp"

namespace mensura::linear {

namespace {

using parallel::Communicator;
using parallel::Error;
using parallel::ExitCode;
using Packet = parallel::SparseExchange::Packet;
using Integers = std::vector<std::int32_t>;

constexpr int channel = 0;
constexpr std::int32_t rounds_per_poll = 64;

template <class Index>
std::size_t at(Index index) noexcept {
  return static_cast<std::size_t>(index);
}

Packet pack(int rank, std::span<const std::int32_t> values) {
  Packet packet{rank, std::vector<std::byte>(values.size_bytes())};
  if (!values.empty()) std::memcpy(packet.bytes.data(), values.data(), values.size_bytes());
  return packet;
}

Integers unpack(const Packet& packet) {
  Integers values(packet.bytes.size() / sizeof(std::int32_t));
  if (!values.empty()) std::memcpy(values.data(), packet.bytes.data(), packet.bytes.size());
  return values;
}

std::vector<Packet> exchange(const Communicator& comm, std::vector<Packet> packets) {
  parallel::SparseExchange sparse(comm, channel);
  sparse.begin(std::move(packets));
  sparse.wait();
  return sparse.take_received();
}

// Rows whose needs are met, found with O(rows + ghosts) memory: every waiting row watches one thing
// that it needs and that is not known yet; when that becomes known the row looks for the next. The
// first in the elimination order looks first, so that most rows look once per round.
class Front {
 public:
  Front(const LocalPattern& pattern, std::span<const std::int32_t> elimination, Rounds& rounds)
      : pattern_(pattern),
        elimination_(elimination),
        rounds_(rounds),
        position_(at(pattern.rows)),
        watcher_(at(pattern.rows) + at(pattern.ghosts), none),
        next_(at(pattern.rows), none),
        cursor_(at(pattern.rows), 0) {
    for (std::size_t i = 0; i < elimination.size(); ++i) {
      position_[at(elimination[i])] = static_cast<std::int32_t>(i);
    }
  }

  static constexpr std::int32_t none = -1;

  /// The rows that need no ghosts.
  void begin() {
    pending_.resize(elimination_.size());
    std::iota(pending_.begin(), pending_.end(), 0);  // sorted is a heap
    drain(0);
  }
  /// Ghosts that were finished in `known`; the rows that can now be finished are so one round
  /// later.
  void arrive(std::span<const std::int32_t> ghosts, std::int32_t known) {
    for (const auto ghost : ghosts) rounds_.of_ghost[at(ghost)] = known;
    for (const auto ghost : ghosts) release(pattern_.rows + ghost);
    drain(known + 1);
  }
  Integers take_finished() { return std::exchange(finished_, {}); }
  /// The local number (a ghost's: minus the number of rows) of what a waiting row waits for.
  std::int32_t blocker(std::int32_t row) const { return missing(row, 0).first; }

 private:
  // What `row` still needs, searching from `place`, and where in the row that is. Backwards: where
  // rows are stored in the order of elimination, the last one is the one to wait for.
  std::pair<std::int32_t, std::int32_t> missing(std::int32_t row, std::int32_t place) const {
    const auto own = pattern_.columns(row);
    const auto ghosts = pattern_.ghost_columns(row);
    const auto owned = static_cast<std::int32_t>(own.size());
    for (; place < owned; ++place) {
      const auto item = static_cast<std::int32_t>(own[at(owned - 1 - place)]);
      if (item != row && rounds_.of_row[at(item)] == none) return {item, place};
    }
    for (; at(place - owned) < ghosts.size(); ++place) {
      const auto item = static_cast<std::int32_t>(ghosts[ghosts.size() - 1 - at(place - owned)]);
      if (rounds_.of_ghost[at(item)] == none) return {pattern_.rows + item, place};
    }
    return {none, place};
  }
  void release(std::int32_t item) {
    for (auto row = std::exchange(watcher_[at(item)], none); row != none; row = next_[at(row)]) {
      pending_.push_back(position_[at(row)]);
      std::push_heap(pending_.begin(), pending_.end(), std::greater<>());
    }
  }
  void drain(std::int32_t round) {
    while (!pending_.empty()) {
      std::pop_heap(pending_.begin(), pending_.end(), std::greater<>());
      const auto row = elimination_[at(pending_.back())];
      pending_.pop_back();
      const auto [item, place] = missing(row, cursor_[at(row)]);
      cursor_[at(row)] = place;
      if (item == none) {
        rounds_.of_row[at(row)] = round;
        finished_.push_back(row);
        release(row);
      } else {
        next_[at(row)] = std::exchange(watcher_[at(item)], row);
      }
    }
  }

  const LocalPattern& pattern_;
  std::span<const std::int32_t> elimination_;
  Rounds& rounds_;
  Integers position_;  // [rows] in the elimination order
  Integers watcher_;   // [rows + ghosts] head of the list of rows that watch it
  Integers next_;      // [rows] lists
  Integers cursor_;    // [rows] everything before is known
  Integers pending_;   // heap of positions
  Integers finished_;
};

// For every reader: which of its ghosts are known now, as places among those it asked this rank
// for.
std::vector<Packet> announce(const Partners& partners, const Integers& finished) {
  std::vector<Integers> lists(partners.readers.size());
  for (const auto row : finished) {
    for (auto k = partners.by_row[at(row)]; k < partners.by_row[at(row) + 1]; ++k) {
      const auto place = partners.places[at(k)];
      const auto reader = std::upper_bound(
          partners.readers.begin(), partners.readers.end(), place,
          [](std::int32_t value, const Partners::Group& group) { return value < group.last; });
      lists[at(reader - partners.readers.begin())].push_back(place - reader->first);
    }
  }
  std::vector<Packet> packets;
  for (std::size_t i = 0; i < lists.size(); ++i) {
    if (!lists[i].empty()) packets.push_back(pack(partners.readers[i].rank, lists[i]));
  }
  return packets;
}

const Partners::Group& group_of(const std::vector<Partners::Group>& groups, int rank) {
  const auto found =
      std::lower_bound(groups.begin(), groups.end(), rank,
                       [](const Partners::Group& group, int value) { return group.rank < value; });
  parallel::require(found != groups.end() && found->rank == rank, "messages come from partners");
  return *found;
}

void report_circle(const LocalPattern& pattern, const Rounds& rounds, const Front& front,
                   std::int64_t first_row) {
  const auto row = std::find(rounds.of_row.begin(), rounds.of_row.end(), Front::none);
  if (row == rounds.of_row.end()) return;
  const auto local = static_cast<std::int32_t>(row - rounds.of_row.begin());
  const auto item = front.blocker(local);
  const auto column = item < pattern.rows
                          ? first_row + item
                          : static_cast<std::int64_t>(pattern.ghost_ids[item - pattern.rows]);
  throw Error(ExitCode::internal,
              fmt::format("triangular solve: row {} waits for column {}, and rows wait for each "
                          "other in a circle over several ranks; no symmetric permutation makes "
                          "this matrix lower triangular: check its entries above the diagonal of "
                          "the elimination order",
                          first_row + local, column));
}

}  // namespace

Partners find_partners(const Communicator& comm, const LocalPattern& pattern) {
  Partners partners;
  std::vector<Packet> questions;
  for (std::int32_t ghost = 0; ghost < pattern.ghosts;) {
    const auto* above = std::upper_bound(pattern.rank_begin, pattern.rank_begin + comm.size() + 1,
                                         pattern.ghost_ids[ghost]);
    const auto owner = static_cast<int>(above - pattern.rank_begin) - 1;
    auto last = ghost;
    Integers wanted;
    for (; last < pattern.ghosts && pattern.ghost_ids[last] < *above; ++last) {
      wanted.push_back(
          static_cast<std::int32_t>(pattern.ghost_ids[last] - pattern.rank_begin[owner]));
    }
    partners.owners.push_back({owner, ghost, last});
    questions.push_back(pack(owner, wanted));
    ghost = last;
  }
  for (const auto& packet : exchange(comm, std::move(questions))) {
    const auto wanted = unpack(packet);
    const auto first = static_cast<std::int32_t>(partners.exports.size());
    partners.exports.insert(partners.exports.end(), wanted.begin(), wanted.end());
    partners.readers.push_back(
        {packet.rank, first, static_cast<std::int32_t>(partners.exports.size())});
  }
  partners.by_row.assign(at(pattern.rows) + 1, 0);
  for (const auto row : partners.exports) ++partners.by_row[at(row) + 1];
  std::partial_sum(partners.by_row.begin(), partners.by_row.end(), partners.by_row.begin());
  partners.places.resize(partners.exports.size());
  Integers fill(partners.by_row);
  for (std::size_t i = 0; i < partners.exports.size(); ++i) {
    partners.places[at(fill[at(partners.exports[i])]++)] = static_cast<std::int32_t>(i);
  }
  return partners;
}

Integers tell_owners(const Communicator& comm, const Partners& partners,
                     std::span<const std::int32_t> of_ghost) {
  std::vector<Packet> packets;
  packets.reserve(partners.owners.size());
  for (const auto& owner : partners.owners) {
    packets.push_back(
        pack(owner.rank, of_ghost.subspan(at(owner.first), at(owner.last - owner.first))));
  }
  Integers result(partners.exports.size());
  for (const auto& packet : exchange(comm, std::move(packets))) {
    const auto values = unpack(packet);
    std::copy(values.begin(), values.end(),
              result.begin() + group_of(partners.readers, packet.rank).first);
  }
  return result;
}

Rounds find_rounds(const Communicator& comm, const LocalPattern& pattern, const Partners& partners,
                   std::span<const std::int32_t> elimination, const std::function<void()>& poll) {
  Rounds rounds;
  rounds.of_row.assign(at(pattern.rows), Front::none);
  rounds.of_ghost.assign(at(pattern.ghosts), Front::none);
  Front front(pattern, elimination, rounds);
  front.begin();
  std::int64_t left = pattern.rows, before = -1;
  for (std::int32_t round = 0;; ++round) {
    const auto finished = front.take_finished();
    left -= static_cast<std::int64_t>(finished.size());
    const auto all_left = comm.sum(left);
    if (all_left == 0) {
      rounds.last = round;
      return rounds;
    }
    if (all_left == before) {
      parallel::agree(
          comm, [&] { report_circle(pattern, rounds, front, pattern.rank_begin[comm.rank()]); });
    }
    before = all_left;
    Integers known;
    for (const auto& packet : exchange(comm, announce(partners, finished))) {
      const auto first = group_of(partners.owners, packet.rank).first;
      for (const auto place : unpack(packet)) known.push_back(first + place);
    }
    front.arrive(known, round);
    if (poll && round % rounds_per_poll == rounds_per_poll - 1) poll();
  }
}

}  // namespace mensura::linear
