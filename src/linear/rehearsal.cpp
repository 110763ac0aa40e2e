// SPDX-License-Identifier: BSD-3-Clause
#include "linear/rehearsal.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "parallel/tags.hpp"

namespace mensura::linear {

namespace {

using parallel::check_mpi;
using parallel::Communicator;
using Integers = std::vector<std::int32_t>;

// What work and messages cost, in seconds, on a processor and a network of our days; only ratios
// matter, and those roughly.
constexpr double per_entry = 1.2e-9;
constexpr double per_unit = 2e-8;
constexpr double per_message = 2e-6;

template <class Index>
std::size_t at(Index index) noexcept {
  return static_cast<std::size_t>(index);
}

// Units whose needs are met, the earliest in the list first. Every waiting unit watches one thing
// that it needs; the second row of a pair needs nothing but what the first one does.
class Ready {
 public:
  Ready(const LocalPattern& pattern, const std::vector<Unit>& units)
      : pattern_(pattern),
        units_(units),
        known_(at(pattern.rows) + at(pattern.ghosts), 0),
        watcher_(known_.size(), none),
        next_(units.size(), none),
        cursor_(units.size(), 0),
        done_(units.size(), 0) {
    heap_.reserve(units.size());
    for (std::size_t unit = 0; unit < units.size(); ++unit) {
      visit(static_cast<std::int32_t>(unit));
    }
  }

  static constexpr std::int32_t none = -1;

  bool is_done(std::int32_t unit) const { return done_[at(unit)] != 0; }
  void finish(std::int32_t unit) {
    done_[at(unit)] = 1;
    learn(units_[at(unit)].row);
    if (units_[at(unit)].second >= 0) learn(units_[at(unit)].second);
  }
  void arrive(std::span<const std::int32_t> ghosts) {
    for (const auto ghost : ghosts) known_[at(pattern_.rows + ghost)] = 1;
    for (const auto ghost : ghosts) learn(pattern_.rows + ghost);
  }
  /// The earliest unit that can be done now, or none.
  std::int32_t take() {
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
      const auto unit = heap_.back();
      heap_.pop_back();
      if (!is_done(unit)) return unit;
    }
    return none;
  }

 private:
  std::int32_t missing(std::int32_t row, std::int32_t& place) const {
    const auto own = pattern_.columns(row);
    const auto ghosts = pattern_.ghost_columns(row);
    const auto owned = static_cast<std::int32_t>(own.size());
    for (; place < owned; ++place) {
      const auto item = static_cast<std::int32_t>(own[at(owned - 1 - place)]);
      if (item != row && known_[at(item)] == 0) return item;
    }
    for (; at(place - owned) < ghosts.size(); ++place) {
      const auto item =
          pattern_.rows + static_cast<std::int32_t>(ghosts[ghosts.size() - 1 - at(place - owned)]);
      if (known_[at(item)] == 0) return item;
    }
    return none;
  }
  void visit(std::int32_t unit) {
    const auto item = missing(units_[at(unit)].row, cursor_[at(unit)]);
    if (item == none) {
      heap_.push_back(unit);
      std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
    } else {
      next_[at(unit)] = std::exchange(watcher_[at(item)], unit);
    }
  }
  void learn(std::int32_t item) {
    known_[at(item)] = 1;
    for (auto unit = std::exchange(watcher_[at(item)], none); unit != none;) {
      const auto following = next_[at(unit)];
      visit(unit);
      unit = following;
    }
  }

  const LocalPattern& pattern_;
  const std::vector<Unit>& units_;
  std::vector<char> known_;  // [rows + ghosts]
  Integers watcher_, next_, cursor_;
  std::vector<char> done_;
  Integers heap_;
};

class Rehearsal {
 public:
  Rehearsal(const Communicator& comm, const LocalPattern& pattern, const Schedule& schedule)
      : comm_(comm),
        pattern_(pattern),
        schedule_(schedule),
        ready_(pattern, schedule.units),
        arrivals_(schedule.in.size()),
        departures_(schedule.out.size()),
        receives_(schedule.in.size(), MPI_REQUEST_NULL),
        sends_(schedule.out.size(), MPI_REQUEST_NULL) {
    units_.reserve(schedule.units.size());
    steps_.reserve(2 * schedule.steps.size());
  }

  void run() {
    for (std::size_t m = 0; m < arrivals_.size(); ++m) {
      check_mpi(MPI_Irecv(&arrivals_[m], 1, MPI_DOUBLE, schedule_.in[m].rank,
                          parallel::tags::triangular_forward, comm_.handle(), &receives_[m]),
                "MPI_Irecv");
    }
    for (const auto& step : schedule_.steps) {
      receive(step);
      const auto first = count();
      for (auto unit = step.unit_first; unit < step.unit_last; ++unit) {
        if (!ready_.is_done(unit)) work(unit);
      }
      send(step);
      steps_.push_back(
          {step.in_first, step.in_last, first, count(), step.out_first, step.out_last});
    }
    check_mpi(MPI_Waitall(static_cast<int>(sends_.size()), sends_.data(), MPI_STATUSES_IGNORE),
              "MPI_Waitall");
  }
  void give(Schedule& schedule) {
    schedule.units = std::move(units_);
    schedule.steps = std::move(steps_);
  }

 private:
  std::int32_t count() const { return static_cast<std::int32_t>(units_.size()); }

  void work(std::int32_t unit) {
    const auto& rows = schedule_.units[at(unit)];
    const auto entries =
        pattern_.columns(rows.row).size() + pattern_.ghost_columns(rows.row).size();
    clock_ += per_unit + per_entry * static_cast<double>(rows.second < 0 ? entries : 2 * entries);
    units_.push_back(rows);
    ready_.finish(unit);
  }
  void receive(const Step& step) {
    if (step.in_first == step.in_last) return;
    check_mpi(MPI_Waitall(step.in_last - step.in_first, &receives_[at(step.in_first)],
                          MPI_STATUSES_IGNORE),
              "MPI_Waitall");
    const auto arrival = per_message + *std::max_element(arrivals_.begin() + step.in_first,
                                                         arrivals_.begin() + step.in_last);
    const auto first = count();
    while (clock_ < arrival) {
      const auto unit = ready_.take();
      if (unit == Ready::none) break;
      work(unit);
    }
    if (count() > first) {
      steps_.push_back(
          {step.in_first, step.in_first, first, count(), step.out_first, step.out_first});
    }
    clock_ = std::max(clock_, arrival);
    for (auto m = step.in_first; m < step.in_last; ++m) {
      const auto& message = schedule_.in[at(m)];
      ready_.arrive(std::span(schedule_.in_items)
                        .subspan(at(message.first), at(message.last - message.first)));
    }
  }
  void send(const Step& step) {
    for (auto m = at(step.out_first); m < at(step.out_last); ++m) {
      departures_[m] = clock_;
      check_mpi(MPI_Isend(&departures_[m], 1, MPI_DOUBLE, schedule_.out[m].rank,
                          parallel::tags::triangular_forward, comm_.handle(), &sends_[m]),
                "MPI_Isend");
      ++parallel::traffic().messages;
      parallel::traffic().bytes += std::int64_t{sizeof(double)};
    }
  }

  const Communicator& comm_;
  const LocalPattern& pattern_;
  const Schedule& schedule_;
  Ready ready_;
  std::vector<double> arrivals_, departures_;  // clocks of the other side and of this one
  std::vector<MPI_Request> receives_, sends_;
  std::vector<Unit> units_;
  std::vector<Step> steps_;
  double clock_ = 0;
};

}  // namespace

void rehearse(const Communicator& comm, const LocalPattern& pattern, Schedule& schedule) {
  if (comm.size() == 1) return;
  std::unique_ptr<Rehearsal> rehearsal;
  parallel::agree(comm, [&] { rehearsal = std::make_unique<Rehearsal>(comm, pattern, schedule); });
  rehearsal->run();
  rehearsal->give(schedule);
}

}  // namespace mensura::linear
