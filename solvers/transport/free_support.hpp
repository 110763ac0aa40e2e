// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "parallel/communicator.hpp"

namespace mensura::transport {

struct FreeSupportOptions {
  std::vector<double> weights;  ///< one per measure, > 0; normalised to sum one
  int dimension = 1;
  double tolerance = 1e-6;  ///< of the largest move of a point in one step, in units of length
  std::int64_t max_steps = 200;
  double value_error = 1e-8;  ///< of the values that are handed in, relative to their size
};

/// What a solver of the transport from the points z to one measure gives back.
struct EdgeMap {
  std::vector<double> map;  ///< own points x dimension: sum_x P(z, x) x / m(z)
  double value = 0;         ///< W(z, mu_k), equal on all ranks: of the problem that P solves
};

/// Collective. The plan from the points at `positions` (own x dimension) to measure k, for the
/// squared Euclidean cost and whatever regularisation, solved as exactly as `value_error` says.
using SolveEdge = std::function<EdgeMap(std::size_t edge, std::span<const double> positions)>;

struct FreeSupportReport {
  std::int64_t steps = 0;          ///< all edges solved, then all points moved
  double move = 0;                 ///< largest one of the last step
  std::vector<double> objectives;  ///< sum_k w_k W(z, mu_k) at the positions before every step
  std::int64_t rises = 0;          ///< steps after which the objective was larger than before
  double largest_rise = 0;
  bool converged = false;
};

/// Barycenter with points of given mass whose positions are free (Cuturi and Doucet 2014, algorithm
/// 2; reference/transport 3.3): plans P_k from z to every measure, then every point moves to the
/// mean sum_k w_k T_k(z) of its barycentric maps. That minimises the objective for the plans as
/// they are, so that it falls by sum_z m(z) |move|^2 at least; a rise by more than `value_error`
/// can only come from plans that were not solved, and is counted. The problem is not convex: the
/// result depends on the start. Entropic plans pull the points together: of normal laws the
/// variance is eps / 2 too small, and a regularisation of twice the variance lets all points
/// collapse into one.
/// The points keep their order and distribution. Members are collective but for the queries.
class FreeSupport {
 public:
  /// `positions`: start, own points x dimension.
  FreeSupport(const parallel::Communicator& comm, std::vector<double> positions,
              const FreeSupportOptions& options);

  bool finished() const noexcept { return finished_; }
  /// Solves one edge; after the last one the points move. Throws Error{numerical} on all ranks for
  /// maps or values that are not finite, and what `solve` throws.
  void advance(const SolveEdge& solve);
  const FreeSupportReport& report() const noexcept { return report_; }
  /// Own x dimension. Once converged those that the last plans were solved for.
  const std::vector<double>& positions() const noexcept { return state_.positions; }
  std::size_t edge() const noexcept { return state_.edge; }  ///< the next one to be solved

  /// All that a restart needs, besides the report.
  struct State {
    std::vector<double> positions, mean;  ///< own x dimension; of the maps so far
    double objective = 0;                 ///< of the edges so far
    std::size_t edge = 0;
  };
  const State& state() const noexcept { return state_; }
  void resume(State state, FreeSupportReport report);

 private:
  void step();

  const parallel::Communicator& comm_;
  FreeSupportOptions options_;
  State state_;
  FreeSupportReport report_;
  bool finished_ = false;
};

}  // namespace mensura::transport
