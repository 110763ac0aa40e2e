// SPDX-License-Identifier: BSD-3-Clause
#include "gp/maximin_rounds.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include "gp/ordering.hpp"
#include "parallel/exchange.hpp"

namespace mensura::gp {

namespace {

/// Packets for every rank, as the dense exchange wants them: one after another.
template <class T>
struct Outbox {
  explicit Outbox(int size) : counts(static_cast<std::size_t>(size)) {}
  void add(int rank, const T& item) {
    ++counts[static_cast<std::size_t>(rank)];
    items.push_back(item);
    ranks.push_back(rank);
  }
  /// The place in rank order of every item, in the order of add().
  std::vector<std::size_t> places() const {
    std::vector<std::size_t> next(counts.size(), 0);
    for (std::size_t r = 1; r < counts.size(); ++r) {
      next[r] = next[r - 1] + static_cast<std::size_t>(counts[r - 1]);
    }
    std::vector<std::size_t> result(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) {
      result[i] = next[static_cast<std::size_t>(ranks[i])]++;
    }
    return result;
  }
  std::vector<T> sorted(const std::vector<std::size_t>& order) const {
    std::vector<T> result(items.size());
    for (std::size_t i = 0; i < items.size(); ++i) result[order[i]] = items[i];
    return result;
  }

  std::vector<T> items;
  std::vector<int> ranks;
  std::vector<std::int64_t> counts;
};

}  // namespace

MaximinRounds::MaximinRounds(const parallel::Communicator& comm, BlockPoints points, int k)
    : comm_(comm), dimension_(static_cast<std::size_t>(points.dimension)) {
  parallel::agree(comm, [&] { tree_ = MaximinTree::make(std::move(points), k); });
  const Box own{tree_->lower(), tree_->upper()};
  boxes_ = comm.all_gather(std::span<const Box>(&own, 1));
  for (int rank = 0; rank < comm.size() && tree_->size() > 0; ++rank) {
    const Box& other = boxes_[static_cast<std::size_t>(rank)];
    if (rank == comm.rank() || other.lower[0] > other.upper[0]) continue;
    double sum = 0;
    for (std::size_t j = 0; j < dimension_; ++j) {
      const double gap =
          std::max(std::max(other.lower[j] - own.upper[j], own.lower[j] - other.upper[j]), 0.0);
      sum += gap * gap;
    }
    reach_.push_back({sum, rank});
  }
  std::ranges::sort(reach_, {}, &Reach::distance2);
}

void MaximinRounds::run(const std::function<void()>& poll) {
  for (;; ++rounds_) {
    const Rival own = tree_->best();
    const auto best = comm_.all_gather(std::span<const Rival>(&own, 1));
    if (std::ranges::none_of(best, [](const Rival& r) { return r.priority.key >= 0; })) return;
    advance(best);
    if (poll) poll();
  }
}

void MaximinRounds::advance(const std::vector<Rival>& best) {
  tree_->find_winners(winners_);
  std::vector<Rival> rivals;
  std::size_t kept = 0;
  for (const std::uint32_t point : winners_) {
    const Rival rival{tree_->priority(point), tree_->position(point)};
    if (beaten_by_best(rival, best)) continue;
    winners_[kept++] = point;
    rivals.push_back(rival);
  }
  winners_.resize(kept);
  const auto beaten = beaten_elsewhere(rivals, best);
  std::vector<Chosen> chosen;
  for (std::size_t i = 0; i < rivals.size(); ++i) {
    if (beaten[i] != 0) continue;
    tree_->choose(winners_[i]);
    chosen.push_back({rivals[i].priority.key, rivals[i].position});
  }
  const auto heard = tell(chosen);
  for (const Chosen& c : chosen) tree_->lower_keys(c.position, c.key);
  for (const Chosen& c : heard) tree_->lower_keys(c.position, c.key);
  tree_->refresh();
}

// The squared distance to the box is, in floating point too, no larger than to any point in it.
bool MaximinRounds::near(const Box& box, const Rival& rival) const noexcept {
  double sum = 0;
  for (std::size_t j = 0; j < dimension_; ++j) {
    const double x = rival.position[j];
    const double gap = std::max(std::max(box.lower[j] - x, x - box.upper[j]), 0.0);
    sum += gap * gap;
  }
  return sum < rival.priority.key;
}

// Spares most questions while the balls are larger than the ranks' boxes.
bool MaximinRounds::beaten_by_best(const Rival& rival,
                                   const std::vector<Rival>& best) const noexcept {
  for (const auto [distance2, rank] : reach_) {
    if (distance2 >= rival.priority.key) return false;
    const Rival& other = best[static_cast<std::size_t>(rank)];
    if (better(other.priority, rival.priority) &&
        order_distance2(other.position.data(), rival.position.data(),
                        static_cast<int>(dimension_)) < rival.priority.key) {
      return true;
    }
  }
  return false;
}

// Collective. Asks the ranks that may hold a better point in the ball of a rival.
std::vector<std::uint8_t> MaximinRounds::beaten_elsewhere(const std::vector<Rival>& rivals,
                                                          const std::vector<Rival>& best) {
  std::vector<std::uint8_t> beaten(rivals.size(), 0);
  if (comm_.size() == 1) return beaten;
  Outbox<Rival> out(comm_.size());
  std::vector<std::size_t> asked_for;
  for (std::size_t i = 0; i < rivals.size(); ++i) {
    for (const auto [distance2, rank] : reach_) {
      if (distance2 >= rivals[i].priority.key) break;
      const auto r = static_cast<std::size_t>(rank);
      if (!better(best[r].priority, rivals[i].priority) || !near(boxes_[r], rivals[i])) continue;
      out.add(rank, rivals[i]);
      asked_for.push_back(i);
    }
  }
  questions_ += static_cast<std::int64_t>(asked_for.size());
  const auto places = out.places();
  const auto questions = parallel::exchange<Rival>(comm_, out.sorted(places), out.counts);
  std::vector<std::uint8_t> verdicts(questions.data.size());
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    verdicts[i] = tree_->beats(questions.data[i]) ? 1 : 0;
  }
  std::vector<std::uint8_t> answers(asked_for.size());
  parallel::exchange_bytes_into(comm_, reinterpret_cast<const std::byte*>(verdicts.data()),
                                questions.counts, reinterpret_cast<std::byte*>(answers.data()),
                                out.counts);
  for (std::size_t i = 0; i < asked_for.size(); ++i) beaten[asked_for[i]] |= answers[places[i]];
  return beaten;
}

// Collective. Tells every chosen point to the ranks in its ball; returns what this rank was told.
std::vector<MaximinRounds::Chosen> MaximinRounds::tell(const std::vector<Chosen>& chosen) const {
  if (comm_.size() == 1) return {};
  Outbox<Chosen> out(comm_.size());
  for (const Chosen& c : chosen) {
    const Rival rival{{c.key, 0, 0}, c.position};
    for (const auto [distance2, rank] : reach_) {
      if (distance2 >= c.key) break;
      if (near(boxes_[static_cast<std::size_t>(rank)], rival)) out.add(rank, c);
    }
  }
  return parallel::exchange<Chosen>(comm_, out.sorted(out.places()), out.counts).data;
}

}  // namespace mensura::gp
