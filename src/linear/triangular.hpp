// SPDX-License-Identifier: BSD-3-Clause
// Include in .cpp files and in headers of concern inside one folder only (PETSc types).
#pragma once

#include <petscmat.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "linear/lanes.hpp"
#include "parallel/communicator.hpp"

namespace mensura::linear {

/// What one solve costs, known from the schedule (exact on any number of ranks).
struct TriangularStatistics {
  std::int64_t stages = 0;    ///< longest chain of messages
  std::int64_t messages = 0;  ///< of one solve, all ranks
  std::int64_t bytes = 0;     ///< of those messages
};

/// Forward and backward substitution with a distributed matrix L that some symmetric permutation
/// makes lower triangular, its rows owned by ranks in any way (MATMPIAIJ or MATSEQAIJ; PETSc has no
/// such solve for MPIAIJ). Rows are scheduled by stages: what a stage needs from other ranks was
/// sent in the stages before; rows that no other rank waits for fill the time spent waiting and
/// the end (forward) or the start (backward). The schedule is static, so that results on one number
/// of ranks are bitwise repeatable. Keeps a reference to the matrix and reads its current values;
/// the communicator outlives the solver.
class TriangularSolver {
 public:
  /// Collective. `elimination`: all local rows (from 0), each after the local rows that it needs.
  /// Throws Error{internal} on all ranks when a diagonal entry is missing or the dependencies form
  /// a circle. `poll`, if not empty, is called collectively after every 64 rounds of messages that
  /// the schedule takes.
  TriangularSolver(const parallel::Communicator& comm, Mat lower,
                   std::span<const std::int32_t> elimination,
                   const std::function<void()>& poll = {});
  ~TriangularSolver();
  TriangularSolver(TriangularSolver&&) noexcept;
  TriangularSolver& operator=(TriangularSolver&&) noexcept;

  void solve(Vec b, Vec x) const;             ///< Collective. L x = b; b and x may be the same.
  void solve_transposed(Vec b, Vec x) const;  ///< Collective. L' x = b; b and x may be the same.

  /// Collective. The same for eight right-hand sides at once, in place: the matrix is read and
  /// messages are sent once. One entry for every local row.
  void solve(std::span<Eight> rows) const;
  void solve_transposed(std::span<Eight> rows) const;

  TriangularStatistics forward_statistics() const;   ///< Collective.
  TriangularStatistics backward_statistics() const;  ///< Collective.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mensura::linear
