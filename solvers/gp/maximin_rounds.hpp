// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "gp/maximin_tree.hpp"
#include "parallel/communicator.hpp"

namespace mensura::gp {

/// The k-maximin order of one block of points, in parallel rounds (reference: gp_pde 4.2). In one
/// round every rank finds the unchosen points that are better than all others of this rank in the
/// open ball of their own key, asks the ranks whose box meets the ball whether they know a better
/// one, and chooses those that nobody beats: exactly the points that beat all unchosen points in
/// their ball, so the rounds are the same on any number of ranks. Why that is the sequential order:
/// only a point inside the ball can lower the key when it is chosen, all of those have a lower
/// priority now, and keys never grow, so the sequential search cannot choose one of them first. A
/// rank whose box is no nearer than the key, or whose best point is no better, is not asked.
class MaximinRounds {
 public:
  /// Collective. Memory O(points) + O(ranks).
  MaximinRounds(const parallel::Communicator& comm, BlockPoints points, int k);

  /// Collective. Chooses all points. `poll` is called collectively every round.
  void run(const std::function<void()>& poll);

  const MaximinTree& tree() const noexcept { return *tree_; }
  std::int64_t rounds() const noexcept { return rounds_; }        ///< the same on every rank
  std::int64_t questions() const noexcept { return questions_; }  ///< asked by this rank

 private:
  struct Reach {
    double distance2;  // between the tight boxes of the two ranks
    int rank;
  };
  struct Box {
    Position lower, upper;
  };
  struct Chosen {
    double key;
    Position position;
  };

  bool near(const Box& box, const Rival& rival) const noexcept;
  bool beaten_by_best(const Rival& rival, const std::vector<Rival>& best) const noexcept;
  std::vector<std::uint8_t> beaten_elsewhere(const std::vector<Rival>& rivals,
                                             const std::vector<Rival>& best);
  std::vector<Chosen> tell(const std::vector<Chosen>& chosen) const;
  void advance(const std::vector<Rival>& best);

  const parallel::Communicator& comm_;
  std::unique_ptr<MaximinTree> tree_;
  std::size_t dimension_;
  std::vector<Box> boxes_;    // of every rank
  std::vector<Reach> reach_;  // the other ranks that hold points, nearest first
  std::vector<std::uint32_t> winners_;
  std::int64_t rounds_ = 0, questions_ = 0;
};

}  // namespace mensura::gp
