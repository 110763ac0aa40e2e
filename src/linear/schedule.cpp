// SPDX-License-Identifier: BSD-3-Clause
#include "linear/schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>

#include "linear/rehearsal.hpp"
#include "linear/rounds.hpp"

namespace mensura::linear {

namespace {

using parallel::Communicator;
using parallel::Error;
using parallel::ExitCode;
using Integers = std::vector<std::int32_t>;

constexpr std::int32_t never = std::numeric_limits<std::int32_t>::max();

template <class Index>
std::size_t at(Index index) noexcept {
  return static_cast<std::size_t>(index);
}

template <class T>
std::int32_t count(const T& range) noexcept {
  return static_cast<std::int32_t>(range.size());
}

// Every row has a diagonal entry, and `elimination` lists every row after the local rows it needs.
void check_rows(const LocalPattern& pattern, std::span<const std::int32_t> elimination,
                std::int64_t first_row) {
  parallel::require(count(elimination) == pattern.rows,
                    "triangular solve: the elimination order lists every local row");
  std::vector<char> done(at(pattern.rows), 0);
  for (const auto row : elimination) {
    parallel::require(row >= 0 && row < pattern.rows && done[at(row)] == 0,
                      "triangular solve: the elimination order lists every local row once");
    bool diagonal = false;
    for (const auto column : pattern.columns(row)) {
      if (column == row) {
        diagonal = true;
      } else if (done[at(column)] == 0) {
        throw Error(ExitCode::internal,
                    fmt::format("triangular solve: row {} needs row {}, which comes after it in "
                                "the elimination order; the matrix is not lower triangular in "
                                "this order",
                                first_row + row, first_row + column));
      }
    }
    if (!diagonal) {
      throw Error(ExitCode::internal,
                  fmt::format("triangular solve: row {} has no diagonal entry; store one for every "
                              "row",
                              first_row + row));
    }
    done[at(row)] = 1;
  }
}

// Rows that some other rank waits for, directly or through rows of this rank.
std::vector<char> find_critical(const LocalPattern& pattern, const Partners& partners,
                                std::span<const std::int32_t> elimination) {
  std::vector<char> critical(at(pattern.rows), 0);
  for (const auto row : partners.exports) critical[at(row)] = 1;
  for (auto row = elimination.rbegin(); row != elimination.rend(); ++row) {
    if (critical[at(*row)] == 0) continue;
    for (const auto column : pattern.columns(*row)) critical[at(column)] = 1;
  }
  return critical;
}

// The first round in which each ghost is needed by a row that others wait for.
Integers first_needs(const LocalPattern& pattern, const Rounds& rounds,
                     const std::vector<char>& critical) {
  Integers need(at(pattern.ghosts), never);
  for (std::int32_t row = 0; row < pattern.rows; ++row) {
    if (critical[at(row)] == 0) continue;
    for (const auto ghost : pattern.ghost_columns(row)) {
      need[at(ghost)] = std::min(need[at(ghost)], rounds.of_row[at(row)]);
    }
  }
  return need;
}

// What one rank sends another: item i is known in round known[i] and wanted before need[i]. The
// fewest messages that serve all are found greedily by deadline (stabbing of intervals); each item
// takes the first message after it is known, each message leaves as soon as it is complete.
// Returns the round of each item's message.
Integers choose_messages(std::span<const std::int32_t> known, std::span<const std::int32_t> need) {
  Integers order(known.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return std::tuple(need[at(a)], known[at(a)], a) < std::tuple(need[at(b)], known[at(b)], b);
  });
  Integers departures;  // ascending
  for (const auto item : order) {
    if (need[at(item)] == never) continue;
    if (departures.empty() || departures.back() < known[at(item)]) {
      departures.push_back(need[at(item)] - 1);
    }
  }
  const auto last = *std::max_element(known.begin(), known.end());
  if (departures.empty() || departures.back() < last) departures.push_back(last);
  Integers message(known.size()), complete(departures.size(), 0);
  for (std::size_t i = 0; i < known.size(); ++i) {
    const auto found = std::lower_bound(departures.begin(), departures.end(), known[i]);
    message[i] = static_cast<std::int32_t>(found - departures.begin());
    complete[at(message[i])] = std::max(complete[at(message[i])], known[i]);
  }
  for (auto& index : message) index = complete[at(index)];
  return message;
}

// The round in which each row is computed: as late as the messages to others allow; rows that
// nobody else waits for come after everything.
Integers place_rows(const LocalPattern& pattern, const Partners& partners,
                    const Integers& departure, std::span<const std::int32_t> elimination,
                    std::int32_t end) {
  Integers place(at(pattern.rows), end);
  for (std::size_t i = 0; i < partners.exports.size(); ++i) {
    auto& own = place[at(partners.exports[i])];
    own = std::min(own, departure[i]);
  }
  for (auto row = elimination.rbegin(); row != elimination.rend(); ++row) {
    const auto own = place[at(*row)];
    if (own == end) continue;
    for (const auto column : pattern.columns(*row)) {
      place[at(column)] = std::min(place[at(column)], own);
    }
  }
  return place;
}

// A message while the schedule is made.
struct Draft {
  std::int32_t step;  // of the wait (in) or the departure (out)
  int rank;
  std::int32_t departure;  // round in which it is sent
  Integers items;
};

// The messages of one group of items (all from or to one rank), by departure.
std::vector<Draft> draft_messages(int rank, const Integers& departure,
                                  const std::vector<std::int32_t>& items) {
  Integers order(items.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return departure[at(a)] < departure[at(b)];
  });
  std::vector<Draft> drafts;
  for (const auto k : order) {
    if (drafts.empty() || drafts.back().departure != departure[at(k)]) {
      drafts.push_back({departure[at(k)], rank, departure[at(k)], {}});
    }
    drafts.back().items.push_back(items[at(k)]);
  }
  return drafts;
}

std::vector<Draft> draft_outgoing(const Partners& partners, const Integers& departure) {
  std::vector<Draft> result;
  for (const auto& reader : partners.readers) {
    const Integers departures(departure.begin() + reader.first, departure.begin() + reader.last);
    const Integers rows(partners.exports.begin() + reader.first,
                        partners.exports.begin() + reader.last);
    auto drafts = draft_messages(reader.rank, departures, rows);
    std::move(drafts.begin(), drafts.end(), std::back_inserter(result));
  }
  return result;
}

std::vector<Draft> draft_incoming(const Partners& partners, const Integers& departure,
                                  const Integers& first_use) {
  std::vector<Draft> result;
  for (const auto& owner : partners.owners) {
    const Integers departures(departure.begin() + owner.first, departure.begin() + owner.last);
    Integers ghosts(at(owner.last - owner.first));
    std::iota(ghosts.begin(), ghosts.end(), owner.first);
    auto drafts = draft_messages(owner.rank, departures, ghosts);
    // Waiting in the order of departure keeps the order of the messages between two ranks the same
    // on both sides, also in the transposed solve, which runs backwards.
    auto bound = never;
    for (auto draft = drafts.rbegin(); draft != drafts.rend(); ++draft) {
      for (const auto ghost : draft->items) bound = std::min(bound, first_use[at(ghost)]);
      draft->step = bound;
    }
    std::move(drafts.begin(), drafts.end(), std::back_inserter(result));
  }
  return result;
}

Integers first_uses(const LocalPattern& pattern, const Integers& place) {
  Integers use(at(pattern.ghosts), never);
  for (std::int32_t row = 0; row < pattern.rows; ++row) {
    for (const auto ghost : pattern.ghost_columns(row)) {
      use[at(ghost)] = std::min(use[at(ghost)], place[at(row)]);
    }
  }
  return use;
}

// An order of all rows, by round and then such that rows come after what they need and close to
// their neighbours in storage: depth first from row to row. Streams the matrix almost in order
// and keeps the unknowns in cache, which the elimination order does not.
class DepthFirst {
 public:
  DepthFirst(const LocalPattern& pattern, const Integers& place)
      : pattern_(pattern), place_(place), listed_(at(pattern.rows), 0) {}

  Integers run() {
    Integers by_round(at(pattern_.rows));
    std::iota(by_round.begin(), by_round.end(), 0);
    std::stable_sort(by_round.begin(), by_round.end(),
                     [&](std::int32_t a, std::int32_t b) { return place_[at(a)] < place_[at(b)]; });
    order_.reserve(at(pattern_.rows));
    for (const auto row : by_round) {
      if (listed_[at(row)] == 0) visit(row);
    }
    return std::move(order_);
  }

 private:
  void visit(std::int32_t root) {
    stack_.assign(1, {root, 0});
    listed_[at(root)] = 1;
    while (!stack_.empty()) {
      auto& [row, next] = stack_.back();
      const auto columns = pattern_.columns(row);
      while (next < count(columns) && listed_[at(columns[at(next)])] != 0) ++next;
      if (next == count(columns)) {
        order_.push_back(row);
        stack_.pop_back();
      } else {
        const auto column = static_cast<std::int32_t>(columns[at(next)]);
        listed_[at(column)] = 1;
        stack_.emplace_back(column, 0);
      }
    }
  }

  const LocalPattern& pattern_;
  const Integers& place_;
  std::vector<char> listed_;
  std::vector<std::pair<std::int32_t, std::int32_t>> stack_;
  Integers order_;
};

std::int32_t diagonal_place(const LocalPattern& pattern, std::int32_t row) {
  const auto columns = pattern.columns(row);
  return static_cast<std::int32_t>(std::lower_bound(columns.begin(), columns.end(), row) -
                                   columns.begin());
}

// True when `second` needs what `first` needs, and `first`, and nothing else.
bool are_pair(const LocalPattern& pattern, std::int32_t first, std::int32_t second) {
  if (second != first + 1 && second != first - 1) return false;
  const auto a = pattern.columns(first), b = pattern.columns(second);
  if (b.size() != a.size() + 1) return false;
  const auto place = static_cast<std::ptrdiff_t>(diagonal_place(pattern, first));
  const auto low = static_cast<PetscInt>(std::min(first, second));
  if (b[at(place)] != low || b[at(place + 1)] != low + 1) return false;
  const auto ghosts_a = pattern.ghost_columns(first), ghosts_b = pattern.ghost_columns(second);
  return std::equal(a.begin(), a.begin() + place, b.begin()) &&
         std::equal(a.begin() + place + 1, a.end(), b.begin() + place + 2) &&
         std::equal(ghosts_a.begin(), ghosts_a.end(), ghosts_b.begin(), ghosts_b.end());
}

struct Units {
  std::vector<Unit> units;
  Integers place;  // round of each unit
};

Units make_units(const LocalPattern& pattern, const Integers& place) {
  const auto order = DepthFirst(pattern, place).run();
  Units result;
  for (std::size_t i = 0; i < order.size(); ++i) {
    Unit unit{order[i], -1, diagonal_place(pattern, order[i])};
    result.place.push_back(place[at(unit.row)]);
    if (i + 1 < order.size() && place[at(order[i + 1])] == place[at(unit.row)] &&
        are_pair(pattern, unit.row, order[i + 1])) {
      unit.second = order[++i];
    }
    result.units.push_back(unit);
  }
  return result;
}

// Sorts the messages of one direction by step and lays out their items.
void lay_out(std::vector<Draft>& drafts, std::vector<Message>& messages, Integers& items) {
  std::sort(drafts.begin(), drafts.end(), [](const Draft& a, const Draft& b) {
    return std::tuple(a.step, a.rank, a.departure) < std::tuple(b.step, b.rank, b.departure);
  });
  for (const auto& draft : drafts) {
    const auto first = count(items);
    items.insert(items.end(), draft.items.begin(), draft.items.end());
    messages.push_back({draft.rank, first, count(items)});
  }
}

// One step per round in which this rank has anything to do.
std::vector<Step> make_steps(const std::vector<Draft>& in, const Integers& units,
                             const std::vector<Draft>& out) {
  std::vector<Step> steps;
  std::size_t i = 0, u = 0, o = 0;
  while (i < in.size() || u < units.size() || o < out.size()) {
    auto round = never;
    if (i < in.size()) round = std::min(round, in[i].step);
    if (u < units.size()) round = std::min(round, units[u]);
    if (o < out.size()) round = std::min(round, out[o].step);
    Step step;
    step.in_first = static_cast<std::int32_t>(i);
    step.unit_first = static_cast<std::int32_t>(u);
    step.out_first = static_cast<std::int32_t>(o);
    while (i < in.size() && in[i].step == round) ++i;
    while (u < units.size() && units[u] == round) ++u;
    while (o < out.size() && out[o].step == round) ++o;
    step.in_last = static_cast<std::int32_t>(i);
    step.unit_last = static_cast<std::int32_t>(u);
    step.out_last = static_cast<std::int32_t>(o);
    steps.push_back(step);
  }
  return steps;
}

struct Departures {
  Integers of_ghost, of_export;
};

// Both sides of every message work out the same departures from the same rounds and needs.
Departures choose_departures(const Partners& partners, const Rounds& rounds, const Integers& need,
                             const Integers& need_of_export) {
  Departures result{Integers(rounds.of_ghost.size()), Integers(partners.exports.size())};
  for (const auto& [rank, first, last] : partners.owners) {
    const auto size = at(last - first);
    const auto chosen = choose_messages(std::span(rounds.of_ghost).subspan(at(first), size),
                                        std::span(need).subspan(at(first), size));
    std::copy(chosen.begin(), chosen.end(), result.of_ghost.begin() + first);
  }
  Integers known(partners.exports.size());
  std::transform(partners.exports.begin(), partners.exports.end(), known.begin(),
                 [&](std::int32_t row) { return rounds.of_row[at(row)]; });
  for (const auto& [rank, first, last] : partners.readers) {
    const auto size = at(last - first);
    const auto chosen = choose_messages(std::span(known).subspan(at(first), size),
                                        std::span(need_of_export).subspan(at(first), size));
    std::copy(chosen.begin(), chosen.end(), result.of_export.begin() + first);
  }
  return result;
}

}  // namespace

Schedule make_schedule(const Communicator& comm, const LocalPattern& pattern,
                       std::span<const std::int32_t> elimination,
                       const std::function<void()>& poll) {
  parallel::agree(comm, [&] { check_rows(pattern, elimination, pattern.rank_begin[comm.rank()]); });
  const auto partners = find_partners(comm, pattern);
  const auto rounds = find_rounds(comm, pattern, partners, elimination, poll);
  const auto critical = find_critical(pattern, partners, elimination);
  const auto need = first_needs(pattern, rounds, critical);
  const auto need_of_export = tell_owners(comm, partners, need);
  Schedule schedule;
  schedule.stages = rounds.last;
  parallel::agree(comm, [&] {
    const auto departures = choose_departures(partners, rounds, need, need_of_export);
    const auto place =
        place_rows(pattern, partners, departures.of_export, elimination, rounds.last + 1);
    auto in = draft_incoming(partners, departures.of_ghost, first_uses(pattern, place));
    auto out = draft_outgoing(partners, departures.of_export);
    auto units = make_units(pattern, place);
    lay_out(in, schedule.in, schedule.in_items);
    lay_out(out, schedule.out, schedule.out_items);
    schedule.steps = make_steps(in, units.place, out);
    schedule.units = std::move(units.units);
  });
  rehearse(comm, pattern, schedule);
  return schedule;
}

}  // namespace mensura::linear
