// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside this folder only (PETSc types).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "transport/cost.hpp"
#include "transport/ghosts.hpp"
#include "transport/search.hpp"
#include "transport/sparse_plan.hpp"

namespace mensura::transport {

/// Most points of a side that the exact solution takes.
constexpr std::int64_t most_exact_points = 100000;
/// Local. Throws Error{too_large} for more points than that.
void check_exact_size(std::int64_t x, std::int64_t y);

/// An optimal plan without regularisation: a forest of at most points of x + points of y - 1
/// entries, in rows of this rank's points of x. Members are collective.
struct ExactPlan {
  bool optimal = false;      ///< false: the rounds ran out
  std::int64_t rounds = 0;   ///< linear programs
  std::int64_t arcs = 0;     ///< pairs that took part
  std::int64_t entries = 0;  ///< of the plan, over all ranks
  double seconds = 0;
  Pairs pairs;
  std::vector<double> values;
  Ghosts ghosts;
  std::vector<double> row_sums, column_sums;  ///< own points of x, of y
  Potentials at;                              ///< exact c-transforms of each other: feasible
  double primal = 0;    ///< cost of the plan rounded to the marginals, as in certificate.hpp
  double dual = 0;      ///< value of the potentials
  double linear = 0;    ///< cost of the plan as it is
  double error_l1 = 0;  ///< larger of the two marginals' L1 errors: rounding
  void multiply(std::span<const double> v, std::span<double> result) const;  ///< P v (own y -> x)
  void multiply_transposed(std::span<const double> u, std::span<double> result) const;
};

struct PricingOptions {
  double cut = 1;                   ///< a pair takes part where c - f - g is at most that: 20 eps
  std::int64_t most_per_row = 200;  ///< pairs of a search, on average; the cut is lowered to that
  std::int64_t per_row = 16;        ///< best pairs of a row and of a column where ties are too many
  std::int64_t small_search = std::int64_t{1} << 20U;  ///< so many are always allowed on a rank
  std::int64_t most_rounds = 200;
};

/// The unregularised optimum, exactly, from potentials that are nearly optimal (reference/transport
/// 2.7). Every round solves the transport problem on all pairs within `cut` of the potentials, with
/// a detour whose price keeps the new potentials within `reach` of the old ones on either side.
/// While 2 reach <= cut no pair outside can be violated, and without flow on the detour the plan is
/// the optimum; with flow on it the next round starts from the new potentials with a longer reach,
/// and pairs that they violate (an exact search) join. Where ties make too many pairs equally good,
/// as for l1 costs, the best few of every row and column join, and it takes more rounds. The linear
/// program lives on rank 0, the one exception from "no O(N) on one rank": 24 bytes for a pair and
/// about 50 in the simplex method. Masses become whole numbers there, 2^-62 of the total or, equal
/// masses, exactly; the plan's values are worked out again from the true masses along its forest,
/// so that marginals are met to the rounding of doubles. References outlive the object; members are
/// collective but for finished() and line().
class Pricing {
 public:
  /// Throws Error{too_large} on all ranks for more than most_exact_points points.
  Pricing(const parallel::Communicator& comm, const Cloud& x, const Cloud& y, const Cost& cost,
          Potentials start, const PricingOptions& options);
  ~Pricing();

  bool finished() const noexcept { return finished_; }
  /// A search, or about a second of waiting for rank 0, with a poll every tenth of a second. The
  /// other ranks sleep meanwhile. A search is one step without poll: some seconds for 1e5 points.
  void advance(const std::function<void()>& poll);
  const ExactPlan& result() const noexcept { return result_; }
  std::string line() const;

 private:
  struct Root;
  bool search(double cut);
  void search_some(double cut);
  void gather(const Pairs& pairs, const Cloud& rows, bool turned, double cut);
  void widen();
  void start_program();
  bool wait(const std::function<void()>& poll) const;
  void end_program(const std::function<void()>& poll);
  void distribute_potentials();
  void finish(const std::function<void()>& poll);
  void distribute_plan();
  void certify(const std::function<void()>& poll);

  const parallel::Communicator& comm_;
  const Cloud& x_;
  const Cloud& y_;
  const Cost& cost_;
  PricingOptions options_;
  Potentials at_;
  double cut_, reach_;
  double complete_ = 0;  // all pairs within that of at_ take part
  bool started_ = false, running_ = false, finished_ = false;
  std::int64_t added_ = 0;      // pairs, by the last search
  std::unique_ptr<Root> root_;  // on rank 0
  ExactPlan result_;
};

}  // namespace mensura::transport
